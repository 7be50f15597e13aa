"""How often the watch cries wolf, and how late it notices: simulated streams of patients.

A model is learned from training patients of one causal model; streams of new patients come from the same one,
or from one whose outcomes follow another intercept or slope. So a drift-free stream is as well calibrated as
a learned model is, and no better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from models.monitoring.closed_test import closed_test
from models.monitoring.cusum import cusum_limit, intercept_se
from models.monitoring.likelihood import fitted
from models.monitoring.settings import MonitoringSettings
from models.monitoring.watch import Training, watch

FloatArray = npt.NDArray[np.float64]
COEFFICIENTS = np.array([0.8, 0.6, -0.5, 0.4, 0.3, -0.3, 0.2, 0.1])
"""Of eight standard normal inputs; the log-odds then have a standard deviation of 1.3, an AUC near 0.8."""
INTERCEPT = -0.6
CUTS = np.array([-0.8416, -0.2533, 0.2533, 0.8416])
DOMAINS = np.array([0, 0, 0, 1, 1, 2, 2, 2])


@dataclass(frozen=True)
class Scenario:
    """How outcomes of the stream follow the true log-odds: ``intercept + slope * log-odds``."""

    name: str
    intercept: float = 0.0
    slope: float = 1.0


SCENARIOS = (
    Scenario("no drift"),
    Scenario("intercept -0.5", intercept=-0.5),
    Scenario("intercept +0.5", intercept=0.5),
    Scenario("slope 0.6", slope=0.6),
)


@dataclass(frozen=True)
class Characteristics:
    """Of one scenario: the share of streams with an alarm within the horizon, when, by what, and updates.

    `median_delay`: outcomes until the alarm in streams that have one, NaN if none has.
    """

    scenario: str
    streams: int
    patients: int
    alarmed: float
    median_delay: float
    by_kind: dict[str, float]
    chosen: dict[str, float]


def characteristics(
    scenario: Scenario,
    settings: MonitoringSettings,
    *,
    streams: int,
    training_patients: int,
    seed: int,
) -> Characteristics:
    """Simulate streams of `settings.horizon` patients, a model learned anew for each, and count.

    Parameters
    ----------
    streams, training_patients : int
    seed : int
        A stream's own generator is made of it and the stream's number.
    """
    found = list(_streams(scenario, settings, streams, training_patients, seed))
    delays = [delay for delay, _, _ in found if delay is not None]
    kinds = [kind for _, kind, _ in found if kind]
    return Characteristics(
        scenario.name, streams, settings.horizon, len(delays) / streams,
        float(np.median(delays)) if delays else float("nan"),
        {kind: kinds.count(kind) / streams for kind in ("cusum", "calibration", "drift")},
        {
            method: sum(chosen == method for _, _, chosen in found) / streams
            for method in ("none", "intercept", "slope", "refit")
        },
    )  # fmt: skip


def _streams(
    scenario: Scenario, settings: MonitoringSettings, streams: int, training_patients: int, seed: int
) -> Iterator[tuple[int | None, str, str]]:
    """Yield the time and kind of the first alarm of each stream, and the update that is then chosen."""
    limits: dict[int, float] = {}
    for number in range(streams):
        rng = np.random.default_rng([seed, number])
        x, y = _patients(rng, training_patients, Scenario("training"))
        design = np.column_stack([np.ones(len(y)), x])
        beta = fitted(design, y, np.zeros(len(y)))
        if beta is None:
            raise AssertionError("training patients of the simulation are never separated")
        training = Training(
            len(y), int(y.sum()),
            {name: np.append(np.bincount(place, minlength=5), 0) for name, place in _groups(x).items()},
        )  # fmt: skip
        x, y = _patients(rng, settings.horizon, scenario)
        parts = np.stack([x[:, d == DOMAINS] @ beta[1:][d == DOMAINS] for d in range(3)], axis=1)
        log_odds = beta[0] + parts.sum(axis=1)
        # The limit depends little on the sample: it is simulated once for every twenty streams.
        block = number // 20
        if block not in limits:
            limits[block] = cusum_limit(
                expit(log_odds), settings.odds_ratio, settings.cusum_error, settings.limit_samples,
                settings.seed, intercept_se(training.patients, training.events),
            )  # fmt: skip
        alarms = watch(y, log_odds, _groups(x), training, settings, limits[block]).alarms
        test = closed_test(y, log_odds, parts, settings.update_error)
        chosen = test.method if test else "none"
        yield (alarms[0].patients, alarms[0].kind, chosen) if alarms else (None, "", chosen)


def _groups(x: FloatArray) -> dict[str, npt.NDArray[np.int64]]:
    """Return the fifth that each value is in, by input."""
    return {f"x{k}": np.searchsorted(CUTS, x[:, k]) for k in range(x.shape[1])}


def _patients(rng: np.random.Generator, patients: int, scenario: Scenario) -> tuple[FloatArray, FloatArray]:
    x = rng.standard_normal((patients, len(COEFFICIENTS)))
    true = INTERCEPT + x @ COEFFICIENTS
    y = rng.random(patients) < expit(scenario.intercept + scenario.slope * true)
    return x, y.astype(float)
