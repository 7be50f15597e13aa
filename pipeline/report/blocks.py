"""The verdicts on blocks of features, as stage compare wrote them, with types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.project.estimates import Estimate, Measures, parse_estimate, parse_measures


@dataclass(frozen=True)
class BlockPair:
    """Two models on the same patients: what is asked, the differences, the q value, and what it says."""

    question: str
    model: str
    against: str
    auc: Estimate
    log_loss: Estimate
    q: float | None
    verdict: str


@dataclass(frozen=True)
class BlockSize:
    """A block in all patients: columns, who has it, its share of the log-odds, its penalties in the folds.

    `weighed`: folds in which its columns do not weigh alike; `kept`: in which share of the folds each of
    `top` has a coefficient, if its columns are the same in all.
    """

    name: str
    columns: int
    patients: int
    share: float
    used: int
    folds: int
    penalties: Sequence[float]
    top: Sequence[str]
    weighed: int = 0
    kept: Sequence[Estimate] = ()


@dataclass(frozen=True)
class BlockOrigin:
    """What batch, platform or centre has to do with a block and the outcome; `reason`: why nothing is said.

    `share` of the block's variance and its mean `by_chance`, with `p`; `outcome`: Cramér's V with its p.
    """

    block: str
    grouping: str
    groups: int
    patients: int
    share: float = 0.0
    by_chance: float = 0.0
    p: float = 1.0
    outcome: float = 0.0
    outcome_p: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class BlockVerdicts:
    """What blocks add at a landmark, on the patients who have all; `reason`: why nothing is said.

    `adjusted`: batches whose location was learned, by block.
    """

    patients: int
    events: int
    models: Mapping[str, Measures]
    pairs: Sequence[BlockPair]
    blocks: Sequence[BlockSize]
    reason: str
    origins: Sequence[BlockOrigin] = ()
    adjusted: Mapping[str, Sequence[str]] = field(default_factory=dict)


def parse_blocks(content: Mapping[str, Any]) -> BlockVerdicts:
    """Return the verdicts of a landmark."""
    return BlockVerdicts(
        int(content["patients"]),
        int(content["events"]),
        {name: parse_measures(measures) for name, measures in content["models"].items()},
        [_pair(name, pair) for name, pair in content["pairs"].items()],
        [
            BlockSize(name, **{**block, "kept": [parse_estimate(share) for share in block.get("kept", ())]})
            for name, block in content["blocks"].items()
        ],
        str(content["error"]),
        [
            BlockOrigin(block, grouping, reason=found.pop("error", ""), **found)
            for block, groupings in content.get("nuisance", {}).items()
            for grouping, found in ((name, dict(told)) for name, told in groupings.items())
        ],
        content.get("adjusted", {}),
    )


def _pair(name: str, pair: Mapping[str, Any]) -> BlockPair:
    model, _, against = name.partition("-")
    nothing = {"error": pair.get("error", "")}
    return BlockPair(
        pair["question"], model, against,
        parse_estimate(pair.get("delta_auc", nothing)), parse_estimate(pair.get("delta_log_loss", nothing)),
        pair.get("q"), pair.get("verdict", ""),
    )  # fmt: skip
