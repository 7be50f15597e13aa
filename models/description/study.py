"""Everything the study report says of patients and data, apart from models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.feature import STATE_SUFFIX
from features.study import Study
from models.configuration.description import Course, DescriptionPlan, ToxicityPlan
from models.description import cohort as describing
from models.procedure.landmark_features import Landmark, LandmarkFeature

# Courses are drawn by arm where there are no more arms than this.
MOST_ARMS = 2


def describe(
    study: Study,
    plan: DescriptionPlan,
    raw: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    decisions: pd.DataFrame,
    landmarks: Sequence[Landmark],
    level: float,
) -> dict[str, Any]:
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
    """
    people = cohort.set_index("usubjid")
    first, values = landmarks[0], landmarks[0].frame
    measured = visit_features(landmarks)
    adaptive = decisions[decisions["arm"] == study.adaptive_arm]
    return {
        "centres": int(people["siteid"].nunique()),
        "table_one": {
            "landmark": first.name,
            "patients": len(values),
            "by_arm": people["arm"].reindex(values.index).value_counts().sort_index().to_dict(),
            "rows": describing.table_one(
                values, [f for f in first.features if f.name != "arm"], people["arm"]
            ),
        },
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
        "branches": describing.response_by_branch(adaptive, people["outcome"], level),
        "status": _counted(adaptive, ["node", "status"]),
        "conflicts": _counted(adaptive[adaptive["conflicts"] != ""], ["node", "rule", "conflicts"]),
        "toxicity": toxicity(study, plan.toxicity, raw, people, adaptive, level),
    }


def _counted(decisions: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Return the combinations of the columns, sorted, and their numbers of patients."""
    counts = decisions.groupby(columns).size().reset_index(name="patients")
    return [{str(name): value for name, value in row.items()} for row in counts.to_dict("records")]


@dataclass(frozen=True)
class Measured:
    """A feature, the first landmark that has it, and its values then: index usubjid."""

    feature: LandmarkFeature
    landmark: str
    series: pd.Series


def visit_features(landmarks: Sequence[Landmark]) -> dict[str, Measured]:
    """Return every feature by its name, as the first landmark that has it knew it."""
    found: dict[str, Measured] = {}
    for landmark in landmarks:
        for feature in landmark.features:
            measured = Measured(feature, landmark.name, landmark.frame[feature.name])
            found.setdefault(feature.name, measured)
    return found


def coverage(raw: Mapping[str, pd.DataFrame], people: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how many randomised patients have a row in each raw table, by visit where it has visits."""
    sample = raw.get("ctdna_samples")
    rows = []
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


def states(measured: Mapping[str, Measured], people: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the states of every domain and visit, by arm and by centre, among the patients at risk."""
    return [
        {
            "feature": name,
            "domain": each.feature.domain,
            "visit": each.feature.known_at,
            "landmark": each.landmark,
            "levels": list(each.feature.levels),
            "by_arm": describing.level_counts(each.series, each.feature.levels, people["arm"]),
            "by_centre": describing.level_counts(each.series, each.feature.levels, people["siteid"]),
        }
        for name, each in measured.items()
        if name.endswith(STATE_SUFFIX)
    ]


def over_time(
    study: Study,
    families: Sequence[Course],
    measured: Mapping[str, Measured],
    people: pd.DataFrame,
) -> list[dict[str, Any]]:
    """Return quartiles along the visits, by arm and outcome, of families that are measured twice or more."""
    found = []
    groups = people[["arm", "outcome"]].dropna()
    if groups["arm"].nunique() > MOST_ARMS:
        groups = groups.assign(arm="all arms")
    groups = groups.assign(outcome=groups["outcome"].map({1.0: "pCR", 0.0: "no pCR"}))
    for family in families:
        names = {visit: family.feature.format(visit=visit) for visit in study.visits}
        present = {visit: measured[name] for visit, name in names.items() if name in measured}
        if len(present) < 2:
            continue
        points = [
            {"visit": visit} | row
            for visit, each in present.items()
            for row in describing.courses(
                each.series, groups.loc[groups.index.intersection(each.series.index)]
            )
        ]
        found.append(
            {"name": family.name, "unit": next(iter(present.values())).feature.unit, "points": points}
        )
    return found


def toxicity(
    study: Study,
    plan: ToxicityPlan,
    raw: Mapping[str, pd.DataFrame],
    people: pd.DataFrame,
    adaptive: pd.DataFrame,
    level: float,
) -> dict[str, Any] | None:
    """Return adverse events by arm and branch, and pCR by severe event; None without records."""
    if "adverse_events" not in raw or raw["adverse_events"].empty:
        return None
    treated = people.index
    if "exposure" in raw:
        treated = treated[treated.isin(raw["exposure"]["usubjid"])]
    arms = people["arm"].reindex(treated)
    reference = next((a for a in study.arms if a != study.adaptive_arm), None) if study.adaptive_arm else None
    events = describing.events_of(raw["adverse_events"], treated.tolist(), plan)
    severe = next(iter(events.values()))
    # The branch after C2: later ones divide patients by what happened to them on treatment.
    node = adaptive[adaptive["node"] == adaptive["node"].min()]
    branch = node.set_index("usubjid")["branch"].reindex(treated).dropna()
    by_branch = [
        {"branch": name, "event": event} | describing.proportion(int(had.reindex(ids).sum()), len(ids), level)
        for name, ids in branch.groupby(branch).groups.items()
        for event, had in events.items()
    ]
    return {
        "treated": len(treated),
        "reference": reference,
        "by_arm": describing.toxicity_by_arm(events, arms, reference, level),
        "by_branch": by_branch,
        "response": describing.response_by_toxicity(severe, people["outcome"], arms),
    }
