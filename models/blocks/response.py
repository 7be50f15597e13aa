"""The modelling procedure of a study with assays: models of blocks among the candidates."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.blocks.adjustment import AssayColumns, Shifts
from models.blocks.learning import BlockModels, LinearScore, learn_blocks
from models.blocks.names import CLINICAL, FUSED, TOGETHER
from models.procedure.candidates import Fit
from models.procedure.configuration.settings import BlocksCandidate, ProcedureSettings
from models.procedure.encoding import NumericRows
from models.procedure.errors import NotLearnableError
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.response_model import ResponseModel, Tuned, patient_loss
from models.serving.serving import (
    BlockModelDocument,
    BlockPart,
    BlocksDocument,
    CalibrationDocument,
    PcrModel,
)

UNCALIBRATED: CalibrationDocument = {"intercept": 0.0, "slope": 1.0}


def response_model(
    features: Sequence[LandmarkFeature],
    settings: ProcedureSettings,
    assays: Mapping[str, Sequence[str]],
    inner_folds: int,
    seed: int,
    batches: Mapping[str, str] | None = None,
) -> ResponseModel:
    """Return the procedure, unfitted: `BlockResponseModel` where there are assays."""
    if not assays:
        return ResponseModel(features, settings, inner_folds, seed)
    return BlockResponseModel(features, settings, inner_folds, seed, assays, batches)


class BlockResponseModel(ResponseModel):
    """`ResponseModel` whose candidates may be models of blocks, which take assays beside the features.

    Blocks are tuned on the inner folds of the other candidates and compared with them by the loss there: that
    of each patient by the model of the blocks which the patient has, and of late fusion by weights of the
    other inner folds. They are linear with their penalty tuned and, as penalised logistic regression, left
    uncalibrated.

    Parameters
    ----------
    features, settings, inner_folds, seed
        As in `ResponseModel`. The features are the block that is always used, and penalised least.
    assays : mapping of str to sequence of str
        The columns of every assay in the rows; NaN where missing, all of them for patients without it.
    batches : mapping of str to str, optional
        The column with the batch, by assay that is adjusted for it: in every training part anew.

    Attributes
    ----------
    blocks_ : BlockModels or None
        What was learned of the blocks; None where they could not be.
    """

    def __init__(
        self,
        features: Sequence[LandmarkFeature],
        settings: ProcedureSettings,
        inner_folds: int = 5,
        seed: int = 0,
        assays: Mapping[str, Sequence[str]] | None = None,
        batches: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(features, settings, inner_folds, seed)
        self.assays = assays
        self.batches = batches

    def _learn_blocks(
        self, inputs: NumericRows, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None
    ) -> dict[str, tuple[Tuned, Fit]]:
        """Learn all blocks once, and return the candidates among their models."""
        self.blocks_: BlockModels | None = None
        candidates = {
            name: candidate
            for name, candidate in self.settings.candidates.items()
            if isinstance(candidate, BlocksCandidate)
        }
        if not candidates:
            return {}
        first = next(iter(candidates.values()))
        assays = AssayColumns.of(self.assays or {}, self.batches, first.min_batch_patients)
        # A patient who stands several times in a bootstrap sample is one row, which counts as many.
        labels = np.arange(len(y)) if groups is None else groups
        _, place, patient, copies = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        wide = assays.by_part(X.iloc[place], copies)

        def matrices(train: np.ndarray) -> dict[str, np.ndarray]:
            encoding, coder = self._learned_coder(inputs.rows(np.flatnonzero(np.isin(patient, train))))
            return {CLINICAL: coder.complete(inputs.encoded(encoding["columns"]))[place], **wide(train)}

        folds = [
            (np.unique(patient[train]), np.unique(patient[test]))
            for train, test in stratified_folds(y, self.inner_folds, self.seed, groups)
        ]
        try:
            models = learn_blocks(
                matrices, y[place], folds, first.penalties_per_column, CLINICAL,
                copies=copies, cuts=first.cuts, leave_out=False,
            )  # fmt: skip
        except NotLearnableError as error:
            self.passed_over_ |= dict.fromkeys(candidates, str(error))
            return {}
        self.blocks_ = models
        shifts = assays.shifts(X)
        return {
            name: _candidate(models, assays, shifts, patient, y, fused=one.fused)
            for name, one in candidates.items()
        }

    def _log_odds(self, model: PcrModel, columns: NDArray[np.float64], X: pd.DataFrame) -> np.ndarray:
        return model.log_odds_of(columns, model.assay_values(X))


def _candidate(
    models: BlockModels,
    assays: AssayColumns,
    shifts: Mapping[str, Shifts],
    patient: np.ndarray,
    y: np.ndarray,
    *,
    fused: bool,
) -> tuple[Tuned, Fit]:
    """Return a candidate as tuning and fitting give it: its loss out of the inner folds, and its document.

    `patient`: place, among those whom the models were learned from, of each row (n,).
    """
    unseen = models.unseen[FUSED if fused else TOGETHER][patient]
    point = _fused_point(models) if fused else _penalties_point(models, assays.names)
    document = (fused_document if fused else together_document)(models, assays.names)
    if shifts:
        document["batches"] = {
            name: {
                "input": assays.batches[name],
                "shifts": {batch: shift.tolist() for batch, shift in learned.items()},
            }
            for name, learned in shifts.items()
        }
    tuned = Tuned(point, UNCALIBRATED, patient_loss(unseen, y))
    return tuned, Fit(point, {"blocks": document}, None, unseen)


def together_document(models: BlockModels, columns: Mapping[str, Sequence[str]]) -> BlocksDocument:
    """Return the model of all blocks as it is served: for every combination of assays one of its own."""
    rows: dict[str, list[list[float]]] = {name: [] for name in models.standards}
    served: list[BlockModelDocument] = []
    for present, score in _by_assays(models):
        parts: dict[str, BlockPart] = {}
        for name in present:
            if name in score.penalties:
                parts[name] = {"row": len(rows[name]), "factor": 1.0}
                rows[name].append(score.coefficients[name].tolist())
        assays = [name for name in present if name != CLINICAL]
        served.append({"assays": assays, "intercept": score.intercept, "parts": parts})
    return _document(models, columns, rows, served)


def fused_document(models: BlockModels, columns: Mapping[str, Sequence[str]]) -> BlocksDocument:
    """Return late fusion as it is served: blocks alone, times their share of the weights of those present."""
    weights = dict(zip(models.single, models.fusion.weights.tolist(), strict=True))
    rows = {name: [score.coefficients[name].tolist()] for name, score in models.single.items()}
    served: list[BlockModelDocument] = []
    for present, _ in _by_assays(models):
        scale = sum(weights.values()) / sum(weights[name] for name in present)
        factors = {name: scale * weights[name] for name in present}
        served.append(
            {
                "assays": [name for name in present if name != CLINICAL],
                "intercept": models.fusion.intercept
                + sum(factor * models.single[name].intercept for name, factor in factors.items()),
                "parts": {name: {"row": 0, "factor": factor} for name, factor in factors.items()},
            }
        )
    return _document(models, columns, rows, served)


def _by_assays(models: BlockModels) -> list[tuple[tuple[str, ...], LinearScore]]:
    """Return the models of patients who have the protected block, as all have once it is imputed."""
    return [(present, score) for present, score in models.patterns.items() if CLINICAL in present]


def _document(
    models: BlockModels,
    columns: Mapping[str, Sequence[str]],
    rows: Mapping[str, list[list[float]]],
    served: list[BlockModelDocument],
) -> BlocksDocument:
    return {
        "protected": CLINICAL,
        "blocks": {
            name: {
                "columns": list(columns.get(name, ())),
                "mean": standard.mean.tolist(),
                "weight": standard.weight.tolist(),
                "coefficients": rows[name],
            }
            for name, standard in models.standards.items()
        },
        "models": served,
    }


def _penalties_point(models: BlockModels, columns: Mapping[str, Sequence[str]]) -> str:
    """Return the penalties per patient and column, and cuts, as a point of a grid is called."""
    penalties = models.tuned[TOGETHER].penalties
    return ",".join(
        f"{name}={penalties[name].told}" if name in penalties else f"{name} left out"
        for name in (CLINICAL, *columns)
    )


def _fused_point(models: BlockModels) -> str:
    """Return each block's own penalty and its weight."""
    weights = dict(zip(models.single, models.fusion.weights.tolist(), strict=True))
    return ",".join(
        f"{name}={models.tuned[name].penalties[name].told} (weight {weights[name]:.3g})"
        for name in models.single
    )
