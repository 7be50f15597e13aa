"""Contract tables written in a study's own formats: the mapping of the study file, read backwards.

What is exported can be read again by the same mapping and gives the same tables.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from features.contract.cells import as_text
from features.contract.specification import TableSpec
from features.contract.validation import Contract
from features.documents.study_entries import StudyDocument
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.redcap import (
    CHOICES,
    CODED,
    DICTIONARY_COLUMNS,
    FORM,
    KIND,
    LABEL,
    NAME,
    STRUCTURE,
    VALIDATION,
    choices,
)
from pipeline.sources.formats.sdtm import NOT_DONE, write_dataset
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapped import mapping_of
from pipeline.sources.mapping.study_file import Block, ColumnRule, SourceMapping

Pieces = dict[str, list[pd.DataFrame]]


def export(tables: Mapping[str, pd.DataFrame], study: StudyDocument, contract: Contract, out: Path) -> None:
    """Write contract tables as the files that a study's mapping reads.

    Parameters
    ----------
    tables : mapping
        Validated raw tables. Tables that the mapping does not have are left out.
    study : mapping
        The study file with `standards` or `mapping`.

    Raises
    ------
    SourceError
        If a cell or a row has no place in the files by this mapping.
    """
    mapping = mapping_of(study)
    pieces: Pieces = {}
    for name, blocks in mapping.tables.items():
        if name in tables:
            _split(tables, contract[name], blocks, mapping, pieces)
    by_path: dict[str, list[tuple[SourceFile, pd.DataFrame]]] = {}
    for name, frames in pieces.items():
        file = mapping.files[name]
        frame = _long(pd.concat(frames, ignore_index=True), file)
        for kept in file.keep:
            if kept.column not in frame:
                frame[kept.column] = kept.wanted[0] or np.nan
        by_path.setdefault(file.path, []).append((file, frame))
    dictionaries = _dictionaries(mapping, contract)
    visits = _visits(mapping)
    for path, parts in by_path.items():
        _write(out / path, parts, str(study["study"]), dictionaries, visits)
    for path, dictionary in dictionaries.items():
        dictionary.to_csv(out / path, index=False, lineterminator="\n")


def _split(
    tables: Mapping[str, pd.DataFrame],
    spec: TableSpec,
    blocks: list[Block],
    mapping: SourceMapping,
    pieces: Pieces,
) -> None:
    """Give every row of a table to the block that would read it."""
    frame = tables[spec.table]
    left = pd.Series(data=True, index=frame.index)
    for block in blocks:
        file = mapping.files[block.file]
        if block.repeat is not None or file.cycles is not None or (file.pivot and len(file.pivot.names) > 1):
            raise SourceError(
                f"table {spec.table}: a mapping with `repeat`, `cycles` or a `pivot` by several names cannot "
                f"be written backwards"
            )
        wanted = left.copy()
        for name, rule in block.columns.items():
            if rule.constant is not None:
                wanted &= as_text(frame[name]) == rule.constant
        left &= ~wanted
        if wanted.any():
            _write_block(frame[wanted], spec, block, mapping, tables, pieces)
    if left.any():
        raise SourceError(f"table {spec.table}: {int(left.sum())} rows fit no block of the mapping")


def _write_block(
    frame: pd.DataFrame,
    spec: TableSpec,
    block: Block,
    mapping: SourceMapping,
    tables: Mapping[str, pd.DataFrame],
    pieces: Pieces,
) -> None:
    cells: dict[str, dict[str, pd.Series]] = {block.file: {}}
    keys: dict[str, Mapping[str, str] | None] = {}
    for name, rule in block.columns.items():
        if rule.constant is None and isinstance(rule.source, str):
            target = rule.file or block.file
            values = _source_values(frame[name], rule, f"table {spec.table}, column {name}")
            cells.setdefault(target, {})[rule.source] = values
            keys[target] = rule.by
    own = cells[block.file]
    ids = _patients(frame, spec, tables)
    patient_id = mapping.files[block.file].id
    if patient_id is not None and ids is not None:
        own[patient_id.column] = patient_id.strip_prefix + ids
    for kept in block.keep:
        own.setdefault(kept.column, pd.Series(kept.wanted[0] or np.nan, index=frame.index, dtype="object"))
    pieces.setdefault(block.file, []).append(pd.DataFrame(own, index=frame.index))
    for name, columns in cells.items():
        if name == block.file:
            continue
        patient_id, by = mapping.files[name].id, keys[name]
        linked = {there: own[here] for here, there in by.items()} if by else {}
        if patient_id is not None and ids is not None:
            linked[patient_id.column] = patient_id.strip_prefix + ids
        part = pd.DataFrame(linked | columns, index=frame.index)
        part = part[part[list(columns)].notna().any(axis=1)].drop_duplicates()
        pieces.setdefault(name, []).append(part)


def _patients(frame: pd.DataFrame, spec: TableSpec, tables: Mapping[str, pd.DataFrame]) -> pd.Series | None:
    """Return the patient of each row, through the samples where the table has no patients."""
    if "usubjid" in frame:
        return frame["usubjid"]
    timing = spec.timing
    if timing.sample_table is None or timing.sample is None:
        return None
    samples = tables[timing.sample_table].set_index(timing.sample)["usubjid"]
    patients: pd.Series = frame[timing.sample].map(samples)
    return patients


def _source_values(values: pd.Series, rule: ColumnRule, where: str) -> pd.Series:
    """Return the cells as the file would have them: codes, units and dates of the source."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        form = "%Y-%m-%d" if rule.date_format in {None, "excel"} else str(rule.date_format)
        if rule.date_format == "excel":
            return pd.Series((values - pd.Timestamp("1899-12-30")).dt.days, dtype="float64")
        text = values.dt.strftime(form).astype("object")
        return pd.Series(text.where(values.notna(), np.nan))
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.astype("float64")
        if rule.recode is None:
            return numbers if rule.factor is None else numbers / rule.factor
    text = as_text(values).astype("object")
    if rule.recode is None:
        return text
    first = {level: texts if isinstance(texts, str) else texts[0] for level, texts in rule.recode.items()}
    levels = text.fillna("")
    unlisted = ~levels.isin(list(first)) & (levels != "")
    if unlisted.any():
        raise SourceError(f"{where}: {int(unlisted.sum())} rows hold a level that `recode` does not list")
    codes = {level: code or np.nan for level, code in first.items()}
    return pd.Series(levels.map(codes), dtype="object")


