"""What is kept of a fit for the model that is served: the chosen candidate as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

from models.procedure.response_model import ResponseModel
from models.serving.serving import ModelDocument, PcrModel


class LearnedDocument(TypedDict):
    """learned/<landmark>.json.gz."""

    document: ModelDocument
    booster: str | None
    passed_over: dict[str, str]


@dataclass(frozen=True)
class LearnedModel:
    """The chosen candidate, fitted to all patients.

    `model` predicts, `booster` is its text if it is boosted; `passed_over` says why a candidate, or a
    point of its grid, was passed over.
    """

    model: PcrModel
    booster: str | None
    passed_over: Mapping[str, str]

    @classmethod
    def of(cls, fitted: ResponseModel) -> Self:
        """Return what a fitted procedure chose."""
        name = fitted.chosen_
        return cls(fitted.models_[name], fitted.boosters_[name], fitted.passed_over_)

    @classmethod
    def read(cls, stored: LearnedDocument) -> Self:
        """Return what `stored` wrote; numbers are the same to the last bit."""
        model = PcrModel(stored["document"], stored["booster"])
        return cls(model, stored["booster"], stored["passed_over"])

    def stored(self) -> LearnedDocument:
        """Return it as JSON can hold it."""
        return {
            "document": self.model.document,
            "booster": self.booster,
            "passed_over": dict(self.passed_over),
        }
