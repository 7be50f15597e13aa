"""Whether a model needs an update, and how much of one: the closed test of Vergouwe et al. (2017).

Vergouwe Y, Nieboer D, Oostenbrink R, et al. A closed testing procedure to select an appropriate method for
updating prediction models. Stat Med 2017;36:4529-4539. The simplest update is kept that the likelihood does
not reject against the largest; so no update is made in all but a share `error` of cohorts in which the model
still holds. (Davis SE, Greevy RA, Fonnesbeck C, et al. JAMIA 2019;26:1448-1457 do the same for models without
a likelihood.)
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from models.monitoring.likelihood import fitted, log_likelihood

FloatArray = npt.NDArray[np.float64]
Method = Literal["none", "intercept", "slope", "refit"]


@dataclass(frozen=True)
class ClosedTest:
    """The update that was chosen; `p_values` of each simpler one against a refit, as far as was tested.

    ``logit P = intercept + slope * log-odds`` is the update by intercept, or by intercept and slope; of none
    and of a refit it is 0 and 1.
    """

    method: Method
    p_values: dict[str, float]
    intercept: float
    slope: float


def closed_test(y: FloatArray, log_odds: FloatArray, parts: FloatArray, error: float) -> ClosedTest | None:
    """Choose none, a new intercept, intercept and slope, or a refit.

    Parameters
    ----------
    y, log_odds : arrays, shape (n,)
        Outcomes, 0 or 1, and the model's log-odds.
    parts : array, shape (n, k)
        What each domain adds to the log-odds; the rows add up to them but for a constant. A refit is one that
        weighs the domains anew.
    error : float
        The level of each test.

    Returns
    -------
    ClosedTest or None
        None where the outcomes are too few for any: the likelihood of a refit has no maximum.
    """
    ones = np.ones((len(y), 1))
    varying = parts[:, np.ptp(parts, axis=0) > 0]
    designs = {
        "intercept": ones,
        "slope": np.column_stack([ones, log_odds]),
        "refit": np.column_stack([ones, varying]) if varying.shape[1] > 1 else None,
    }
    fits = {name: fitted(d, y, log_odds) for name, d in designs.items() if d is not None}
    if any(fit is None for fit in fits.values()):
        return None
    likelihoods = {"none": log_likelihood(y, log_odds)}
    degrees = {"none": 0}
    for name, fit in fits.items():
        design = designs[name]
        assert design is not None  # noqa: S101 - only those were fitted
        assert fit is not None  # noqa: S101
        likelihoods[name], degrees[name] = log_likelihood(y, log_odds + design @ fit), len(fit)
    largest = "refit" if "refit" in fits else "slope"
    p_values: dict[str, float] = {}
    for name in ("none", "intercept", "slope"):
        if name == largest:
            break
        statistic = max(2 * (likelihoods[largest] - likelihoods[name]), 0.0)
        p_values[name] = float(chi2.sf(statistic, degrees[largest] - degrees[name]))
        if p_values[name] >= error:
            return _chosen(name, p_values, fits)
    return _chosen(largest, p_values, fits)


def _chosen(name: str, p_values: dict[str, float], fits: dict[str, FloatArray | None]) -> ClosedTest:
    fit = fits.get(name)
    if name == "intercept" and fit is not None:
        return ClosedTest("intercept", p_values, float(fit[0]), 1.0)
    if name == "slope" and fit is not None:
        return ClosedTest("slope", p_values, float(fit[0]), float(1 + fit[1]))
    return ClosedTest("refit" if name == "refit" else "none", p_values, 0.0, 1.0)
