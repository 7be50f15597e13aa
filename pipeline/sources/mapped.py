"""A study's own files as contract tables, by what its study file says; a new cohort needs no Python.

The format of a study file is in `pipeline.sources.mapping.study_file`, an example in
configs/studies/ispy2.yaml.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from features.contract.validation import PROBLEM_COLUMNS, Contract
from features.documents.study_entries import FileEntry, MappingEntry, StudyDocument
from features.keys import unknown_name
from pipeline.project.files import read_yaml
from pipeline.sources.audit.compare import require_agreement
from pipeline.sources.classification import with_classification
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.redcap import read_dictionary
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.laboratory import as_presence, in_usual_units
from pipeline.sources.mapping.beside import Use, columns_beside, uses, with_units
from pipeline.sources.mapping.blocks import (
    Dropped,
    Loaded,
    build_table,
    columns_read,
    columns_used,
    keep_reason,
    load,
    wide,
)
from pipeline.sources.mapping.examples import Examples
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.outcome_columns import require_no_outcome_columns
from pipeline.sources.mapping.patients import doubt_alike, of_patients, patients_of
from pipeline.sources.mapping.study_file import NO_OUTCOME, Library, SourceMapping, Study, StudyFileError
from pipeline.sources.mapping.study_file import check_study_file as _check
from pipeline.sources.mapping.visits import with_visit_dates
from pipeline.sources.mapping.wide import with_columns
from pipeline.sources.nomenclature import Place, panels_of, with_current_names
from pipeline.sources.reading import reading_report
from pipeline.sources.second_tables import ID, SecondTables
from pipeline.sources.tables import DROPPED_COLUMNS, SourceTables

__all__ = [
    "SourceError",
    "SourceTables",
    "StudyFileError",
    "check_study_file",
    "mapping_of",
    "read_study",
    "source_files",
]

MAX_COLUMNS = 4
"""Named of the columns that a contract column comes from."""
SAMPLES = "ctdna_samples"
LABORATORY = ("labs", "safety_measurements")
VARIANTS = ("ctdna_variants", "tissue_variants")
BETWEEN = "between genes: no symbol, or Unknown"
MAPPINGS = Path(__file__).parents[2] / "configs" / "mappings"
"""Ready mappings, named by `standards` in a study file."""
UNITS = Path(__file__).parents[2] / "configs" / "units.yaml"


def read_study(
    study: StudyDocument, folder: Path, contract: Contract, *, audit: bool = False
) -> SourceTables:
    """Read a study's files into contract tables; with `audit`, large files too are read a second time.

    Only the columns that the study file names leave the files. Rows of patients who are not in the file named
    by ``patients`` (after its ``keep``) are dropped and counted.

    Raises
    ------
    StudyFileError
        If the study file is faulty, or has no ``mapping``.
    SourceError
        If the files do not fit it. Ids that stand twice in a file are left to the contract's validator.
    """
    mapping = mapping_of(study)
    unknown = ", ".join(sorted(set(mapping.tables) - set(contract)))
    if unknown:
        raise SourceError(f"study file: the contract has no table {unknown}; it has {', '.join(contract)}")
    dropped: Dropped = []
    reader = Reader(folder, audit=audit)
    mapping = with_columns(mapping, reader)
    require_no_outcome_columns(mapping, contract)
    numbers = uses(mapping, contract)
    loaded = _loaded(mapping, numbers, reader, dropped, vcf=False)
    patients = patients_of([file for file in loaded if file.name in mapping.patient_files])
    doubt_alike(patients, reader)
    files = {
        file.name: file
        if file.name in mapping.patient_files
        else of_patients(file, patients, reader, dropped)
        for file in loaded
    }
    # Samples come first: which gene a call of a VCF lies in depends on the genes of the sample's panel.
    examples = Examples()
    second = _second_tables(mapping, contract, files, reader)
    samples = _built(SAMPLES, mapping, contract, files, reader, dropped, examples, second)
    reader.panels = panels_of(samples)
    calls = _loaded(mapping, numbers, reader, dropped, vcf=True)
    files |= {file.name: of_patients(file, patients, reader, dropped) for file in calls}
    if calls:
        second = second.with_files(_rows_of_calls(files, reader), _absent(mapping, files))
    tables = {
        table: (
            samples
            if table == SAMPLES
            else _built(table, mapping, contract, files, reader, dropped, examples, second)
        )
        for table in mapping.tables
    }
    shared = _read_several_times(mapping)
    # Entries that read one file share its rows out between them: lost are only those that none takes.
    dropped = [row for row in dropped if not (row[0] in shared and row[1:3] in shared[row[0]])]
    dropped += [(label, "", reason, rows, left) for label, reason, rows, left in reader.left_out]
    lost = [*reader.unused_rows(), *reader.unclaimed_rows()]
    dropped += [(label, "", reason, rows, left) for label, reason, rows, left in lost]
    problems: list[tuple[Any, ...]] = [(*row, "repair", []) for row in reader.repairs] + [
        (*row, "warning", []) for row in reader.warnings
    ]
    repairs = pd.DataFrame(
        problems, columns=["table", "column", "rule", "rows", "ids", "severity", "by_centre"]
    )
    return SourceTables(
        {name: table for name, table in tables.items() if table is not None},
        pd.DataFrame(dropped, columns=DROPPED_COLUMNS),
        repairs[PROBLEM_COLUMNS],
        _origins(mapping),
        reading_report(reader, dropped, {name: file.label for name, file in mapping.files.items()}),
        examples.frame(),
    )


def _units() -> dict[str, dict[str, float]]:
    """Return the units that numbers may have, in lower case, and their factors to the contract's units."""
    content = read_yaml(UNITS)
    return {
        unit: {str(name).lower(): float(f) for name, f in names.items()} for unit, names in content.items()
    }


