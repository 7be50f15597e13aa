"""What a domain of SDTM says beside a number: its unit, the result as text, and whether it was done at all.

A number counts in the unit of its own row (--STRESU, --ORRESU, AGEU, --DOSU); a result that is no number,
such as <3, stands in --STRESC alone (SDTMIG 3.4, the findings class).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from features.contract.specification import ColumnSpec
from features.contract.validation import Contract
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.sdtm import NOT_DONE
from pipeline.sources.formats.source_file import Keep, SourceFile
from pipeline.sources.mapping.blocks import Loaded, test_names
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import SourceMapping

Units = Mapping[str, Mapping[str, float]]
"""The contract's unit -> unit of a file, in lower case -> factor (configs/units.yaml)."""
NUMERIC = {"float", "integer"}


class Beside(NamedTuple):
    """The columns beside a number; None where the domain has none of that kind."""

    unit: str
    text: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Use:
    """A contract column that numbers of a file become: rows by `keep`, or by a test of the file's `pivot`.

    `words` (in upper case) stand for numbers; with `reads_limits` <3 is read as its limit.
    """

    source: str
    spec: ColumnSpec
    keep: tuple[Keep, ...]
    has_factor: bool
    words: Collection[str] = ()
    reads_limits: bool = False


def beside(column: str) -> Beside | None:
    """Return the columns that SDTM has beside a column of numbers; None where it has none."""
    domain, name = column[:2], column[2:]
    if name in {"STRESN", "STRESC"}:
        return Beside(f"{domain}STRESU", f"{domain}STRESC" if name == "STRESN" else None, f"{domain}STAT")
    if name == "ORRES":
        return Beside(f"{domain}ORRESU", None, f"{domain}STAT")
    if name == "DOSE":
        return Beside(f"{domain}DOSU")
    return Beside("AGEU") if column == "AGE" else None


def columns_beside(file: SourceFile, columns: Collection[str]) -> set[str]:
    """Return the columns of an SDTM file that stand beside those read; they need not be there."""
    if not file.is_sdtm:
        return set()
    found = (beside(column) for column in columns)
    return {name for columns_found in found if columns_found for name in columns_found if name}


def uses(mapping: SourceMapping, contract: Contract) -> dict[str, list[Use]]:
    """Return, for each file, the contract columns of numbers that come from it."""
    result: dict[str, list[Use]] = {}
    for table, blocks in mapping.tables.items():
        for block in blocks:
            for name, rule in block.columns.items():
                spec = contract[table].columns.get(name)
                if spec is None or spec.type not in NUMERIC:
                    continue
                file = rule.file or block.file
                keep = tuple(block.keep) if file == block.file else ()
                for source in rule.source_columns:
                    words, limits = rule.number_words, rule.censored == "limit"
                    use = Use(source, spec, keep, rule.factor is not None, words, limits)
                    result.setdefault(file, []).append(use)
    return result


def with_units(loaded: Loaded, file_uses: Collection[Use], units: Units, reader: Reader) -> Loaded:
    """Return the rows of an SDTM file with every number in the contract's unit; what was changed is counted.

    Raises
    ------
    SourceError
        If a unit is unknown, or several units stand beside numbers that the study file scales by a factor.
    """
    if not loaded.file.is_sdtm:
        return loaded
    cells = loaded.cells.copy()
    targets: dict[str, pd.Series] = {}
    for use in file_uses:
        pivot = loaded.file.pivot
        column = use.source if pivot is None else pivot.value
        columns = beside(column)
        if columns is None or column not in cells:
            continue
        rows = _rows_of(cells, use, loaded.file)
        target = "" if use.spec.unit is None or use.has_factor else use.spec.unit
        former = targets.setdefault(column, pd.Series(None, index=cells.index, dtype="object"))
        if (rows & former.notna() & (former != target)).any():
            raise SourceError(
                f"{loaded.file.label}, column {column!r}: its numbers are mapped to {use.spec.name} and to a "
                f"column with another unit; read the file by an entry of its own for each"
            )
        numbers = _Numbers(loaded, column, columns, rows & former.isna(), reader)
        targets[column] = former.mask(rows, target)
        cells[column] = numbers.filled_from_text(cells, use)
        cells[column] = numbers.converted(cells, use, units)
    return replace(loaded, cells=cells)


