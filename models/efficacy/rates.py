"""Events per time at risk, and the time to an event, by arm."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import CensoredData, binomtest, chi2, ecdf, logrank

from models.measures.common import BoolArray, FloatArray, Measure, MeasureError


def rate(events: int, time: float, level: float) -> Measure:
    """Return events per unit of time at risk with Garwood's exact interval (Biometrika 1936;28:437).

    Raises
    ------
    MeasureError
        If there is no time at risk.
    """
    if time <= 0:
        raise MeasureError("rate: no time at risk")
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    high = chi2.isf(tail, 2 * events + 2) / 2
    return Measure(events / time, float(low / time), float(high / time))


def rate_ratio(
    events: int, time: float, events_reference: int, time_reference: float, level: float
) -> Measure:
    """Return the ratio of two rates with the exact interval that conditions on all events (Clopper-Pearson).

    Raises
    ------
    MeasureError
        If an arm has no time at risk, or no arm, or only the treated one, has events.
    """
    if min(time, time_reference) <= 0:
        raise MeasureError("rate ratio: no time at risk")
    if events_reference == 0:
        raise MeasureError("rate ratio: the reference arm has no events")
    limits = binomtest(events, events + events_reference).proportion_ci(level, method="exact")
    scale = time_reference / time
    high = limits.high / (1 - limits.high) * scale if limits.high < 1 else np.inf
    value = events / events_reference * scale
    return Measure(value, float(limits.low / (1 - limits.low) * scale), float(high))


@dataclass(frozen=True)
class TimeToEvent:
    """Times (n,) in days, and whether the event was `seen` (n,) or the time is censored."""

    days: FloatArray
    seen: BoolArray

    @property
    def data(self) -> CensoredData:
        """The times as SciPy takes them."""
        return CensoredData(uncensored=self.days[self.seen], right=self.days[~self.seen])

    def median(self, level: float) -> Measure:
        """Return the Kaplan-Meier median with the interval of Brookmeyer and Crowley on the log-log scale.

        A limit that is not reached is None.

        Raises
        ------
        MeasureError
            If no event was seen, or fewer than half of the patients had it.
        """
        if not self.seen.any():
            raise MeasureError("median time: no event was seen")
        curve = ecdf(self.data).sf
        with warnings.catch_warnings():
            # Limits are not defined where nobody, or everybody, has had the event: they are not used there.
            warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
            warnings.filterwarnings("ignore", "(divide by zero|invalid value)", RuntimeWarning)
            band = curve.confidence_interval(level, method="log-log")
        value = _first_below(curve.quantiles, curve.probabilities)
        if value is None:
            raise MeasureError("median time: not reached")
        low = _first_below(curve.quantiles, band.low.probabilities)
        return Measure(value, low, _first_below(curve.quantiles, band.high.probabilities))


def _first_below(times: FloatArray, survival: FloatArray) -> float | None:
    """Return the time at which survival falls below one half; if it stays there a while, the middle of it.

    None where survival never falls to one half.
    """
    reached, passed = times[survival <= 0.5 + 1e-9], times[survival < 0.5 - 1e-9]
    if not reached.size:
        return None
    return float((reached[0] + passed[0]) / 2) if passed.size else float(reached[0])


def log_rank(treated: TimeToEvent, reference: TimeToEvent) -> Measure:
    """Return the p value of the log-rank test.

    Raises
    ------
    MeasureError
        If an arm has no patients, no event was seen, or all of them when everybody at risk had it.
    """
    if not treated.days.size or not reference.days.size or not (treated.seen.any() or reference.seen.any()):
        raise MeasureError("log-rank test: needs patients of both arms and an event")
    with np.errstate(invalid="ignore", divide="ignore"):
        tested = logrank(treated.data, reference.data)
    if not np.isfinite(tested.pvalue):
        raise MeasureError("log-rank test: at every event everybody at risk had it")
    return Measure(float(tested.pvalue), None, None)
