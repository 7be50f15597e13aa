"""A study's own files as contract tables, by what its study file says; a new cohort needs no Python.

The format of a study file is in `pipeline.sources.mapping.study_file`, an example in
configs/studies/ispy2.yaml.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract import Contract
from pipeline.sources.mapping.blocks import (
    DROPPED_COLUMNS,
    Dropped,
    build_table,
    columns_used,
    load,
    of_patients,
)
from pipeline.sources.mapping.files import SourceError, read_file
from pipeline.sources.mapping.study_file import SourceMapping, StudyFileError, check_study_file

__all__ = ["SourceError", "SourceTables", "StudyFileError", "check_study_file", "read_study", "source_files"]


@dataclass(frozen=True)
class SourceTables:
    """Contract tables with uncoerced cells, for `features.contract.validate`, and what was left out.

    `dropped`: file, table (empty where the whole file is concerned), reason, rows dropped, rows left.
    """

    tables: dict[str, pd.DataFrame]
    dropped: pd.DataFrame


def read_study(study: Mapping[str, Any], folder: Path, contract: Contract) -> SourceTables:
    """Read a study's files into contract tables.

    Only the columns that the study file names leave the files. Rows of patients who are not in the file named
    by ``patients`` (after its ``keep``) are dropped and counted.

    Raises
    ------
    StudyFileError
        If the study file is faulty, or has no ``mapping``.
    SourceError
        If the files do not fit it. Ids that stand twice in a file are left to the contract's validator.
    """
    mapping = _mapping(study)
    unknown = ", ".join(sorted(set(mapping.tables) - set(contract)))
    if unknown:
        raise SourceError(f"study file: the contract has no table {unknown}; it has {', '.join(contract)}")
    dropped: Dropped = []
    loaded = [
        load(name, mapping.files[name], read_file(folder, mapping.files[name], columns), dropped)
        for name, columns in columns_used(mapping).items()
    ]
    patients = next(file for file in loaded if file.name == mapping.patients)
    files = {file.name: of_patients(file, patients, dropped) for file in loaded}
    tables = {
        table: build_table(blocks, contract[table], files, dropped)
        for table, blocks in mapping.tables.items()
    }
    return SourceTables(tables, pd.DataFrame(dropped, columns=DROPPED_COLUMNS))


def source_files(study: Mapping[str, Any]) -> list[str]:
    """Return the paths, inside the source folder, of the files that a study reads, sorted.

    Raises
    ------
    StudyFileError
        If the study file is faulty, or has no ``mapping``.
    """
    mapping = _mapping(study)
    return sorted({mapping.files[name].path for name in columns_used(mapping)})


def _mapping(study: Mapping[str, Any]) -> SourceMapping:
    mapping = check_study_file(study).mapping
    if mapping is None:
        raise StudyFileError(f"study file {study['study']}: a simulated study has no files to read")
    return mapping
