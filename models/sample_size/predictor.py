"""A normally distributed linear predictor: the prevalence, discrimination and accuracy that it implies."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from models.procedure.cohort_size.normal import REACH, normal_mean, normal_rule, refuse_lp, refuse_outside


def implied_prevalence(lp_mean: float, lp_sd: float) -> float:
    """Return the mean risk of calibrated predictions whose log-odds are N(lp_mean, lp_sd^2)."""
    refuse_lp(lp_mean, lp_sd)
    return normal_mean(lambda z: expit(lp_mean + lp_sd * z))


def implied_c_statistic(lp_mean: float, lp_sd: float) -> float:
    """Return the C statistic of calibrated predictions whose log-odds are N(lp_mean, lp_sd^2).

    ``E[p_a (1 - p_b) 1(lp_a > lp_b)] / (phi (1 - phi))`` over independent patients a and b, integrated over
    the difference and the sum of their log-odds, which are independent.
    """
    refuse_lp(lp_mean, lp_sd)
    sums, sum_weights = normal_rule(-REACH, REACH)
    differences, difference_weights = normal_rule(0.0, REACH)
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
    SampleSizeError
        If the prevalence is not strictly between 0 and 1, or the C statistic not between 0.5 and 0.99.
    """
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("c_statistic", c_statistic, 0.5, 0.99)

    def mean_at(sd: float) -> float:
        far = abs(float(logit(prevalence))) * (1 + sd) + sd * REACH
        return float(brentq(lambda mean: implied_prevalence(mean, sd) - prevalence, -far, far))

    sd = float(brentq(lambda x: implied_c_statistic(mean_at(x), x) - c_statistic, 1e-4, 20.0))
    return mean_at(sd), sd


def implied_accuracy(lp_mean: float, lp_sd: float, threshold: float) -> tuple[float, float]:
    """Return sensitivity and specificity at p >= threshold of predictions as in ``implied_prevalence``."""
    refuse_lp(lp_mean, lp_sd)
    refuse_outside("threshold", threshold, 0, 1)
    cut = float((logit(threshold) - lp_mean) / lp_sd)
    prevalence = implied_prevalence(lp_mean, lp_sd)
    true_positive = normal_mean(lambda z: expit(lp_mean + lp_sd * z), low=cut)
    true_negative = normal_mean(lambda z: expit(-lp_mean - lp_sd * z), high=cut)
    # Where all or none reach the threshold, quadrature may leave the range by a rounding error.
    return min(1.0, true_positive / prevalence), min(1.0, true_negative / (1 - prevalence))
