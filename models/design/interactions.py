"""Arm by group of patients: how often a trial of n patients finds that the odds ratios differ.

The test is the trial's own (`models.efficacy.comparison.interaction`, the likelihood ratio), for all trials
at once; beside it stands the power of Wald's test by formula (Demidenko, Stat Med 2008;27:36): the variance
of a log odds ratio is the sum of 1 / (n p (1 - p)) over its cells, that of a ratio of two over all four.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri, xlogy
from scipy.stats import chi2

from features.errors import UserError
from models.design.rows import DesignRow, generator, row
from models.design.settings import FILE, DesignPlan, Subgroup
from models.design.trial import share_of
from models.measures.common import FloatArray

PART = "interaction"
WANTED = 0.8
"""The power at which a detectable ratio is told."""
LARGEST_RATIO = 1000.0
ADDITIVE = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
"""Start, arm and group of the four cells: adaptive and control of the group, then of the others."""
STEPS, CLOSE = 50, 1e-10


def questions(plan: DesignPlan) -> list[partial[list[DesignRow]]]:
    """Return what is asked of every grouping with every number of patients.

    Raises
    ------
    UserError
        As `cell_pcr`.
    """
    asked = []
    for name, group in plan.interactions.groups.items():
        cells = {ratio: cell_pcr(group, ratio, plan.base.effect, name) for ratio in plan.interactions.ratios}
        asked += [partial(_of_group, name, group, cells, n, plan) for n in plan.sizes]
    return asked


def _of_group(
    name: str, group: Subgroup, cells: Mapping[float, FloatArray], n: int, plan: DesignPlan
) -> list[DesignRow]:
    shares, rows = cell_shares(group, plan.base.treated), []
    for ratio, pcr in cells.items():
        rng = generator(f"{PART} {group} {ratio} {n}", plan)
        size = rng.multinomial(rng.binomial(n, group.known, plan.trials), shares)
        p_value = p_values(rng.binomial(size, pcr).astype(float), size.astype(float))
        formula = power(pcr, n * group.known * shares, plan.alpha)
        rows += [
            row(PART, name, f"{ratio:g}", "found", share_of(p_value < plan.alpha), n),
            row(PART, name, f"{ratio:g}", "found_closed_form", formula, n),
        ]
    least = detectable(name, group, n, plan)
    return [*rows, row(PART, name, "", "detectable", least, n)] if np.isfinite(least) else rows


def cell_shares(group: Subgroup, treated: float) -> FloatArray:
    """Return the shares of the cells, in the order of `ADDITIVE`, among patients whose group is known."""
    return np.outer([group.share, 1 - group.share], [treated, 1 - treated]).ravel()


def cell_pcr(group: Subgroup, ratio: float, effect: float, name: str = "") -> FloatArray:
    """Return pCR of the cells: a ratio of odds ratios, with `effect` the difference over both groups.

    Raises
    ------
    UserError
        If no odds ratios give that difference.
    """
    share, starts = group.share, logit([group.pcr, group.pcr_others])

    def adaptive(others: float) -> FloatArray:
        return np.asarray(expit(starts + np.array([others + np.log(ratio), others])))

    def gain(others: float) -> float:
        return float([share, 1 - share] @ (adaptive(others) - expit(starts))) - effect

    if gain(-40) > 0 or gain(40) < 0:
        raise UserError(f"{FILE}, interactions, {name}: no odds ratios give an effect of {effect:g}")
    reached = adaptive(float(brentq(gain, -40, 40, xtol=1e-12)))
    return np.array([reached[0], group.pcr, reached[1], group.pcr_others])


def power(pcr: FloatArray, n: FloatArray, alpha: float) -> float:
    """Return the power of Wald's two-sided test of the ratio of two odds ratios; cells (4,) as `ADDITIVE`."""
    ratio = float(np.array([1.0, -1.0, -1.0, 1.0]) @ logit(pcr))
    shift = ratio / np.sqrt(np.sum(1 / (n * pcr * (1 - pcr))))
    bound = ndtri(1 - alpha / 2)
    return float(ndtr(shift - bound) + ndtr(-shift - bound))


def detectable(name: str, group: Subgroup, n: int, plan: DesignPlan) -> float:
    """Return the smallest ratio above 1 that `power` finds with 80 %; infinite if there is none."""
    patients = n * group.known * cell_shares(group, plan.base.treated)

    def lacking(log_ratio: float) -> float:
        pcr = cell_pcr(group, float(np.exp(log_ratio)), plan.base.effect, name)
        return power(pcr, patients, plan.alpha) - WANTED

    most = np.log(LARGEST_RATIO)
    return float(np.exp(brentq(lacking, 0.0, most))) if lacking(most) > 0 else float("inf")


def p_values(events: FloatArray, n: FloatArray) -> FloatArray:
    """Return the p value of the likelihood ratio of arm by group in every trial, shape (trials,).

    Parameters
    ----------
    events, n : array, shape (trials, 4)
        Counts of the cells, in the order of `ADDITIVE`. A trial in which the additive model has no finite
        fit, or an empty cell, has a p value of 1.
    """
    beta = np.zeros((len(events), 3))
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            p = expit(beta @ ADDITIVE.T)
            gradient = (events - n * p) @ ADDITIVE
            information = np.einsum("tc,ci,cj->tij", n * p * (1 - p), ADDITIVE, ADDITIVE)
            # A trial without a fit drifts off: held in the range of numbers, it is left out below.
            step = np.linalg.solve(information + 1e-12 * np.eye(3), gradient[:, :, None])[:, :, 0]
            beta = np.clip(beta + np.clip(step, -2, 2), -30, 30)
            if np.abs(step).max() < CLOSE:
                break
        rates = events / n
        saturated = (xlogy(events, rates) + xlogy(n - events, 1 - rates)).sum(axis=1)
        fitted = expit(beta @ ADDITIVE.T)
        additive = (xlogy(events, fitted) + xlogy(n - events, 1 - fitted)).sum(axis=1)
        statistic = 2 * (saturated - additive)
    usable = (n > 0).all(axis=1) & (np.abs(step).max(axis=1) < CLOSE * 1e4)
    return np.where(usable, chi2.sf(np.maximum(statistic, 0.0), 1), 1.0)
