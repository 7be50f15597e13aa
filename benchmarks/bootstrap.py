"""How long 2,000 bootstrap samples of all measures take, beside a loop over scikit-learn: `make bench`.

2,000 patients with simulated predictions; AUC, Brier score, calibration slope, O:E, and net benefit at 20
thresholds. scikit-learn has no O:E and no net benefit: they are written as a user would, with numpy. The loop
is timed on a part of the samples and scaled up.
"""

from time import perf_counter

import numpy as np
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.measures.evaluate import evaluate
from pipeline.console import stdout

PATIENTS, SAMPLES, LOOPED = 2_000, 2_000, 100
THRESHOLDS = [round(0.4 + 0.025 * i, 3) for i in range(20)]
MEASURES = ["auc_bootstrap", "brier", "calibration_slope", "o_e", *(f"net_benefit@{t:g}" for t in THRESHOLDS)]


def simulated() -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes and predictions, each of shape (patients,)."""
    rng = np.random.default_rng(7)
    p = 1 / (1 + np.exp(-rng.normal(0.6, 0.9, PATIENTS)))
    return (rng.random(PATIENTS) < p).astype(float), p


def looped(y: np.ndarray, p: np.ndarray, samples: int) -> np.ndarray:
    """Return the measures of every sample, one after the other, with scikit-learn's functions."""
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(samples):
        drawn = rng.integers(0, len(y), len(y))
        yb, pb = y[drawn], p[drawn]
        lp = np.log(pb / (1 - pb))[:, None]
        slope = LogisticRegression(C=np.inf, tol=1e-8).fit(lp, yb).coef_[0, 0]
        benefit = [np.mean((pb >= t) * yb) - np.mean((pb >= t) * (1 - yb)) * t / (1 - t) for t in THRESHOLDS]
        rows.append([roc_auc_score(yb, pb), brier_score_loss(yb, pb), slope, yb.sum() / pb.sum(), *benefit])
    return np.array(rows)


def main() -> None:
    """Time both, compare the intervals, and print the figures."""
    y, p = simulated()
    evaluate(y, p, MEASURES, bootstrap=10, rng=np.random.default_rng(1))
    began = perf_counter()
    found = evaluate(y, p, MEASURES, bootstrap=SAMPLES, rng=np.random.default_rng(1))
    ours = perf_counter() - began
    began = perf_counter()
    rows = looped(y, p, LOOPED)
    theirs = (perf_counter() - began) * SAMPLES / LOOPED
    spread = rows.std(axis=0, ddof=1) * 2 * 1.96
    widths = np.array([found[name].high - found[name].low for name in MEASURES])  # type: ignore[operator]
    table = Table(
        "",
        "goal",
        "measured",
        title=f"{SAMPLES:,} bootstrap samples of {len(MEASURES)} measures, {PATIENTS:,} patients",
    )
    table.add_row("this package, wall time (s)", "5", f"{ours:.2f}")
    table.add_row(f"loop over scikit-learn's functions (s), from {LOOPED} samples", "-", f"{theirs:.1f}")
    table.add_row("ratio", "20", f"{theirs / ours:.1f}")
    table.add_row(
        "width of the intervals, ours over the loop's, mean", "1", f"{np.mean(widths / spread):.2f}"
    )
    stdout().print(table)


if __name__ == "__main__":
    main()
