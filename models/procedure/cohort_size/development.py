"""Patients to develop a model: Riley's criteria."""

from typing import TypedDict, final

import numpy as np
import pandas as pd
from scipy.special import log_expit, logit, ndtri

from models.procedure.cohort_size.normal import (
    FloatArray,
    SampleSizeError,
    normal_mean,
    quantile,
    refuse_outside,
    rounded_up,
)


@final
class DevelopmentSize(TypedDict):
    """What the criteria ask for to develop a model, in patients, and what the patients there are support."""

    n: int
    prevalence: float
    parameters: int
    needed: int
    needed_shrinkage: int
    needed_optimism: int
    needed_overall_risk: int
    parameters_supported: int
    enough: int


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
    SampleSizeError
        If an argument is out of range.
    """
    refuse_outside("c_statistic", c_statistic, 0.5, 1)
    refuse_outside("prevalence", prevalence, 0, 1)
    mu = float(np.sqrt(2) * ndtri(c_statistic))

    def lp(x: FloatArray) -> FloatArray:
        values: FloatArray = logit(prevalence) + mu * x - mu**2 / 2
        return values

    events = normal_mean(lambda z: log_expit(lp(z + mu)))
    non_events = normal_mean(lambda z: log_expit(-lp(z)))
    gain = prevalence * events + (1 - prevalence) * non_events - _null_log_likelihood(prevalence)
    return float(-np.expm1(-2 * gain))


def patients_for_shrinkage(parameters: int, r2: float, shrinkage: float) -> float:
    """Return n at which a model with this many parameters has this expected shrinkage factor S.

    ``n = P / ((S - 1) log(1 - R2 / S))``, R2 being Cox and Snell's (Riley et al., BMJ 2020;368:m441, step 3).

    Raises
    ------
    SampleSizeError
        If there is no parameter, S is not strictly between 0 and 1, or R2 is not strictly between 0 and S.
    """
    if parameters < 1:
        raise SampleSizeError(f"parameters: must be at least 1; got {parameters}")
    refuse_outside("shrinkage", shrinkage, 0, 1)
    refuse_outside("r2", r2, 0, shrinkage)
    return float(parameters / ((shrinkage - 1) * np.log1p(-r2 / shrinkage)))


def patients_for_optimism(parameters: int, r2: float, prevalence: float, optimism: float) -> float:
    """Return n at which the expected optimism in Nagelkerke's R2 is ``optimism``.

    The shrinkage factor that goes with it is ``S = R2 / (R2 + optimism max R2)``, where the largest Cox-Snell
    R2 is ``1 - exp(2 (phi log phi + (1 - phi) log(1 - phi)))`` (BMJ 2020;368:m441, step 4).

    Raises
    ------
    SampleSizeError
        If an argument is out of range, or R2 is not below its largest value at this prevalence.
    """
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("optimism", optimism, 0, 1)
    largest = float(-np.expm1(2 * _null_log_likelihood(prevalence)))
    refuse_outside("r2", r2, 0, largest)
    return patients_for_shrinkage(parameters, r2, r2 / (r2 + optimism * largest))


def patients_for_overall_risk(prevalence: float, margin: float, level: float) -> float:
    """Return n at which the interval of the overall risk phi is phi +- margin.

    ``(z / margin)^2 phi (1 - phi)`` (BMJ 2020;368:m441, step 1).

    Raises
    ------
    SampleSizeError
        If an argument is not strictly between 0 and 1.
    """
    refuse_outside("prevalence", prevalence, 0, 1)
    refuse_outside("margin", margin, 0, 1)
    return (quantile(level) / margin) ** 2 * prevalence * (1 - prevalence)


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
    SampleSizeError
        If an argument is out of range.
    """
    r2 = cox_snell_r2(c_statistic, prevalence)
    return rounded_up(
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
    SampleSizeError
        If an argument is out of range.
    """
    if n < 1:
        raise SampleSizeError(f"n: must be at least 1 patient; got {n}")
    one = development_sample_size(
        1, prevalence, c_statistic, shrinkage=shrinkage, optimism=optimism, margin=margin, level=level
    ).set_index("criterion")["exact"]
    if one["overall_risk"] > n:
        return 0
    # The other two criteria are proportional to the number of parameters.
    return int(n / max(one["shrinkage"], one["optimism"]))


def unmet_criterion(learned: DevelopmentSize) -> str:
    """Return why not even one parameter is supported, in words; empty where one is.

    `learned` has ``n``, ``parameters_supported`` and, by criterion, what it needs (needed_shrinkage ...). The
    overall risk does not depend on the number of parameters; the other two criteria are proportional to
    it.
    """
    if learned["parameters_supported"]:
        return ""
    overall_risk = learned["needed_overall_risk"]
    if overall_risk > learned["n"]:
        return f"the overall risk alone needs {overall_risk:.0f} patients"
    name = "shrinkage" if learned["needed_shrinkage"] >= learned["needed_optimism"] else "optimism"
    return f"{name} asks for more patients even for one"


def _null_log_likelihood(prevalence: float) -> float:
    return float(prevalence * np.log(prevalence) + (1 - prevalence) * np.log1p(-prevalence))
