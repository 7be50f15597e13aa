"""Columns of the outcome: what a table of the outcome is made from can never be a feature."""

from collections.abc import Iterator

from features.contract.validation import Contract
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapping.study_file import SourceMapping

OUTCOME = "outcome"


def require_no_outcome_columns(mapping: SourceMapping, contract: Contract) -> None:
    """Refuse a source column that a table of the outcome and another table are made from.

    Raises
    ------
    SourceError
        With a line for each such column, which names both places. Dates and visits may be shared.
    """
    outcome: dict[tuple[str, str], str] = {}
    others: list[tuple[tuple[str, str], str]] = []
    for table, source, place in _places(mapping, contract):
        if contract[table].timing.known_at == OUTCOME:
            outcome.setdefault(source, place)
        else:
            others.append((source, place))
    both = [
        f"- {file}, column {column!r}: of the outcome ({outcome[file, column]}), and mapped to {place}, too"
        for (file, column), place in dict(others).items()
        if (file, column) in outcome
    ]
    if both:
        head = "study file: what the outcome is read from would be a feature; unmap it there, or leave_out:"
        raise SourceError("\n".join([head, *both]))


def _places(mapping: SourceMapping, contract: Contract) -> Iterator[tuple[str, tuple[str, str], str]]:
    """Yield (table, (file, column), place in the contract) of every column that is no date and no visit."""
    for table, blocks in mapping.tables.items():
        for block in blocks:
            for name, rule in block.columns.items():
                spec = contract[table].columns.get(name)
                if spec is None or spec.type in {"date", "visit"} or name == "usubjid":
                    continue
                label = mapping.files[rule.file or block.file].label
                for column in rule.source_columns:
                    yield table, (label, column), f"{table}.{name}"
