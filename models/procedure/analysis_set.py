"""Who is analysed at a landmark: the rows that models are fitted to and judged on."""

import numpy as np
import pandas as pd

from features.documents.feature import assay_columns


def analysis_rows(
    features: pd.DataFrame, cohort: pd.DataFrame, rules: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the at-risk patients with an outcome, sorted by id, and the outcome (n,).

    Beside the features stand the arm, where it is none of them, and the columns of `rules`,
    rules/<landmark>.parquet: branch and inputs. Only the comparators need them.
    """
    with_outcome = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    rows = with_arm(features, cohort).merge(with_outcome, on="usubjid")
    if rules is not None:
        rows = rows.merge(rules, on="usubjid")
    rows = rows.sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"].to_numpy(dtype=float)


def with_assays(rows: pd.DataFrame, wide: pd.DataFrame | None) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return rows with the columns of assays beside them, NaN for patients without one, and their names.

    Parameters
    ----------
    wide : DataFrame, optional
        usubjid and ``assay:feature`` of every patient at risk (`features.omics.known_assays`).
    """
    columns = {} if wide is None else assay_columns(map(str, wide.columns))
    if wide is None or not columns:
        return rows, {}
    return rows.merge(wide, on="usubjid", how="left", validate="one_to_one"), columns


def with_arm(features: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Return the features with the arm, which is none of them where no clinical domain is used."""
    if "arm" in features:
        return features
    return features.merge(cohort[["usubjid", "arm"]], on="usubjid", how="left")


def resampling_rows(
    features: pd.DataFrame, cohort: pd.DataFrame, rules: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return `analysis_rows` with the centre and the dates of entry and outcome, which divide patients."""
    rows, y = analysis_rows(features, cohort, rules)
    return rows.merge(cohort[["usubjid", "siteid", "rand_date", "outcome_date"]], on="usubjid"), y


def randomised_rows(features: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return all randomised patients whose outcome is due, sorted by id, and the outcome, NaN if missing."""
    due = cohort.loc[cohort["outcome_status"] != "not_due", ["usubjid", "outcome"]]
    rows = with_arm(features, cohort).merge(due, on="usubjid").sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"]
