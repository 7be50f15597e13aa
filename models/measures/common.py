"""What every performance measure shares: value and interval, error, checks of the input, resampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

import numpy as np
import numpy.typing as npt

from features.errors import UserError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.uint16]


class MeasureError(UserError):
    """A measure that cannot be computed from these outcomes and predictions, and why."""


class MeasureDocument(TypedDict, total=False):
    """A measure as JSON holds it: its value with its interval, or in `error` why there is none.

    `failed`: bootstrap samples in which it could not be computed. `scaled`, `scaled_se`: on the scale on
    which it is nearly normal. Optimism-corrected: `approximate_low`, `approximate_high`, `apparent`,
    `optimism`, `left_out`, `monte_carlo_error`, `samples`. Pooled over groups: `prediction_low`,
    `prediction_high`, `tau2`, `i2`, `pooled`, `counted_only`, `note`. In a branch: `n`, `events`, `expected`.
    """

    value: float
    low: float
    high: float
    failed: int
    error: str
    scaled: float
    scaled_se: float
    approximate_low: float
    approximate_high: float
    apparent: float
    optimism: float
    left_out: float
    monte_carlo_error: float
    samples: int
    prediction_low: float
    prediction_high: float
    tau2: float
    i2: float
    pooled: int
    counted_only: int
    note: str
    n: float
    events: float
    expected: float


Number = Literal[
    "value", "low", "high", "scaled", "scaled_se", "approximate_low", "approximate_high", "apparent",
    "optimism", "left_out", "monte_carlo_error", "prediction_low", "prediction_high", "tau2", "i2", "n",
    "events", "expected",
]  # fmt: skip
NUMBERS: tuple[Number, ...] = get_args(Number)
"""The keys of a measure's document that are real numbers."""


def finite_numbers(numbers: Mapping[Number, float]) -> MeasureDocument:
    """Return the numbers of a measure that could be computed."""
    document: MeasureDocument = {}
    for name, number in numbers.items():
        if np.isfinite(number):
            document[name] = number
    return document


def counted(y: FloatArray) -> dict[str, MeasureDocument]:
    """Return the patients and events of the outcomes `y` (n,), as they stand beside measures."""
    return {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}


@dataclass(frozen=True)
class Measure:
    """A point value and its interval; ``low`` and ``high`` are None where a measure has no interval.

    `failed` is the number of bootstrap samples in which the measure could not be computed.
    """

    value: float
    low: float | None
    high: float | None
    failed: int = 0

    def as_dict(self) -> MeasureDocument:
        """Return value, low and high, as far as there are any, and how many samples failed, if any did."""
        document: MeasureDocument = {"value": self.value}
        if self.low is not None:
            document["low"] = self.low
        if self.high is not None:
            document["high"] = self.high
        if self.failed:
            document["failed"] = self.failed
        return document


def as_outcome(y: npt.ArrayLike) -> FloatArray:
    """Return outcomes as floats, shape (n,); MeasureError unless each is 0 or 1 and there is at least one."""
    outcome = np.asarray(y, dtype=np.float64)
    if outcome.ndim != 1 or outcome.size == 0:
        raise MeasureError(f"y: must be one value per patient, shape (n,) with n >= 1; got {outcome.shape}")
    wrong = int(np.sum((outcome != 0) & (outcome != 1)))
    if wrong:
        raise MeasureError(f"y: must be 0 or 1; {wrong} of {outcome.size} values are not")
    return outcome


def as_probability(p: npt.ArrayLike, patients: int, name: str = "p") -> FloatArray:
    """Return predictions as floats, shape (n,); MeasureError unless each lies strictly between 0 and 1."""
    probability = np.asarray(p, dtype=np.float64)
    if probability.shape != (patients,):
        raise MeasureError(f"{name}: must have shape ({patients},) as y has; got {probability.shape}")
    _refuse_outside(probability, name)
    return probability


def as_repeats(p: npt.ArrayLike, patients: int, name: str = "p") -> FloatArray:
    """Return predictions as floats, shape (repeats, n); one row for (n,). Raises as ``as_probability``."""
    probability = np.atleast_2d(np.asarray(p, dtype=np.float64))
    if probability.ndim != 2 or probability.shape[0] == 0 or probability.shape[1] != patients:
        raise MeasureError(f"{name}: must have shape (repeats, {patients}); got {probability.shape}")
    _refuse_outside(probability, name)
    return probability


def _refuse_outside(probability: FloatArray, name: str) -> None:
    wrong = int(np.sum(~((probability > 0) & (probability < 1))))
    if wrong:
        raise MeasureError(f"{name}: must lie strictly between 0 and 1; {wrong} of {probability.size} do not")


def log_odds(p: FloatArray) -> FloatArray:
    """Return ``log(p / (1 - p))`` element by element, for p strictly between 0 and 1."""
    return np.log(p) - np.log1p(-p)


def require_both_outcomes(y: FloatArray, measure: str) -> None:
    """Raise MeasureError if no patient, or every patient, has the event."""
    events = float(y.sum())
    if events in {0.0, float(y.size)}:
        raise MeasureError(f"{measure}: needs both outcomes; {events:g} of {y.size} patients have the event")


def draw_patients(patients: int, samples: int, rng: np.random.Generator) -> CountArray:
    """Draw bootstrap samples of patients with replacement.

    Returns
    -------
    array, shape (samples, patients)
        How often each patient is in each sample; every row sums to ``patients``.

    Raises
    ------
    MeasureError
        If no sample is asked for.
    """
    if samples < 1:
        raise MeasureError(f"bootstrap: must be at least 1 sample; got {samples}")
    counts = np.empty((samples, patients), dtype=np.uint16)
    for block in blocks(samples, patients):
        size = block.stop - block.start
        drawn = rng.integers(patients, size=(size, patients))
        drawn += np.arange(size)[:, None] * patients
        counts[block] = np.bincount(drawn.ravel(), minlength=size * patients).reshape(size, patients)
    return counts


def blocks(samples: int, patients: int, elements: int = 2**18) -> Sequence[slice]:
    """Cut ``samples`` rows of ``patients`` values into slices of about ``elements``, to bound memory."""
    size = max(1, elements // patients)
    return [slice(start, min(start + size, samples)) for start in range(0, samples, size)]


MAX_SHARE_FAILED = 0.2
"""Of the bootstrap samples: an interval from the others would be of other trials than this one."""


def share_failed_within(
    replicates: FloatArray, measure: str, allowed: float = MAX_SHARE_FAILED
) -> FloatArray:
    """Return the bootstrap replicates that could be computed.

    Parameters
    ----------
    replicates : array, shape (samples,)
        The measure in each sample, NaN where it could not be computed.
    measure : str
        Named in the error.
    allowed : float
        The largest share of samples that may fail.

    Raises
    ------
    MeasureError
        If more samples failed.
    """
    failed = int(np.isnan(replicates).sum())
    if failed > allowed * replicates.size:
        raise MeasureError(
            f"{measure}: could not be computed in {failed} of {replicates.size} bootstrap samples "
            f"(at most {allowed:.0%} may fail)"
        )
    return replicates[~np.isnan(replicates)]


def percentile_interval(value: float, replicates: FloatArray, level: float) -> Measure:
    """Return the value with the percentile bootstrap interval at ``level`` (Efron 1979).

    Replicates that are NaN could not be computed; they are counted.
    """
    kept = replicates[~np.isnan(replicates)]
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Measure(value, float(low), float(high), replicates.size - kept.size)