def _long(frame: pd.DataFrame, file: SourceFile) -> pd.DataFrame:
    """Return a file's rows before its `pivot`: one for each result."""
    if file.pivot is None:
        return frame
    pivot = file.pivot
    keys = [*pivot.by, *pivot.carry]
    tests = [str(c) for c in frame if c not in keys]
    long = frame.melt(keys, tests, var_name=pivot.names[0], value_name=pivot.value)
    filled = long[long[pivot.value].notna()]
    whole = pd.MultiIndex.from_frame(filled[pivot.by])
    undone = frame[~pd.MultiIndex.from_frame(frame[pivot.by]).isin(whole)]
    if pivot.status is not None and len(undone):
        blank = undone[keys].assign(**{pivot.names[0]: tests[0], pivot.status: NOT_DONE})
        filled = pd.concat([filled, blank], ignore_index=True)
    value = filled[pivot.value]
    return filled.assign(**{pivot.value: as_text(value).astype("object")})


def _visits(mapping: SourceMapping) -> dict[str, int]:
    """Return the visit texts of an SDTM mapping in order, for VISITNUM."""
    blocks = [b for blocks in mapping.tables.values() for b in blocks]
    rules = [r for b in blocks for r in b.columns.values() if r.source == "VISIT" and r.recode]
    texts = [t for r in rules for _, t in r.recoded_texts]
    return {text: number for number, text in enumerate(dict.fromkeys(texts), start=1)}


