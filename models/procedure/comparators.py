"""What the models must beat, as procedures on the same folds: the rules and two simpler forecasts.

- ``rules``: pCR frequency of the protocol branch known by the landmark, within arm.
- ``prevalence``: pCR frequency by arm and hormone receptor status, where these are known.
- ``rule_inputs``: a ridge logistic model on the inputs of the rules known by the landmark, arm and hormone
  receptor status. It uses what the rules use, without their cuts; where none of these varies, it is the
  prevalence.

Columns of their own stand beside the features in the analysis rows; no candidate model sees them.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from features.documents.branch import BRANCH
from models.procedure.branch_frequency import BranchFrequency, Prevalence
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ProcedureSettings
from models.procedure.errors import NotLearnableError
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.response_model import ResponseModel

SHARED = ("arm", "hr")


def require_both_outcomes(y: np.ndarray) -> None:
    """Raise NotLearnableError if all training patients have the same outcome."""
    if len(np.unique(y)) < 2:
        raise NotLearnableError(f"all {len(y)} training patients have the same outcome")


class GroupFrequency:
    """pCR frequency of the patient's group in the training part, a forecast by the name of `model`."""

    def __init__(self, model: str, frequency: BranchFrequency | Prevalence) -> None:
        self.model = model
        self.frequency = frequency

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn frequencies from the training part; nothing is tuned, so `groups` do not matter.

        Raises
        ------
        NotLearnableError
            If all patients have the same outcome.
        """
        del groups
        require_both_outcomes(y)
        self.frequency.fit(X, y)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the forecast."""
        return {self.model: self.frequency.predict_proba(X)[:, 1]}


def rules_by_branch(shrinkage: float) -> GroupFrequency:
    """Return the adaptive rules, unfitted: pCR frequency of the patient's branch, within arm."""
    return GroupFrequency("rules", BranchFrequency(shrinkage=shrinkage, branch=BRANCH))


def arm_and_receptor(shrinkage: float, *, receptor: bool = True) -> GroupFrequency:
    """Return pCR frequency by arm and, where it is a feature, hormone receptor status, unfitted."""
    return GroupFrequency("prevalence", Prevalence(shrinkage=shrinkage, hr="hr" if receptor else None))


class RuleInputs:
    """Ridge logistic regression on the inputs of the rules, arm and hormone receptor status.

    Parameters
    ----------
    features : sequence of LandmarkFeature
        From `rule_input_features`.
    settings : ProcedureSettings
        From `ComparatorSettings.procedure`.
    inner_folds, seed : int
        As in `ResponseModel`.
    """

    def __init__(
        self,
        features: Sequence[LandmarkFeature],
        settings: ProcedureSettings,
        inner_folds: int,
        seed: int,
    ) -> None:
        self.model = ResponseModel(features, settings, inner_folds, seed)

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Tune the penalty and fit, inside the training part; `groups` as in `ResponseModel.fit`."""
        self.model.fit(X, y, groups)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the forecast."""
        return {"rule_inputs": self.model.predict_proba(X)[:, 1]}


def comparators(
    features: Sequence[LandmarkFeature],
    rule_inputs: Sequence[LandmarkFeature],
    settings: ProcedureSettings,
    plan: ValidationPlan,
    seed: int,
) -> list[GroupFrequency | RuleInputs]:
    """Return the comparators: the rules, and two that use what there is of arm and hormone receptor status.

    Parameters
    ----------
    features, rule_inputs : sequences of LandmarkFeature
        The landmark's features, and the features of `RuleInputs`.
    settings, plan
        The procedure of `RuleInputs`, and configs/validation.yaml.
    seed : int
        Seed of the inner folds.
    """
    receptor = "hr" in {feature.name for feature in features}
    return [
        rules_by_branch(plan.branch_shrinkage),
        arm_and_receptor(plan.branch_shrinkage, receptor=receptor),
        RuleInputs(rule_inputs, settings, plan.inner_folds, seed),
    ]


def rule_input_features(
    features: Sequence[LandmarkFeature], levels: Mapping[str, Sequence[str]]
) -> list[LandmarkFeature]:
    """Return the features of `RuleInputs`: arm and hormone receptor status where known, then the inputs.

    Parameters
    ----------
    features : sequence of LandmarkFeature
        The landmark's features.
    levels : mapping
        Levels of each input column, ``rule_<input>``.
    """
    shared = [feature for feature in features if feature.name in SHARED]
    inputs = [
        LandmarkFeature(name, "rules", "categorical", "", "", tuple(values), None, None, "")
        for name, values in levels.items()
    ]
    return [*shared, *inputs]
