"""Dataset-JSON, in which SDTM datasets are exchanged: versions 1.0 and 1.1, and 1.1 in lines (NDJSON).

Source of the formats: CDISC, Dataset-JSON 1.0 (itemGroupData with items and itemData) and 1.1 (columns and
rows; as NDJSON the metadata on the first line, a row on each of the others).
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL and halves of a pair: JSON can write them, no text has them."""
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read_dataset_json(path: Path) -> pd.DataFrame:
    """Return the dataset of a Dataset-JSON file.

    Raises
    ------
    ValueError
        If it is not JSON, says a thing twice, lacks columns or the number of records, has several datasets,
        other cells than texts and numbers, characters that are none, or not as many rows as it says. Rows may
        be left out where there are none.
    """
    content = path.read_bytes().decode("utf-8-sig")
    if path.suffix.lower() == ".ndjson":
        head, *lines = [line for line in content.split("\n") if line.strip()]
        dataset = _object(head) | {"rows": [_parsed(line) for line in lines]}
    else:
        dataset = _dataset(_object(content))
    if not {"columns", "records"} <= set(dataset):
        raise ValueError("it is no Dataset-JSON: `columns` or `records` is missing")
    columns, rows = dataset["columns"], dataset.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError("it is no Dataset-JSON: `rows` is no list of lists")
    if not isinstance(columns, list) or not all(
        isinstance(c, dict) and isinstance(c.get("name"), str) for c in columns
    ):
        raise ValueError("it is no Dataset-JSON: a column has no name")
    names = [column["name"] for column in columns]
    wrong = sum(len(row) != len(names) for row in rows)
    if wrong or dataset["records"] != len(rows):
        raise ValueError(
            f"it says {dataset['records']} records and has {len(rows)}, {wrong} of them not of {len(names)} "
            f"cells: the file is truncated or edited"
        )
    nested = sum(isinstance(cell, dict | list) for row in rows for cell in row)
    if nested:
        raise ValueError(f"{nested} of its cells are lists or objects, not texts or numbers")
    if _ESCAPED.search(content):
        damaged = sum(
            isinstance(cell, str) and NO_TEXT.search(cell) is not None
            for row in [names, *rows]
            for cell in row
        )
        if damaged:
            raise ValueError(f"{damaged} of its texts hold NUL or half of a pair (\\ud800 to \\udfff)")
    return pd.DataFrame(rows, columns=names, dtype="object")


def _dataset(content: dict[str, object]) -> dict[str, object]:
    """Return a dataset as version 1.1 has it: in 1.0 it is one of the file's groups of items."""
    parts = (content.get(name) for name in ("clinicalData", "referenceData"))
    groups = [
        group for part in parts if isinstance(part, dict) for group in part.get("itemGroupData", {}).values()
    ]
    if not groups:
        return content
    if len(groups) > 1 or not isinstance(groups[0], dict):
        raise ValueError(f"it has {len(groups)} datasets, not one")
    group = groups[0]
    renamed = {"columns": group.get("items"), "rows": group.get("itemData", [])}
    return group | renamed


def _object(text: str) -> dict[str, object]:
    content = _parsed(text)
    if not isinstance(content, dict):
        raise ValueError("it is no Dataset-JSON: it is no JSON object")  # noqa: TRY004 - a fault of the file
    return content


def _parsed(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_twins,
        )
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        raise ValueError("it goes on after its JSON: Dataset-JSON in lines is named .ndjson") from error


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"it says {', '.join(twice[:3])} twice")
    return dict(pairs)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("one of its numbers is beyond what a computer's numbers hold (about 1e308)")
    return number
