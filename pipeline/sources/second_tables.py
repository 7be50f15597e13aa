"""Contract tables made a second time from the files' cells, row by row, and compared with the first ones.

The cells of a file have been compared already (`pipeline.sources.audit`); here it is what became of them:
codes and labels, units, pivots, supplemental qualifiers, ids, filters, look-ups, numbers and dates. Rows are
plain dictionaries; of the first way only the study file's model and the files' cells are shared. What is not
made again: the calls of VCF and MAF (compared when read), genes of panels, days of visits, and tables with
doses that are placed in cycles.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from features.contract.cells import as_text
from features.contract.specification import ColumnSpec, TableSpec
from features.contract.validation import Contract
from pipeline.sources.audit.compare import Audit
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import Keep, Pivot, SourceFile
from pipeline.sources.mapping.column_rule import Block, ColumnRule
from pipeline.sources.mapping.study_file import SourceMapping
from pipeline.sources.second_values import plain_identifier, recoded, same, value_of

Row = dict[str, str]
Units = Mapping[str, Mapping[str, float]]
TABLE = "table "
"""Before the name of a table in what is told of its comparison."""
ID = "\0usubjid"
"""Key of a row's patient, beside the names of its columns."""
OF_AN_ENTRY = {"accepted", "calls", "cycles", "id", "keep", "optional", "partial_dates", "pivot", "visits"}
"""What entries of the same file may have of their own, without a part in what its cells say."""


