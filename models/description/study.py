"""Everything the study report says of patients and data, apart from models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from features.documents.feature import STATE_SUFFIX
from features.documents.study import Study
from features.exposure import Regimens, regimens_of_cycles
from models.description import cohort as describing
from models.description.balance import standardised_differences
from models.description.documents import (
    Conflict,
    Coverage,
    Described,
    EventInBranch,
    OverTime,
    States,
    Status,
    Toxicity,
)
from models.description.flows import flows
from models.description.plan import Course, DescriptionPlan, ToxicityPlan
from models.description.recorded import recorded_rows
from models.procedure.landmark_features import Landmark, LandmarkFeature

# Courses are drawn by arm where there are no more arms than this.
MAX_ARMS = 2


def describe(
    study: Study,
    plan: DescriptionPlan,
    raw: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    decisions: pd.DataFrame,
    landmarks: Sequence[Landmark],
    level: float,
    regimens: Regimens,
) -> Described:
    """Return everything the study report says of patients and data, apart from models.

    Parameters
    ----------
    plan : DescriptionPlan
        Courses and adverse events.
    raw : mapping of DataFrames
        The validated tables.
    cohort, decisions : DataFrame
        cohort/cohort.parquet and rules/decisions.parquet.
    landmarks : sequence of Landmark
        In order; values have the index usubjid.
    regimens : Regimens
        The drugs of the regimens (configs/regimens.yaml).
    """
    people = cohort.set_index("usubjid")
    first, values = landmarks[0], landmarks[0].frame
    compared = [f for f in first.features if f.name != "arm"]
    measured = visit_features(landmarks)
    # Who left before a decision has no branch that was followed: of each node, patients at risk at it.
    adaptive = decisions[(decisions["arm"] == study.adaptive_arm) & decisions["at_risk"]]
    return {
        "centres": int(people["siteid"].nunique()),
        "table_one": {
            "landmark": first.name,
            "patients": len(values),
            "by_arm": {
                str(arm): int(n)
                for arm, n in people["arm"].reindex(values.index).value_counts().sort_index().items()
            },
            "rows": describing.table_one(values, compared, people["arm"]),
            "differences": standardised_differences(values, compared, people["arm"]),
        },
        "recorded": recorded_rows(raw, people["arm"]),
        "coverage": coverage(raw, people),
        "states": states(measured, people),
        "missing": [
            {
                "landmark": landmark.name,
                "name": f.name,
                "domain": f.domain,
                "known_at": f.known_at,
                "description": f.description,
                "share": f.share_missing,
            }
            for landmark in landmarks
            for f in landmark.features
            if f.share_missing
        ],
        "over_time": over_time(study, plan.over_time, measured, people),
        "flows": flows(*_ctdna_and_branches(measured, adaptive), people["outcome"]),
        "branches": describing.response_by_branch(adaptive, people["outcome"], level),
        "status": _status(adaptive),
        "conflicts": _conflicts(adaptive, regimens),
        "toxicity": toxicity(
            study, plan.toxicity, raw, people, adaptive, level, cycles_given(study, raw, regimens)
        ),
    }


def _ctdna_and_branches(
    measured: Mapping[str, "Measured"], decisions: pd.DataFrame
) -> tuple[dict[str, pd.Series], pd.Series]:
    """Return the states of ctDNA by visit, and the branches of the first node."""
    states = {
        each.feature.known_at: each.series
        for name, each in measured.items()
        if name.endswith(STATE_SUFFIX) and each.feature.domain == "ctdna"
    }
    first = decisions[decisions["node"] == decisions["node"].min()]
    return states, first.set_index("usubjid")["branch"]


def _status(decisions: pd.DataFrame) -> list[Status]:
    """Return the numbers of patients by node and status, sorted."""
    groups = decisions.groupby(["node", "status"])
    return [{"node": str(node), "status": str(s), "patients": len(part)} for (node, s), part in groups]


def _conflicts(decisions: pd.DataFrame, regimens: Regimens) -> list[Conflict]:
    """Return the numbers of patients by node, rule and the other rules that apply, sorted."""
    answered = decisions.dropna(subset=["rule", "regimen"]).drop_duplicates(["node", "rule", "regimen"])
    groups = decisions[decisions["conflicts"] != ""].groupby(["node", "rule", "conflicts"])
    found: list[Conflict] = []
    for (node, rule, others), part in groups:
        at_node = answered[answered["node"] == node]
        given = _drugs_of(at_node, [str(rule)], regimens)
        instead = _drugs_of(at_node, str(others).split("; "), regimens)
        shared: set[str] = set.intersection(*instead) if given and instead else set()
        found.append({
            "node": str(node), "rule": str(rule), "conflicts": str(others), "patients": len(part),
            "lacking": sorted(shared.difference(*given)),
        })  # fmt: skip
    return found


def _drugs_of(answered: pd.DataFrame, rules: Sequence[str], regimens: Regimens) -> list[set[str]]:
    """Return the drugs (or classes) of every regimen that the rules gave, where they are listed."""
    names = answered.loc[answered["rule"].isin(rules), "regimen"].unique().tolist()
    listed = [regimens.regimens[name] for name in sorted(names) if name in regimens.regimens]
    return [{*regimen.needs, *regimen.may} for regimen in listed]


@dataclass(frozen=True)
class Measured:
    """A feature, the first landmark that has it, and its values then: index usubjid."""

    feature: LandmarkFeature
    landmark: str
    series: pd.Series


def visit_features(landmarks: Sequence[Landmark]) -> dict[str, Measured]:
    """Return every feature by its name, as the first landmark that has it knew it."""
    by_name: dict[str, Measured] = {}
    for landmark in landmarks:
        for feature in landmark.features:
            measured = Measured(feature, landmark.name, landmark.frame[feature.name])
            by_name.setdefault(feature.name, measured)
    return by_name


def coverage(raw: Mapping[str, pd.DataFrame], people: pd.DataFrame) -> list[Coverage]:
    """Return how many randomised patients have a row in each raw table, by visit where it has visits."""
    sample = raw.get("ctdna_samples")
    rows: list[Coverage] = []
    for name, table in raw.items():
        if "usubjid" not in table and "sample_id" in table and sample is not None:
            table = table.merge(sample[["sample_id", "usubjid", "visit"]], on="sample_id")  # noqa: PLW2901
        if "usubjid" not in table or name == "subjects":
            continue
        visits = table.groupby("visit") if "visit" in table else [("", table)]
        rows += [
            {"table": name, "visit": str(visit), "patients": part["usubjid"].nunique(), "of": len(people)}
            for visit, part in visits
        ]
    return rows


def states(measured: Mapping[str, Measured], people: pd.DataFrame) -> list[States]:
    """Return the states of every domain and visit, by arm and by centre, among the patients at risk."""
    return [
        {
            "feature": name,
            "domain": state.feature.domain,
            "visit": state.feature.known_at,
            "landmark": state.landmark,
            "levels": list(state.feature.levels),
            "by_arm": describing.level_counts(state.series, state.feature.levels, people["arm"]),
            "by_centre": describing.level_counts(state.series, state.feature.levels, people["siteid"]),
        }
        for name, state in measured.items()
        if name.endswith(STATE_SUFFIX)
    ]


def over_time(
    study: Study,
    families: Sequence[Course],
    measured: Mapping[str, Measured],
    people: pd.DataFrame,
) -> list[OverTime]:
    """Return quartiles along the visits, by arm and outcome, of families that are measured twice or more."""
    drawn: list[OverTime] = []
    groups = people[["arm", "outcome"]].dropna()
    if groups["arm"].nunique() > MAX_ARMS:
        groups = groups.assign(arm="all arms")
    groups = groups.assign(outcome=groups["outcome"].map({1.0: "pCR", 0.0: "no pCR"}))
    for family in families:
        names = {visit: family.feature.format(visit=visit) for visit in study.visits}
        present = {visit: measured[name] for visit, name in names.items() if name in measured}
        if len(present) < 2:
            continue
        points = [
            point
            for visit, course in present.items()
            for point in describing.courses(
                course.series, groups.loc[groups.index.intersection(course.series.index)], visit
            )
        ]
        unit = next(iter(present.values())).feature.unit
        drawn.append({"name": family.name, "unit": unit, "points": points})
    return drawn


def cycles_given(study: Study, raw: Mapping[str, pd.DataFrame], regimens: Regimens) -> pd.DataFrame:
    """Return usubjid, regimen and drug of every cycle, by the drugs given where they are recorded."""
    if "drug_exposure" in raw:
        return regimens_of_cycles(raw["drug_exposure"], regimens, study.vocabulary["regimens"])
    return raw.get("exposure", pd.DataFrame({"usubjid": [], "regimen": [], "drug": []}))


def toxicity(
    study: Study,
    plan: ToxicityPlan,
    raw: Mapping[str, pd.DataFrame],
    people: pd.DataFrame,
    adaptive: pd.DataFrame,
    level: float,
    given: pd.DataFrame,
) -> Toxicity | None:
    """Return adverse events by arm and branch, and pCR by severe event; None without records.

    `given` has regimen and drug of every cycle given (`cycles_given`).
    """
    if "adverse_events" not in raw or raw["adverse_events"].empty:
        return None
    treated = people.index
    if "exposure" in raw:
        treated = treated[treated.isin(raw["exposure"]["usubjid"])]
    arms = people["arm"].reindex(treated)
    reference = next((a for a in study.arms if a != study.adaptive_arm), None) if study.adaptive_arm else None
    events = describing.events_of(raw["adverse_events"], treated.tolist(), plan)
    severe = next(iter(events.values()))
    events |= describing.treatment_events(raw, treated.tolist(), plan)
    # The branch after C2: later ones divide patients by what happened to them on treatment.
    node = adaptive[adaptive["node"] == adaptive["node"].min()]
    branch = node.set_index("usubjid")["branch"].reindex(treated).dropna()
    by_branch: list[EventInBranch] = [
        {"branch": name, "event": event, **describing.proportion(int(had.sum()), len(had), level)}
        for name, ids in branch.groupby(branch).groups.items()
        for event, had in ((event, had[had.index.isin(ids)]) for event, had in events.items())
    ]
    return {
        "treated": len(treated),
        "reference": reference,
        "by_arm": describing.toxicity_by_arm(events, arms, reference, level),
        "by_branch": by_branch,
        "response": describing.response_by_toxicity(severe, people["outcome"], arms),
        "drugs": describing.open_drugs(given),
    }
