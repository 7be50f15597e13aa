"""Patients to validate a model: intervals of O:E, slope, C statistic and net benefit of wanted widths."""

import numpy as np
import pandas as pd
from scipy.special import expit

from models.procedure.cohort_size.normal import (
    FloatArray,
    SampleSizeError,
    normal_mean,
    quantile,
    refuse_lp,
    refuse_outside,
    rounded_up,
)
from models.sample_size.predictor import implied_accuracy, implied_c_statistic, implied_prevalence


def patients_for_o_e(prevalence: float, width: float, level: float) -> float:
    """Return n at which the interval of O:E about 1 has this width: ``(1 - phi) / (phi SE^2)``.

    The interval is made on the logarithm, so ``SE(log O:E) = asinh(width / 2) / z`` (Riley et al., Stat Med
    2021;40:4230).
    """
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("width", width, 0, np.inf)
    se = float(np.arcsinh(width / 2)) / quantile(level)
    return (1 - prevalence) / (prevalence * se**2)


def patients_for_slope(lp_mean: float, lp_sd: float, width: float, level: float) -> float:
    """Return n at which the interval of the calibration slope about 1 has this width.

    ``I_aa / (SE^2 (I_aa I_bb - I_ab^2))`` with I the mean Fisher information of a patient (Stat Med
    2021;40:4230). The slope does not change with the origin of the log-odds, which is put at their mean.
    """
    refuse_lp(lp_mean, lp_sd)
    refuse_outside("width", width, 0, np.inf)

    def information(z: FloatArray) -> FloatArray:
        values: FloatArray = expit(lp_mean + lp_sd * z) * expit(-lp_mean - lp_sd * z)
        return values

    i_aa = normal_mean(information)
    i_ab = lp_sd * normal_mean(lambda z: z * information(z))
    i_bb = lp_sd**2 * normal_mean(lambda z: z * z * information(z))
    se = width / (2 * quantile(level))
    return i_aa / (se**2 * (i_aa * i_bb - i_ab**2))


def patients_for_c_statistic(c_statistic: float, prevalence: float, width: float, level: float) -> float:
    """Return n at which the interval of the C statistic, ``C +- z SE``, has this width.

    ``SE^2 = C (1 - C) (1 + (n / 2 - 1) k) / (n^2 phi (1 - phi))``, ``k = (1 - C) / (2 - C) + C / (1 + C)``
    (Newcombe 2006; Stat Med 2021;40:4230), solved for n as a quadratic equation.
    """
    refuse_outside("c_statistic", c_statistic, 0, 1)
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("width", width, 0, 1)
    k = (1 - c_statistic) / (2 - c_statistic) + c_statistic / (1 + c_statistic)
    scale = c_statistic * (1 - c_statistic) / (prevalence * (1 - prevalence))
    ratio = scale / (width / (2 * quantile(level))) ** 2
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
    SampleSizeError
        If an argument is out of range, or nobody without the event and all or none of those with it are at
        or above the threshold: the variance is then 0.
    """
    for name, share in (("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= share <= 1:
            raise SampleSizeError(f"{name}: must be from 0 to 1; got {share}")
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("threshold", threshold, 0, 1)
    refuse_outside("width", width, 0, np.inf)
    w2 = ((1 - prevalence) / prevalence * threshold / (1 - threshold)) ** 2
    variance = (
        sensitivity * (1 - sensitivity) / prevalence
        + w2 * specificity * (1 - specificity) / (1 - prevalence)
        + w2 * (1 - specificity) ** 2 / (prevalence * (1 - prevalence))
    )
    if variance == 0:
        raise SampleSizeError(f"net_benefit: its variance is 0 at a threshold of {threshold:g}")
    return variance / (width / (2 * quantile(level))) ** 2


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
    SampleSizeError
        If an argument is out of range.
    """
    prevalence = implied_prevalence(lp_mean, lp_sd)
    c_statistic = implied_c_statistic(lp_mean, lp_sd)
    sensitivity, specificity = implied_accuracy(lp_mean, lp_sd, threshold)
    return rounded_up(
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
