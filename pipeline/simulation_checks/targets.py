"""Which published figures the simulator reproduces: `make targets`, docs/simulation-targets.md.

The ranges are those of docs/evidence.md ("Targets of the simulator"). A simulator that misses them would let
a wrong analysis pass; hitting them does not make its patients real.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.definitions import DETECTED, EVALUABLE, clear_of_tumour, sample_states, target_sums
from models.measures.evaluate import auc
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import stage_paths, write_text
from pipeline.sources.simulation.settings import Settings, changed, read_settings
from pipeline.sources.simulator import Simulated, simulate

PATIENTS = 50_000
FAILURES = ("death", "progression", "inoperable")
RESPONSES = ("CR", "PR", "SD", "PD")
NUMBERS = ("tumour_size_mm", "age_years", "er_pct", "ki67_pct", "her2_cep17", "her2_copies", "grade")
LEVELS = ("arm", "hr", "her2_ihc", "cn", "ct", "intrinsic_subtype")


@dataclass(frozen=True)
class Target:
    """A figure, the range it must lie in, and what was found in the simulated patients."""

    name: str
    low: float
    high: float
    found: float

    @property
    def holds(self) -> bool:
        """Whether the figure lies in its range."""
        return self.low <= self.found <= self.high


def with_presurgery(settings: Settings) -> Settings:
    """Return the simulator's settings with a plasma sample before surgery, which one target is about."""
    return changed(settings, ctdna=changed(settings.ctdna, visits=["c1", "presurgery"]))


def by_patient(simulated: Simulated) -> pd.DataFrame:
    """Return arm, pathology and outcome `y` (NaN where not evaluable); index usubjid."""
    tables = simulated.tables
    frame = tables["subjects"].merge(tables["pathology"], on="usubjid").set_index("usubjid")
    surgery = tables["surgery"].set_index("usubjid").loc[frame.index]
    clear = clear_of_tumour(surgery, "ypT0/is_ypN0").where(surgery["performed"] == "Y")
    left = tables["disposition"].set_index("usubjid")["reason"].reindex(frame.index)
    frame["y"] = clear.mask(left.isin(FAILURES), 0.0)
    return frame


def ctdna_calls(simulated: Simulated) -> pd.DataFrame:
    """Return detected or not_detected by patient and visit, missing where the sample is not evaluable."""
    samples = simulated.tables["ctdna_samples"]
    state = sample_states(samples)
    called = samples.assign(call=np.where(state.isin(DETECTED), "detected", "not_detected"))
    called = called.loc[state.isin(EVALUABLE)]
    return called.pivot_table(index="usubjid", columns="visit", values="call", aggfunc="first")


def responses(simulated: Simulated, visit: str) -> pd.Series:
    """Return the investigator's overall response at a visit; index usubjid."""
    table = simulated.tables["response"]
    rows = table.loc[(table["visit"] == visit) & (table["reader"] == "INVESTIGATOR")]
    return rows.set_index("usubjid")["overall"]


def targets(simulated: Simulated) -> list[Target]:
    """Return every target with what was found in the simulated patients.

    Parameters
    ----------
    simulated : Simulated
        Many patients (20,000 or more), simulated with a sample before surgery (`with_presurgery`).
    """
    patients = by_patient(simulated)
    return [
        *_rates(patients),
        *_plasma(simulated, patients["y"]),
        *_discrimination(simulated, patients),
    ]


def _rates(patients: pd.DataFrame) -> list[Target]:
    y = patients["y"]
    of_arm, of_hr = y.groupby(patients["arm"]).mean(), y.groupby(patients["hr"]).mean()
    positive = patients.loc[patients["her2"] == "pos"]
    of_ihc = positive["y"].groupby(positive["her2_ihc"]).mean()
    return [
        Target("pCR, control arm", 0.58, 0.66, of_arm["CONTROL_TCBHP"]),
        Target("pCR, adaptive arm", 0.60, 0.70, of_arm["ADAPTIVE"]),
        Target("pCR, HR negative minus HR positive", 0.15, 0.25, of_hr["neg"] - of_hr["pos"]),
        Target("odds ratio of pCR, HR negative", 2.5, 3.1, _odds_ratio(of_hr["neg"], of_hr["pos"])),
        Target("odds ratio of pCR, IHC 3+ against 2+", 2.2, 2.8, _odds_ratio(of_ihc["3+"], of_ihc["2+"])),
    ]


