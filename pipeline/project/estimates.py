"""Estimates as the stages store them, and the one way in which they are written: value (low to high)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.errors import PipelineFault


@dataclass(frozen=True)
class Estimate:
    """A point value with its interval, or the reason why there is none.

    `low` and `high` are None where an estimate has no interval, `value` where it could not be computed: then
    `reason` says why. `extra` holds the other numbers of a pooled or corrected estimate, by name.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_interval(self) -> bool:
        """Whether there are a value and both of its limits."""
        return None not in {self.value, self.low, self.high}

    @property
    def point(self) -> float:
        """The value; PipelineFault if it could not be computed."""
        if self.value is None:
            raise PipelineFault(f"an estimate without a value: {self.reason or 'no reason stored'}")
        return self.value

    @property
    def interval(self) -> tuple[float, float]:
        """The limits; PipelineFault if there are none."""
        if self.low is None or self.high is None:
            raise PipelineFault("an estimate without an interval")
        return self.low, self.high

    def with_interval(self, prefix: str) -> "Estimate":
        """Return the estimate with another of its intervals, such as ``prediction`` or ``approximate``."""
        return Estimate(
            self.value, self.extra.get(f"{prefix}_low"), self.extra.get(f"{prefix}_high"), self.reason
        )


def parse_estimate(content: Mapping[str, object]) -> Estimate:
    """Return an estimate from its JSON: value, low, high, or error (of pooling: note)."""
    numbers = {
        str(name): float(number) for name, number in content.items() if isinstance(number, int | float)
    }
    reason = next((str(content[name]) for name in ("error", "note") if name in content), "")
    value, low, high = (numbers.pop(name, None) for name in ("value", "low", "high"))
    return Estimate(value, low, high, reason, numbers)


class Measures(dict[str, Estimate]):
    """Estimates by the name of their measure, with the numbers of patients and events they rest on."""

    @property
    def patients(self) -> int:
        """How many patients were judged."""
        return int(self["n"].point)

    @property
    def events(self) -> int:
        """How many of them had the event."""
        return int(self["events"].point)

    def interval_of(self, name: str) -> Estimate | None:
        """Return a measure that has an interval, or None."""
        estimate = self.get(name)
        return estimate if estimate is not None and estimate.has_interval else None


def parse_measures(content: Mapping[str, object]) -> Measures:
    """Return the estimates of a JSON object; whatever else stands beside them is left out."""
    return Measures(
        {name: parse_estimate(value) for name, value in content.items() if isinstance(value, Mapping)}
    )


def number_text(number: float, digits: int = 3, *, signed: bool = False, scale: float = 1) -> str:
    """Return a number times `scale` with so many decimals; with its sign if `signed`, unless it is 0."""
    return f"{scale * number:{'+' if signed and number else ''}.{digits}f}"


def bounds_text(low: float, high: float, digits: int = 3, *, signed: bool = False, scale: float = 1) -> str:
    """Return the limits of an interval, such as ``0.712 to 0.768``."""
    texts = (number_text(limit, digits, signed=signed, scale=scale) for limit in (low, high))
    return " to ".join(texts)


# Measures of which a larger value is better; of all others a smaller one.
HIGHER_IS_BETTER = ("auc", "net_benefit")


def verdict(difference: Estimate, metric: str) -> str:
    """Return what the interval of a model's difference in `metric` says: better, worse, or neither.

    Raises
    ------
    PipelineFault
        If the difference has no interval.
    """
    low, high = difference.interval
    if low <= 0 <= high:
        return "not distinguishable"
    return "better" if (low > 0) == metric.startswith(HIGHER_IS_BETTER) else "worse"


def estimate_text(estimate: Estimate | None, digits: int = 3, missing: str = "not evaluated") -> str:
    """Return ``0.740 (0.712 to 0.768)``, the value alone where it has no interval, or `missing`."""
    if estimate is None or estimate.value is None:
        return missing
    value = number_text(estimate.value, digits)
    return f"{value} ({bounds_text(*estimate.interval, digits)})" if estimate.has_interval else value
