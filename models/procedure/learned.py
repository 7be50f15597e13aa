"""What is kept of a fit for the model that is served: the chosen candidate as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

import numpy as np

from models.procedure.response_model import ResponseModel
from models.serving.serving import ModelDocument, PcrModel


class LearnedDocument(TypedDict):
    """learned/<landmark>.json.gz."""

    document: ModelDocument
    booster: str | None
    score: list[float]
    passed_over: dict[str, str]


@dataclass(frozen=True)
class LearnedModel:
    """The chosen candidate, fitted to all patients.

    `model` predicts, `booster` is its text if it is boosted; `score` (n,) are the calibrated log-odds of the
    training patients out of the inner folds, in their order; `passed_over` says why a candidate, or a point
    of its grid, was passed over.
    """

    model: PcrModel
    booster: str | None
    score: np.ndarray
    passed_over: Mapping[str, str]

    @classmethod
    def of(cls, fitted: ResponseModel) -> Self:
        """Return what a fitted procedure chose."""
        name = fitted.chosen_
        score = fitted.tuned_[name].score
        return cls(fitted.models_[name], fitted.boosters_[name], score, fitted.passed_over_)

    @classmethod
    def read(cls, stored: LearnedDocument) -> Self:
        """Return what `stored` wrote; numbers are the same to the last bit."""
        model = PcrModel(stored["document"], stored["booster"])
        return cls(model, stored["booster"], np.array(stored["score"]), stored["passed_over"])

    def stored(self) -> LearnedDocument:
        """Return it as JSON can hold it."""
        return {
            "document": self.model.document,
            "booster": self.booster,
            "score": self.score.tolist(),
            "passed_over": dict(self.passed_over),
        }
