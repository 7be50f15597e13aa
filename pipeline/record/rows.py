"""The record: every number of results/, the comparison of models, and what pages tell beside, a row each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from features.errors import UserError
from pipeline.project.files import read_json
from pipeline.record.documents import document_rows, is_number
from pipeline.record.gate_intervals import gate_rows
from pipeline.registry.gates import Criteria

KEY = ["study", "file", "landmark", "population", "model", "group", "part", "measure", "method"]
NUMBERS = ["value", "low", "high", "n", "events"]
COLUMNS = [*KEY, *NUMBERS, "level", "error", "stage", "state_key"]
COMPARISON = "metrics/comparison.json"
EFFICACY = "results/efficacy.json"
MEASURE = {"value", "error"}
"""A JSON object with one of these keys is a number with its interval, or the reason why there is none."""
COUNTS = ("n", "events")
BETWEEN = " / "
"""Between the keys that lead to a measure, in the column group."""
LIMITS = ("low", "high")


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


def result_rows(artifacts: Path, landmarks: Sequence[str]) -> list[dict[str, object]]:
    """Return the rows of results/ and of the comparison of models, with what they have of `KEY` and `NUMBERS`.

    Raises
    ------
    UserError
        If there are no results.
    """
    files = sorted((artifacts / "results").glob("*.json"))
    if not files:
        raise UserError(f"{artifacts / 'results'} has no results: run `pcr run` first")
    rows: list[dict[str, object]] = []
    for path in [*files, *((artifacts / COMPARISON,) if (artifacts / COMPARISON).is_file() else ())]:
        file = path.relative_to(artifacts).as_posix()
        content = read_json(path)
        found = _efficacy(content) if file == EFFICACY else _of_file(content, path.stem, landmarks)
        rows += [{"file": file} | row for row in found]
    return rows


def _stage_of(file: str, stages: Mapping[str, str]) -> str:
    """Return the stage that made a file, or the folder that it lies in."""
    places = (file, *map(str, PurePosixPath(file).parents))
    return next((stages[place] for place in places if place in stages), "")


def _efficacy(content: Mapping[str, object]) -> Iterator[dict[str, object]]:
    listed = content["rows"]
    for row in listed if isinstance(listed, list) else ():
        yield {name: row[name] for name in (*KEY, *NUMBERS, "error") if name in row} | {"part": row["level"]}


def _of_file(content: object, name: str, landmarks: Sequence[str]) -> Iterator[dict[str, object]]:
    """Yield the rows of a file of nested objects: their keys are model or group, and measure."""
    of_file = next(
        (landmark for landmark in landmarks if name in {landmark, f"{_kind(name)}-{landmark}"}), ""
    )
    for path, measure, counts in _measures(content, ()):
        keys, landmark = list(path), of_file
        if not landmark and keys[0] in landmarks:
            landmark = keys.pop(0)
        *groups, last = keys
        by_model = name == landmark and groups
        model, _, arm = groups[0].partition("@") if by_model else ("", "", "")
        rest = ([arm] if arm else []) + groups[1:] if by_model else groups
        yield from _rows(
            {"landmark": landmark, "model": model, "group": BETWEEN.join(rest)}, last, measure, counts
        )


def _kind(name: str) -> str:
    return name.partition("-")[0]


def _rows(
    where: dict[str, object], name: str, measure: Mapping[str, object], counts: dict[str, object]
) -> Iterator[dict[str, object]]:
    """Yield a measure, and a row for each further number of it, such as the limits of another interval."""
    limits = {limit: measure[limit] for limit in LIMITS if limit in measure}
    told = {"value": measure.get("value"), "error": measure.get("error", "")}
    yield where | {"measure": name} | counts | told | limits
    for key, number in measure.items():
        if key not in {*MEASURE, *LIMITS} and is_number(number):
            yield where | {"measure": f"{name}.{key}", "value": number} | counts


def _measures(
    content: object, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, object], dict[str, object]]]:
    """Yield path and content of every measure, with the counts that stand beside it; a bare number is one."""
    items = (
        enumerate(content)
        if isinstance(content, list)
        else content.items()
        if isinstance(content, dict)
        else ()
    )
    counts = _counts(content)
    for key, part in items:
        here = (*path, str(key))
        if (
            isinstance(part, dict)
            and MEASURE & set(part)
            and not any(isinstance(x, dict) for x in part.values())
        ):
            yield here, part, {} if key in COUNTS else counts
        elif is_number(part):
            yield here, {"value": part}, {} if key in COUNTS else counts
        else:
            yield from _measures(part, here)


def _counts(content: object) -> dict[str, object]:
    if not isinstance(content, dict):
        return {}
    found = {name: content[name] for name in COUNTS if name in content}
    values = {
        name: part["value"] if isinstance(part, dict) and "value" in part else part
        for name, part in found.items()
    }
    return {name: number for name, number in values.items() if is_number(number)}


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