@dataclass
class SecondTables:
    """Makes contract tables from the rows of files.

    `cells` gives the rows of a file as they stand, `calls` those of entries that are calls of variants, with
    their patients. `absent` are entries whose optional file is not there. `dictionary` gives the rows of a
    REDCap dictionary, `from_1904` whether a workbook counts days from 1904.
    """

    mapping: SourceMapping
    contract: Contract
    units: Units
    cells: Callable[[SourceFile], list[Row]]
    calls: Mapping[str, list[Row]]
    absent: frozenset[str]
    dictionary: Callable[[SourceFile], pd.DataFrame]
    from_1904: Callable[[SourceFile], bool]
    _texts: dict[str, list[Row]] = field(default_factory=dict)
    _rows: dict[str, list[Row]] = field(default_factory=dict)
    _looked_up: dict[tuple[str, str, tuple[str, ...]], dict[str, str]] = field(default_factory=dict)

    def with_files(self, calls: Mapping[str, list[Row]], absent: frozenset[str]) -> "SecondTables":
        """Return the same with entries that were absent; what was made of the others is not made again."""
        return replace(self, calls=calls, absent=absent)

    def compare(self, table: str, first: pd.DataFrame) -> list[Audit]:
        """Return the comparison of every column of a table.

        Raises
        ------
        SourceError
            If the two ways give another number of rows.
        """
        blocks, spec = self.mapping.tables[table], self.contract[table]
        named = {rule.file or block.file for block in blocks for rule in block.columns.values()}
        if any(self.mapping.files[name].cycles for name in {*named, *(block.file for block in blocks)}):
            return []
        second = [row for block in blocks for row in self._block(block, spec)]
        label = f"{TABLE}{table}"
        if len(second) != len(first):
            raise SourceError(
                f"{label}: {len(first)} rows, and {len(second)} when made a second time; please report it"
            )
        skipped = {
            name
            for block in blocks
            for name, rule in block.columns.items()
            if rule.panels or self._is_filled_by_visits(block, rule)
        }
        audits = []
        for name in (str(c) for c in first.columns if c not in skipped):
            column = spec.columns[name]
            texts = as_text(first[name]).fillna("").tolist()
            wrong = [
                i
                for i, (one, row) in enumerate(zip(texts, second, strict=True), start=1)
                if not same(one, row.get(name, ""), column)
            ]
            audits.append(Audit(label, name, len(texts), len(wrong), tuple(wrong[:3])))
        return audits

    def _is_filled_by_visits(self, block: Block, rule: ColumnRule) -> bool:
        visits = self.mapping.files[rule.file or block.file].visits
        return visits is not None and any(c in visits.dates for c in rule.source_columns)

    def _block(self, block: Block, spec: TableSpec) -> Iterable[Row]:
        if block.file in self.absent:
            return
        rows = [row for row in self.rows(block.file) if _wanted(row, block.keep)]
        values: dict[tuple[str, str], str] = {}
        for level in block.levels or [""]:
            for row in rows:
                result = {"usubjid": row[ID]} if ID in row and "usubjid" in spec.columns else {}
                if block.repeat is not None:
                    result[block.repeat] = level
                for name, rule in block.columns.items():
                    cell = self._cell(row, rule, level, block)
                    if (name, cell) not in values:
                        values[name, cell] = self._value(cell, rule, block, spec.columns[name])
                    result[name] = values[name, cell]
                if all(result[name] for name in block.drop_empty):
                    yield result

    def _cell(self, row: Row, rule: ColumnRule, level: str, block: Block) -> str:
        """Return the text that a value is made of: a cell, or the constant."""
        source, other = rule.source_at(level), rule.file or block.file
        if source is None or other in self.absent:
            return rule.constant or ""
        cells = (
            row.get(column, "") if other == block.file else self._cell_of(row, rule, column)
            for column in (source, *rule.fallback)
        )
        return next((text for text in cells if text), "")

    def _value(self, cell: str, rule: ColumnRule, block: Block, column: ColumnSpec) -> str:
        other = rule.file or block.file
        if other in self.absent:
            return ""
        if rule.constant is not None:
            return recoded(cell, rule)
        file = self.mapping.files[other]
        return value_of(cell, rule, column, file, from_1904=self.from_1904(file))

    def _cell_of(self, row: Row, rule: ColumnRule, source: str) -> str:
        """Return the cell of another file in the row of the same patient, or of the same `by`."""
        by = rule.by or {ID: ID}
        key = (str(rule.file), source, tuple(by.values()))
        if key not in self._looked_up:
            found = self._looked_up[key] = {}
            for there in self.rows(str(rule.file)):
                parts = [there.get(name, "") for name in by.values()]
                if all(parts):
                    found.setdefault("\x1f".join(parts), there.get(source, ""))
        parts = [row.get(name, "") for name in by]
        return self._looked_up[key].get("\x1f".join(parts), "") if all(parts) else ""

    def rows(self, entry: str) -> list[Row]:
        """Return the rows of an entry of `files` that are of the study's patients."""
        if entry in self.calls:
            return self.calls[entry]
        if entry not in self._rows:
            file, rows = self.mapping.files[entry], self._loaded(entry)
            if file.id is not None and entry not in self.mapping.patient_files:
                patients = {row[ID] for name in self.mapping.patient_files for row in self.rows(name)}
                if file.id.ignore_case:
                    written = {patient.casefold(): patient for patient in patients}
                    for row in rows:
                        row[ID] = written.get(row[ID].casefold(), row[ID])
                rows = [row for row in rows if row[ID] in patients]
            self._rows[entry] = rows
        return self._rows[entry]

    def _written(self, file: SourceFile) -> list[Row]:
        """Return the rows of a file with labels, qualifiers and whole texts, once for all of its entries."""
        how = file.model_dump_json(exclude=OF_AN_ENTRY)
        if how not in self._texts:
            rows = [dict.fromkeys(file.permissible, "") | row for row in self.cells(file)]
            if file.is_sdtm:
                _fill_reasons(rows)
            if file.dictionary is not None:
                rows = list(_decoded(rows, self.dictionary(file), file.missing))
            if file.supplement is not None:
                self._add_qualifiers(rows, file)
            _join_long_texts(rows)
            missing = frozenset(file.missing)
            for row in rows:
                for name in [name for name, text in row.items() if text in missing]:
                    row[name] = ""
            self._texts[how] = rows
        return self._texts[how]

    def _loaded(self, entry: str) -> list[Row]:
        file = self.mapping.files[entry]
        rows = [dict(row) for row in self._written(file)]
        rows = [row for row in self._with_ids(rows, file) if _wanted(row, file.keep)]
        if file.accepted is not None:
            groups = [tuple(row[name] for name in file.accepted.group) for row in rows]
            flags = [row[file.accepted.flag] == "Y" for row in rows]
            chosen = {group for group, flag in zip(groups, flags, strict=True) if flag}
            rows = [
                row
                for row, group, flag in zip(rows, groups, flags, strict=True)
                if flag or group not in chosen
            ]
        if file.is_sdtm:
            self._convert_units(rows, entry, file)
        return rows if file.pivot is None else self._with_ids(self._pivoted(rows, entry, file), file)

    def _with_ids(self, rows: list[Row], file: SourceFile) -> list[Row]:
        if file.id is None:
            return rows
        for row in rows:
            text = row[file.id.column] = plain_identifier(row[file.id.column])
            if file.id.pattern is not None and text:
                match = re.search(file.id.pattern, text)
                text = "" if match is None else match[1]
            row[ID] = text.removeprefix(file.id.strip_prefix).rjust(file.id.pad, "0") if text else ""
        return rows

    def _add_qualifiers(self, rows: list[Row], file: SourceFile) -> None:
        """Give each row its supplemental qualifiers, by the column that IDVAR names."""
        assert file.supplement is not None  # noqa: S101 - asked by the caller
        for row in rows:
            for name in file.supplement.columns:
                row.setdefault(name, "")
        domain = file.path.rpartition("/")[2].partition(".")[0].upper()
        extra = self.cells(file.model_copy(update={"path": file.supplement.path, "supplement": None}))
        _join_long_texts(extra, always=("QVAL",))
        by_record: dict[tuple[str, str, str], list[Row]] = {}
        for qualifier in (q for q in extra if q["RDOMAIN"] == domain):
            key = (qualifier["USUBJID"], qualifier["IDVAR"], qualifier["IDVARVAL"])
            by_record.setdefault(key, []).append(qualifier)
        variables = {variable for _, variable, _ in by_record}
        for row in rows:
            for variable in sorted(variables):
                key = (row["USUBJID"], variable, row[variable] if variable else "")
                for qualifier in by_record.get(key, ()):
                    row[qualifier["QNAM"]] = row.get(qualifier["QNAM"]) or qualifier["QVAL"]

    def _uses(self, entry: str) -> Iterable[tuple[str, ColumnRule, list[Keep], str | None]]:
        """Yield source column, rule, filters and unit of each contract column of numbers that it gives."""
        for table, blocks in self.mapping.tables.items():
            for block in blocks:
                for name, rule in block.columns.items():
                    spec = self.contract[table].columns.get(name)
                    if (rule.file or block.file) == entry and spec and spec.type in ("float", "integer"):
                        keep = block.keep if block.file == entry else []
                        yield from ((source, rule, keep, spec.unit) for source in rule.source_columns)

    def _convert_units(self, rows: list[Row], entry: str, file: SourceFile) -> None:
        done: set[tuple[int, str]] = set()
        for source, rule, keep, unit in self._uses(entry):
            column = source if file.pivot is None else file.pivot.value
            for i, row in enumerate(rows):
                of_use = _test_of(row, file.pivot) == source if file.pivot else _wanted(row, keep)
                if column in row and of_use and (i, column) not in done:
                    done.add((i, column))
                    self._measure(row, column, rule, None if rule.factor is not None else unit)

    def _measure(self, row: Row, column: str, rule: ColumnRule, unit: str | None) -> None:
        """Give a row its number, from the text beside it if it stands there alone, in the contract's unit."""
        domain, kind = column[:2], column[2:]
        units = {"STRESN": "STRESU", "STRESC": "STRESU", "ORRES": "ORRESU", "DOSE": "DOSU"}
        beside = "AGEU" if column == "AGE" else f"{domain}{units.get(kind, '')}"
        if kind == "STRESN" and not row[column] and row.get(f"{domain}STAT") != "NOT DONE":
            text = row.get(f"{domain}STRESC", "")
            limit = rule.censored == "limit" and text[:1] in ("<", ">", "≤", "≥")
            listed = (rule.words or {}).values()
            words = {w.upper() for of in listed for w in ([of] if isinstance(of, str) else of)}
            row[column] = text if limit or text.upper() in words or _is_number(text) else ""
        stated = row.get(beside, "") if kind in units or column == "AGE" else ""
        number = row[column].lstrip("<>≤≥= ")
        if unit is None or not stated or not _is_number(number):
            return
        factor = self.units.get(unit, {unit.lower(): 1.0})[stated.lower()]
        if factor != 1:
            sign = row[column].removesuffix(number).strip()
            row[column] = f"{sign}{float(number) * factor!r}"

    def _pivoted(self, rows: list[Row], entry: str, file: SourceFile) -> list[Row]:
        pivot = file.pivot
        assert pivot is not None  # noqa: S101 - asked by the caller
        used = _columns_of(self.mapping, entry) - {*pivot.by, *pivot.carry}
        groups: dict[tuple[str, ...], Row] = {}
        for row in rows:
            test = _test_of(row, pivot)
            if test and test not in used:
                continue
            group = groups.setdefault(
                tuple(row[name] for name in pivot.by),
                {name: row[name] for name in pivot.by} | dict.fromkeys(used, ""),
            )
            for name in pivot.carry:
                group[name] = group.get(name) or row[name]
            if test:
                group[test] = row[pivot.value]
        return list(groups.values())


