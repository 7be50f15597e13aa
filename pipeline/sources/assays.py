"""The assays of a study file as tables: each a matrix file, read as its entry of `omics` says."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from features.contract.validation import PROBLEM_COLUMNS, Contract
from features.documents.study_entries import StudyDocument
from pipeline.sources.mapped import check_study_file, mapping_of
from pipeline.sources.mapping.assay import Assay
from pipeline.sources.mapping.study_file import StudyFileError
from pipeline.sources.omics.tables import NO_PATIENT, OmicsTable, read_omics
from pipeline.sources.reading import READING_COLUMNS


def require_made(names: Collection[str], made: Collection[str]) -> None:
    """Refuse assays of a simulated study that its simulator does not make.

    Raises
    ------
    StudyFileError
        Naming them, and those that there are.
    """
    if absent := sorted(set(names) - set(made)):
        raise StudyFileError(
            f"omics, {', '.join(absent)}: the simulator's settings (`omics`) must have it; they have "
            f"{', '.join(sorted(made)) or 'no assay'}"
        )


def made_assays(
    names: Collection[str], made: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> dict[str, OmicsTable]:
    """Return the assays of a simulated study, of which nothing is left out.

    Raises
    ------
    StudyFileError
        As `require_made`.
    """
    require_made(names, made)
    nothing = pd.DataFrame(columns=PROBLEM_COLUMNS)
    return {name: OmicsTable(*made[name], nothing, []) for name in names}


def assay_reading(tables: Mapping[str, OmicsTable]) -> pd.DataFrame:
    """Return a row for each assay, as of the files in the reading report: what was read of it.

    Features that were left out are no cells; a second reader does not read matrix files.
    """
    rows = []
    for name, table in tables.items():
        values = table.frame.drop(columns="usubjid")
        left = {reason: rows for _, _, reason, rows, _ in table.dropped}
        told = {
            "file": f"assay {name}", "columns": values.shape[1], "rows": len(values), "cells": values.size,
            "empty": int(values.isna().sum().sum()), "rows left out": left.get(NO_PATIENT, 0),
            "by rule": "; ".join(f"{reason}: {count}" for reason, count in left.items()),
        }  # fmt: skip
        rows.append({column: told.get(column, 0) for column in READING_COLUMNS})
    return pd.DataFrame(rows, columns=READING_COLUMNS)


def read_assays(
    study: StudyDocument,
    folder: Path,
    patients: Collection[str],
    contract: Contract,
    *,
    only: Collection[str] | None = None,
) -> dict[str, OmicsTable]:
    """Read the assays of a study (`omics` of the study file), each a table of its own.

    With `only`, those of a model that answers for new `patients`: see `read_omics`.

    Raises
    ------
    StudyFileError
        If the study file is faulty.
    SourceError
        As `read_omics`.
    """
    mapping = mapping_of(study)
    try:
        assays = {name: Assay.model_validate(entry) for name, entry in (study.get("omics") or {}).items()}
    except ValidationError:
        # It lists every fault with its place.
        check_study_file(study)
        raise
    if only is None:
        return read_omics(assays, mapping, folder, patients, contract)
    asked = {name: assay for name, assay in assays.items() if name in only}
    return read_omics(asked, mapping, folder, patients, contract, learning=False)
