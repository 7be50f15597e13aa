"""A landmark's model in subgroups, by centre, and by what was evaluable; out of fold."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from features.documents.feature import STATE_SUFFIX
from models.measures.common import MeasureDocument, Number, finite_numbers
from models.measures.evaluate import by_repeat
from models.measures.heterogeneity import by_group, pool
from models.procedure.configuration.plan import SubgroupPlan, ValidationPlan
from models.procedure.landmark_features import LandmarkFeature

MODEL = "chosen"
GROUP_MEASURES: tuple[Literal["auc", "slope", "o_e"], ...] = ("auc", "slope", "o_e")
POOLED_NUMBERS: tuple[Number, ...] = (
    "value", "low", "high", "prediction_low", "prediction_high", "scaled", "scaled_se", "tau2", "i2",
)  # fmt: skip
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


class GroupDocument(TypedDict):
    """A group's patients, events and measures; `note` says why some are missing."""

    n: MeasureDocument
    events: MeasureDocument
    auc: NotRequired[MeasureDocument]
    slope: NotRequired[MeasureDocument]
    o_e: NotRequired[MeasureDocument]
    note: NotRequired[str]


def as_document(frame: pd.DataFrame) -> dict[str, GroupDocument]:
    """Return the rows of `by_group` as ``{group: {n, events, measure: {value, low, high}}}``."""
    documents: dict[str, GroupDocument] = {}
    for row in frame.to_dict("records"):
        document: GroupDocument = {
            "n": {"value": int(row["n"])},
            "events": {"value": int(row["events"])},
        }
        for measure in GROUP_MEASURES:
            if pd.notna(row[measure]):
                document[measure] = {
                    "value": row[measure], "low": row[f"{measure}_low"], "high": row[f"{measure}_high"],
                }  # fmt: skip
        if row["note"]:
            document["note"] = row["note"]
        documents[str(row["group"])] = document
    return documents


def pooled_document(frame: pd.DataFrame) -> dict[str, MeasureDocument]:
    """Return the rows of `pool` as ``{measure: {value, low, high, prediction_low, ...}}``."""
    documents: dict[str, MeasureDocument] = {}
    for row in frame.to_dict("records"):
        document = finite_numbers({name: float(row[name]) for name in POOLED_NUMBERS})
        document["pooled"], document["counted_only"] = int(row["pooled"]), int(row["counted_only"])
        if row["note"]:
            document["note"] = row["note"]
        documents[str(row["measure"])] = document
    return documents


def heterogeneity(
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    plan: ValidationPlan,
) -> dict[str, dict[str, GroupDocument] | dict[str, MeasureDocument]]:
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
    document: dict[str, dict[str, GroupDocument] | dict[str, MeasureDocument]] = {}
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
