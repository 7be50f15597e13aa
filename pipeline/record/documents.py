"""Numbers of the cohort, its description and the explanations: rows of the record, named by their texts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.project.files import read_json
from pipeline.record.result_rows import is_number

FILES = (
    "cohort/flow.json",
    "description.json",
    "features/*.json",
    "shap/*.json",
    "review/*.csv",
    "raw/problems.csv",
)
"""Where the numbers stand that pages tell beside results, below artifacts/<study>."""
DRAWN = frozenset({"curves", "curves_by"})
"""Points of curves, which are drawn and told nowhere."""
UNNAMED = frozenset(
    {
        "description",
        "unit",
        "source",
        "note",
        "ids",
        "text",
        "verdict",
        "found",
        "expected",
        "kind",
        "landmark",
    }
)
"""Texts of a row that do not tell it from others; its landmark has a column of its own."""
SPREAD = ("median", "q25", "q75")
MEAN_ENDS = ("mean_low", "mean_high")
ESTIMATES = ("value", "difference", "mean_abs", "share")
"""Whose interval `low` and `high` are: of the first that is there and has none of its own."""
QUARTILES = "median, quartiles"
OF = ("of", "n", "patients")
"""Of how many a number of an object is, by the first of these keys that it has."""
CURVES = "curves/*-instability.csv"
"""Of a curve that has a point for each prediction, how many it has."""
NUMBER = "number"
"""How many rows a list has."""
Row = dict[str, object]
Words = tuple[str, ...]


def document_rows(artifacts: Path, landmarks: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Yield every number of `FILES` with its file: landmark, group, measure, value and interval."""
    for pattern in FILES:
        for path in sorted(artifacts.glob(pattern)):
            own: Row = {"landmark": path.stem} if path.stem in landmarks else {}
            content = _table(path) if path.suffix == ".csv" else read_json(path)
            for row in _of(content, (), own, landmarks):
                yield path.relative_to(artifacts).as_posix(), row
            for row in _sums(content, own):
                yield path.relative_to(artifacts).as_posix(), row
    for path in sorted(artifacts.glob(CURVES)):
        landmark = next((name for name in landmarks if path.name.startswith(f"{name}-")), "")
        row = {"landmark": landmark, "measure": NUMBER, "value": len(pd.read_csv(path, usecols=[0]))}
        yield path.relative_to(artifacts).as_posix(), row


def _sums(content: object, own: Row) -> Iterator[Row]:
    """Yield how many rows a landmark did not see, by reason, over tables and visits."""
    late = content.get("late", []) if isinstance(content, Mapping) else []
    for reason in dict.fromkeys(row["reason"] for row in late):
        rows = sum(row["rows"] for row in late if row["reason"] == reason)
        yield own | {"group": "late", "measure": str(reason), "value": rows}


def _table(path: Path) -> list[dict[str, object]]:
    rows = pd.read_csv(path, dtype={"column": str, "ids": str}).astype(object).to_dict("records")
    return [{str(key): value for key, value in row.items() if not pd.isna(value)} for row in rows]


def _of(content: object, words: Words, own: Row, landmarks: Sequence[str]) -> Iterator[Row]:
    """Yield the numbers of a part of a document; `words` lead to it, `own` is what all its rows have."""
    if isinstance(content, Mapping):
        if content.get("landmark") in landmarks:
            own = own | {"landmark": content["landmark"]}
        yield from _numbers(content, words, own)
        for key, part in content.items():
            if key in landmarks:
                yield from _of(part, words, own | {"landmark": key}, landmarks)
            elif key not in DRAWN:
                yield from _of(part, (*words, str(key)), own, landmarks)
    elif isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        yield own | {"group": _joined(words), "measure": NUMBER, "value": len(content)}
        seen: dict[Words, int] = {}
        for part in content:
            name = (*words, *_names(part))
            seen[name] = seen.get(name, 0) + 1
            yield from _of(part, (*name, str(seen[name])) if seen[name] > 1 else name, own, landmarks)


def _numbers(content: Mapping[str, object], words: Words, own: Row) -> Iterator[Row]:
    """Yield the numbers that stand in an object itself, each with the interval that it has there."""
    numbers = {str(key): part for key, part in content.items() if is_number(part)}
    limits: dict[str, tuple[str, str]] = {}
    if set(SPREAD) <= set(numbers):
        limits["median"] = ("q25", "q75")
    if set(MEAN_ENDS) <= set(numbers):
        limits["mean_abs"] = MEAN_ENDS
    if {"low", "high"} <= set(numbers):
        free = (name for name in ESTIMATES if name in numbers and name not in limits)
        limits |= {name: ("low", "high") for name in [next(free, "")] if name}
    ends = {end for pair in limits.values() for end in pair}
    of = next((name for name in OF if name in numbers), "")
    counts = {"n": numbers[of]} if of else {}
    if "events" in numbers:
        counts["events"] = numbers["events"]
    for key, number in numbers.items():
        if key in ends:
            continue
        row = own | {"group": _joined(words), "measure": key, "value": number}
        if key not in {of, "events"}:
            row |= counts
        if key in limits:
            row |= dict(zip(("low", "high"), (numbers[end] for end in limits[key]), strict=True))
        yield row | ({"method": QUARTILES} if key == "median" else {})


def _names(part: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts that name a row of a list, such as feature and level; of several features, all."""
    for key, text in part.items():
        if isinstance(text, str) and text and key not in UNNAMED:
            yield text
        elif key == "features" and isinstance(text, list) and all(isinstance(name, str) for name in text):
            yield ", ".join(text)


def _joined(words: Words) -> str:
    return " / ".join(words)