def _loaded(
    mapping: SourceMapping,
    numbers: Mapping[str, list[Use]],
    reader: Reader,
    dropped: Dropped,
    *,
    vcf: bool,
) -> list[Loaded]:
    """Return the rows of all files that are VCFs, or of all that are not; numbers in the contract's units."""
    loaded, units = [], _units()
    read = {name: used for name, used in columns_used(mapping).items() if mapping.files[name].is_vcf == vcf}
    for name, used in read.items():
        file = mapping.files[name]
        needed = columns_read(file, used)
        reader.expect(file, {*needed, *columns_beside(file, needed)})
    for name, used in read.items():
        file = mapping.files[name]
        needed = columns_read(file, used)
        cells = reader.read(file, needed, columns_beside(file, needed))
        if cells is not None:
            rows = with_visit_dates(load(name, file, cells, reader, dropped), reader)
            rows = with_units(rows, numbers.get(name, []), units, reader)
            loaded.append(wide(rows, used, reader))
    return loaded


def _built(
    table: str,
    mapping: SourceMapping,
    contract: Contract,
    files: Mapping[str, Loaded],
    reader: Reader,
    dropped: Dropped,
    examples: Examples,
    second: SecondTables,
) -> pd.DataFrame | None:
    """Return a table of the contract, names and units in one form; None without its files.

    Where all its files are read twice, it is made a second time, too.
    """
    blocks = mapping.tables.get(table, [])
    frame = build_table(blocks, contract[table], files, reader, dropped, examples) if blocks else None
    if frame is None:
        return None
    named_files = {rule.file or block.file for block in blocks for rule in block.columns.values()}
    named_files |= {*mapping.patient_files, *(block.file for block in blocks)}
    if all(reader.is_audited(mapping.files[name]) for name in named_files):
        audits = second.compare(table, frame)
        reader.audits |= {(audit.file, audit.column): audit for audit in audits}
        require_agreement(audits)
    places = {
        name: Place(mapping.files[rule.file or block.file].label, ", ".join(rule.source_columns))
        for block in reversed(blocks)
        for name, rule in block.columns.items()
    }
    label, made = mapping.files[blocks[0].file].label, frame
    if table in LABORATORY:
        frame = as_presence(in_usual_units(frame, label, reader), label, reader)
    named, between = with_current_names(frame, places, reader)
    if table in VARIANTS:
        named = with_classification(named, label, reader)
    if between:
        dropped.append((blocks[0].file, table, BETWEEN, between, len(named)))
    examples.became(table, made, named)
    return named


