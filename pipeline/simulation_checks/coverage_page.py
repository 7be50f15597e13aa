"""docs/coverage.md, from the figures of a coverage study."""

from collections.abc import Mapping
from typing import Any

from pipeline.simulation_checks.plan import CoveragePlan

TITLES = {
    "stored_model": "(V) A stored model in new patients",
    "strategies": "Values of strategies at baseline",
    "out_of_fold": "(R) Intervals of the procedure, linear candidates alone",
}
FORMER = (
    "The figures are of a former simulation (digest {digest}), not of that of configs/simulation.yaml; "
    "`make coverage` makes them anew."
)
TARGETS = {
    "stored_model": "Target: 93 to 97 % for every measure.",
    "strategies": "Target: 93 to 97 % for both strategies and their difference; none for the learned policy.",
    "out_of_fold": (
        "Targets: at least 88 % for the AUC out of fold; 93 to 97 % for the difference from the rules in "
        "log loss; 90 to 97 % for AUC, Brier score and log loss corrected for optimism. "
        "Slope and O:E are near 1 by construction: no target. "
        "`allowing for who was learned from`: the variance between models of bootstrap samples is added."
    ),
}


def coverage_page(figures: Mapping[str, Any], plan: CoveragePlan, simulation_digest: str) -> str:
    """Return the page with the figures of all studies, in Markdown; it says if the simulation was another.

    `simulation_digest` is that of the simulation of now (`pipeline.simulation_checks.populations.digest`).
    """
    lines = [
        "# Do the intervals cover the truth?",
        "",
        "SIMULATED DATA - no patients. Written by `make coverage` from configs/coverage.yaml; do not edit.",
        "",
        f"Landmark {figures['landmark']}. Truth: values in {plan.population:,} other simulated patients.",
        "In brackets the Monte Carlo standard error. Width: mean width of the intervals.",
    ]
    if figures["spec"] != simulation_digest:
        lines += ["", FORMER.format(digest=figures["spec"][:12])]
    for name, sizes in plan.parts.items():
        lines += ["", f"## {TITLES[name]}", "", TARGETS[name]]
        for size in sizes:
            found = figures[name].get(str(size.patients), {}) if name == "out_of_fold" else figures[name]
            what = f"Trials of {size.patients:,} patients each"
            lines += ["", f"{what}.", "", *_rows(found)] if found else ["", f"{what}: not run."]
    return "\n".join([*lines, ""])


def _rows(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = ["| measure | trials | truth | mean estimate | coverage | width |", "|---|---|---|---|---|---|"]
    for measure, row in found.items():
        share = f"{100 * row['coverage']:.1f} % ({100 * row['monte_carlo_error']:.1f})"
        cells = f"{row['truth']:.4f} | {row['mean_estimate']:.4f} | {share} | {row['mean_width']:.3f}"
        lines.append(f"| {measure} | {row['trials']} | {cells} |")
    return lines
