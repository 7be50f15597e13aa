"""What the adaptive rules forecast: the pCR frequency of the branch, learned from the training part.

The rules answer with a regimen, not with a risk. Their forecast is therefore how often patients of the same
arm and branch had pCR. Branches are chosen by prognosis: the frequencies say nothing on what a regimen does.
"""

from functools import reduce
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from features.errors import UserError

SEPARATOR = "|"


class _CellFrequency(ClassifierMixin, BaseEstimator):
    """Frequency of the second class in cells within arms, shrunken towards the arm's prevalence."""

    arm: str
    shrinkage: float

    def _cell_columns(self) -> tuple[str, ...]:
        raise NotImplementedError

    def fit(self, X: Any, y: npt.ArrayLike) -> Self:
        """Learn frequencies from a frame with the named columns and `y` (n,), two classes.

        Of an array, the first column is the arm and all others together are the cell.

        Raises
        ------
        UserError
            If `shrinkage` is negative, a column is missing, or `y` has not exactly two classes.
        """
        if self.shrinkage < 0:
            raise UserError(f"shrinkage must not be negative, got {self.shrinkage}")
        columns = self._columns_of(X)
        values, y = validate_data(self, columns, y, dtype=None, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        self.classes_, positive = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            kind = "multiclass" if len(self.classes_) > 2 else "only one class"
            raise UserError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.prevalence_ = float(positive.mean())
        keys = _keys(values).assign(patients=1, events=positive)
        self.arms_ = keys.groupby("arm")[["patients", "events"]].sum()
        self.arms_["prevalence"] = self._arm_prevalence(self.arms_)
        self.cells_ = keys.groupby(["arm", "cell"])[["patients", "events"]].sum()
        towards = self.arms_["prevalence"].reindex(self.cells_.index.get_level_values("arm"))
        self.cells_["probability"] = self._shrink(self.cells_, towards.to_numpy())
        return self

    def _shrink(self, counts: pd.DataFrame, towards: Any) -> pd.Series:
        k = self.shrinkage
        probability: pd.Series = (counts["events"] + k * towards) / (counts["patients"] + k)
        return probability

    def _arm_prevalence(self, arms: pd.DataFrame) -> pd.Series:
        """Return events / patients; where that is 0 or 1, shrunken towards the prevalence of all arms."""
        raw = arms["events"] / arms["patients"]
        return raw.mask(raw.isin([0, 1]), self._shrink(arms, self.prevalence_))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probabilities of both classes, shape (n, 2).

        A cell that was not seen in training, or that is missing, has its arm's prevalence; an arm that was
        not seen has the prevalence of all.
        """
        check_is_fitted(self)
        columns = self._columns_of(X)
        keys = _keys(validate_data(self, columns, dtype=None, reset=False, ensure_all_finite="allow-nan"))
        at = pd.MultiIndex.from_frame(keys[["arm", "cell"]])
        known = self.cells_["probability"].reindex(at).to_numpy()
        of_arm = self.arms_["prevalence"].reindex(keys["arm"]).to_numpy()
        p = np.where(np.isnan(known), of_arm, known)
        p = np.where(np.isnan(p), self.prevalence_, p).astype(np.float64)
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likelier class, shape (n,)."""
        likely = self.predict_proba(X)[:, 1] >= 0.5
        return np.asarray(self.classes_[likely.astype(int)])

    def to_document(self) -> dict[str, Any]:
        """Return what was learned as plain data, ready for JSON."""
        check_is_fitted(self)
        arms = {
            str(arm): {
                "patients": int(row["patients"]),
                "events": int(row["events"]),
                "prevalence": float(row["prevalence"]),
                "cells": {
                    str(cell): {
                        "patients": int(each["patients"]),
                        "events": int(each["events"]),
                        "probability": float(each["probability"]),
                    }
                    for cell, each in self.cells_.loc[[arm]].droplevel(0).iterrows()
                },
            }
            for arm, row in self.arms_.iterrows()
        }
        columns = [self.arm, *self._cell_columns()]
        return {
            "columns": columns,
            "shrinkage": float(self.shrinkage),
            "prevalence": self.prevalence_,
            "arms": arms,
        }

    def _columns_of(self, X: Any) -> Any:
        """Return the named columns of a frame that has any of them; all columns of anything else."""
        wanted = [self.arm, *self._cell_columns()]
        if not isinstance(X, pd.DataFrame) or not set(wanted) & set(X.columns):
            return X
        absent = [name for name in wanted if name not in X]
        if absent:
            raise UserError(f"X has no column {', '.join(absent)}")
        return X[wanted]

    def __sklearn_tags__(self) -> Any:
        """Two classes only; text and missing cells are welcome; a frequency table predicts no toy data."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _keys(values: npt.NDArray[Any]) -> pd.DataFrame:
    """Return arm and cell of each row as text; a cell is missing where any part of it is."""
    arm, *parts = (_as_text(column) for column in values.T)
    cell = reduce(lambda left, right: left + SEPARATOR + right, parts or [arm])
    missing = pd.DataFrame(values[:, 1:]).isna().any(axis=1)
    return pd.DataFrame({"arm": arm, "cell": pd.Series(cell, dtype=object).mask(missing)}, dtype=object)


def _as_text(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values as text: each distinct one is written once."""
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    return np.array([str(value) for value in distinct], dtype=object)[codes]


class BranchFrequency(_CellFrequency):
    """pCR frequency of the protocol branch, within arm.

    p = (events + k * prevalence of the arm) / (patients + k), with k = `shrinkage` patients: the posterior
    mean under a beta prior centred at the arm's prevalence. An arm whose training outcomes are all the same
    takes its own prevalence by the same formula, shrunken towards that of all arms.

    Parameters
    ----------
    shrinkage : float
        Weight of the arm's prevalence, in patients.
    arm, branch : str
        Names of the two columns.

    Attributes
    ----------
    classes_ : array of shape (2,)
    prevalence_ : float
    arms_, cells_ : DataFrame
        Patients, events, and prevalence or probability, by arm, and by arm and branch.

    Examples
    --------
    >>> X = pd.DataFrame({"arm": ["A"] * 4, "branch": ["R1", "R1", "R2", "R2"]})
    >>> BranchFrequency(shrinkage=2).fit(X, [1, 1, 0, 0]).predict_proba(X)[:, 1]
    array([0.75, 0.75, 0.25, 0.25])
    """

    def __init__(self, shrinkage: float = 20.0, arm: str = "arm", branch: str = "branch") -> None:
        self.shrinkage = shrinkage
        self.arm = arm
        self.branch = branch

    def _cell_columns(self) -> tuple[str, ...]:
        return (self.branch,)


class Prevalence(_CellFrequency):
    """pCR frequency by arm and hormone receptor status, if known: the simplest comparator.

    Parameters
    ----------
    shrinkage : float
        Weight of the arm's prevalence, in patients; 0 = the plain frequency.
    arm, hr : str
        Names of the two columns; without `hr` (None) the frequency is that of the arm.
    """

    def __init__(self, shrinkage: float = 0.0, arm: str = "arm", hr: str | None = "hr") -> None:
        self.shrinkage = shrinkage
        self.arm = arm
        self.hr = hr

    def _cell_columns(self) -> tuple[str, ...]:
        return () if self.hr is None else (self.hr,)