def _second_tables(
    mapping: SourceMapping, contract: Contract, files: Mapping[str, Loaded], reader: Reader
) -> SecondTables:
    """Return what makes tables a second time, from the cells of the files."""

    def dictionary(file: SourceFile) -> pd.DataFrame:
        assert file.dictionary is not None  # noqa: S101 - asked of files that have one
        return read_dictionary(reader.folder / file.dictionary, file.dictionary, file.encoding)

    calls, absent = _rows_of_calls(files, reader), _absent(mapping, files)
    return SecondTables(
        mapping, contract, _units(), reader.rows, calls, absent, dictionary, reader.starts_1904
    )


def _absent(mapping: SourceMapping, files: Mapping[str, Loaded]) -> frozenset[str]:
    return frozenset(set(mapping.files) - set(files))


def _rows_of_calls(files: Mapping[str, Loaded], reader: Reader) -> dict[str, list[dict[str, str]]]:
    """Return the calls of every entry that has some as rows, with their patients where they have some."""
    rows = {}
    for name, file in files.items():
        if file.file.calls is not None and reader.is_audited(file.file):
            cells = file.cells if file.ids is None else file.cells.assign(**{ID: file.ids})
            records = cells.fillna("").to_dict("records")
            rows[name] = [{str(column): text for column, text in row.items()} for row in records]
    return rows


def _origins(mapping: SourceMapping) -> dict[tuple[str, str], str]:
    """Return from which file and column every contract column comes."""
    found: dict[tuple[str, str], str] = {}
    for table, blocks in mapping.tables.items():
        for block in blocks:
            found.setdefault((table, ""), mapping.files[block.file].label)
            spec = mapping.files[block.file].id
            if spec is not None:
                found.setdefault(
                    (table, "usubjid"), f"{mapping.files[block.file].label}, column {spec.column}"
                )
            for name, rule in block.columns.items():
                file = mapping.files[rule.file or block.file]
                source = _listed(rule.source_columns)
                if source:
                    found.setdefault((table, name), f"{file.label}, column {source}")
    return found


def _listed(columns: list[str]) -> str:
    """Return columns as errors name them: the first, and how many more."""
    more = f" and {len(columns) - MAX_COLUMNS} more" if len(columns) > MAX_COLUMNS else ""
    return ", ".join(columns[:MAX_COLUMNS]) + more


def _read_several_times(mapping: SourceMapping) -> dict[str, set[tuple[str, str]]]:
    """Return the entries of `files` whose file others read as well, with (table, reason) of their `keep`."""
    labels = [mapping.files[name].label for name in columns_used(mapping)]
    return {
        name: {("", keep_reason(rule)) for rule in file.keep}
        for name, file in mapping.files.items()
        if labels.count(file.label) > 1
    }