def _wanted(row: Row, keep: Iterable[Keep]) -> bool:
    return all(row.get(rule.column, "") in rule.wanted for rule in keep)


def _test_of(row: Row, pivot: Pivot) -> str:
    """Return the name of a row's test, of several columns joined by a space."""
    return " ".join(text for text in (row[name] for name in pivot.names) if text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text) is not None


def _columns_of(mapping: SourceMapping, entry: str) -> set[str]:
    """Return the columns that tables take from an entry, after its pivot."""
    columns: set[str] = set()
    for block in (block for blocks in mapping.tables.values() for block in blocks):
        columns |= {rule.column for rule in block.keep} if block.file == entry else set()
        for rule in block.columns.values():
            if (rule.file or block.file) == entry:
                columns |= {*rule.source_columns, *(rule.by or {}).values()}
            if block.file == entry:
                columns |= set(rule.by or {})
    return columns


def _fill_reasons(rows: list[Row]) -> None:
    for row in rows:
        for status in [name for name in row if len(name) == 6 and name.endswith("STAT")]:
            reason = f"{status[:2]}REASND"
            row[reason] = row.get(reason) or ("NOT DONE" if row[status] == "NOT DONE" else "")


def _join_long_texts(rows: list[Row], always: tuple[str, ...] = ()) -> None:
    """Put together the texts that go on in NAME1, NAME2, where one of NAME is of full length."""
    names = list(rows[0]) if rows else []
    for name in names:
        if f"{name}1" not in names or not (name in always or any(len(row[name]) >= 200 for row in rows)):
            continue
        parts = [name, *(f"{name}{i}" for i in range(1, 10) if f"{name}{i}" in names)]
        for row in rows:
            row[name] = "".join(row.get(part, "") for part in parts)


