"""A served model updated by the closed test: its document recalibrated.

Intercept and slope act on the calibrated log-odds, so that an updated model is the parent's document with
another calibration; what ranks patients stays as it was.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from features.errors import UserError
from models.monitoring.likelihood import fitted
from models.serving.serving import ModelDocument

FloatArray = npt.NDArray[np.float64]
Recalibration = Literal["intercept", "slope"]


class UpdateError(UserError):
    """A model that cannot be updated so, and what to do."""


@dataclass(frozen=True)
class Calibration:
    """``logit P = intercept + slope * log-odds``, and the standard error of that, averaged over patients."""

    intercept: float
    slope: float
    error: float


def calibration(method: Recalibration, y: FloatArray, log_odds: FloatArray) -> Calibration:
    """Return the recalibration by maximum likelihood.

    Parameters
    ----------
    y, log_odds : arrays, shape (n,)
        Outcomes, and the model's log-odds.

    Raises
    ------
    UpdateError
        If the likelihood has no maximum: one outcome only, or the model separates them.
    """
    ones = np.ones((len(y), 1))
    design = ones if method == "intercept" else np.column_stack([ones, log_odds])
    fit = fitted(design, y, log_odds)
    if fit is None:
        raise UpdateError("the outcomes are too few for a recalibration, or the model separates them")
    slope = 1.0 if method == "intercept" else float(1 + fit[1])
    p = expit(log_odds + design @ fit)
    covariance = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    variance = np.einsum("ij,jk,ik->i", design, covariance, design)
    return Calibration(float(fit[0]), slope, float(np.sqrt(variance.mean())))


def recalibrated(document: ModelDocument, by: Calibration) -> ModelDocument:
    """Return a model's document with the recalibration on top of its own.

    A patient's interval grows with the slope and by the recalibration's error; everything else stays.
    """
    before = document["calibration"]
    changed: ModelDocument = {
        **document,
        "calibration": {
            "intercept": by.intercept + by.slope * before["intercept"],
            "slope": by.slope * before["slope"],
        },
    }
    if "interval" in document.get("serving", {}):
        interval = document["serving"]["interval"]
        spread = (by.slope * np.asarray(interval["spread"], dtype=float)).tolist()
        rest = float(np.hypot(by.slope * interval["rest"], by.error))
        changed["serving"] = {
            **document["serving"],
            "interval": {**interval, "spread": spread, "rest": rest},
        }
    return changed
