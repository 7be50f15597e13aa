"""The page of the verdicts on blocks where the truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was found of an assay: shares with their Monte Carlo errors, and mean gains with theirs.

    `found`: all blocks better than the clinical one, with a signal; `claimed`: all blocks, late fusion or the
    assay better, without. `with_assay`, `without_assay`: log loss of complete cases minus that of all.
    `covered`: prices in new patients within the interval that the trial gave. `taken`, `taken_of_noise`: all
    blocks or late fusion chosen, with a signal and without; `gained`, `gained_of_noise`: log loss in new
    patients of the clinical block minus that of the model that was chosen. `weighed`, `weighed_noise`: the
    same of all blocks whose columns weigh alike, minus that of all blocks, with a signal and without.
    """

    assay: str
    patients: int
    oracle: float
    trials: int
    found: tuple[float, float]
    claimed: tuple[float, float]
    with_assay: tuple[float, float]
    without_assay: tuple[float, float]
    covered: tuple[float, float]
    taken: tuple[float, float]
    taken_of_noise: tuple[float, float]
    gained: tuple[float, float]
    gained_of_noise: tuple[float, float]
    weighed: tuple[float, float]
    weighed_noise: tuple[float, float]


def page(rows: Sequence[Row], features: Mapping[str, int], power: float, missing: float) -> str:
    """Return docs/blocks-truth.md."""
    told = (
        "Simulated trials with a clinical block and one assay, at the least size of "
        "configs/simulation_blocks.yaml at which an oracle, who knows every patient's log-odds with and "
        f"without the signal, finds it with a power of {power:.0%} (paired AUC). Models, "
        "folds, penalties and verdicts are those of the pipeline. Found: all blocks better than the clinical "
        "block. Claimed: with no signal, all blocks, late fusion or the assay alone better. In parentheses "
        "Monte Carlo errors."
    )
    lines = [
        "| assay | features | patients | oracle | trials | found | claimed |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.assay} | {features[row.assay]:,} | {row.patients} | {row.oracle:.1%} | "
        f"{row.trials} | {_percent(row.found)} | {_percent(row.claimed)} |"
        for row in rows
    ]
    lost = (
        f"With {missing:.0%} of the patients without the assay: log loss, in new patients, of the model "
        "learned from complete cases minus that of the model learned from all (above 0: all is better). "
        "Price: what all blocks lose in AUC where the assay is missing, in new patients, within the interval "
        "that the trial gave."
    )
    missing_lines = [
        "| assay | new patients with it | new patients without it | price within |",
        "|---|---|---|---|",
    ]
    missing_lines += [
        f"| {row.assay} | {_signed(row.with_assay)} | {_signed(row.without_assay)} | "
        f"{_percent(row.covered)} |"
        for row in rows
    ]
    choice = (
        "The choice among the clinical block alone, all blocks and late fusion, by their loss out of the "
        "inner folds, is the first within one standard error of the best. Taken: how often one with the "
        "assay is. Gain: log loss, in new patients, of the clinical block minus that of the model taken "
        "(above 0: the choice helped)."
    )
    choice_lines = [
        "| assay | taken, signal | gain | taken, no signal | gain |",
        "|---|---|---|---|---|",
    ]
    choice_lines += [
        f"| {row.assay} | {_percent(row.taken)} | {_signed(row.gained)} | {_percent(row.taken_of_noise)} | "
        f"{_signed(row.gained_of_noise)} |"
        for row in rows
    ]
    parts = [
        "# Verdicts on blocks where the truth is known",
        "Written by `make blocks-truth`, with the settings of configs/simulation_blocks.yaml.",
        told, "\n".join(lines), lost, "\n".join(missing_lines), choice, "\n".join(choice_lines),
        *_weighed(rows),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _weighed(rows: Sequence[Row]) -> tuple[str, str]:
    """Return what weights of columns are worth: a text and its table."""
    told = (
        "Log loss, in new patients, of all blocks whose columns weigh alike minus that of all blocks, whose "
        "columns may weigh by how they go with the outcome in the training part (above 0: weights helped)."
    )
    lines = ["| assay | signal | no signal |", "|---|---|---|"]
    lines += [f"| {row.assay} | {_signed(row.weighed)} | {_signed(row.weighed_noise)} |" for row in rows]
    return told, "\n".join(lines)


def _percent(share: tuple[float, float]) -> str:
    return f"{share[0]:.1%} ({100 * share[1]:.1f})"


def _signed(gain: tuple[float, float]) -> str:
    return f"{gain[0]:+.4f} ({gain[1]:.4f})"
