"""The assays of a study file as tables: each a matrix file, read as its entry of `omics` says."""

from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from features.contract.validation import Contract
from features.documents.study import StudyDocument
from pipeline.sources.mapped import check_study_file, mapping_of
from pipeline.sources.mapping.assay import Assay
from pipeline.sources.omics.tables import OmicsTable, read_omics


def read_assays(
    study: StudyDocument, folder: Path, patients: Collection[str], contract: Contract
) -> dict[str, OmicsTable]:
    """Read the assays of a study (`omics` of the study file), each a table of its own.

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
    return read_omics(assays, mapping, folder, patients, contract)
