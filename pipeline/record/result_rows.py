"""Every number of results/ and of the comparison of models as a row, named by the keys that lead to it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from features.errors import UserError
from pipeline.project.files import read_json
from pipeline.report.from_record import LIMITS, PATH

KEY = ["study", "file", "landmark", "population", "model", "group", "part", "measure", "method"]
NUMBERS = ["value", "low", "high", "n", "events"]
COMPARISON = "metrics/comparison.json"
EFFICACY = "results/efficacy.json"
MEASURE = {"value", "error"}
"""A JSON object with one of these keys is a number with its interval, or the reason why there is none."""
COUNTS = ("n", "events")


def result_rows(artifacts: Path, landmarks: Sequence[str]) -> list[dict[str, object]]:
    """Return the rows of results/ and of the comparison of models: what they have of `KEY` and `NUMBERS`.

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
        place = {PATH: path[:-1]}
        if not landmark and keys[0] in landmarks:
            landmark = keys.pop(0)
        *groups, last = keys
        by_model = name == landmark and groups
        model, _, arm = groups[0].partition("@") if by_model else ("", "", "")
        rest = ([arm] if arm else []) + groups[1:] if by_model else groups
        yield from _rows(
            place | {"landmark": landmark, "model": model, "group": " / ".join(rest)}, last, measure, counts
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


def is_number(part: object) -> bool:
    """Tell whether a part of a document is a number, and no truth value."""
    return isinstance(part, int | float) and not isinstance(part, bool)
