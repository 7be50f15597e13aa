"""Columns of the outcome: what a table of the outcome is made from can never be a feature."""

from collections.abc import Iterator
from typing import NamedTuple

from features.contract.validation import Contract
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.study_file import SourceMapping

OUTCOME = "outcome"


class Place(NamedTuple):
    """A source column and the column of the contract that it becomes."""

    file: SourceFile
    column: str
    table: str
    name: str

    @property
    def text(self) -> str:
        """The contract's column as errors name it."""
        return f"{self.table}.{self.name}"

    def is_shared_with(self, other: "Place") -> bool:
        """Tell whether both are read from the same cells; not so where filters exclude each other."""
        same = (self.file.label, self.column) == (other.file.label, other.column)
        return same and not _exclude_each_other(self.file, other.file)


def require_no_outcome_columns(mapping: SourceMapping, contract: Contract) -> None:
    """Refuse a source column that a table of the outcome and another table are made from.

    Raises
    ------
    SourceError
        With a line for each such column, which names both places. Dates and visits may be shared, and a
        column of one file whose rows two entries divide by `keep` (the biopsy's and the specimen's results).
    """
    places = list(_places(mapping, contract))
    tables = {name for name, spec in contract.items() if spec.timing.known_at == OUTCOME}
    outcome = [place for place in places if place.table in tables]
    found: dict[tuple[str, str], str] = {}
    for place in (place for place in places if place.table not in tables):
        of_outcome = next((o for o in outcome if o.is_shared_with(place)), None)
        if of_outcome is not None:
            found[place.file.label, place.column] = (
                f"- {place.file.label}, column {place.column!r}: of the outcome ({of_outcome.text}), and "
                f"mapped to {place.text}, too"
            )
    if found:
        head = "study file: what the outcome is read from would be a feature; unmap it there, or leave_out:"
        raise SourceError("\n".join([head, *found.values()]))


def _exclude_each_other(first: SourceFile, second: SourceFile) -> bool:
    """Tell whether two entries of a file want different values of one column."""
    wanted = {rule.column: set(rule.wanted) for rule in first.keep}
    return any(not wanted.get(rule.column, {*rule.wanted}) & {*rule.wanted} for rule in second.keep)


def _places(mapping: SourceMapping, contract: Contract) -> Iterator[Place]:
    """Yield the places of every column that is no date and no visit."""
    for table, blocks in mapping.tables.items():
        for block in blocks:
            for name, rule in block.columns.items():
                spec = contract[table].columns.get(name)
                if spec is None or spec.type in {"date", "visit"} or name == "usubjid":
                    continue
                file = mapping.files[rule.file or block.file]
                for column in rule.source_columns:
                    yield Place(file, column, table, name)
