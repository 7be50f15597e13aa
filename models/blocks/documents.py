"""What is stored of blocks that were learned."""

from typing import TypedDict

from models.blocks.nuisance import NuisanceDocument


class BlockDocument(TypedDict):
    """A block in all patients: columns, how they are standardised, coefficients, and share of the whole.

    `share`: standard deviation of the block's part of the log-odds over the sum of those of all blocks, in
    patients who have them all. A block that stays out has coefficients of 0. `kept`: in how many folds each
    column has a coefficient; None for the features that have columns of their own.
    """

    columns: list[str]
    mean: list[float]
    weight: list[float]
    coefficients: list[float]
    kept: list[int] | None
    share: float
    patients: int


class LearnedBlocks(TypedDict, total=False):
    """What was learned at a landmark, or why nothing was (`error`).

    `penalties`: model -> block -> penalty in every fold, None where the block stayed out. `cuts`: the same of
    the cut, None where all columns weigh alike (`models.blocks.kernels`). `weights`: of late fusion, block ->
    weight in every fold. `nuisance`: block -> batch, platform or centre. `adjusted`: block -> batches whose
    location was learned, in all patients.
    """

    error: str
    blocks: dict[str, BlockDocument]
    intercept: float
    penalties: dict[str, dict[str, list[float | None]]]
    cuts: dict[str, dict[str, list[float | None]]]
    weights: dict[str, list[float]]
    nuisance: dict[str, dict[str, NuisanceDocument]]
    adjusted: dict[str, list[str]]
