"""The patients of another cohort, from its raw files, on whom `pcr validate` judges a stored model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from features.documents.study import Study, parse_study
from pipeline.project.configs import typed_study
from pipeline.sources.ingest import ingest
from pipeline.sources.mapped import check_study_file
from pipeline.sources.prepare import prepare, read_preparation

CONFIGS = Path("configs")
Beside = Callable[[pd.DataFrame, pd.Series, Study], pd.DataFrame]
"""Lays further columns beside rows, by decision date (by usubjid) and study of their patients."""


def cohort_rows(
    study_file: Path, source: Path, landmark: str, beside: Beside | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the features of a study's patients at risk with an outcome, and the outcome (n,).

    `beside` adds columns to them, such as those of assays, which are not read here.

    Raises
    ------
    UserError
        If the study or its files are not valid, or it has no such landmark.
    """
    rows, outcomes = dated_rows(study_file, source, landmark, beside)
    order = rows["usubjid"].argsort(kind="stable")
    return rows.iloc[order].reset_index(drop=True), outcomes["outcome"].to_numpy(dtype=float)[order]


def dated_rows(
    study_file: Path, source: Path, landmark: str, beside: Beside | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features as `cohort_rows`, and outcome and outcome_date, both in the order of that date.

    Raises
    ------
    UserError
        If the study or its files are not valid, or it has no such landmark.
    """
    study = typed_study(study_file)
    check_study_file(study.document)
    study.landmark(landmark)
    by = read_preparation(study, CONFIGS)
    tables_only = parse_study({**study.document, "omics": None})
    raw = ingest(tables_only, source, by.contract, by.identifiers, by.rules, by.regimens)
    prepared = prepare(raw.tables, by)
    cohort = prepared.cohort.frame
    told = ["outcome", "outcome_date"]
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", *told]]
    rows = prepared.features(landmark)
    if beside is not None:
        rows = beside(rows, cohort.set_index("usubjid")[f"decision_{landmark}"], study)
    rows = rows.merge(known, on="usubjid")
    rows = rows.sort_values(["outcome_date", "usubjid"], ignore_index=True)
    return rows.drop(columns=told), rows[told]
