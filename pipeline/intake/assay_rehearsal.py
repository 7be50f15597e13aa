"""The dress rehearsal of assays: features, samples and batches that tell the outcome, before a run learns."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm

from features.assemble import LeakageError
from features.documents.feature import ORIGINS
from pipeline.intake.rehearsal import Preparations, Remark, first_names
from pipeline.sources.omics.tables import OmicsTable

MAX_CHANCE = 0.001
"""Expected features of an assay that separate the outcome as well by chance, up to which one is suspect."""


def assay_remarks(
    assays: Mapping[str, OmicsTable], cohort: pd.DataFrame, by: Preparations
) -> Iterator[Remark]:
    """Yield what assays tell of the outcome, and should not.

    Of thousands of features in few patients some separate the outcome by chance: only those are suspect of
    which at most `MAX_CHANCE` would be expected without any association.

    Raises
    ------
    LeakageError
        If a feature, who has the assay, or its batch or platform alone separates the outcome, and the study
        file does not say why that is right.
    """
    known = cohort.dropna(subset=["outcome"]).set_index("usubjid")["outcome"].astype(float)
    words = set(by.check.later_words)
    for name, assay in assays.items():
        where = f"assay {name}"
        features = assay.frame.set_index("usubjid")
        names = features.columns.astype(str)
        later = [f for f in names if words & set(re.findall(r"[^\W_]+", f.casefold()))]
        if later:
            yield Remark(where, "", f"named_as_later: {first_names(later)}")
        both = features.loc[features.index.isin(known.index)]
        told = _single(both, known.loc[both.index].to_numpy(), by.check.separation.min_class)
        yield from _judged(where, told, "leave_out", by)
        has = known.index.isin(features.index)
        if min(has.sum(), (~has).sum()) >= by.check.separation.min_class:
            auc = _single(pd.DataFrame({"who has it": has.astype(float)}), known.to_numpy(), 1)
            yield from _judged(where, auc, "omics", by)
        origins = assay.samples.set_index("usubjid")
        for kind in ORIGINS:
            groups = origins[kind].dropna()
            groups = groups[groups.index.isin(known.index)]
            shares = _by_the_others(groups, known.loc[groups.index], by.check.separation.min_class)
            of_groups = known.loc[shares.index].to_numpy()
            auc = _single(shares.to_frame(f"its {kind}"), of_groups, 1, either=False)
            yield from _judged(where, auc, "samples", by)


def _judged(where: str, aucs: pd.Series, key: str, by: Preparations) -> Iterator[Remark]:
    """Yield a remark on what separates the outcome nearly; refuse what does so entirely."""
    limits = by.check.separation
    refused = aucs[aucs >= limits.refused]
    if len(refused) and not by.study.leakage_acknowledged:
        listed = first_names([f"{name} (AUC {auc:.3f})" for name, auc in refused.items()])
        raise LeakageError(
            f"{where}: alone, {listed} separates those with pCR from those without, so it is probably the "
            f"outcome itself or was known after it; correct `{key}` in the study file, or, if it is right, "
            f"say why in `leakage_acknowledged`"
        )
    named = aucs[aucs >= limits.named]
    if len(named):
        listed = first_names([f"{name} (AUC {auc:.3f})" for name, auc in named.items()])
        yield Remark(where, "", f"separates_outcome: alone, {listed}")


def _single(values: pd.DataFrame, y: np.ndarray, min_class: int, *, either: bool = True) -> pd.Series:
    """Return the AUC of columns, in `either` direction, of those that are not so good by chance.

    Mann-Whitney, ties at their mean rank; how many would be as good by chance is by the normal approximation.
    Columns with fewer than `min_class` values in a class are left out.
    """
    there = values.notna().to_numpy()
    events = (there & (y == 1)[:, None]).sum(axis=0)
    others = there.sum(axis=0) - events
    ranks = np.where((y == 1)[:, None], values.rank().fillna(0.0).to_numpy(), 0.0).sum(axis=0)
    pairs = np.maximum(events * others, 1)
    auc = (ranks - events * (events + 1) / 2) / pairs
    better = np.maximum(auc, 1 - auc) if either else auc
    deviation = np.sqrt((events + others + 1) / (12 * pairs))
    expected = values.shape[1] * 2 * norm.sf((better - 0.5) / deviation)
    judged = (np.minimum(events, others) >= max(min_class, 1)) & (expected <= MAX_CHANCE)
    aucs = pd.Series(better, index=values.columns).where(judged)
    return aucs.dropna().sort_values(ascending=False)


def _by_the_others(groups: pd.Series, y: pd.Series, min_patients: int) -> pd.Series:
    """Return the share of events among the others of a patient's group, of groups that are large enough.

    Without the patient's own outcome groups that tell nothing have shares that are lower for events.
    """
    by_group = pd.DataFrame({"group": groups, "y": y}).groupby("group")["y"]
    size = by_group.transform("size")
    shares = pd.DataFrame({"share": (by_group.transform("sum") - y) / (size - 1)})
    return shares["share"].where(size >= max(min_patients, 2)).dropna()
