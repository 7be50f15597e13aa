"""Who is analysed at a landmark: the rows that models are fitted to and judged on."""

import numpy as np
import pandas as pd


def analysis_rows(
    features: pd.DataFrame, cohort: pd.DataFrame, rules: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the at-risk patients with an outcome, sorted by id, and the outcome (n,).

    Beside the features stand the columns of `rules`, rules/<landmark>.parquet: branch and inputs.
    """
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    rows = features.merge(known, on="usubjid").merge(rules, on="usubjid").sort_values("usubjid")
    return rows.drop(columns="outcome").reset_index(drop=True), rows["outcome"].to_numpy(dtype=float)


def randomised_rows(features: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return all randomised patients whose outcome is due, sorted by id, and the outcome, NaN if missing."""
    due = cohort.loc[cohort["outcome_status"] != "not_due", ["usubjid", "outcome"]]
    rows = features.merge(due, on="usubjid").sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"]
