"""One stream of patients watched: CUSUM after every outcome, calibration and inputs at every look."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import chi2

from models.monitoring.cusum import cusum, cusum_limit, intercept_se
from models.monitoring.drift import Stability, drifted, stability
from models.monitoring.likelihood import fitted, log_likelihood
from models.monitoring.settings import MonitoringSettings

FloatArray = npt.NDArray[np.float64]
CountArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """How many patients and events a model was learned from, and their counts in each input's groups."""

    patients: int
    events: int
    inputs: Mapping[str, CountArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Alarm:
    """What was noticed, after how many outcomes: `kind` is cusum, calibration or drift."""

    kind: str
    patients: int
    detail: str


@dataclass(frozen=True)
class Watched:
    """Both charts (2, n) with their limit, stability of the inputs at the last look, and alarms by time."""

    charts: FloatArray
    limit: float
    inputs: dict[str, Stability]
    alarms: list[Alarm]


def watch(
    y: FloatArray,
    log_odds: FloatArray,
    groups: Mapping[str, CountArray],
    training: Training,
    settings: MonitoringSettings,
    limit: float | None = None,
) -> Watched:
    """Watch a stream in the order of time.

    Parameters
    ----------
    y, log_odds : arrays, shape (n,)
        Outcomes, and what the model had predicted.
    groups : mapping
        The place of each patient's value among an input's groups, shape (n,).
    limit : float, optional
        The CUSUM's limit; by default it is simulated for these predictions.

    Returns
    -------
    Watched
    """
    p = expit(log_odds)
    error_of_intercept = intercept_se(training.patients, training.events)
    if limit is None:
        ahead = np.resize(p, settings.horizon)
        limit = cusum_limit(
            ahead, settings.odds_ratio, settings.cusum_error, settings.limit_samples, settings.seed,
            error_of_intercept,
        )  # fmt: skip
    charts = cusum(y, p, settings.odds_ratio)
    alarms = [
        Alarm("cusum", int(beyond[0]) + 1, f"{direction} events than predicted")
        for chart, direction in zip(charts, ("more", "fewer"), strict=True)
        if len(beyond := np.flatnonzero(chart > limit))
    ]
    inputs: dict[str, Stability] = {}
    for end in range(settings.look_every, len(y) + 1, settings.look_every):
        error = settings.calibration_error / settings.looks
        if is_miscalibrated(y[:end], log_odds[:end], error, error_of_intercept):
            alarms.append(Alarm("calibration", end, "intercept or slope"))
        inputs = input_stability(groups, end, training, settings)
        alarms += [Alarm("drift", end, name) for name in drifted(inputs)]
    return Watched(charts, limit, inputs, sorted(alarms, key=lambda alarm: alarm.patients))


def input_stability(
    groups: Mapping[str, CountArray], end: int, training: Training, settings: MonitoringSettings
) -> dict[str, Stability]:
    """Compare the first `end` patients with the training patients, input by input."""
    error = settings.drift_error / settings.looks / max(1, len(groups))
    return {
        name: stability(
            training.inputs[name], np.bincount(place[:end], minlength=len(training.inputs[name])), error
        )
        for name, place in groups.items()
    }


def is_miscalibrated(y: FloatArray, log_odds: FloatArray, error: float, intercept_error: float) -> bool:
    """Tell whether intercept and slope together are other than 0 and 1, by the likelihood.

    The statistic is made smaller by what the model's own intercept is not known by: the variance of the
    outcomes' intercept over that plus the variance from training.
    """
    fit = fitted(np.column_stack([np.ones(len(y)), log_odds]), y, log_odds)
    if fit is None:
        return False
    gained = log_likelihood(y, log_odds + fit[0] + fit[1] * log_odds) - log_likelihood(y, log_odds)
    p = expit(log_odds)
    variance = 1 / float((p * (1 - p)).sum())
    return bool(chi2.sf(2 * gained * variance / (variance + intercept_error**2), 2) < error)
