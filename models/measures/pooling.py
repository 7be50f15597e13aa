"""Random-effects meta-analysis of estimates from several groups of patients, such as the centres of a trial.

The estimates are assumed normal about each group's true value, with standard errors taken as known, and the
true values normal about their mean with variance tau^2 between groups. Pool on a scale on which that holds:
logit AUC, log O:E, the calibration slope itself (Debray et al., BMJ 2017;356:i6460).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from models.measures.common import FloatArray, MeasureError

# Fisher scoring stops where a step would change a typical total variance by no more than this share of it.
TOLERANCE = 1e-12
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class Pooled:
    """The mean of the groups' true values, what a new group may have, and how much the groups differ.

    Attributes
    ----------
    groups : int
        Number of estimates pooled, k.
    value, se, low, high : float
        The mean, its Knapp-Hartung standard error, and its confidence interval.
    prediction_low, prediction_high : float
        Prediction interval of the true value in a new group.
    tau2 : float
        Variance between groups, on the square of the estimates' scale.
    i2 : float
        Share of the total variance that is between groups, from 0 to 1 (not per cent).
    q : float
        Cochran's Q; chi-squared with k - 1 degrees of freedom if the groups do not differ.
    """

    groups: int
    value: float
    se: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float
    tau2: float
    i2: float
    q: float


def random_effects(estimates: npt.ArrayLike, standard_errors: npt.ArrayLike, *, level: float) -> Pooled:
    """Return the random-effects meta-analysis of independent estimates.

    - tau^2 by restricted maximum likelihood (``tau2_reml``); weights ``w = 1 / (se^2 + tau^2)``;
    - mean ``mu = sum w y / sum w`` with variance ``sum w (y - mu)^2 / ((k - 1) sum w)`` and t(k - 1)
      quantiles (Hartung and Knapp 2001; Sidik and Jonkman 2002). With few groups that happen to agree this
      interval may be narrower than that of a common-effect model; it is not widened here;
    - prediction interval ``mu +- t(k - 1) sqrt(tau^2 + se(mu)^2)`` (Higgins, Thompson and Spiegelhalter 2009,
      with k - 1 degrees of freedom as for the mean);
    - ``I^2 = tau^2 / (tau^2 + s^2)`` with the typical variance within groups
      ``s^2 = (k - 1) sum v / ((sum v)^2 - sum v^2)``, ``v = 1 / se^2`` (Higgins and Thompson 2002);
    - ``Q = sum v (y - sum v y / sum v)^2`` (Cochran 1954).

    Parameters
    ----------
    estimates : array, shape (k,)
        One estimate per group, on the scale on which they are pooled.
    standard_errors : array, shape (k,)
        Their standard errors on that scale, above 0.
    level : float
        Level of both intervals, strictly between 0 and 1.

    Raises
    ------
    MeasureError
        If there are fewer than two groups, an estimate is not finite, a standard error is not finite and
        above 0, the level is out of range, or tau^2 did not converge.
    """
    y, variances = _checked(estimates, standard_errors)
    if not 0 < level < 1:
        raise MeasureError(f"level: must lie strictly between 0 and 1; got {level}")
    tau2 = tau2_reml(y, standard_errors)
    weights = 1 / (variances + tau2)
    value = float(weights @ y / weights.sum())
    freedom = y.size - 1
    se = float(np.sqrt(weights @ (y - value) ** 2 / (freedom * weights.sum())))
    quantile = float(stdtrit(freedom, (1 + level) / 2))
    prediction = quantile * float(np.sqrt(tau2 + se**2))
    precision = 1 / variances
    typical = freedom * precision.sum() / (precision.sum() ** 2 - precision @ precision)
    return Pooled(
        groups=y.size,
        value=value,
        se=se,
        low=value - quantile * se,
        high=value + quantile * se,
        prediction_low=value - prediction,
        prediction_high=value + prediction,
        tau2=tau2,
        i2=float(tau2 / (tau2 + typical)),
        q=float(precision @ (y - precision @ y / precision.sum()) ** 2),
    )


def tau2_reml(estimates: npt.ArrayLike, standard_errors: npt.ArrayLike) -> float:
    """Return the restricted maximum-likelihood estimate of the variance between groups, 0 or above.

    Fisher scoring ``tau^2 += (y'PPy - tr P) / tr PP`` with ``P = W - W 1 1'W / sum w`` (Viechtbauer 2005),
    from the moment estimate of Hedges and Olkin (1985), cut at 0 in each step. Steps are halved where they
    jump back and forth over the maximum, as they may for ever if one standard error is much the smallest.

    Parameters
    ----------
    estimates, standard_errors : array, shape (k,)
        As in ``random_effects``.

    Raises
    ------
    MeasureError
        As ``random_effects``.
    """
    y, variances = _checked(estimates, standard_errors)
    tau2 = max(0.0, float(y.var(ddof=1) - variances.mean()))
    other = 1 - np.eye(y.size)
    damping, previous = 1.0, 0.0
    for _ in range(MAX_ITERATIONS):
        w = 1 / (variances + tau2)
        total = w.sum()
        # w - w^2 / sum w would cancel for a group that outweighs all others.
        P = np.diag(w * (other @ w) / total) - other * np.outer(w, w) / total
        trace_p, trace_pp = float(P.trace()), float((P**2).sum())
        step = (float(w**2 @ (y - w @ y / total) ** 2) - trace_p) / trace_pp  # Py = w (y - mu)
        # tr P / tr PP is a typical total variance: it makes the criterion free of the estimates' unit.
        if abs(step) <= TOLERANCE * trace_p / trace_pp or (tau2 == 0 and step < 0):
            return tau2
        if step * previous < -(previous**2) / 2:
            damping /= 2
        tau2, previous = max(0.0, tau2 + damping * step), step
    raise MeasureError(f"tau2: did not converge in {MAX_ITERATIONS} steps for {y.size} groups")


def _checked(estimates: npt.ArrayLike, standard_errors: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the estimates and their squared standard errors, shape (k,) each."""
    y, se = np.asarray(estimates, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    if y.ndim != 1 or y.shape != se.shape:
        raise MeasureError(
            f"estimates, standard_errors: must both have shape (k,); got {y.shape} and {se.shape}"
        )
    if y.size < 2:
        raise MeasureError(f"estimates: at least two groups are needed to pool; got {y.size}")
    wrong = int(np.sum(~np.isfinite(y)))
    if wrong:
        raise MeasureError(f"estimates: must be finite; {wrong} of {y.size} are not")
    wrong = int(np.sum(~(np.isfinite(se) & (se > 0))))
    if wrong:
        raise MeasureError(f"standard_errors: must be finite and above 0; {wrong} of {se.size} are not")
    return y, se**2
