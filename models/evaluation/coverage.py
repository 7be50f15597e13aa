"""How often intervals cover the truth, over many trials of which the truth is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UserError
from models.measures.evaluate import evaluate

Trial = dict[str, Any]
"""What a trial leaves: by measure [value, low, high], and what else its truth needs."""


def trial_rows(rows: pd.DataFrame, number: int, patients: int, seed: int) -> pd.DataFrame:
    """Return trial `number` of the trials of `patients` that `rows` are dealt out into at random.

    Patients are independent given the centres, so parts of one large simulation are trials of their own.

    Raises
    ------
    UserError
        If there are too few patients.
    """
    last = (number + 1) * patients
    if len(rows) < last:
        raise UserError(f"{number + 1} trials of {patients} need {last} patients; got {len(rows)}")
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.iloc[np.sort(order[last - patients : last])]


def stored_model_trial(
    rows: pd.DataFrame, measures: Sequence[str], *, bootstrap: int, level: float, seed: int
) -> Trial:
    """Return the intervals of a stored model's measures in new patients: columns outcome and p."""
    y, p = rows["outcome"].to_numpy(dtype=float), rows["p"].to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    measured = evaluate(y, p, measures, bootstrap=bootstrap, rng=rng, level=level)
    return {name: [m.value, m.low, m.high] for name, m in measured.items()}


def covered(trials: Sequence[Trial], name: str, truth: Sequence[float]) -> dict[str, float]:
    """Return how often the interval of a measure covers the truth, with Monte Carlo error, and the bias."""
    values = np.array([trial[name] for trial in trials], dtype=float)
    target = np.asarray(truth, dtype=float)
    inside = (values[:, 1] <= target) & (target <= values[:, 2])
    share = float(inside.mean())
    return {
        "coverage": share,
        "monte_carlo_error": float(np.sqrt(share * (1 - share) / len(trials))),
        "trials": len(trials),
        "truth": float(target.mean()),
        "mean_estimate": float(values[:, 0].mean()),
        "mean_width": float((values[:, 2] - values[:, 1]).mean()),
    }