def scaled(values: pd.Series, factor: float) -> pd.Series:
    """Return numbers as text times a factor, a sign such as < kept; what is no number stays as it is."""
    parts = values.str.extract(r"^([<>≤≥]=?)?\s*(.*)$")
    product = pd.to_numeric(parts[1], errors="coerce") * factor
    texts = parts[0].fillna("") + product.map("{:.12g}".format, na_action="ignore").astype("str")
    return texts.fillna(values)


def _rows_of(cells: pd.DataFrame, use: Use, file: SourceFile) -> pd.Series:
    if file.pivot is not None:
        return test_names(cells, file.pivot) == use.source
    rows = pd.Series(data=True, index=cells.index)
    for rule in use.keep:
        rows &= cells[rule.column].fillna("").isin(rule.wanted)
    return rows


class _Numbers(NamedTuple):
    """The cells of a column that become one contract column, and what stands beside them."""

    loaded: Loaded
    column: str
    beside: Beside
    rows: pd.Series
    reader: Reader

    def note(self, rule: str, rows: pd.Series) -> None:
        self.reader.note(self.loaded.file.label, self.column, rule, int(rows.sum()), self._named(rows))

    def filled_from_text(self, cells: pd.DataFrame, use: Use) -> pd.Series:
        """Return the numbers, with those that stand as text alone; results that are no number are counted.

        Words and limits that the study file reads as numbers stand in the number's place.
        """
        values = cells[self.column]
        done = self.rows
        if self.beside.status in cells:
            undone = self.rows & (cells[self.beside.status] == NOT_DONE)
            self.note("done_and_not_done: a result beside the status NOT DONE", undone & values.notna())
            done = self.rows & ~undone
        if self.beside.text not in cells:
            return values
        text = cells[self.beside.text]
        alone = done & values.isna() & text.notna()
        number = alone & pd.to_numeric(text, errors="coerce").notna()
        beyond = alone & text.str.match(r"[<>≤≥]", na=False)
        word = alone & text.str.upper().isin(list(use.words))
        self.note("number_from_text: the number stands as text alone", number)
        if not use.reads_limits:
            self.note("beyond_limit: below or above a limit of measurement, no number", beyond)
        self.note("result_in_words: no number", alone & ~number & ~beyond & ~word)
        return values.mask(number | word | (beyond & use.reads_limits), text)

    def converted(self, cells: pd.DataFrame, use: Use, units: Units) -> pd.Series:
        """Return the numbers in the contract's unit."""
        values = cells[self.column]
        if use.spec.unit is None or self.beside.unit not in cells:
            return values
        filled = self.rows & values.notna()
        unit = cells[self.beside.unit].where(filled)
        if not unit.notna().any():
            return values
        self.note("unit_missing: read as the contract's unit, as other rows are", filled & unit.isna())
        if use.has_factor:
            self._require_one_unit(unit)
            return values
        factors = units.get(use.spec.unit, {use.spec.unit.lower(): 1.0})
        factor = unit.str.lower().map(factors)
        self._require_listed(unit, unit.notna() & factor.isna(), use, factors)
        for name, rows in _groups(unit, factor):
            self.note(f"unit_converted: from {name} to {use.spec.unit}", rows)
            values = values.mask(rows, scaled(values[rows], float(factor[rows].iloc[0])))
        return values

    def _require_listed(
        self, unit: pd.Series, rows: pd.Series, use: Use, factors: Mapping[str, float]
    ) -> None:
        if rows.any():
            raise SourceError(
                f"{self._where}: {int(rows.sum())} rows ({self._named(rows)}) in the unit "
                f"{', '.join(sorted(unit[rows].unique())[:3])}, which is unknown for {use.spec.name} in "
                f"{use.spec.unit}; must be one of {', '.join(factors)}, or give `factor` in the study file"
            )

    def _require_one_unit(self, unit: pd.Series) -> None:
        names = sorted(unit.dropna().str.lower().unique())
        if len(names) > 1:
            raise SourceError(
                f"{self._where}: rows in {', '.join(names[:3])}, all scaled by one `factor`; leave it out, "
                f"so that every row is read in its own unit"
            )

    @property
    def _where(self) -> str:
        return f"{self.loaded.file.label}, column {self.column!r}"

    def _named(self, rows: pd.Series) -> str:
        ids = self.loaded.ids
        return "" if ids is None else "; ".join(sorted(ids[rows].dropna().unique())[:3])


def _groups(unit: pd.Series, factor: pd.Series) -> Iterator[tuple[str, pd.Series]]:
    """Yield each unit that is not the contract's own, and its rows."""
    for name in sorted(unit[factor.notna() & (factor != 1)].unique()):
        yield str(name), unit == name
