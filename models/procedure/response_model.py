"""The whole modelling procedure: encode, tune, calibrate and choose, all inside the patients it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from models.procedure.calibration import recalibrate
from models.procedure.candidates import Design, Fit, fit_candidate, grid_points, intercept_only
from models.procedure.configuration.settings import (
    INTERCEPT,
    BlocksCandidate,
    FeatureCandidate,
    ProcedureSettings,
)
from models.procedure.encoding import NumericRows, encoding_of, read_numeric_rows
from models.procedure.errors import NotLearnableError
from models.procedure.fold_fits import CandidateFit
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import LandmarkFeature, as_documents
from models.serving.serving import CalibrationDocument, EncodingDocument, ModelDocument, PcrModel


@dataclass(frozen=True)
class Tuned:
    """A candidate after tuning: best grid point, calibration, and every patient's loss in the inner folds."""

    point: str
    calibration: CalibrationDocument
    loss: np.ndarray


class ResponseModel(ClassifierMixin, BaseEstimator):
    """Candidates tuned by inner cross-validation, calibrated, and the simplest good one chosen.

    Within a candidate the grid point of least mean log loss is taken. Boosted margins are recalibrated on the
    log-odds by the inner out-of-fold margins; penalised logistic regression is left as it is. Between
    candidates the first (simplest) whose mean paired loss difference from the best is at most one standard
    error, sd(d) / sqrt(n), is chosen. A candidate that cannot be learned from these patients, and a point of
    a grid that does not converge, is passed over with its reason; where none is left, the prevalence stands.

    Parameters
    ----------
    features : sequence of LandmarkFeature
        The inputs.
    settings : ProcedureSettings
        The encoding, and the candidates to choose from.
    inner_folds : int
        Folds of the inner cross-validation.
    seed : int
        Seed of the inner folds and of boosting.

    Attributes
    ----------
    models_ : dict of str to PcrModel
        Every candidate, refitted on all patients given.
    documents_, boosters_ : dict
        The same as plain data: what is stored and served.
    chosen_ : str
        Name of the chosen candidate; `INTERCEPT` where none could be learned.
    passed_over_ : dict of str to str
        Why a candidate, or a point of its grid (``candidate, point``), was passed over.
    tuned_ : dict of str to Tuned
        What tuning found.
    """

    def __init__(
        self,
        features: Sequence[LandmarkFeature],
        settings: ProcedureSettings,
        inner_folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.features = features
        self.settings = settings
        self.inner_folds = inner_folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> "ResponseModel":
        """Tune, calibrate, choose and refit on the rows of `X` (n, >= features) with outcome `y` (n,).

        Parameters
        ----------
        X, y : DataFrame (n, >= features) and array (n,)
            Training rows and their outcome, 0 or 1.
        groups : array, shape (n,), optional
            Patient of each row of a bootstrap sample. Copies of a patient stay in one inner fold: tuning and
            calibration would otherwise see patients of the training part again, and believe the model.

        Raises
        ------
        NotLearnableError
            If an outcome has fewer patients than there are inner folds.
        """
        y = np.asarray(y, dtype=float)
        patients = np.arange(len(y)) if groups is None else np.asarray(groups)
        fewest = min(len(np.unique(patients[y == outcome])) for outcome in (0, 1))
        if fewest < self.inner_folds:
            raise NotLearnableError(
                f"{fewest} patients have the rarer outcome, fewer than the {self.inner_folds} inner folds"
            )
        self.classes_ = np.array([0, 1])
        inputs = read_numeric_rows(X, self.features)
        self.passed_over_: dict[str, str] = {}
        tuned = self._tune(inputs, y, groups)
        design = self._design(inputs, y, inputs.rows(np.arange(0)))
        fitted = self._refitted(design, tuned)
        for name, (found, fit) in self._learn_blocks(inputs, X, y, groups).items():
            tuned[name], fitted[name] = found, fit
        fitted = {name: fitted[name] for name in self.settings.candidates if name in fitted}
        if not fitted:
            fitted = {INTERCEPT: intercept_only(y)}
            tuned = {INTERCEPT: _tuned_intercept(fitted[INTERCEPT], y)}
        self.tuned_ = {name: tuned[name] for name in fitted}
        self.chosen_ = choose({name: each.loss for name, each in self.tuned_.items()})
        self.documents_ = {
            name: self._document(name, design, fit, tuned[name]) for name, fit in fitted.items()
        }
        self.boosters_ = {name: fit.booster for name, fit in fitted.items()}
        self.models_ = {
            name: PcrModel(document, self.boosters_[name]) for name, document in self.documents_.items()
        }
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the chosen candidate's probabilities of non-pCR and pCR, shape (n, 2)."""
        check_is_fitted(self)
        p = self.models_[self.chosen_].probability(X)
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return 1 where pCR is the likelier outcome, shape (n,)."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(int)

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the probability of pCR by every candidate and by the chosen one, each of shape (n,).

        A recalibrated candidate is there as it was before, too, ``<name>_uncalibrated``: its calibration
        slope says what the recalibration corrects.
        """
        check_is_fitted(self)
        every, before = {}, {}
        # All candidates were fitted to one encoding.
        first = self.models_[self.chosen_]
        columns = first.complete(first.encode(X))
        for name, model in self.models_.items():
            margin = self._log_odds(model, columns, X)
            every[name] = _probability(margin)
            if self.boosters_[name] is not None:
                learned = self.tuned_[name].calibration
                before[f"{name}_uncalibrated"] = _probability(
                    (margin - learned["intercept"]) / learned["slope"]
                )
        chosen = {"chosen": every[self.chosen_]}
        # Where nothing can be learned, the prevalence is no candidate of its own.
        return {name: p for name, p in every.items() if name != INTERCEPT} | before | chosen

    def _log_odds(self, model: PcrModel, columns: np.ndarray, X: pd.DataFrame) -> np.ndarray:
        """Return the log-odds (n,) of the rows `X`, whose completed columns are `columns`."""
        del X
        return model.log_odds_of(columns)

    def _learn_blocks(
        self, inputs: NumericRows, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None
    ) -> dict[str, tuple[Tuned, Fit]]:
        """Return candidates that are learned from more than `features`, tuned and fitted: here, none."""
        del inputs, X, y, groups
        return {}

    def _candidates(self) -> dict[str, FeatureCandidate]:
        """Return the candidates that are fitted to a design, point by point of their grid."""
        return {
            name: candidate
            for name, candidate in self.settings.candidates.items()
            if not isinstance(candidate, BlocksCandidate)
        }

    def fits(self) -> dict[str, CandidateFit]:
        """Return every candidate as plain data: ``document``, ``booster`` (text, or None), if ``chosen``."""
        check_is_fitted(self)
        return {
            name: {
                "document": document,
                "booster": self.boosters_[name],
                "chosen": name == self.chosen_,
            }
            for name, document in self.documents_.items()
        }

    def _design(self, train: NumericRows, y: np.ndarray, test: NumericRows) -> Design:
        """Learn encoding and imputation, once, and complete the columns of both parts with them."""
        encoding, coder = self._learned_coder(train)
        completed = [coder.complete(part.encoded(encoding["columns"])) for part in (train, test)]
        return Design(encoding, completed[0], y, completed[1])

    def _learned_coder(self, train: NumericRows) -> tuple[EncodingDocument, PcrModel]:
        """Learn encoding and imputation from the training part; return them, and what applies them."""
        encoding = encoding_of(train, self.settings.encoding)
        return encoding, PcrModel({"features": as_documents(self.features), "encoding": encoding})

    def _tune(self, inputs: NumericRows, y: np.ndarray, groups: np.ndarray | None) -> dict[str, Tuned]:
        """Cross-validate every grid point of every candidate on the same inner folds."""
        candidates = self._candidates()
        margins = {
            name: {point: np.full(len(y), np.nan) for point in grid_points(settings)}
            for name, settings in candidates.items()
        }
        for train, test in stratified_folds(y, self.inner_folds, self.seed, groups):
            design = self._design(inputs.rows(train), y[train], inputs.rows(test))
            for name, settings in candidates.items():
                if name in self.passed_over_:
                    continue
                try:
                    for fit in fit_candidate(design, settings, self.seed):
                        margins[name][fit.point][test] = fit.margin
                except NotLearnableError as error:
                    self.passed_over_[name] = str(error)
        tuned = {}
        for name, points in margins.items():
            if name in self.passed_over_:
                continue
            try:
                tuned[name] = _best(self._converged(name, points), y, candidates[name].kind)
            except NotLearnableError as error:
                self.passed_over_[name] = str(error)
        return tuned

    def _converged(self, name: str, points: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the points of a grid that were fitted in every inner fold, and note the others."""
        found = {point: margin for point, margin in points.items() if not np.isnan(margin).any()}
        if not found:
            raise NotLearnableError("no point of its grid converged")
        for point in points.keys() - found.keys():
            self.passed_over_[f"{name}, {point}"] = "did not converge"
        return found

    def _refitted(self, design: Design, tuned: Mapping[str, Tuned]) -> dict[str, Fit]:
        """Return every tuned candidate fitted to all patients; one that cannot be is passed over."""
        found, candidates = {}, self._candidates()
        for name, each in tuned.items():
            try:
                fits = list(fit_candidate(design, candidates[name], self.seed, [each.point]))
            except NotLearnableError as error:
                self.passed_over_[name] = str(error)
                continue
            if fits:
                found[name] = fits[0]
            else:
                self.passed_over_[name] = f"{each.point} did not converge in all patients"
        return found

    def _document(self, name: str, design: Design, fit: Fit, tuned: Tuned) -> ModelDocument:
        document: ModelDocument = {
            "candidate": name,
            "tuned": tuned.point,
            "features": as_documents(self.features),
            "encoding": design.encoding,
        }
        if "linear" in fit.document:
            document["linear"] = fit.document["linear"]
        elif "blocks" in fit.document:
            document["blocks"] = fit.document["blocks"]
        else:
            document["boosting"] = fit.document["boosting"]
        document["calibration"] = tuned.calibration
        return document


def _probability(margin: np.ndarray) -> np.ndarray:
    """Return probabilities as the served model computes them, to the last bit."""
    return np.asarray(1.0 / (1.0 + np.exp(-margin)))


def choose(losses: Mapping[str, np.ndarray]) -> str:
    """Return the first candidate whose paired loss difference from the best is within one standard error.

    Parameters
    ----------
    losses : mapping of str to array of shape (n,)
        Loss per patient, candidates from the simplest to the least simple, on the same patients.
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        difference = loss - losses[best]
        if difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)):
            return name
    return best


def patient_loss(margin: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the negative log-likelihood of each patient, shape (n,), from log-odds: log(1 + e^m) - y m."""
    return np.asarray(np.logaddexp(0.0, margin) - y * margin)


def _best(points: Mapping[str, np.ndarray], y: np.ndarray, kind: str) -> Tuned:
    """Return the point of least mean log loss, recalibrated where the candidate is boosted."""
    point = min(points, key=lambda name: float(patient_loss(points[name], y).mean()))
    intercept, slope = recalibrate(points[point], y) if kind == "lightgbm" else (0.0, 1.0)
    score = intercept + slope * points[point]
    return Tuned(point, {"intercept": intercept, "slope": slope}, patient_loss(score, y))


def _tuned_intercept(fit: Fit, y: np.ndarray) -> Tuned:
    return Tuned(fit.point, {"intercept": 0.0, "slope": 1.0}, patient_loss(fit.margin, y))