def _write(
    path: Path,
    parts: list[tuple[SourceFile, pd.DataFrame]],
    study: str,
    dictionaries: Mapping[str, pd.DataFrame],
    visits: Mapping[str, int],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = parts[0][0]
    frame = pd.concat([p for _, p in parts if len(p)] or [parts[0][1]], ignore_index=True)
    if path.suffix in {".xpt", ".json"}:
        _write_domain(path, frame, [f for f, _ in parts], study, visits)
    elif file.is_vcf:
        from pipeline.sources.formats.vcf_writer import write_vcfs  # noqa: PLC0415 - htslib only where needed

        write_vcfs(path, frame, file)
    elif file.dictionary is not None:
        _as_redcap(frame, dictionaries[file.dictionary]).to_csv(path, index=False, lineterminator="\n")
    elif file.sheet is not None:
        with pd.ExcelWriter(path, engine="openpyxl") as book:
            for other, part in parts:
                part.to_excel(book, sheet_name=str(other.sheet), index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(
            path, index=False, sep=file.delimiter, encoding=file.encoding, decimal=file.decimal,
            lineterminator="\n",
        )  # fmt: skip


def _write_domain(
    path: Path, frame: pd.DataFrame, files: list[SourceFile], study: str, visits: Mapping[str, int]
) -> None:
    """Write an SDTM domain with its identifiers, and its supplemental qualifiers beside it."""
    domain = path.stem.upper()
    columns = ["USUBJID", *sorted(str(c) for c in frame.columns if c != "USUBJID")]
    frame = frame.loc[frame.astype("str").sort_values(by=columns, kind="stable").index].reset_index(drop=True)
    front = {"STUDYID": study, "DOMAIN": domain}
    frame = frame.assign(**front)
    sequence = f"{domain}SEQ"
    if domain != "DM":
        frame[sequence] = frame.groupby("USUBJID").cumcount() + 1.0
    if "VISIT" in frame and visits:
        frame["VISITNUM"] = frame["VISIT"].map(visits).astype("float64")
    reason, status = f"{domain}REASND", f"{domain}STAT"
    if reason in frame:
        given = frame[reason].notna().map({True: NOT_DONE, False: np.nan}).astype("object")
        frame[status] = frame[status].astype("object").fillna(given) if status in frame else given
    supplements = [f.supplement for f in files if f.supplement is not None]
    extra = sorted({c for s in supplements for c in s.columns if c in frame})
    order = [*front, "USUBJID", *([sequence] if domain != "DM" else [])]
    rest = [c for c in frame if c not in {*order, *extra}]
    write_dataset(frame[[*order, *rest]], path, study)
    if extra:
        variable = "" if domain == "DM" else sequence
        value = "" if domain == "DM" else frame[sequence].map("{:.0f}".format)
        long = frame.assign(RDOMAIN=domain, IDVAR=variable, IDVARVAL=value).melt(
            ["STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL"], extra, var_name="QNAM", value_name="QVAL"
        )
        long = long[long["QVAL"].notna()]
        long = long.assign(QVAL=as_text(long["QVAL"]).astype("object"), QLABEL=long["QNAM"], QORIG="CRF")
        write_dataset(long.reset_index(drop=True), path.parent / supplements[0].path, study)


def _dictionaries(mapping: SourceMapping, contract: Contract) -> dict[str, pd.DataFrame]:
    """Return the REDCap data dictionary of every export: fields, types and choices from the contract."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for table, blocks in mapping.tables.items():
        for block in blocks:
            for name, rule in block.columns.items():
                file = mapping.files[rule.file or block.file]
                if file.dictionary is None or not isinstance(rule.source, str) or rule.source in STRUCTURE:
                    continue
                column = contract[table].columns[name]
                fields = found.setdefault(file.dictionary, {_record(file): _text_field(table, "Record")})
                levels = (
                    list(column.levels) if rule.recode is None else [t for _, t in rule.recoded_texts if t]
                )
                field, _, box = rule.source.partition("___")
                entry = _text_field(table, column.description)
                if box:
                    former = fields.get(field, entry | {KIND: "checkbox"})[CHOICES]
                    choice = f"{box}, {name}"
                    entry |= {KIND: "checkbox", CHOICES: " | ".join(filter(None, [former, choice]))}
                elif levels:
                    texts = [f"{code}, {level}" for code, level in enumerate(levels, start=1)]
                    entry |= {KIND: "radio", CHOICES: " | ".join(texts)}
                elif column.type in {"float", "integer"}:
                    entry |= {VALIDATION: "number" if column.type == "float" else "integer"}
                elif column.type == "date":
                    entry |= {VALIDATION: "date_ymd"}
                fields[field] = entry
    return {
        path: pd.DataFrame([{NAME: name, **entry} for name, entry in fields.items()]).reindex(
            columns=DICTIONARY_COLUMNS, fill_value=""
        )
        for path, fields in found.items()
    }


def _record(file: SourceFile) -> str:
    return file.id.column if file.id else "record_id"


def _text_field(form: str, label: str) -> dict[str, str]:
    return {FORM: form, KIND: "text", LABEL: label, CHOICES: "", VALIDATION: ""}


def _as_redcap(frame: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Return rows as REDCap exports them: codes, one row for each record, event, instrument and instance."""
    record = str(dictionary[NAME].iloc[0])
    for name, kind, text in dictionary[[NAME, KIND, CHOICES]].itertuples(index=False, name=None):
        if kind in CODED and name in frame:
            codes = {label: code for code, label in choices(text).items()}
            frame[name] = frame[name].map(codes)
    single = frame["redcap_repeat_instrument"].isna()
    merged = frame[single].groupby([record, "redcap_event_name"], sort=False).first().copy().reset_index()
    repeated = frame[~single].copy()
    key = [record, "redcap_event_name", "redcap_repeat_instrument"]
    repeated["redcap_repeat_instance"] = repeated.groupby(key).cumcount() + 1
    whole = pd.concat([merged, repeated], ignore_index=True)
    whole["redcap_repeat_instance"] = whole["redcap_repeat_instance"].astype("Int64")
    integers = dictionary.loc[dictionary[VALIDATION] == "integer", NAME]
    for name in integers[integers.isin(whole.columns)]:
        whole[name] = whole[name].astype("float64").astype("Int64")
    fields = [c for c in whole if c not in {record, *STRUCTURE}]
    return whole[[record, *STRUCTURE, *fields]].sort_values(
        [record, *STRUCTURE], na_position="first", ignore_index=True, kind="stable"
    )
