"""The patients of another cohort, from its raw files, on whom `pcr validate` judges a stored model."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.assemble import assemble
from features.cohort import build_cohort
from features.landmarks import parse_landmarks
from pipeline.project.configs import read_contract, read_feature_settings, read_rules
from pipeline.project.files import read_study, read_yaml
from pipeline.sources.mapped import check_study_file
from pipeline.stages.features import require_landmark
from pipeline.stages.raw import ingest

CONFIGS = Path("configs")


def cohort_rows(study_file: Path, source: Path, landmark: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the features of a study's patients at risk with an outcome, and the outcome (n,).

    Raises
    ------
    UserError
        If the study or its files are not valid, or it has no such landmark.
    """
    study = read_study(study_file)
    check_study_file(study)
    landmarks = parse_landmarks(study)
    require_landmark(landmark, landmarks)
    contract, genes = read_contract(CONFIGS / "contract"), CONFIGS / "rules" / "pam_genes.csv"
    rules = read_rules(CONFIGS / "rules" / f"{study['rules']}.yaml", genes)
    raw = ingest(study, source, contract, read_yaml(CONFIGS / "identifiers.yaml"), rules)
    cohort = build_cohort(raw.tables, study, read_yaml(CONFIGS / "eligibility.yaml")).frame
    settings = read_feature_settings(CONFIGS / "features.yaml", genes)
    frame = assemble(raw.tables, cohort, landmarks[landmark], study, settings, contract).frame
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    rows = frame.merge(known, on="usubjid").sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"].to_numpy(dtype=float)
