"""Fitted models as plain data: those of one split, and the chosen one's of every outer fold."""

from typing import NotRequired, TypedDict

from models.serving.serving import ModelDocument


class CandidateFit(TypedDict):
    """A candidate fitted to a training part; `booster`: LightGBM's text, None where nothing is boosted."""

    document: ModelDocument
    booster: str | None
    chosen: bool


class FoldFit(TypedDict):
    """The fit that predicted an outer fold."""

    repeat: int
    fold: int
    document: ModelDocument
    booster: str | None


class FoldFits(TypedDict):
    """fits/<landmark>.json.gz; where no model was learned, `error` says why and `fits` is empty."""

    model: NotRequired[str]
    error: NotRequired[str]
    fits: list[FoldFit]
