"""Which published figures the simulator reproduces: `make targets`, docs/simulation-targets.md.

The ranges are in configs/simulation_targets.csv, with their sources in docs/evidence.md. A simulator that
misses them would let a wrong analysis pass; hitting them does not make its patients real.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.definitions import DETECTED, EVALUABLE, clear_of_tumour, sample_states, target_sums
from features.keys import refuse_unknown_keys
from models.measures.evaluate import auc
from pipeline.console import reported_errors, stderr
from pipeline.project import paths
from pipeline.project.files import stage_paths, write_text
from pipeline.simulation_checks.joint_figures import (
    case_mix_figures,
    end_figures,
    imaging_figures,
    odds_ratio,
    response_figures,
    time_and_centre_figures,
    toxicity_figures,
    variety_figures,
)
from pipeline.simulation_checks.record_figures import record_figures
from pipeline.sources.simulation.settings import Settings, changed, read_rows, read_settings
from pipeline.sources.simulation.table_rows import Name, Source, TableRow, by_name
from pipeline.sources.simulator import Simulated, simulate

PATIENTS = 50_000
FAILURES = ("death", "progression", "inoperable")
RESPONSES = ("CR", "PR", "SD", "PD")
NUMBERS = ("tumour_size_mm", "age_years", "er_pct", "ki67_pct", "her2_cep17", "her2_copies", "grade")
LEVELS = ("arm", "hr", "her2_ihc", "cn", "ct", "intrinsic_subtype")


class TargetRange(TableRow):
    """The range that a figure must lie in."""

    figure: Name
    low: float
    high: float
    source: Source


@dataclass(frozen=True)
class Target:
    """A figure, the range it must lie in with its source, and its value in the simulated patients."""

    range: TargetRange
    value: float

    @property
    def holds(self) -> bool:
        """Whether the figure lies in its range."""
        return self.range.low <= self.value <= self.range.high


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


def targets(simulated: Simulated, ranges: Sequence[TargetRange]) -> list[Target]:
    """Return the targets with their values in the simulated patients, in the order of the ranges.

    Parameters
    ----------
    simulated : Simulated
        Many patients (20,000 or more), simulated with a sample before surgery (`with_presurgery`).
    ranges : sequence of TargetRange
        The rows of configs/simulation_targets.csv.

    Raises
    ------
    UserError
        If a range is of a figure that is not computed, or a figure has no range.
    """
    values = figures(simulated)
    by_figure = by_name(ranges, "figure")
    refuse_unknown_keys(by_figure, list(values), "targets of the simulator", list(values))
    return [Target(entry, values[name]) for name, entry in by_figure.items()]


def figures(simulated: Simulated) -> dict[str, float]:
    """Return every figure that has been published, as it is in the simulated patients."""
    patients = by_patient(simulated)
    baseline, _ = quick_features(simulated, patients)
    called = ctdna_calls(simulated)["baseline"]
    detected = (called == "detected").astype(float).where(called.notna())
    mutated = simulated.truth.set_index("usubjid")["pam_mutated"]
    return (
        _rates(patients)
        | _plasma(simulated, patients["y"])
        | _discrimination(simulated, patients)
        | case_mix_figures(patients)
        | response_figures(patients, mutated, detected)
        | imaging_figures(patients, responses(simulated, "c2"))
        | toxicity_figures(simulated)
        | end_figures(simulated, patients["y"])
        | variety_figures(simulated)
        | time_and_centre_figures(patients, baseline, detected)
        | record_figures(simulated, patients)
    )


def _rates(patients: pd.DataFrame) -> dict[str, float]:
    y = patients["y"]
    of_arm, of_hr = y.groupby(patients["arm"]).mean(), y.groupby(patients["hr"]).mean()
    positive = patients.loc[patients["her2"] == "pos"]
    of_ihc = positive["y"].groupby(positive["her2_ihc"]).mean()
    return {
        "pCR, control arm": float(of_arm["CONTROL_TCBHP"]),
        "pCR, adaptive arm": float(of_arm["ADAPTIVE"]),
        "pCR, HR negative minus HR positive": float(of_hr["neg"] - of_hr["pos"]),
        "odds ratio of pCR, HR negative": odds_ratio(of_hr["neg"], of_hr["pos"]),
        "odds ratio of pCR, IHC 3+ against 2+": odds_ratio(of_ihc["3+"], of_ihc["2+"]),
    }


def _plasma(simulated: Simulated, y: pd.Series) -> dict[str, float]:
    called = ctdna_calls(simulated)
    detected = (called == "detected").where(called.notna()).astype(float).mean()
    started = called["baseline"] == "detected"
    persistent, cleared = (
        y.reindex(called.index[started & (called["c1"] == result)]).mean()
        for result in ("detected", "not_detected")
    )
    response = responses(simulated, "c2")
    evaluable = response[response.isin(RESPONSES)]
    return {
        "ctDNA detected at baseline": float(detected["baseline"]),
        "ctDNA detected after C1": float(detected["c1"]),
        "ctDNA detected before surgery": float(detected["presurgery"]),
        "pCR, ctDNA persistent over cleared": float(persistent / cleared),
        "PR or CR after C2, of those evaluable": float(evaluable.isin(["CR", "PR"]).mean()),
    }


def _discrimination(simulated: Simulated, patients: pd.DataFrame) -> dict[str, float]:
    baseline, after = quick_features(simulated, patients)
    y = patients["y"].dropna()
    at = [baseline, *after.values()]
    names = ("baseline", "with ctDNA after C1", "with imaging after C2", "with imaging after C4")
    return {
        f"AUC, {name}": held_out_auc(pd.concat(at[: count + 1], axis=1).loc[y.index], y)
        for count, name in enumerate(names)
    }


def quick_features(
    simulated: Simulated, patients: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return a few features by the time they are known: enough to see how much the data can tell."""
    called = ctdna_calls(simulated).reindex(patients.index)
    baseline = patients[list(NUMBERS)].astype(float)
    baseline = ((baseline - baseline.mean()) / baseline.std()).fillna(0.0)
    levels = [pd.get_dummies(patients[column], prefix=column, dtype=float) for column in LEVELS]
    after = {"c1": pd.get_dummies(called[["baseline", "c1"]], dtype=float)}
    lesions = simulated.tables["lesions"].assign(split_from=None, merged_into=None)  # none does
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


def targets_page(compared: Sequence[Target], patients: int) -> str:
    """Return the page with every target, in Markdown."""
    lines = [
        "# Which published figures the simulator reproduces",
        "",
        "SIMULATED DATA - no patients. Written by `make targets`; sources: [evidence](evidence.md).",
        "",
        f"{patients:,} simulated patients; {sum(t.holds for t in compared)} of {len(compared)} targets hold.",
        "",
        "| figure | range | found | holds | source of the range |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.range.figure} | {t.range.low:g} to {t.range.high:g} | {t.value:.3f} "
        f"| {'yes' if t.holds else 'NO'} | {t.range.source} |"
        for t in compared
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Simulate, compare, write the page."""
    args = stage_paths(__doc__ or "", "simulation", "page")
    with reported_errors():
        stderr().print(f"simulating {PATIENTS:,} patients")
        ranges = read_rows(Path(paths.TARGETS), TargetRange)
        compared = targets(simulate(with_presurgery(read_settings(args.simulation)), PATIENTS), ranges)
    write_text(args.page, targets_page(compared, PATIENTS))


if __name__ == "__main__":
    main()
