"""Rows of a landmark with the columns of the assays that were known by it."""

import pandas as pd

from models.procedure.analysis_set import with_assays
from pipeline.project import paths
from pipeline.project.stage import Run


def assays_beside(run: Run, landmark: str, rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return `rows` with the columns of assays, and these by assay; as they are where there is none."""
    path = run.path(paths.OMICS_AT_LANDMARK, landmark=landmark)
    return with_assays(rows, pd.read_parquet(path) if path.exists() else None)
