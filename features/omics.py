"""Assays of many features at a landmark: what had been reported by the decision, patients by columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.definitions import known_too_late
from features.documents.feature import ASSAY_SEPARATOR, ORIGINS, HiddenRows, origin_column
from features.documents.study import Landmark
from features.documents.study_entries import AssayEntry


@dataclass(frozen=True)
class Assay:
    """An assay's table: `frame` (usubjid, features), and `samples` (usubjid, dates, batch, platform)."""

    frame: pd.DataFrame
    samples: pd.DataFrame
    visit: str


def adjusted_assays(entries: Mapping[str, AssayEntry], columns: Collection[str]) -> dict[str, str]:
    """Return the column with the batch of every assay that the study adjusts for it, among those known."""
    asked = {name: origin_column("batch", name) for name, entry in entries.items() if entry.get("adjust")}
    return {name: column for name, column in asked.items() if column in columns}


def known_assays(
    assays: Mapping[str, Assay], landmark: Landmark, decisions: pd.Series
) -> tuple[pd.DataFrame, list[HiddenRows]]:
    """Return what was known of the assays at each patient's decision, and counts of what came late.

    The gate is that of every table: the assay's visit belongs to the landmark, and the result had been
    reported by the decision date, or, without a report date, the sample been taken.

    Parameters
    ----------
    decisions : Series
        Decision date by usubjid, of the patients at risk; NaT where unknown.

    Returns
    -------
    DataFrame
        usubjid, then ``assay:feature``, in the order of `decisions`; NaN for patients without the assay.
        Beside them ``batch@assay`` and ``platform@assay``, where any is recorded.
    list of HiddenRows
        Patients whose result came after the decision.
    """
    parts: list[pd.DataFrame] = []
    late: list[HiddenRows] = []
    for name, assay in assays.items():
        if assay.visit not in landmark.visits:
            continue
        place = decisions.index.get_indexer(pd.Index(assay.frame["usubjid"]))
        decision = decisions.to_numpy()[place]
        hidden = known_too_late(assay.samples, decision, "performed", "reported") & (place >= 0)
        if hidden.any():
            late.append(
                {"table": name, "visit": assay.visit, "reason": "reported_late", "rows": int(hidden.sum())}
            )
        shown = (place >= 0) & ~hidden
        features = assay.frame.columns.drop("usubjid")
        values = np.full((len(decisions), len(features)), np.nan)
        values[place[shown]] = assay.frame[features].to_numpy(dtype=float)[shown]
        parts.append(
            pd.DataFrame(values, columns=[f"{name}{ASSAY_SEPARATOR}{feature}" for feature in features])
        )
        for kind in (kind for kind in ORIGINS if assay.samples[kind].notna().any()):
            origin = np.full(len(decisions), None, dtype=object)
            origin[place[shown]] = assay.samples[kind].to_numpy(dtype=object)[shown]
            parts.append(pd.DataFrame({origin_column(kind, name): pd.Series(origin, dtype="str")}))
    patients = pd.DataFrame({"usubjid": decisions.index.astype("str")})
    return pd.concat([patients, *parts], axis=1), late
