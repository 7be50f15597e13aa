"""What is odd of an assay's names and values, and what to do: told, and left as it is."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.sources.formats.gene_symbols import spreadsheet_date
from pipeline.sources.mapping.assay import Assay, matches

MAX_LOG = 30.0
"""No logarithm (base 2) of a count, an intensity or a concentration is larger."""
MAX_NAMED = 3
OMICS_ADVICE = {
    "scale": "correct `scale` and `transform` in the study file, or the file",
    "left out": "nothing, if the others are those meant",
    "not_found": "correct the names in the study file or the panel, or nothing, if the file cannot have them",
    "spreadsheet_names": "give the genes their names again at the source: a spreadsheet took them for dates "
    "or numbers, and several may have become one",
    "no_measurement": "name it in `leave_out`: it is counted beside the features, and is none",
    "zeros": "name 0 in `missing`, if it stands for what was not found",
    "ids_apart": "correct `id` (pattern, strip_prefix, pad, ignore_case), if they are the same patients",
}
"""Rule (the part before the colon) of the problems of an assay -> what to do."""
_COUNTED_BESIDE = re.compile(r"__\w+|N_(unmapped|multimapping|noFeature|ambiguous)")
_ROUNDED = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_WILD = re.compile(r"[*?\[]")
_CLOSE = 1e-6


class Doubt(NamedTuple):
    """A rule (a key of `OMICS_ADVICE`, an explanation behind a colon), how many, and at most three ids."""

    rule: str
    rows: int
    ids: str = ""


def named(names: Sequence[str]) -> str:
    """Return the first three of some names, and how many there are more."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def doubtful_names(features: Sequence[str]) -> list[Doubt]:
    """Return what is doubtful of the names of features.

    Examples
    --------
    >>> doubtful_names(["ESR1", "1-Mar", "__no_feature"])[0].rule
    'spreadsheet_names: names are dates or numbers in place of genes (1-Mar)'
    """
    dates = [
        name
        for name in features
        if _ROUNDED.fullmatch(name) or (not name.isdecimal() and spreadsheet_date(name) is not None)
    ]
    beside = [name for name in features if _COUNTED_BESIDE.fullmatch(name)]
    told = (
        (dates, "spreadsheet_names: names are dates or numbers in place of genes"),
        (beside, "no_measurement: what an aligner counts beside the genes"),
    )
    return [Doubt(f"{rule} ({named(names)})", len(names)) for names, rule in told if names]


def not_found(asked: Iterable[str], features: Collection[str], leave_out: Sequence[str]) -> list[Doubt]:
    """Return names and patterns that are asked for, and that no feature has; what is left out counts not."""
    there = set(features)
    absent = [
        name
        for name in asked
        if name not in there
        and not matches(name, leave_out)
        and not (_WILD.search(name) and any(matches(feature, [name]) for feature in there))
    ]
    if not absent:
        return []
    return [Doubt(f"not_found: asked for, and not among the features ({named(absent)})", len(absent))]


def doubtful_values(values: np.ndarray, features: Sequence[str], assay: Assay) -> list[Doubt]:
    """Return what contradicts `scale` or `type` in values, shape (n, p), as they are in the file."""
    largest = float(np.nanmax(values, initial=-np.inf))
    negative = int((values < 0).sum())
    above, kind, scale = f"values above {MAX_LOG:g}", assay.type, assay.scale
    ranked = assay.gene_sets is not None and not assay.gene_sets.beside_features
    doubts = []
    if largest > MAX_LOG and assay.transform is None and not ranked:
        large = int((values > MAX_LOG).sum())
        if scale == "log":
            doubts.append(Doubt(f"scale: {above} are said to be logarithms", large))
        if scale == "none" and kind in {"expression", "protein"}:
            doubts.append(Doubt(f"scale: {above} are no logarithms, and no `scale` is said", large))
    if scale == "linear" and kind == "expression" and largest <= MAX_LOG:
        rule = f"scale: no value is above {MAX_LOG:g}, as of logarithms, and they are said to be linear"
        doubts.append(Doubt(rule, len(values)))
    if scale == "linear" and negative:
        doubts.append(Doubt("scale: values are negative, and are said to be linear", negative))
    if kind == "methylation" and largest > 1 and not negative:
        rule = "scale: values are neither shares up to 1 (beta) nor logarithms, some of them negative (M)"
        doubts.append(Doubt(rule, int((values > 1).sum())))
    if kind == "protein" and scale == "linear" and (zeros := int((values == 0).sum())):
        doubts.append(Doubt("zeros: intensities of 0, as some programs write what was not found", zeros))
    return doubts + _totals(values, features)


def _totals(values: np.ndarray, features: Sequence[str]) -> list[Doubt]:
    """Return the feature that is the sum of all others in every sample, if there is one."""
    if len(features) <= MAX_NAMED or not len(values) or np.isnan(values[0]).all():
        return []
    place = int(np.nanargmax(values[0]))
    half = np.nansum(values, axis=1) / 2
    if not (np.abs(values[:, place] - half) <= _CLOSE * np.abs(half)).all() or not half.any():
        return []
    return [Doubt(f"no_measurement: the sum of all other features ({features[place]})", 1)]


def ids_apart(ids: pd.Series, patients: Collection[str]) -> pd.Series:
    """Tell which ids are no patient's, and differ from one's in case, zeros, spaces and marks only.

    Examples
    --------
    >>> ids_apart(pd.Series(["P01", "p1", "P 1", "P2"]), ["P01"]).tolist()
    [False, True, True, False]
    """
    bare = {_bare(patient) for patient in patients}
    return ~ids.isin(list(patients)) & ids.map(_bare).isin(bare)


def _bare(text: str) -> str:
    letters = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())
    return _ZEROS.sub("", letters)
