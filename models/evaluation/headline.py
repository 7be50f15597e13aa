"""The headline: the few figures of a landmark that are committed, and that a difference of metrics shows."""

from collections.abc import Mapping, Sequence
from typing import Any

DIGITS = 6


def headline(
    measures: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return the wanted measures of the wanted models, to six significant digits.

    Parameters
    ----------
    measures : mapping
        Everything that was measured: model, measure, then value, low and high, or the reason for an error.
    wanted : mapping of str to sequence of str
        Names of measures by model. What a study does not have is left out.
    """
    return {
        model: {name: _rounded(measures[model][name]) for name in names if name in measures[model]}
        for model, names in wanted.items()
        if model in measures
    }


def _rounded(measure: Mapping[str, Any]) -> dict[str, Any]:
    return {
        part: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for part, value in measure.items()
    }
