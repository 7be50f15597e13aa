"""The fractions of a MAF computed a second time, row by row, in decimal numbers."""

from collections.abc import Collection
from decimal import Decimal

import pandas as pd

from pipeline.sources.audit.compare import Audit, compare

COUNTED = ("t_alt_count", "t_ref_count", "t_depth", "n_alt_count", "n_ref_count", "n_depth")
DERIVED = ("ALT_COUNT", "DEPTH", "VAF", "NORMAL_VAF")


def audit_counts(label: str, calls: pd.DataFrame, missing: Collection[str]) -> list[Audit]:
    """Compare the columns that were derived from the read counts with those of this reader.

    `calls` has the counts as text, and the columns derived from them; `missing` are texts for an empty cell.
    """
    counts = {name: calls[name].tolist() for name in COUNTED if list(calls.columns).count(name) == 1}
    empty = {"", ".", *missing}
    rows = [
        _derived(dict(zip(counts, row, strict=True)), empty) for row in zip(*counts.values(), strict=True)
    ]
    second = pd.DataFrame(rows, columns=list(DERIVED), dtype="object")
    first = calls[list(DERIVED)].apply(lambda column: column.map(_shown, na_action="ignore").astype("object"))
    return list(compare(label, first, second, DERIVED))


def _derived(row: dict[str, object], empty: set[str]) -> list[str]:
    numbers = {name: Decimal(str(cell).strip()) for name, cell in row.items() if _filled(cell, empty)}
    alt, depth = numbers.get("t_alt_count"), _depth(numbers, "t")
    normal = _share(numbers.get("n_alt_count"), _depth(numbers, "n"))
    return [_text(alt), _text(depth), _text(_share(alt, depth)), _text(normal)]


def _filled(cell: object, empty: set[str]) -> bool:
    return isinstance(cell, str | int | float) and cell == cell and str(cell).strip() not in empty  # noqa: PLR0124 - NaN


def _depth(numbers: dict[str, Decimal], side: str) -> Decimal | None:
    if f"{side}_depth" in numbers:
        return numbers[f"{side}_depth"]
    alt, ref = numbers.get(f"{side}_alt_count"), numbers.get(f"{side}_ref_count")
    return None if alt is None or ref is None else alt + ref


def _share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return part / whole if part is not None and whole else None


def _text(number: Decimal | None) -> str:
    return "" if number is None else _shown(float(number))


def _shown(number: float) -> str:
    return f"{number:.12g}"
