"""The blocks of a landmark: out-of-fold predictions of every model, and what all patients teach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from models.blocks.documents import BlockDocument, LearnedBlocks
from models.blocks.kernels import EVERY
from models.blocks.learning import BlockModels, present
from models.blocks.names import CLINICAL, TOGETHER
from models.blocks.procedure import BlockProcedure
from models.procedure.backends import workers
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import BlocksSettings, EncodingSettings
from models.procedure.domain_sets import ARM
from models.procedure.errors import NotLearnableError
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import Progress, cross_validate, no_predictions, silently, tidy
from models.procedure.splits import outcome_strata, stratified_splits
from models.serving.serving import ColumnDocument


@dataclass(frozen=True)
class BlockResult:
    """Tidy out-of-fold predictions (p missing without a model's only block), and what was learned."""

    predictions: pd.DataFrame
    learned: LearnedBlocks


def learn_landmark(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[LandmarkFeature],
    columns: Mapping[str, Sequence[str]],
    encoding: EncodingSettings,
    settings: BlocksSettings,
    plan: ValidationPlan,
    progress: Progress = silently,
    batches: Mapping[str, str] | None = None,
) -> BlockResult:
    """Cross-validate the models of blocks on all folds of the other candidates; learn them from all.

    Blocks that cannot be learned in every fold give no prediction, but the reason.

    Parameters
    ----------
    rows, y : DataFrame (n, columns) and array (n,)
        The analysed patients with the columns of `features` and of every block, and the outcome.
    columns : mapping of str to sequence of str
        The columns of every assay.
    batches : mapping of str to str, optional
        By assay that is adjusted for batch in every training part, the column with the batch.
    """

    def procedure(seed: int) -> BlockProcedure:
        return BlockProcedure(features, columns, encoding, settings, plan.inner_folds, seed, batches)

    splits = stratified_splits(
        outcome_strata(y, rows[ARM]), folds=plan.folds, repeats=plan.repeats, seed=plan.seed
    )
    fitting = cross_validate(
        lambda seed: [procedure(seed)], rows, y, splits, workers=workers(), may_fail=True
    )
    results = list(progress(fitting, len(splits)))
    if failed := [reason for result in results for reason in result.failed]:
        return BlockResult(no_predictions(), {"error": failed[0]})
    try:
        whole = procedure(plan.seed).fit(rows, y)
    except NotLearnableError as error:
        return BlockResult(no_predictions(), {"error": str(error)})
    fitted = [cast("BlockProcedure", result.fitted[0]).models_ for result in results]
    shrunk = {
        model: {block: [fold.tuned[model].penalties.get(block) for fold in fitted] for block in blocks}
        for model, tuned in whole.models_.tuned.items()
        for blocks in [whole.models_.standards if model == TOGETHER else tuned.penalties]
    }
    weights = {
        block: [float(fold.fusion.weights[place]) for fold in fitted]
        for place, block in enumerate(whole.models_.single)
    }
    learned: LearnedBlocks = {
        "blocks": _described(whole, rows, fitted),
        "intercept": whole.models_.patterns[tuple(whole.models_.standards)].intercept,
        "penalties": {
            model: {block: [each and each.penalty for each in folds] for block, folds in blocks.items()}
            for model, blocks in shrunk.items()
        },
        "cuts": {
            model: {
                block: [None if each is None or each.cut == EVERY else each.cut for each in folds]
                for block, folds in blocks.items()
            }
            for model, blocks in shrunk.items()
        },
        "weights": weights,
        "adjusted": {block: list(shifts) for block, shifts in whole.shifts_.items()},
    }
    return BlockResult(tidy(results, rows["usubjid"].tolist(), y), learned)


def _described(
    whole: BlockProcedure, rows: pd.DataFrame, fitted: Sequence[BlockModels]
) -> dict[str, BlockDocument]:
    """Return the blocks in all patients, and in how many folds each column has a coefficient."""
    values, models = whole.values(rows), whole.models_
    complete = models.patterns[tuple(models.standards)]
    has = {name: present(values[name]) for name in values}
    everything = np.logical_and.reduce(list(has.values()))
    parts = {name: part.sum(axis=1)[everything] for name, part in models.contributions(values).items()}
    spread = {name: float(part.std()) if len(part) else 0.0 for name, part in parts.items()}
    total = sum(spread.values())
    named = {CLINICAL: [_column(column) for column in whole.encoding_["columns"]], **whole.assays.names}
    return {
        name: {
            "columns": list(named[name]),
            "mean": standard.mean.tolist(),
            "weight": standard.weight.tolist(),
            "coefficients": complete.coefficients[name].tolist(),
            "kept": _kept(name, fitted),
            "share": spread[name] / total if total else 0.0,
            "patients": int(has[name].sum()),
        }
        for name, standard in models.standards.items()
    }


def _kept(name: str, fitted: Sequence[BlockModels]) -> list[int] | None:
    """Return in how many folds each column of an assay has a coefficient in the model of all blocks.

    None for the protected block, whose columns follow from each training part and are not always the same.
    """
    if name == CLINICAL:
        return None
    complete = [models.patterns[tuple(models.standards)].coefficients[name] for models in fitted]
    counts: list[int] = np.count_nonzero(complete, axis=0).tolist()
    return counts


def _column(column: ColumnDocument) -> str:
    level = column.get("level")
    return column["feature"] if level is None else f"{column['feature']} = {level}"
