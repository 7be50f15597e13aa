"""The linear candidate cross-validated again where a sensitivity run changes outcome, patients or inputs.

Only what is learned stands here: comparators and measures are applied to these predictions later, so that
neither refits a model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from models.policy import StrategyModel
from models.procedure.backends import forks
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ModelSettings
from models.procedure.errors import NotLearnableError
from models.procedure.imputation import ImputedModel
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import Procedure, Progress, cross_validate, silently
from models.procedure.response_model import ResponseModel
from models.procedure.splits import outcome_strata, stratified_splits

REFERENCE = "reference: linear candidate, one repeat"
WEIGHTED = "missing outcomes: weighted"
UNKNOWN = "missing outcomes: tipping point"
IMPUTED = "missing predictors: imputation "
"""Followed by the number of the imputation, from 1 on."""

Procedures = Callable[[int], Sequence[Procedure]]


@dataclass(frozen=True)
class Population:
    """Patients of a scenario, sorted by id, and their outcome (n,), NaN where it is not known.

    `imputation` is the number of the draw of missing predictors, None where the model fills them.
    """

    name: str
    rows: pd.DataFrame
    outcome: pd.Series
    imputation: int | None = None

    @property
    def known(self) -> np.ndarray:
        """Whose outcome is known, shape (n,)."""
        return self.outcome.notna().to_numpy()


@dataclass(frozen=True)
class Refitted:
    """A scenario: its patients and events, and why nothing was fitted; `error` is empty if it was."""

    scenario: str
    n: int
    events: int
    error: str = ""


@dataclass(frozen=True)
class Refits:
    """Every scenario in order, and its predictions: scenario, usubjid, fold, y, p, weight."""

    scenarios: tuple[Refitted, ...]
    predictions: pd.DataFrame

    def listed(self) -> list[dict[str, object]]:
        """Return the scenarios as JSON holds them; `read_refits` reads them."""
        return [asdict(each) for each in self.scenarios]

    def at(self, scenario: str) -> pd.DataFrame:
        """Return the predictions of a scenario, patients sorted by id."""
        return self.predictions.loc[self.predictions["scenario"] == scenario].reset_index(drop=True)


def read_refits(listed: Sequence[Mapping[str, Any]], predictions: pd.DataFrame) -> Refits:
    """Return what was stored of `Refits`."""
    return Refits(tuple(Refitted(**each) for each in listed), predictions)


@dataclass(frozen=True)
class Refitter:
    """How scenarios are cross-validated: the landmark's features, and the settings."""

    features: Sequence[LandmarkFeature]
    settings: ModelSettings
    plan: ValidationPlan

    def procedures(self, imputation: int | None, seed: int) -> list[Procedure]:
        """Return the linear candidate, unfitted; with the number of an imputation, predictors are drawn."""
        linear, folds = self.settings.alone(self.plan.domains.candidate), self.plan.inner_folds
        if imputation is None:
            return [ResponseModel(self.features, linear, folds, seed)]
        return [ImputedModel(self.features, linear, folds, seed, imputation)]

    def refitted(self, population: Population) -> tuple[Refitted, pd.DataFrame]:
        """Return the scenario, and its predictions by one repeat of the folds; none where it has an error."""
        known = population.known
        rows = population.rows.loc[known].reset_index(drop=True)
        y = population.outcome[known].to_numpy(dtype=float)
        counted = partial(Refitted, population.name, len(y), int(y.sum()))
        if not self.plan.judges(y):
            return counted(f"fewer than {self.plan.min_events} events or non-events"), no_refits()
        try:
            predicted = self._out_of_fold(rows, y, partial(self.procedures, population.imputation))
        except NotLearnableError as error:
            return counted(str(error)), no_refits()
        return counted(), predicted.assign(scenario=population.name)[list(no_refits())]

    def weighted(
        self, population: Population, reference: tuple[Refitted, pd.DataFrame]
    ) -> tuple[Refitted, pd.DataFrame]:
        """Return the reference with weights for outcomes that are missing in the population.

        Weights change no prediction: those of the reference, whose outcome is known, are weighted.
        """
        scenario, predictions = reference
        weights = self.observation_weights(population)[population.known]
        weighted = predictions.assign(scenario=population.name, weight=weights)
        return replace(scenario, scenario=population.name), weighted

    def unknown(
        self, population: Population, reference: tuple[Refitted, pd.DataFrame]
    ) -> tuple[Refitted, pd.DataFrame]:
        """Return the reference, and beside it what a model of all known outcomes predicts for the others.

        Their outcome is NaN and their fold -1: they are in no training part.
        """
        scenario, predictions = reference
        known, rows = population.known, population.rows
        y = population.outcome[known].to_numpy(dtype=float)
        (model,) = self.procedures(None, self.plan.seed)
        try:
            fitted = model.fit(rows.loc[known].reset_index(drop=True), y)
        except NotLearnableError as error:
            return replace(scenario, scenario=population.name, error=str(error)), no_refits()
        others = rows.loc[~known].reset_index(drop=True)
        predicted = pd.DataFrame(
            {"usubjid": others["usubjid"], "fold": -1, "y": np.nan, "weight": 1.0}
        ).assign(p=fitted.predictions(others)["chosen"])
        both = pd.concat([predictions, predicted], ignore_index=True)
        return replace(scenario, scenario=population.name, n=len(both)), both.assign(scenario=population.name)

    def _out_of_fold(self, rows: pd.DataFrame, y: np.ndarray, procedures: Procedures) -> pd.DataFrame:
        splits = stratified_splits(
            outcome_strata(y, rows["arm"]), folds=self.plan.folds, repeats=1, seed=self.plan.seed
        )
        fold, p = np.empty(len(y), dtype="int64"), np.empty(len(y))
        for result in cross_validate(procedures, rows, y, splits, backend=forks()):
            fold[result.split.test] = result.split.fold
            p[result.split.test] = result.predictions["chosen"]
        return pd.DataFrame({"usubjid": rows["usubjid"], "fold": fold, "y": y, "p": p, "weight": 1.0})

    def observation_weights(self, population: Population) -> np.ndarray:
        """Return 1 / P(outcome observed | features, arm) of every patient at risk, by ridge regression."""
        arm = (population.rows["arm"] == population.rows["arm"].iloc[0]).to_numpy()
        inputs = [feature for feature in self.features if feature.name != "arm"]
        model = StrategyModel(inputs, self.settings.encoding, self.plan.strategy.penalty_per_patient)
        fitted = model.fit(population.rows, arm, population.outcome.to_numpy(dtype=float))
        return 1 / fitted.observed(population.rows, arm)


