"""The headline: the few figures of a landmark that are committed, and that a difference of metrics shows."""

from collections.abc import Mapping, Sequence

from models.measures.common import NUMBERS, MeasureDocument

DIGITS = 6


def headline(
    measures: Mapping[str, Mapping[str, MeasureDocument]], wanted: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, MeasureDocument]]:
    """Return the wanted measures of the wanted models, to six significant digits.

    Parameters
    ----------
    measures : mapping
        Everything that was measured: model, measure, then value, low and high, or the reason for an error.
    wanted : mapping of str to sequence of str
        Names of measures by model. What a study does not have is left out.
    """
    return {
        model: {name: rounded(measures[model][name]) for name in names if name in measures[model]}
        for model, names in wanted.items()
        if model in measures
    }


def rounded(measure: MeasureDocument) -> MeasureDocument:
    """Return a measure with its numbers to six significant digits."""
    shown = measure.copy()
    for name in NUMBERS:
        number = measure.get(name)
        if isinstance(number, float):
            shown[name] = float(f"{number:.{DIGITS}g}")
    return shown
