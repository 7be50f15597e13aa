"""What is true of a study and of its run: sentences that hold for some studies only are said by these facts.

Pages, answers of the checklists, cards and the terminal ask here, and nowhere else, whether patients were
randomised, whether there are dates, centres or rules, and which analyses were run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.report.results import ALLOCATION, MODEL, RULES, Results

NO_RULES = NO_CRITERIA = "none"
UNDIVIDED = "ALL"
"""The branch of every patient at a landmark at which no rule decides."""


@dataclass(frozen=True)
class Facts:
    """What is true of a study.

    Attributes
    ----------
    simulated : bool
        No patients: made by a simulator.
    randomised : bool
        The study file says that the patients were randomised to the arms.
    arms, centres : int
        How many arms and centres the patients are of; centres that the data do not name are none.
    entry_dates, decision_dates : bool
        Whether the data date the patients' entry, and the decision at any landmark.
    rules : bool
        Whether the study has a decision table.
    adaptive_arm : str
        The arm that was treated by it; empty if none was.
    ctdna, imaging : bool
        Whether the study has these domains.
    trial : str
        The trial whose eligibility criteria are counted; empty where the study file names none.
    """

    simulated: bool
    randomised: bool
    arms: int
    centres: int
    entry_dates: bool
    decision_dates: bool
    rules: bool
    adaptive_arm: str
    ctdna: bool
    imaging: bool
    trial: str = ""

    @property
    def patients(self) -> str:
        """All patients of the cohort, in words."""
        return "randomised patients" if self.randomised else "patients"

    @property
    def everybody(self) -> str:
        """The label of all patients, beside arms if there are any."""
        return "all arms" if self.arms > 1 else "all patients"

    @property
    def comparator(self) -> str:
        """What the model is compared with: the rules, or without any the frequency of pCR."""
        if self.rules:
            return RULES
        return "pCR rate by arm" if self.arms > 1 else "pCR rate"

    def named(self, model: str) -> str:
        """Return a model of the comparison in words."""
        return self.comparator if model == RULES else model


def study_facts(
    study: Mapping[str, Any], cohort: pd.DataFrame, trials: Mapping[str, str] | None = None
) -> Facts:
    """Return what is true of a study.

    Parameters
    ----------
    study : mapping
        The study file.
    cohort : DataFrame
        cohort/cohort.parquet.
    trials : mapping, optional
        Names of trials by the files of their eligibility criteria; a file without one goes by its own.
    """
    criteria = str(study["eligibility"])
    decisions = [f"decision_{landmark}" for landmark in study["landmarks"]]
    domains = study["features"]["domains"]
    return Facts(
        simulated=bool(study["simulated"]),
        randomised=bool(study["randomised"]),
        arms=int(cohort["arm"].nunique()),
        centres=int(cohort["siteid"].nunique()),
        entry_dates=bool(cohort["rand_date"].notna().any()),
        decision_dates=bool(cohort[decisions].notna().to_numpy().any()),
        rules=study["rules"] != NO_RULES,
        adaptive_arm=study["adaptive_arm"] or "",
        ctdna="ctdna" in domains,
        imaging="imaging" in domains,
        trial="" if criteria == NO_CRITERIA else (trials or {}).get(criteria, criteria),
    )


@dataclass(frozen=True)
class RunFacts:
    """Which analyses a run holds, and where the thresholds of its decision curves lie.

    `thresholds` holds a sentence for each decision, none where there are no curves. `sensitivity` names the
    analyses of the primary comparison under other definitions, `allocation` the landmarks at which the rules
    allocate treatment.
    """

    resampled: bool
    later_patients: bool
    left_out_centres: bool
    subgroups: bool
    pooled_centres: bool
    new_centre: bool
    sensitivity: tuple[str, ...]
    thresholds: tuple[str, ...]
    allocation: tuple[str, ...]

    def has_analysis(self, start: str) -> bool:
        """Tell whether a sensitivity analysis of this kind was made."""
        return any(name.startswith(start) for name in self.sensitivity)


def run_facts(results: Results) -> RunFacts:
    """Return which analyses a run holds."""
    robust = [found for found in results.robustness.values() if found is not None]
    pooled = [
        estimate
        for groups in results.subgroups.values()
        for name in groups.pooled
        if (estimate := groups.pooled.interval_of(name)) is not None
    ]
    return RunFacts(
        resampled=bool(robust),
        later_patients=any(found.later for found in robust),
        left_out_centres=any(found.left_out_centres for found in robust),
        subgroups=any(groups.groups for groups in results.subgroups.values()),
        pooled_centres=bool(pooled),
        new_centre=any(estimate.with_interval("prediction").has_interval for estimate in pooled),
        sensitivity=tuple(results.sensitivity),
        thresholds=threshold_sentences(results),
        allocation=tuple(
            name
            for name, curves in results.curves.items()
            if "benefit" in curves and ALLOCATION in set(curves["benefit"]["strategy"])
        ),
    )


def threshold_sentences(results: Results) -> tuple[str, ...]:
    """Return, by decision, from where to where its thresholds go, and whether the frequency lies inside.

    They are those of the primary landmark's curves, or else of the first landmark that has any.
    """
    names = [results.comparison.declared.landmark, *results.curves]
    drawn = (name for name in names if len(results.curves.get(name, {}).get("benefit", ())))
    landmark = next(drawn, None)
    if landmark is None:
        return ()
    judged, curves = results.landmarks[landmark][MODEL], results.curves[landmark]["benefit"]
    pcr = judged.events / judged.patients
    sentences = []
    for decision, thresholds in curves.groupby("decision", sort=False)["threshold"]:
        event, share = ("pCR", pcr) if decision == "de_escalation" else ("no pCR", 1 - pcr)
        low, high = thresholds.min(), thresholds.max()
        where = "around" if low < share < high else "away from"
        sentences.append(
            f"{str(decision).replace('_', '-')}: thresholds from {100 * low:.0f} % to {100 * high:.0f} %, "
            f"{where} the {100 * share:.0f} % of patients with {event}"
        )
    return tuple(sentences)


def undivided_landmarks(branches: Mapping[str, pd.Series | None]) -> tuple[str, ...]:
    """Return the landmarks at which the rules do not tell patients apart.

    Parameters
    ----------
    branches : mapping
        Protocol branch of each patient by landmark; None where there are none.
    """
    return tuple(
        name for name, branch in branches.items() if branch is None or set(branch.dropna()) <= {UNDIVIDED}
    )


def told_branches(branch: pd.Series | None, facts: Facts) -> pd.Series | None:
    """Return the patients' branches where there is something to tell: None without rules or a decision."""
    if branch is None or not facts.rules or not set(branch.dropna()) - {UNDIVIDED}:
        return None
    return branch


def beside(with_pcr: float, without: float) -> str:
    """Return in words on which side of a value without pCR the one with it lies."""
    if with_pcr == without:
        return "the same as without"
    return "lower than without" if with_pcr < without else "higher than without"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as in a sentence, `word` before the last: ``a``, ``a and b``, ``a, b and c``."""
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