def source_files(study: StudyDocument, folder: Path | None = None) -> list[str]:
    """Return the paths, inside the source folder, of the files that a study reads, sorted.

    With `folder`, patterns are replaced by the files that they mean there, and optional files that are not
    there are left out.

    Raises
    ------
    StudyFileError
        If the study file is faulty, or has no ``mapping``.
    """
    mapping = mapping_of(study)
    paths: set[str] = set()
    for name in columns_used(mapping):
        file = mapping.files[name]
        paths |= {file.path} | ({file.dictionary} if file.dictionary else set())
        optional = {part.path for part in (file.supplement, file.visits) if part is not None}
        paths |= {p for p in optional if folder is None or (folder / p).is_file()}
        if folder is not None and (file.optional or file.is_pattern):
            paths.discard(file.path)
            paths |= {p.relative_to(folder).as_posix() for p in folder.glob(file.path)}
    for block in (b for blocks in mapping.tables.values() for b in blocks):
        paths |= {path for rule in block.columns.values() for path in (rule.panels or {}).values()}
    for assay in (study.get("omics") or {}).values():
        parts = (assay.get("gene_sets"), assay.get("repeatability"))
        named = (assay["path"], assay.get("panel"), *(part["path"] for part in parts if part))
        samples = mapping.files.get((assay.get("samples") or {}).get("file", ""))
        paths |= {path for path in (*named, samples and samples.path) if path}
    paths |= {entry["path"] for entry in (study.get("challengers") or {}).values()}
    return sorted(paths)


def check_study_file(study: StudyDocument | None) -> Study | Library:
    """Check a study file with the ready mappings that it names; see `mapping.study_file.check_study_file`.

    Raises
    ------
    StudyFileError
        If it is faulty, or names a mapping that configs/mappings does not have.
    """
    return _check(None if study is None else with_standards(study))


def mapping_of(study: StudyDocument) -> SourceMapping:
    """Return how a study's files become tables; of a study file, only this part need be there.

    Raises
    ------
    StudyFileError
        If the mapping is faulty, or the study has no files.
    """
    stated = with_standards(study).get("mapping")
    if stated is None:
        raise StudyFileError(f"study file {study['study']}: a simulated study has no files to read")
    try:
        return SourceMapping.model_validate(stated)
    except ValidationError:
        # It lists every fault with its place.
        check_study_file(study)
        raise


def with_standards(study: StudyDocument) -> StudyDocument:
    """Return the study file with the mappings that it names under its own; later ones win, part by part.

    The ready mappings' surgery table is left out where the study has no outcome.

    Raises
    ------
    StudyFileError
        If it names a mapping that configs/mappings does not have.
    """
    names = study.get("standards") or []
    if not names:
        return study.copy()
    merged: MappingEntry = {}
    for name in names if isinstance(names, list) else []:
        path = MAPPINGS / f"{name}.yaml"
        if not path.is_file():
            standards = sorted(p.stem for p in MAPPINGS.glob("*.yaml"))
            raise StudyFileError(f"study file, standards: {unknown_name(str(name), standards)}")
        merged = _laid_over(merged, read_yaml(path))
    if study.get("outcome") == NO_OUTCOME and "tables" in merged:
        merged["tables"] = {t: blocks for t, blocks in merged["tables"].items() if t != "surgery"}
    stated = study.get("mapping")
    if isinstance(stated, Mapping):
        merged = _laid_over(merged, stated)
    return {**study, "mapping": merged}


def _laid_over(below: MappingEntry, above: MappingEntry) -> MappingEntry:
    """Return one mapping over another: files and tables by name, ``file_suffix`` renames files below."""
    suffixes = above.get("file_suffix") or {}
    result: MappingEntry = {
        **below,
        **above,
        "files": below.get("files", {}) | (above.get("files") or {}),
        "tables": below.get("tables", {}) | (above.get("tables") or {}),
    }
    result.pop("file_suffix", None)
    for old, new in suffixes.items():
        result["files"] = {name: _renamed(file, old, new) for name, file in result["files"].items()}
    return result


def _renamed(file: FileEntry, old: str, new: str) -> FileEntry:
    renamed: FileEntry = {**file, "path": str(file["path"]).replace(old, new)}
    supplement = file.get("supplement")
    if supplement:
        renamed["supplement"] = {**supplement, "path": str(supplement["path"]).replace(old, new)}
    visits = file.get("visits")
    if visits:
        renamed["visits"] = {**visits, "path": str(visits["path"]).replace(old, new)}
    return renamed
