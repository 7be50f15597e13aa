"""Columns by pattern: wide files of omics and radiomics, whose columns no study file should have to list."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import Block, SourceMapping


def with_columns(mapping: SourceMapping, reader: Reader) -> SourceMapping:
    """Return the mapping with every pattern of columns replaced by the columns that match in the file.

    Raises
    ------
    SourceError
        If a pattern matches no column, or two columns would have one name.
    """
    tables = {
        table: [_expanded(block, mapping, reader, table) for block in blocks]
        for table, blocks in mapping.tables.items()
    }
    return mapping.model_copy(update={"tables": tables})


def _expanded(block: Block, mapping: SourceMapping, reader: Reader, table: str) -> Block:
    columns = dict(block.columns)
    for name, rule in block.columns.items():
        if not isinstance(rule.source, dict) or not any("*" in source for source in rule.source.values()):
            continue
        file = mapping.files[rule.file or block.file]
        if file.pivot is not None:
            raise SourceError(
                f"study file, table {table}: a pattern of columns and `pivot` exclude each other"
            )
        # What names a patient is never a measurement.
        known = [c for c in reader.columns(file) if c and (file.id is None or c != file.id.column)]
        listed = [c for c in known if not any(fnmatchcase(c, pattern) for pattern in block.leave_out)]
        source: dict[str, str] = {}
        for level, pattern in rule.source.items():
            where = f"study file, table {table}, {name}: pattern {pattern!r}"
            pairs = list(_matches(level, pattern, listed)) if "*" in pattern else [(level, pattern)]
            if not pairs:
                raise SourceError(f"{where} matches none of the {len(listed)} columns of {file.label}")
            names = [*source, *(key for key, _ in pairs)]
            if twice := sorted({key for key in names if names.count(key) > 1}):
                raise SourceError(f"{where} gives {twice[0]} twice; write patterns that do not overlap")
            source |= pairs
        columns[name] = rule.model_copy(update={"source": source})
    return block.model_copy(update={"columns": columns})


def _matches(level: str, pattern: str, columns: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (level, column) of every column that matches, the stars of the level filled with its parts."""
    parts = [re.escape(part) for part in pattern.split("*")]
    for column in columns:
        if found := re.fullmatch("(.*?)".join(parts), column):
            stars = iter(found.groups())
            yield re.sub(r"\*", lambda _, stars=stars: next(stars), level), column  # type: ignore[misc]
