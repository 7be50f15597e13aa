"""How far a patient's prediction depends on the sample the model was developed on (Riley and Collins 2023).

Each bootstrap sample of the patients gives a model by the whole procedure, and each model predicts for all
original patients. Instability is how far these predictions are from those of the model of all patients.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.measures.common import BoolArray, FloatArray, MeasureError, as_probability, as_repeats
from models.measures.net_benefit import ROUNDING


def prediction_instability(
    original: npt.ArrayLike, replicates: npt.ArrayLike, *, level: float
) -> pd.DataFrame:
    """Return each patient's mean absolute prediction error and the central interval of the replicates.

    The error is ``mean over b of |p_bi - p_i|``; the interval holds the share ``level`` of the patient's
    replicates, between their quantiles (Riley and Collins, Biom J 2023;65:2200302).

    Parameters
    ----------
    original : array, shape (n,)
        Predicted probability of the model developed on all patients, strictly between 0 and 1.
    replicates : array, shape (B, n)
        Predicted probability of the B bootstrap models for the same patients in the same order.
    level : float
        Share of the replicates inside the interval, strictly between 0 and 1.

    Returns
    -------
    DataFrame
        One row per patient in the order given: patient (position from 0), original, error, low, high.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    p, drawn = _checked(original, replicates)
    if not 0 < level < 1:
        raise MeasureError(f"level: must lie strictly between 0 and 1; got {level}")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    error = np.abs(drawn - p).mean(axis=0)
    return pd.DataFrame(
        {"patient": np.arange(p.size), "original": p, "error": error, "low": low, "high": high}
    )


def mean_absolute_prediction_error(original: npt.ArrayLike, replicates: npt.ArrayLike) -> float:
    """Return the mean over patients of ``mean over b of |p_bi - p_i|``; arguments as above.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    p, drawn = _checked(original, replicates)
    return float(np.abs(drawn - p).mean())


def classification_instability(
    original: npt.ArrayLike, replicates: npt.ArrayLike, *, threshold: float
) -> FloatArray:
    """Return for each patient the share of bootstrap models on the other side of the threshold, shape (n,).

    A patient on the threshold is classified as above it, as in ``net_benefit``. For a decision on non-pCR
    at threshold t give the complements ``1 - p`` of all predictions.

    Parameters
    ----------
    original, replicates
        As in ``prediction_instability``.
    threshold : float
        Threshold probability, strictly between 0 and 1.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    p, drawn = _checked(original, replicates)
    if not 0 < threshold < 1:
        raise MeasureError(f"threshold: must lie strictly between 0 and 1; got {threshold}")
    share: FloatArray = (_above(drawn, threshold) != _above(p, threshold)).mean(axis=0)
    return share


def replicate_frame(original: npt.ArrayLike, replicates: npt.ArrayLike) -> pd.DataFrame:
    """Return the points of the prediction instability plot, one row per patient and bootstrap model.

    Returns
    -------
    DataFrame
        patient and replicate (positions from 0), original (abscissa), prediction (ordinate); n B rows.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    p, drawn = _checked(original, replicates)
    samples, patients = drawn.shape
    return pd.DataFrame(
        {
            "patient": np.tile(np.arange(patients), samples),
            "replicate": np.repeat(np.arange(samples), patients),
            "original": np.tile(p, samples),
            "prediction": drawn.ravel(),
        }
    )


def _above(p: FloatArray, threshold: float) -> BoolArray:
    above: BoolArray = p >= threshold - ROUNDING
    return above


def _checked(original: npt.ArrayLike, replicates: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    p = np.asarray(original, dtype=np.float64)
    if p.ndim != 1 or p.size == 0:
        raise MeasureError(f"original: must have shape (n,) with n >= 1; got {p.shape}")
    drawn = np.asarray(replicates, dtype=np.float64)
    if drawn.ndim != 2:
        raise MeasureError(f"replicates: must have shape (B, {p.size}); got {drawn.shape}")
    return as_probability(p, p.size, "original"), as_repeats(drawn, p.size, "replicates")