def _odds_ratio(a: float, b: float) -> float:
    return float(a / (1 - a) / (b / (1 - b)))


def _plasma(simulated: Simulated, y: pd.Series) -> list[Target]:
    called = ctdna_calls(simulated)
    detected = (called == "detected").where(called.notna()).astype(float).mean()
    started = called["baseline"] == "detected"
    persistent, cleared = (
        y.reindex(called.index[started & (called["c1"] == result)]).mean()
        for result in ("detected", "not_detected")
    )
    response = responses(simulated, "c2")
    evaluable = response[response.isin(RESPONSES)]
    return [
        Target("ctDNA detected at baseline", 0.41, 0.73, detected["baseline"]),
        Target("ctDNA detected after C1", 0.15, 0.35, detected["c1"]),
        Target("ctDNA detected before surgery", 0.05, 0.14, detected["presurgery"]),
        Target("pCR, ctDNA persistent over cleared", 0.4, 0.6, persistent / cleared),
        Target("PR or CR after C2, of those evaluable", 0.55, 0.75, evaluable.isin(["CR", "PR"]).mean()),
    ]


def _discrimination(simulated: Simulated, patients: pd.DataFrame) -> list[Target]:
    baseline, after = quick_features(simulated, patients)
    y = patients["y"].dropna()
    at = [baseline, *after.values()]
    ranges = {
        "AUC, baseline": (0.66, 0.72), "AUC, with ctDNA after C1": (0.70, 0.76),
        "AUC, with imaging after C2": (0.72, 0.80), "AUC, with imaging after C4": (0.72, 0.85),
    }  # fmt: skip
    return [
        Target(name, low, high, held_out_auc(pd.concat(at[: count + 1], axis=1).loc[y.index], y))
        for count, (name, (low, high)) in enumerate(ranges.items())
    ]


def quick_features(
    simulated: Simulated, patients: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return a few features by the time they are known: enough to see how much the data can tell."""
    called = ctdna_calls(simulated).reindex(patients.index)
    baseline = patients[list(NUMBERS)].astype(float)
    baseline = ((baseline - baseline.mean()) / baseline.std()).fillna(0.0)
    levels = [pd.get_dummies(patients[column], prefix=column, dtype=float) for column in LEVELS]
    after = {"c1": pd.get_dummies(called[["baseline", "c1"]], dtype=float)}
    lesions = simulated.tables["lesions"]
    by_visit = target_sums(lesions.loc[lesions["reader"] == "INVESTIGATOR"], ["visit", "usubjid"])
    sums = by_visit["sum_mm"].where(by_visit["measured"] > 0)
    for visit in ("c2", "c4"):
        of_visit = pd.get_dummies(
            responses(simulated, visit).reindex(patients.index), prefix=visit, dtype=float
        )
        change = (sums.loc[visit] / sums.loc["baseline"] - 1).reindex(patients.index).fillna(0.0)
        after[visit] = of_visit.assign(**{f"{visit}_change": change})
    return pd.concat([baseline, *levels], axis=1), after


def held_out_auc(x: pd.DataFrame, y: pd.Series) -> float:
    """Return the AUC in every second patient of a logistic model learned from the others."""
    train = np.arange(len(x)) % 2 == 0
    model = LogisticRegression(C=0.1, max_iter=1000).fit(x[train].to_numpy(), y[train])
    return auc(y[~train], model.predict_proba(x[~train].to_numpy())[:, 1])


def targets_page(found: list[Target], patients: int) -> str:
    """Return the page with every target, in Markdown."""
    lines = [
        "# Which published figures the simulator reproduces",
        "",
        "SIMULATED DATA - no patients. Written by `make targets`; sources: [evidence](evidence.md).",
        "",
        f"{patients:,} simulated patients; {sum(t.holds for t in found)} of {len(found)} targets hold.",
        "",
        "| figure | range | found | holds |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {t.name} | {t.low:g} to {t.high:g} | {t.found:.3f} | {'yes' if t.holds else 'NO'} |"
        for t in found
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Simulate, compare, write the page."""
    args = stage_paths(__doc__ or "", "simulation", "page")
    with reported_errors():
        stderr().print(f"simulating {PATIENTS:,} patients")
        found = targets(simulate(with_presurgery(read_settings(args.simulation)), PATIENTS))
    write_text(args.page, targets_page(found, PATIENTS))


if __name__ == "__main__":
    main()