def _decoded(rows: list[Row], dictionary: pd.DataFrame, missing: list[str]) -> Iterable[Row]:
    """Yield the rows of a REDCap export with labels for codes, the boxes of unfilled forms empty."""
    fields = {entry["Variable / Field Name"]: entry for _, entry in dictionary.iterrows()}
    names = list(rows[0]) if rows else []
    kinds = {name: str(fields[name]["Field Type"]) for name in names if name in fields}
    codes = {
        name: {
            code.strip(): label.strip()
            for code, _, label in (
                part.partition(",")
                for part in str(fields[name]["Choices, Calculations, OR Slider Labels"]).split("|")
                if part.strip()
            )
        }
        for name, kind in kinds.items()
        if kind in ("radio", "dropdown", "select")
    } | {name: {"1": "Y", "0": "N"} for name, kind in kinds.items() if kind in ("yesno", "truefalse")}
    forms: dict[str, tuple[list[str], list[str]]] = {}
    for name in names:
        owner = name if name in fields else name.partition("___")[0]
        if owner in fields and "Form Name" in dictionary:
            boxes, entered = forms.setdefault(str(fields[owner]["Form Name"]), ([], []))
            if owner != name:
                boxes.append(name)
            elif kinds[name] not in ("calc", "descriptive", "checkbox") and name != names[0]:
                entered.append(name)
    with_boxes = [(form, boxes, entered) for form, (boxes, entered) in forms.items() if boxes]
    for row in rows:
        unfilled = [
            box
            for form, boxes, entered in with_boxes
            if (entered or f"{form}_complete" in row)
            and not any(row[name] for name in entered)
            and all(row[box] in ("", "0") for box in boxes)
            and row.get(f"{form}_complete", "") in ("", "0", "Incomplete")
            for box in boxes
        ]
        labels = {name: of[row[name]] for name, of in codes.items() if row[name] and row[name] not in missing}
        yield row | labels | dict.fromkeys(unfilled, "")
