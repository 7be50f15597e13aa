"""How many patients a prediction model needs, for its development and for its validation (Riley's criteria).

Numbers of patients are returned exact, as the formulas give them, and rounded up. All expectations are
integrals over a normal distribution, by Gauss-Legendre quadrature: no simulation, the same on every machine.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logit, ndtri

from models.measures.common import FloatArray, MeasureError

# Beyond 10 standard deviations the normal distribution holds 1e-23; 400 nodes integrate to 1e-10 for a
# linear predictor with a standard deviation up to 8 (a C statistic of 0.98).
REACH = 10.0
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(400)


def cox_snell_r2(c_statistic: float, prevalence: float) -> float:
    """Return the Cox-Snell R2 that goes with an anticipated C statistic.

    The linear predictor is taken as normal with the same variance in events and non-events: N(mu, 1) and
    N(0, 1) with ``mu = sqrt(2) qnorm(C)``. The logistic model of the outcome is then exact, and
    ``R2 = 1 - exp(-2 (E log-likelihood - E null log-likelihood))`` per patient (Riley, Van Calster and
    Collins, Stat Med 2021;40:859).

    Parameters
    ----------
    c_statistic : float
        Anticipated C statistic (AUC), strictly between 0.5 and 1.
    prevalence : float
        Anticipated share of patients with the event, strictly between 0 and 1.

    Raises
    ------
    MeasureError
        If an argument is out of range.
    """
    _refuse_outside("c_statistic", c_statistic, 0.5, 1)
    _refuse_outside("prevalence", prevalence, 0, 1)
    mu = float(np.sqrt(2) * ndtri(c_statistic))

    def lp(x: FloatArray) -> FloatArray:
        values: FloatArray = logit(prevalence) + mu * x - mu**2 / 2
        return values

    events = _normal_mean(lambda z: log_expit(lp(z + mu)))
    non_events = _normal_mean(lambda z: log_expit(-lp(z)))
    gain = prevalence * events + (1 - prevalence) * non_events - _null_log_likelihood(prevalence)
    return float(-np.expm1(-2 * gain))


def patients_for_shrinkage(parameters: int, r2: float, shrinkage: float) -> float:
    """Return n at which a model with this many parameters has this expected shrinkage factor S.

    ``n = P / ((S - 1) log(1 - R2 / S))``, R2 being Cox and Snell's (Riley et al., BMJ 2020;368:m441, step 3).

    Raises
    ------
    MeasureError
        If there is no parameter, S is not strictly between 0 and 1, or R2 is not strictly between 0 and S.
    """
    if parameters < 1:
        raise MeasureError(f"parameters: must be at least 1; got {parameters}")
    _refuse_outside("shrinkage", shrinkage, 0, 1)
    _refuse_outside("r2", r2, 0, shrinkage)
    return float(parameters / ((shrinkage - 1) * np.log1p(-r2 / shrinkage)))


def patients_for_optimism(parameters: int, r2: float, prevalence: float, optimism: float) -> float:
    """Return n at which the expected optimism in Nagelkerke's R2 is ``optimism``.

    The shrinkage factor that goes with it is ``S = R2 / (R2 + optimism max R2)``, where the largest Cox-Snell
    R2 is ``1 - exp(2 (phi log phi + (1 - phi) log(1 - phi)))`` (BMJ 2020;368:m441, step 4).

    Raises
    ------
    MeasureError
        If an argument is out of range, or R2 is not below its largest value at this prevalence.
    """
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("optimism", optimism, 0, 1)
    largest = float(-np.expm1(2 * _null_log_likelihood(prevalence)))
    _refuse_outside("r2", r2, 0, largest)
    return patients_for_shrinkage(parameters, r2, r2 / (r2 + optimism * largest))


def patients_for_overall_risk(prevalence: float, margin: float, level: float) -> float:
    """Return n at which the interval of the overall risk phi is phi +- margin.

    ``(z / margin)^2 phi (1 - phi)`` (BMJ 2020;368:m441, step 1).

    Raises
    ------
    MeasureError
        If an argument is not strictly between 0 and 1.
    """
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("margin", margin, 0, 1)
    return (_quantile(level) / margin) ** 2 * prevalence * (1 - prevalence)


def development_sample_size(
    parameters: int,
    prevalence: float,
    c_statistic: float,
    *,
    shrinkage: float,
    optimism: float,
    margin: float,
    level: float,
) -> pd.DataFrame:
    """Return the patients that each criterion asks for; the largest number is the size needed.

    Parameters
    ----------
    parameters : int
        Candidate parameters, before any selection: spline terms, interactions and indicators count.
    prevalence : float
        Anticipated share of patients with the event, strictly between 0 and 1.
    c_statistic : float
        Anticipated C statistic of the model on new patients, strictly between 0.5 and 1.
    shrinkage : float
        Smallest expected shrinkage factor; Riley et al. advise 0.9.
    optimism : float
        Largest expected optimism in Nagelkerke's R2; they advise 0.05.
    margin : float
        Half the width of the interval of the overall risk; they advise 0.05.
    level : float
        Confidence level of that interval.

    Returns
    -------
    DataFrame
        One row per criterion (shrinkage, optimism, overall_risk): criterion, exact, n (rounded up).

    Raises
    ------
    MeasureError
        If an argument is out of range.
    """
    r2 = cox_snell_r2(c_statistic, prevalence)
    return _rounded_up(
        "criterion",
        {
            "shrinkage": patients_for_shrinkage(parameters, r2, shrinkage),
            "optimism": patients_for_optimism(parameters, r2, prevalence, optimism),
            "overall_risk": patients_for_overall_risk(prevalence, margin, level),
        },
    )


def supported_parameters(
    n: int,
    prevalence: float,
    c_statistic: float,
    *,
    shrinkage: float,
    optimism: float,
    margin: float,
    level: float,
) -> int:
    """Return the largest number of candidate parameters for which n patients meet all criteria.

    It is 0 where n patients do not support one parameter, or are too few to estimate the overall risk. The
    other arguments are those of ``development_sample_size``.

    Raises
    ------
    MeasureError
        If an argument is out of range.
    """
    if n < 1:
        raise MeasureError(f"n: must be at least 1 patient; got {n}")
    one = development_sample_size(
        1, prevalence, c_statistic, shrinkage=shrinkage, optimism=optimism, margin=margin, level=level
    ).set_index("criterion")["exact"]
    if one["overall_risk"] > n:
        return 0
    # The other two criteria are proportional to the number of parameters.
    return int(n / max(one["shrinkage"], one["optimism"]))


def implied_prevalence(lp_mean: float, lp_sd: float) -> float:
    """Return the mean risk of calibrated predictions whose log-odds are N(lp_mean, lp_sd^2)."""
    _refuse_lp(lp_mean, lp_sd)
    return _normal_mean(lambda z: expit(lp_mean + lp_sd * z))


def implied_c_statistic(lp_mean: float, lp_sd: float) -> float:
    """Return the C statistic of calibrated predictions whose log-odds are N(lp_mean, lp_sd^2).

    ``E[p_a (1 - p_b) 1(lp_a > lp_b)] / (phi (1 - phi))`` over independent patients a and b, integrated over
    the difference and the sum of their log-odds, which are independent.
    """
    _refuse_lp(lp_mean, lp_sd)
    sums, sum_weights = _normal_rule(-REACH, REACH)
    differences, difference_weights = _normal_rule(0.0, REACH)
    a = lp_mean + lp_sd * (sums[:, None] + differences) / np.sqrt(2)
    b = lp_mean + lp_sd * (sums[:, None] - differences) / np.sqrt(2)
    concordant = sum_weights @ (expit(a) * expit(-b)) @ difference_weights
    prevalence = implied_prevalence(lp_mean, lp_sd)
    return float(concordant / (prevalence * (1 - prevalence)))


def normal_predictor(prevalence: float, c_statistic: float) -> tuple[float, float]:
    """Return mean and standard deviation of normal log-odds with this mean risk and C statistic.

    The inverse of ``implied_prevalence`` and ``implied_c_statistic``, by root finding.

    Raises
    ------
    MeasureError
        If the prevalence is not strictly between 0 and 1, or the C statistic not between 0.5 and 0.99.
    """
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("c_statistic", c_statistic, 0.5, 0.99)

    def mean_at(sd: float) -> float:
        far = abs(float(logit(prevalence))) * (1 + sd) + sd * REACH
        return float(brentq(lambda mean: implied_prevalence(mean, sd) - prevalence, -far, far))

    sd = float(brentq(lambda x: implied_c_statistic(mean_at(x), x) - c_statistic, 1e-4, 20.0))
    return mean_at(sd), sd


def implied_accuracy(lp_mean: float, lp_sd: float, threshold: float) -> tuple[float, float]:
    """Return sensitivity and specificity at p >= threshold of predictions as in ``implied_prevalence``."""
    _refuse_lp(lp_mean, lp_sd)
    _refuse_outside("threshold", threshold, 0, 1)
    cut = float((logit(threshold) - lp_mean) / lp_sd)
    prevalence = implied_prevalence(lp_mean, lp_sd)
    true_positive = _normal_mean(lambda z: expit(lp_mean + lp_sd * z), low=cut)
    true_negative = _normal_mean(lambda z: expit(-lp_mean - lp_sd * z), high=cut)
    # Where all or none reach the threshold, quadrature may leave the range by a rounding error.
    return min(1.0, true_positive / prevalence), min(1.0, true_negative / (1 - prevalence))


def patients_for_o_e(prevalence: float, width: float, level: float) -> float:
    """Return n at which the interval of O:E about 1 has this width: ``(1 - phi) / (phi SE^2)``.

    The interval is made on the logarithm, so ``SE(log O:E) = asinh(width / 2) / z`` (Riley et al., Stat Med
    2021;40:4230).
    """
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("width", width, 0, np.inf)
    se = float(np.arcsinh(width / 2)) / _quantile(level)
    return (1 - prevalence) / (prevalence * se**2)


def patients_for_slope(lp_mean: float, lp_sd: float, width: float, level: float) -> float:
    """Return n at which the interval of the calibration slope about 1 has this width.

    ``I_aa / (SE^2 (I_aa I_bb - I_ab^2))`` with I the mean Fisher information of a patient (Stat Med
    2021;40:4230). The slope does not change with the origin of the log-odds, which is put at their mean.
    """
    _refuse_lp(lp_mean, lp_sd)
    _refuse_outside("width", width, 0, np.inf)

    def information(z: FloatArray) -> FloatArray:
        values: FloatArray = expit(lp_mean + lp_sd * z) * expit(-lp_mean - lp_sd * z)
        return values

    i_aa = _normal_mean(information)
    i_ab = lp_sd * _normal_mean(lambda z: z * information(z))
    i_bb = lp_sd**2 * _normal_mean(lambda z: z * z * information(z))
    se = width / (2 * _quantile(level))
    return i_aa / (se**2 * (i_aa * i_bb - i_ab**2))


def patients_for_c_statistic(c_statistic: float, prevalence: float, width: float, level: float) -> float:
    """Return n at which the interval of the C statistic, ``C +- z SE``, has this width.

    ``SE^2 = C (1 - C) (1 + (n / 2 - 1) k) / (n^2 phi (1 - phi))``, ``k = (1 - C) / (2 - C) + C / (1 + C)``
    (Newcombe 2006; Stat Med 2021;40:4230), solved for n as a quadratic equation.
    """
    _refuse_outside("c_statistic", c_statistic, 0, 1)
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("width", width, 0, 1)
    k = (1 - c_statistic) / (2 - c_statistic) + c_statistic / (1 + c_statistic)
    scale = c_statistic * (1 - c_statistic) / (prevalence * (1 - prevalence))
    ratio = scale / (width / (2 * _quantile(level))) ** 2
    # n^2 - (ratio k / 2) n - ratio (1 - k) = 0; k is below 1, so one root is positive.
    half = ratio * k / 4
    return float(half + np.sqrt(half**2 + ratio * (1 - k)))


def patients_for_net_benefit(
    sensitivity: float, specificity: float, prevalence: float, threshold: float, width: float, level: float
) -> float:
    """Return n at which the interval of the standardised net benefit (net benefit / phi) has this width.

    ``n SE^2 = sens (1 - sens) / phi + w^2 spec (1 - spec) / (1 - phi) + w^2 (1 - spec)^2 / (phi (1 - phi))``
    with ``w = (1 - phi) / phi * t / (1 - t)`` (Marsh et al. 2020; Stat Med 2021;40:4230). It holds for large
    n only, and says little of a threshold that nearly all or nearly no patients reach.

    Raises
    ------
    MeasureError
        If an argument is out of range, or nobody without the event and all or none of those with it are at
        or above the threshold: the variance is then 0.
    """
    for name, share in (("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= share <= 1:
            raise MeasureError(f"{name}: must be from 0 to 1; got {share}")
    _refuse_outside("prevalence", prevalence, 0, 1)
    _refuse_outside("threshold", threshold, 0, 1)
    _refuse_outside("width", width, 0, np.inf)
    w2 = ((1 - prevalence) / prevalence * threshold / (1 - threshold)) ** 2
    variance = (
        sensitivity * (1 - sensitivity) / prevalence
        + w2 * specificity * (1 - specificity) / (1 - prevalence)
        + w2 * (1 - specificity) ** 2 / (prevalence * (1 - prevalence))
    )
    if variance == 0:
        raise MeasureError(f"net_benefit: its variance is 0 at a threshold of {threshold:g}")
    return variance / (width / (2 * _quantile(level))) ** 2


def validation_sample_size(
    lp_mean: float,
    lp_sd: float,
    *,
    o_e_width: float,
    slope_width: float,
    c_statistic_width: float,
    threshold: float,
    net_benefit_width: float,
    level: float,
) -> pd.DataFrame:
    """Return the patients that an external validation needs for intervals of the given widths.

    The model is assumed calibrated in the new patients, with normal log-odds; prevalence, C statistic,
    sensitivity and specificity follow (Riley et al., Stat Med 2021;40:4230 and BMJ 2024;384:e074821).

    Parameters
    ----------
    lp_mean, lp_sd : float
        Mean and standard deviation of the log-odds of the predictions; the standard deviation above 0.
    o_e_width, slope_width, c_statistic_width, net_benefit_width : float
        Full widths of the intervals of O:E, calibration slope, C statistic and standardised net benefit.
    threshold : float
        Threshold probability of the net benefit of de-escalation, strictly between 0 and 1. For escalation
        give ``-lp_mean`` and the threshold of non-pCR.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per measure (o_e, slope, c_statistic, net_benefit): measure, exact, n (rounded up).

    Raises
    ------
    MeasureError
        If an argument is out of range.
    """
    prevalence = implied_prevalence(lp_mean, lp_sd)
    c_statistic = implied_c_statistic(lp_mean, lp_sd)
    sensitivity, specificity = implied_accuracy(lp_mean, lp_sd, threshold)
    return _rounded_up(
        "measure",
        {
            "o_e": patients_for_o_e(prevalence, o_e_width, level),
            "slope": patients_for_slope(lp_mean, lp_sd, slope_width, level),
            "c_statistic": patients_for_c_statistic(c_statistic, prevalence, c_statistic_width, level),
            "net_benefit": patients_for_net_benefit(
                sensitivity, specificity, prevalence, threshold, net_benefit_width, level
            ),
        },
    )


def _rounded_up(name: str, exact: Mapping[str, float]) -> pd.DataFrame:
    values = list(exact.values())
    return pd.DataFrame({name: list(exact), "exact": values, "n": np.ceil(values).astype(np.int64)})


def _normal_rule(low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights with which ``sum w f(z)`` is the normal integral of f from low to high."""
    z = low + (high - low) * (NODES + 1) / 2
    weights: FloatArray = NODE_WEIGHTS * (high - low) / 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z, weights


def _normal_mean(f: Callable[[FloatArray], FloatArray], low: float = -REACH, high: float = REACH) -> float:
    """Return ``E[f(Z) 1(low <= Z <= high)]`` for standard normal Z."""
    ends = np.clip([low, high], -REACH, REACH)
    z, weights = _normal_rule(float(ends[0]), float(ends[1]))
    return float(weights @ f(z))


def _null_log_likelihood(prevalence: float) -> float:
    return float(prevalence * np.log(prevalence) + (1 - prevalence) * np.log1p(-prevalence))


def _quantile(level: float) -> float:
    _refuse_outside("level", level, 0, 1)
    return float(ndtri((1 + level) / 2))


def _refuse_lp(lp_mean: float, lp_sd: float) -> None:
    _refuse_outside("lp_mean", lp_mean, -np.inf, np.inf)
    _refuse_outside("lp_sd", lp_sd, 0, np.inf)


def _refuse_outside(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise MeasureError(f"{name}: must lie strictly between {low:g} and {high:g}; got {value:g}")
