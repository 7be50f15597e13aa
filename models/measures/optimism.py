"""Harrell's bootstrap: how much better the whole procedure looks on its own training patients than on others.

The whole procedure is fitted to all patients (apparent performance) and to bootstrap samples of them. The
optimism is the mean over samples of the fit's performance in its sample minus that in all patients; the
corrected value is the apparent one minus the optimism (Harrell, Lee and Mark, Statistics in Medicine
1996;15:361). It estimates how the model fitted to all patients performs in new ones.

The correction supposes that the samples' fits are as overfitted as the fit to all. A procedure that chooses
between a ridge and a boosted model may choose boosting for all patients and ridge in most samples, and every
sample's fit has seen two thirds of the patients it is then tested in: the corrected value is too good. The
mean performance in the patients that a sample left out stands beside it (slightly too bad: each fit learned
from 63 % of the patients). In I-SPY2 at t2 the AUC was .93 apparent, .87 corrected, .78 in patients left out
and .78 cross-validated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from models.measures.common import FloatArray, MeasureError, share_failed_within

# (y (n,), p (n,)) -> value
MeasureOf = Callable[[FloatArray, FloatArray], float]


@dataclass(frozen=True)
class Corrected:
    """A measure's apparent value, its optimism and the corrected value, with two kinds of uncertainty.

    `optimism_error` is the Monte Carlo standard error of the mean optimism, sd / sqrt(samples): it says
    whether there are enough samples, and nothing about the patients. `approximate_low` and `approximate_high`
    are described in `optimism`. `left_out` is the mean over samples of the measure in the patients not drawn,
    NaN where it has no value in any.
    """

    apparent: float
    optimism: float
    corrected: float
    left_out: float
    optimism_error: float
    approximate_low: float
    approximate_high: float
    samples: int


def optimism(
    y: np.ndarray,
    apparent: np.ndarray,
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    measures: Mapping[str, MeasureOf],
    *,
    level: float = 0.95,
) -> dict[str, Corrected]:
    """Return every measure corrected for optimism.

    The interval is approximate: corrected -+ z sqrt(v1 + v2). v1 is the variance of the measure over the
    bootstrap samples of patients with the model fitted to all held fixed (who is tested); v2 is the variance,
    over samples, of the samples' models in all patients (who was learned from). An interval with the right
    coverage needs a bootstrap of the bootstrap, samples x samples fits of the whole procedure (Noma et al.,
    Statistics in Medicine 2021;40:5691). In 300 simulated trials of 200 patients and 15 predictors (logistic
    regression, plain and ridge, 50 samples) the nominal 95 % covered 90 % for AUC, 90 to 94 % for Brier score
    and log loss and 99 % for the slope. Percentiles of the samples' apparent values moved by the optimism,
    which cost as little, covered 64 to 77 %, and the slope in 0 to 53 %.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    apparent : array, shape (n,)
        Probabilities for all patients by the model fitted to all of them.
    samples : sequence of pairs of arrays, each of shape (n,)
        For each bootstrap sample its positions, with repetitions, and the probabilities for *all* patients by
        the model fitted to the sample.
    measures : mapping of str to callable
        ``measure(y, p)``, raising MeasureError where it has no value.
    level : float
        Nominal confidence level.

    Raises
    ------
    MeasureError
        If there are fewer than two samples, or a measure has no value for the apparent predictions or in more
        than 20 % of the samples.
    """
    if len(samples) < 2:
        raise MeasureError(f"samples: optimism needs at least 2 bootstrap samples, got {len(samples)}")
    return {
        name: _corrected(name, measure, np.asarray(y, dtype=float), apparent, samples, level)
        for name, measure in measures.items()
    }


def optimism_frame(found: Mapping[str, Corrected]) -> pd.DataFrame:
    """Return a row a measure: measure, and the fields of `Corrected`."""
    rows: list[dict[str, Any]] = [{"measure": name, **asdict(value)} for name, value in found.items()]
    return pd.DataFrame(rows)


def _corrected(
    name: str,
    measure: MeasureOf,
    y: FloatArray,
    apparent: FloatArray,
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    level: float,
) -> Corrected:
    rows = [
        (
            _or_nan(measure, y[drawn], p[drawn]),
            _or_nan(measure, y, p),
            _or_nan(measure, y[drawn], apparent[drawn]),
            _left_out(measure, y, p, drawn),
        )
        for drawn, p in samples
    ]
    inside, outside, fixed, left_out = np.array(rows).T
    gaps = share_failed_within(inside - outside, name)
    value = measure(y, apparent)
    variance = share_failed_within(fixed, name).var(ddof=1) + share_failed_within(outside, name).var(ddof=1)
    corrected = value - float(gaps.mean())
    half = float(ndtri((1 + level) / 2) * np.sqrt(variance))
    return Corrected(
        apparent=value,
        optimism=float(gaps.mean()),
        corrected=corrected,
        left_out=float(np.nanmean(left_out)) if np.isfinite(left_out).any() else np.nan,
        optimism_error=float(gaps.std(ddof=1) / np.sqrt(len(gaps))),
        approximate_low=corrected - half,
        approximate_high=corrected + half,
        samples=len(gaps),
    )


def _left_out(measure: MeasureOf, y: FloatArray, p: FloatArray, drawn: np.ndarray) -> float:
    others = np.delete(np.arange(len(y)), drawn)
    return _or_nan(measure, y[others], p[others]) if len(others) else np.nan


def _or_nan(measure: MeasureOf, y: FloatArray, p: FloatArray) -> float:
    try:
        return measure(y, p)
    except MeasureError:
        return np.nan
