"""Whether patients are those that a model can be watched on, and what to know of them beside the figures."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import UserError
from models.serving.serving import PcrModel

NAMED = 5
"""Inputs that are named; the others are counted."""


class CohortError(UserError):
    """Patients whom a model is not for, and what to do."""


@dataclass(frozen=True)
class WatchedCohort:
    """Later patients beside their figures.

    `absent` are inputs that the study has no column of, `unknown` the rows by input whose level the model
    does not know, `undated` (n,) whose outcome has no date.
    """

    study: str
    absent: list[str]
    unknown: Mapping[str, int]
    undated: np.ndarray


def require_landmark(model: PcrModel, landmarks: Collection[str], landmark: str) -> None:
    """Refuse a landmark of a study that has the model's own, too: its inputs are known then, and not here.

    Raises
    ------
    CohortError
        If so.
    """
    own = model.document["landmark"]
    if landmark != own and own in landmarks:
        raise CohortError(
            f"{model.document['model']} answers at landmark {own}, not {landmark}: give --landmark {own}, or "
            f"the model of {landmark}"
        )


def cohort_remarks(model: PcrModel, cohort: WatchedCohort) -> Iterator[str]:
    """Yield what a reader must know of the patients before the figures.

    Raises
    ------
    CohortError
        If they have no input that the model uses.
    """
    document = model.document
    used = {column["feature"] for column in document["encoding"]["columns"]}
    absent = [name for name in cohort.absent if name in used]
    if used <= set(absent):
        raise CohortError(
            f"{cohort.study} has none of the {len(used)} inputs that {document['model']} uses: give another "
            "study, or map its columns (docs/bring-your-own-data.md)"
        )
    if document.get("study") == cohort.study:
        yield (
            f"{document['model']} was learned from patients of {cohort.study}: those are no later ones, and "
            "show it better than it is"
        )
    undated, patients = int(cohort.undated.sum()), len(cohort.undated)
    if undated == patients:
        yield "No outcome has a date: the order is that of the ids, and nothing here is said of time"
    elif undated:
        yield f"{undated} of {patients} outcomes have no date, and stand last"
    if absent:
        yield f"{len(absent)} of {len(used)} inputs are absent, and imputed: {_some(absent)}"
    if cohort.unknown:
        levels = [f"{name} ({rows} rows)" for name, rows in cohort.unknown.items()]
        yield f"Levels unknown to the model, taken as missing: {_some(levels)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
