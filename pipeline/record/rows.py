"""The record: every number of results/, the comparison of models, and what pages tell beside, a row each."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.record.documents import document_rows
from pipeline.record.gate_intervals import gate_rows
from pipeline.record.result_rows import KEY, NUMBERS, result_rows
from pipeline.report.gates import Criteria

COLUMNS = [*KEY, *NUMBERS, "level", "error", "stage", "state_key"]


def record(
    artifacts: Path,
    study: str,
    landmarks: Sequence[str],
    level: float,
    stages: Mapping[str, str],
    key: str,
    criteria: Criteria | None = None,
) -> pd.DataFrame:
    """Return the record of a study's results, in the order of files and of what stands in them.

    Parameters
    ----------
    artifacts : Path
        artifacts/<study>.
    level : float
        Of all intervals but those of the gates.
    stages : mapping
        The stage that made a file or folder, by its path below `artifacts`.
    key : str
        The key of the pipeline state that the results are of.
    criteria : Criteria, optional
        The gates of promotion, which judge by intervals of their own.

    Returns
    -------
    DataFrame
        `COLUMNS`; texts are empty and numbers NaN where they do not apply.

    Raises
    ------
    UserError
        If there are no results.
    """
    rows = result_rows(artifacts, landmarks)
    rows += [{"file": file} | row for file, row in document_rows(artifacts, landmarks)]
    if criteria is not None:
        rows += [{"file": file} | row for file, row in gate_rows(artifacts, landmarks, criteria)]
    made_by = {file: _stage_of(file, stages) for file in {str(row["file"]) for row in rows}}
    common = {"study": study, "state_key": key, "level": level}
    rows = [common | {"stage": made_by[str(row["file"])]} | row for row in rows]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    texts = [name for name in COLUMNS if name not in {*NUMBERS, "level"}]
    kinds = dict.fromkeys([*NUMBERS, "level"], "float64") | dict.fromkeys(texts, "object")
    return frame.astype(kinds).fillna(dict.fromkeys(texts, ""))


def _stage_of(file: str, stages: Mapping[str, str]) -> str:
    """Return the stage that made a file, or the folder that it lies in."""
    places = (file, *map(str, PurePosixPath(file).parents))
    return next((stages[place] for place in places if place in stages), "")


def differences(former: pd.DataFrame, present: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in which two records differ beyond rounding (nine digits).

    Returns
    -------
    DataFrame
        `KEY` but the study, `change` (changed, gone or new), and value and error of both.
    """
    keys = [name for name in KEY if name != "study"]
    both = former.merge(present, on=keys, how="outer", suffixes=("_former", "_present"), indicator=True)
    apart = pd.Series(False, index=both.index)
    for name in NUMBERS:
        one, other = both[f"{name}_former"], both[f"{name}_present"]
        equal = (one.isna() & other.isna()) | ((one - other).abs() <= 1e-9 * (one.abs() + other.abs()) / 2)
        apart |= ~equal
    apart |= both["error_former"].fillna("") != both["error_present"].fillna("")
    kinds = {"both": "changed", "left_only": "gone", "right_only": "new"}
    told = both.assign(change=both["_merge"].astype("str").map(kinds))
    told = told.loc[apart | (told["change"] != "changed")]
    return told[
        [*keys, "change", "value_former", "value_present", "error_former", "error_present"]
    ].reset_index(drop=True)
