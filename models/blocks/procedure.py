"""The models of blocks as a procedure of the resampling engine, on the rows of a landmark."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import expit

from models.blocks.adjustment import AssayColumns, Shifts
from models.blocks.learning import BlockModels, learn_blocks
from models.blocks.names import CLINICAL, HIDDEN, TOGETHER
from models.procedure.configuration.settings import BlocksSettings, EncodingSettings
from models.procedure.encoding import encoding_of, read_numeric_rows
from models.procedure.errors import NotLearnableError
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import LandmarkFeature, as_documents
from models.serving.serving import EncodingDocument, PcrModel


class BlockProcedure:
    """Everything that is learned of the blocks of a landmark; see `models.blocks.learning`.

    The features that have columns of their own are the block `CLINICAL`: encoded and imputed as for the other
    candidates, in every training part anew.

    Parameters
    ----------
    features : sequence of LandmarkFeature
        Of the protected block.
    columns : mapping of str to sequence of str
        The columns of every other block.
    encoding, settings : EncodingSettings, BlocksSettings
    inner_folds, seed : int
        Of the inner cross-validation.
    batches : mapping of str to str, optional
        The column with the batch, by block that is adjusted for it: in every training part anew.

    Attributes
    ----------
    models_ : BlockModels
    encoding_ : EncodingDocument
        Of the protected block, in all patients given.
    shifts_ : dict of str to Shifts
        Of the blocks that are adjusted, in all patients given.
    """

    def __init__(
        self,
        features: Sequence[LandmarkFeature],
        columns: Mapping[str, Sequence[str]],
        encoding: EncodingSettings,
        settings: BlocksSettings,
        inner_folds: int = 5,
        seed: int = 0,
        batches: Mapping[str, str] | None = None,
    ) -> None:
        self.features = features
        self.assays = AssayColumns.of(columns, batches, settings.min_batch_patients)
        self.encoding = encoding
        self.settings = settings
        self.inner_folds = inner_folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from the training part; `groups` as in `ResponseModel.fit`.

        Raises
        ------
        NotLearnableError
            If a block cannot be learned from these patients, or there are fewer than the inner folds of one
            outcome.
        """
        y = np.asarray(y, dtype=float)
        rarer = int(min(y.sum(), len(y) - y.sum()))
        if rarer < self.inner_folds:
            raise NotLearnableError(
                f"{rarer} patients have the rarer outcome, fewer than the {self.inner_folds} inner folds"
            )
        inputs, wide = read_numeric_rows(X, self.features), self.assays.by_part(X)
        everyone = np.arange(len(y))
        learned: dict[bytes, EncodingDocument] = {}

        def matrices(train: np.ndarray) -> dict[str, np.ndarray]:
            encoding = encoding_of(inputs.rows(train), self.encoding)
            learned[train.tobytes()] = encoding
            coder = self._coder(encoding)
            return {CLINICAL: coder.complete(inputs.encoded(encoding["columns"])), **wide(train)}

        folds = list(stratified_folds(y, self.inner_folds, self.seed, groups))
        grid, cuts = self.settings.penalties_per_column, self.settings.cuts
        self.models_: BlockModels = learn_blocks(matrices, y, folds, grid, CLINICAL, cuts=cuts)
        self.encoding_ = learned[everyone.tobytes()]
        self.shifts_: dict[str, Shifts] = self.assays.shifts(X)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the probabilities (n,) by every model, NaN where a patient lacks its only block.

        ``hidden <block>`` is the forecast of all blocks for the same patients without their values of one.
        """
        values = self.values(X)
        margins = self.models_.margins(values)
        for name in self.assays.names:
            nothing = np.full_like(values[name], np.nan)
            margins[HIDDEN + name] = self.models_.margins(values | {name: nothing})[TOGETHER]
        return {name: expit(margin) for name, margin in margins.items()}

    def values(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the columns of every block, shape (n, columns), as the models take them."""
        coder = self._coder(self.encoding_)
        return {CLINICAL: coder.complete(coder.encode(X)), **self.assays.values(X, self.shifts_)}

    def _coder(self, encoding: EncodingDocument) -> PcrModel:
        return PcrModel({"features": as_documents(self.features), "encoding": encoding})