def no_refits() -> pd.DataFrame:
    """Return the frame of predictions where nothing was fitted."""
    kinds = {
        "scenario": "str", "usubjid": "str", "fold": "int64", "y": "float64", "p": "float64",
        "weight": "float64",
    }  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def refits(
    refitter: Refitter,
    rows: pd.DataFrame,
    cohort: pd.DataFrame,
    other_outcomes: pd.DataFrame,
    *,
    progress: Progress = silently,
) -> Refits:
    """Return every scenario that needs models of its own, and what they predict.

    Where too few events leave nothing to learn in the run, there is the reference alone, with the reason.

    Parameters
    ----------
    refitter : Refitter
        How models are fitted.
    rows : DataFrame
        Features and arm of all patients at risk at the landmark, sorted by id, outcome known or not.
    cohort, other_outcomes : DataFrame
        As stage cohort writes them; the columns of `other_outcomes` beside usubjid are definitions of pCR.
    """
    populations = list(_populations(rows, cohort, other_outcomes, refitter.plan.imputations))
    reference = refitter.refitted(populations[0])
    parts = [reference]
    if not reference[0].error:
        others = progress(populations[1:], len(populations) - 1)
        beside = {WEIGHTED: refitter.weighted, UNKNOWN: refitter.unknown}
        parts += [
            beside[each.name](each, reference) if each.name in beside else refitter.refitted(each)
            for each in others
        ]
    predictions = [frame for _, frame in parts if not frame.empty]
    return Refits(
        tuple(scenario for scenario, _ in parts),
        pd.concat(predictions, ignore_index=True) if predictions else no_refits(),
    )


def _populations(
    rows: pd.DataFrame,
    cohort: pd.DataFrame,
    other_outcomes: pd.DataFrame,
    imputations: int,
) -> Iterator[Population]:
    """Yield who is analysed in every scenario, with which outcome; the reference first.

    Where everybody is eligible, or every outcome is known, there is nothing to compare.
    """
    by_patient = cohort.set_index("usubjid")
    outcome = rows["usubjid"].map(by_patient["outcome"].where(by_patient["outcome_status"] != "not_due"))
    yield Population(REFERENCE, rows, outcome)
    for name, defined in other_outcomes.set_index("usubjid").items():
        yield Population(f"outcome: {name}", rows, rows["usubjid"].map(defined))
    due = _chosen(rows, outcome, rows["usubjid"].map(by_patient["outcome_status"] != "not_due"))
    if due[1].isna().any():
        yield Population(WEIGHTED, *due)
        yield Population("missing outcomes: all pCR", due[0], due[1].fillna(1.0))
        yield Population("missing outcomes: none pCR", due[0], due[1].fillna(0.0))
        yield Population(UNKNOWN, *due)
    eligible = rows["usubjid"].map(by_patient["eligible"])
    if not eligible.to_numpy(dtype=bool).all():
        yield Population("eligible patients", *_chosen(rows, outcome, eligible))
    for number in range(imputations):
        yield Population(f"{IMPUTED}{number + 1}", rows, outcome, imputation=number)


def _chosen(rows: pd.DataFrame, outcome: pd.Series, inside: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    chosen = inside.to_numpy(dtype=bool)
    return rows.loc[chosen].reset_index(drop=True), outcome.loc[chosen].reset_index(drop=True)
