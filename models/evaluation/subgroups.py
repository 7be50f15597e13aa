"""A landmark's model in subgroups, by centre, and by what was evaluable; out of fold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.feature import STATE_SUFFIX
from models.configuration.plan import SubgroupPlan, ValidationPlan
from models.measures.evaluate import by_repeat
from models.measures.heterogeneity import by_group, pool
from models.procedure.landmark_features import LandmarkFeature

MODEL = "chosen"
SEEN = {"done", "positive", "negative", "below_lod"}
"""States of a visit that gave a result."""


def subgroup(frame: pd.DataFrame, entry: SubgroupPlan) -> pd.Series | None:
    """Return each patient's subgroup by one entry of the configuration, missing where it is not known.

    None where no feature of the entry is among the columns.
    """
    known = [name for name in entry.features if name in frame]
    if not known:
        return None
    values: pd.Series = frame[known[0]]
    if entry.cuts:
        edges = [-np.inf, *entry.cuts, np.inf]
        names = [f"below {edges[1]:g}", *(f"from {edge:g}" for edge in edges[1:-1])]
        groups = pd.Series(pd.cut(values, edges, right=False, labels=names)).astype("str")
    elif entry.together:
        of_level = {level: name for name, levels in entry.together.items() for level in levels}
        groups = values.map(of_level)
    else:
        groups = values.astype("str")
    return groups.where(values.notna())


def evaluable_domains(frame: pd.DataFrame, features: Sequence[LandmarkFeature]) -> pd.Series | None:
    """Return which domains gave a result at their latest visit; None where no states are recorded."""
    latest = {f.domain: f.name for f in features if str(f.name).endswith(STATE_SUFFIX)}
    if not latest:
        return None
    seen = {domain: frame[name].isin(SEEN) for domain, name in sorted(latest.items())}
    patterns = pd.DataFrame(seen).apply(lambda row: " and ".join(row.index[row]) or "neither", axis=1)
    return patterns.astype("str")


def groupings(
    frame: pd.DataFrame, features: Sequence[LandmarkFeature], configured: Mapping[str, SubgroupPlan]
) -> dict[str, pd.Series]:
    """Return the groupings by name: configured, arm, arm by receptor status, centre, what was evaluable."""
    found = {name: subgroup(frame, entry) for name, entry in configured.items()}
    found |= {"arm": frame["arm"], "centre": frame["siteid"], "evaluable": evaluable_domains(frame, features)}
    if "hr" in frame and len(frame["arm"].unique()) > 1:
        found["arm_hr"] = frame["arm"] + ", HR " + frame["hr"]
    return {
        name: groups
        for name, groups in found.items()
        if groups is not None and len(groups.dropna().unique()) > 1
    }


def as_document(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the rows of `by_group` as ``{group: {n, events, measure: {value, low, high}}}``."""
    document = {}
    for row in frame.to_dict("records"):
        found: dict[str, Any] = {name: {"value": int(row[name])} for name in ("n", "events")}
        for measure in ("auc", "slope", "o_e"):
            if pd.notna(row[measure]):
                ends = {"low": row[f"{measure}_low"], "high": row[f"{measure}_high"]}
                found[measure] = {"value": row[measure], **ends}
        document[str(row["group"])] = found | ({"note": row["note"]} if row["note"] else {})
    return document


def pooled_document(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the rows of `pool` as ``{measure: {value, low, high, prediction_low, ...}}``."""
    rows = frame.set_index("measure").to_dict("index")
    return {
        str(measure): {name: value for name, value in row.items() if pd.notna(value) and value != ""}
        for measure, row in rows.items()
    }


def heterogeneity(
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    plan: ValidationPlan,
) -> dict[str, Any]:
    """Return the measures in every group of every grouping, and over centres their random-effects summary.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    frame : DataFrame
        Features with usubjid, arm and siteid.
    """
    ids, y, by_model = by_repeat(predictions, [MODEL])
    p, aligned = by_model[MODEL], frame.set_index("usubjid").loc[ids]
    document: dict[str, Any] = {}
    for name, groups in groupings(aligned, features, plan.subgroups).items():
        known = groups.notna().to_numpy()
        judged = by_group(
            y[known],
            p[:, known],
            groups[known].astype("str").to_numpy(),
            level=plan.level,
            fewest=plan.min_events,
        )
        document[name] = as_document(judged)
        if name == "centre":
            document["centre_pooled"] = pooled_document(pool(judged, level=plan.level))
    return document
