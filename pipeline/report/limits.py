"""Figures that lie so far out that they say only that there were too few patients: errors in their place."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.results import Results, Robustness, Subgroups

ENDS = ("low", "high")


def within_limits(results: Results, limits: Mapping[str, float]) -> Results:
    """Return the results with an error in place of every measure beyond its limit (see `bounded`)."""

    def checked(groups: Mapping[str, Measures]) -> dict[str, Measures]:
        return {name: bounded(measures, limits) for name, measures in groups.items()}

    return replace(
        results,
        landmarks={name: checked(models) for name, models in results.landmarks.items()},
        subgroups={
            name: Subgroups(
                {kind: checked(part) for kind, part in found.groups.items()},
                checked(found.centres),
                bounded(found.pooled, limits),
            )
            for name, found in results.subgroups.items()
        },
        robustness={
            name: found and robust_within_limits(found, limits) for name, found in results.robustness.items()
        },
    )


def robust_within_limits(found: Robustness, limits: Mapping[str, float]) -> Robustness:
    """Return the measures in other patients with an error in place of those beyond their limit."""
    return Robustness(
        bounded(found.optimism_corrected, limits),
        found.instability,
        bounded(found.later, limits),
        bounded(found.left_out_centres, limits),
        {name: bounded(measures, limits) for name, measures in found.centres.items()},
        found.impossible,
        {name: bounded(measures, limits) for name, measures in found.clustered.items()},
        {name: bounded(measures, limits) for name, measures in found.learning_uncertainty.items()},
    )


def bounded(measures: Measures, limits: Mapping[str, float]) -> Measures:
    """Return the measures, those beyond their limit as errors that say so.

    A slope of 192, or one between -20 and 400, says that there were too few patients, and nothing else. A
    prediction interval beyond the limit is left out.
    """
    return Measures(
        {
            name: _bounded(estimate, limits[name]) if name in limits else estimate
            for name, estimate in measures.items()
        }
    )


def _bounded(estimate: Estimate, limit: float) -> Estimate:
    intervals = [estimate.low, estimate.high, *(estimate.extra.get(f"approximate_{end}") for end in ENDS)]
    for number in (estimate.value, *intervals):
        if number is not None and abs(number) > limit:
            what = "its value" if number == estimate.value else "its interval"
            return Estimate(
                reason=f"{what}, {number:.4g}, lies beyond \N{PLUS-MINUS SIGN}{limit:g}: too few patients"
            )
    predicted = [f"prediction_{end}" for end in ENDS]
    if any(abs(estimate.extra.get(name, 0)) > limit for name in predicted):
        return replace(estimate, extra={k: v for k, v in estimate.extra.items() if k not in predicted})
    return estimate
