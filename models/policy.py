"""The value of treatment strategies: what randomisation identifies, given baseline features.

The value of a strategy is the mean outcome if everybody were treated by it as delivered. Patients are
randomised with known probabilities, so it is estimated by augmented inverse probability weighting (Robins,
Rotnitzky and Zhao 1994; cross-fitted as in Chernozhukov et al. 2018): unbiased whatever the outcome model,
which only buys precision. Outcomes that are missing are weighted by their modelled chance of being observed.

A policy may decide by baseline features alone: whatever is seen later depends on the treatment given. The
policy here is learned and described as a whole; it is no statement on any one patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri
from sklearn.linear_model import LogisticRegression

from features.errors import UserError
from models.measures.common import BoolArray, FloatArray, Measure
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import EncodingSettings, ModelSettings
from models.procedure.encoding import learn_encoding
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import LandmarkFeature, as_documents
from models.serving.serving import PcrModel

VALUES = ("reference", "treated", "difference", "policy", "policy_gain", "policy_share")
"""Names of the measures of `strategy_values`."""


class PolicyError(UserError):
    """A strategy whose value randomisation does not identify, or data that do not allow its estimation."""


@dataclass(frozen=True)
class Arms:
    """The two strategies compared, and the probability with which a patient was randomised to `treated`."""

    reference: str
    treated: str
    share_treated: float


@dataclass(frozen=True)
class Nuisance:
    """Cross-fitted predictions for every patient, each of shape (n,).

    `m0`, `m1`: probability of pCR under the reference and the treated strategy. `observed`: probability that
    the outcome is observed in the patient's own arm.
    """

    m0: FloatArray
    m1: FloatArray
    observed: FloatArray


@dataclass(frozen=True)
class FittedStrategy:
    """Ridge logistic models of the outcome and of its observation on arm, features and their products.

    `observation` is None where every outcome was observed.
    """

    coder: PcrModel
    mean: FloatArray
    scale: FloatArray
    outcome: LogisticRegression
    observation: LogisticRegression | None

    def probability(self, X: pd.DataFrame, *, treated: bool) -> FloatArray:
        """Return the probability of pCR (n,) had all been randomised to one strategy."""
        return np.asarray(self.outcome.predict_proba(self._design(X, np.full(len(X), treated)))[:, 1])

    def gain(self, X: pd.DataFrame) -> FloatArray:
        """Return m1 - m0 (n,), by which the policy decides."""
        return self.probability(X, treated=True) - self.probability(X, treated=False)

    def observed(self, X: pd.DataFrame, treated: BoolArray) -> FloatArray:
        """Return the probability that the outcome is observed (n,)."""
        if self.observation is None:
            return np.ones(len(X))
        return np.asarray(self.observation.predict_proba(self._design(X, treated))[:, 1])

    def _design(self, X: pd.DataFrame, treated: BoolArray) -> FloatArray:
        return _with_products(self.coder, self.mean, self.scale, X, treated)


@dataclass(frozen=True)
class StrategyModel:
    """What is fitted: baseline features without the arm, the encoding's settings, and the ridge penalty.

    `penalty` is per patient, on standardised columns.
    """

    features: Sequence[LandmarkFeature]
    encoding: EncodingSettings
    penalty: float

    def fit(self, X: pd.DataFrame, treated: BoolArray, y: FloatArray) -> FittedStrategy:
        """Learn from `X` (n, >= features), the arm (n,) and the outcome (n,), NaN where it is missing."""
        known = ~np.isnan(y)
        learned = learn_encoding(X, self.features, self.encoding)
        coder = PcrModel({"features": as_documents(self.features), "encoding": learned})
        mean, scale = np.array(learned["mean"]), np.array(learned["scale"])
        design = _with_products(coder, mean, scale, X, treated)
        outcome = _ridge(self.penalty, design[known], y[known])
        observation = None if known.all() else _ridge(self.penalty, design, known)
        return FittedStrategy(coder, mean, scale, outcome, observation)


@dataclass(frozen=True)
class StrategyValues:
    """What `strategy_values` estimates, and the fitted models whose decisions the policy is."""

    measures: dict[str, Measure]
    models: list[FittedStrategy]


def _with_products(
    coder: PcrModel, mean: FloatArray, scale: FloatArray, X: pd.DataFrame, treated: BoolArray
) -> FloatArray:
    columns = (coder.complete(coder.encode(X)) - mean) / scale
    arm = np.where(treated, 0.5, -0.5)[:, None]
    return np.hstack([arm, columns, arm * columns])


def _ridge(penalty: float, design: FloatArray, y: npt.NDArray[Any]) -> LogisticRegression:
    model = LogisticRegression(C=1 / (penalty * len(y)), solver="newton-cholesky", tol=1e-8, max_iter=200)
    model.fit(design, y)
    return model


def refuse_later_features(features: Sequence[LandmarkFeature], baseline: str) -> None:
    """Raise PolicyError if a feature was not known at `baseline`, the landmark before treatment."""
    later = [feature.name for feature in features if feature.known_at != baseline]
    if later:
        raise PolicyError(
            f"a policy may decide by features known at {baseline} only: randomisation does not identify "
            f"the value of a decision on what was seen under treatment; take out {', '.join(later[:5])}"
            + (f" and {len(later) - 5} more" if len(later) > 5 else "")
        )


def cross_fit(
    model: StrategyModel, X: pd.DataFrame, treated: BoolArray, y: FloatArray, folds: int, seed: int
) -> tuple[Nuisance, list[FittedStrategy]]:
    """Return each patient's predictions by a model fitted without that patient, and the models; folds by arm.

    Raises
    ------
    PolicyError
        If the training part of a fold has one outcome only.
    """
    m0, m1, observed = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
    models = []
    for train, test in stratified_folds(treated, folds, seed):
        if np.unique(y[train][~np.isnan(y[train])]).size < 2:
            raise PolicyError("the outcome is the same for all patients of a training part")
        fitted = model.fit(X.iloc[train], treated[train], y[train])
        held_out = X.iloc[test]
        m0[test], m1[test] = (fitted.probability(held_out, treated=arm) for arm in (False, True))
        observed[test] = fitted.observed(held_out, treated[test])
        models.append(fitted)
    return Nuisance(m0, m1, observed), models


def augmented(
    y: FloatArray, treated: BoolArray, share_treated: float, nuisance: Nuisance
) -> tuple[FloatArray, FloatArray]:
    """Return every patient's contribution to the values of the reference and the treated strategy, each (n,).

    phi_a = m_a(x) + 1[A = a] R / (P(A = a) P(R = 1)) (y - m_a(x)), with R = 1 where the outcome is observed.
    """
    known = ~np.isnan(y)
    outcome = np.where(known, y, 0.0)
    contributions = []
    for arm, share, m in ((False, 1 - share_treated, nuisance.m0), (True, share_treated, nuisance.m1)):
        weight = (treated == arm) * known / (share * nuisance.observed)
        contributions.append(m + weight * (outcome - m))
    return contributions[0], contributions[1]


def mean_with_interval(contributions: FloatArray, level: float) -> Measure:
    """Return the mean and its normal interval, SE = sd / sqrt(n)."""
    value = float(contributions.mean())
    half = ndtri((1 + level) / 2) * contributions.std(ddof=1) / np.sqrt(len(contributions))
    return Measure(value, float(value - half), float(value + half))


def strategy_values(
    X: pd.DataFrame,
    y: FloatArray,
    arms: Arms,
    model: StrategyModel,
    *,
    folds: int,
    seed: int,
    delta: float,
    level: float,
) -> StrategyValues:
    """Estimate the values of both strategies for all, of the learned policy, and their differences.

    Parameters
    ----------
    X : DataFrame, shape (n, >= features)
        Baseline features of all randomised patients, with the column ``arm``.
    y : array, shape (n,)
        1 = pCR, 0 = none, NaN where missing.
    model : StrategyModel
        Its features must all be known at baseline (`refuse_later_features`).
    folds, seed : int
        Of the cross-fitting; folds are stratified by arm.
    delta : float
        The policy treats where the cross-fitted m1 - m0 exceeds it (difference of probabilities).
    level : float
        Confidence level.

    Returns
    -------
    StrategyValues
        Its measures: ``reference``, ``treated``, ``difference`` (treated minus reference), ``policy``,
        ``policy_minus_reference``, ``policy_minus_treated`` (of both, as which of them is better is an
        estimate, too), and ``policy_share`` (the share whom the policy treats). The policy's interval leaves
        out that it was learned on the same patients and is too narrow (docs/coverage.md).

    Raises
    ------
    PolicyError
        If a patient is of another arm, or a training part has one outcome only.
    """
    strange = sorted(set(X["arm"]) - {arms.reference, arms.treated})
    if strange:
        raise PolicyError(f"arm {', '.join(strange)}: strategies are {arms.reference} and {arms.treated}")
    treated = (X["arm"] == arms.treated).to_numpy(dtype=bool)
    nuisance, models = cross_fit(model, X, treated, y, folds, seed)
    phi0, phi1 = augmented(y, treated, arms.share_treated, nuisance)
    chosen = nuisance.m1 - nuisance.m0 > delta
    policy = np.where(chosen, phi1, phi0)
    of = {"reference": phi0, "treated": phi1, "difference": phi1 - phi0}
    of |= {"policy": policy, "policy_minus_reference": policy - phi0, "policy_minus_treated": policy - phi1}
    share = Measure(float(chosen.mean()), None, None)
    measures = {name: mean_with_interval(phi, level) for name, phi in of.items()}
    return StrategyValues(measures | {"policy_share": share}, models)


def arms_of(allocation: Mapping[str, float], strategy: str) -> Arms:
    """Return the strategy's arm, the other arm, and the share randomised to it."""
    (reference,) = [arm for arm in allocation if arm != strategy]
    return Arms(reference, strategy, allocation[strategy])


def strategy_model(
    features: Sequence[LandmarkFeature],
    settings: ModelSettings,
    plan: ValidationPlan,
    baseline: str,
) -> StrategyModel:
    """Return the outcome model of the strategies; PolicyError if a feature was not known at `baseline`."""
    refuse_later_features(features, baseline)
    own = [feature for feature in features if feature.name != "arm"]
    return StrategyModel(own, settings.encoding, plan.strategy.penalty_per_patient)
