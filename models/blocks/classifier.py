"""Blocks as a scikit-learn classifier of one array."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from models.blocks.learning import learn_blocks
from models.blocks.names import FUSED, TOGETHER
from models.procedure.folds import stratified_folds

CUTS = (4.0, 9.0)
GRID = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


class BlocksClassifier(ClassifierMixin, BaseEstimator):
    """Ridge logistic regression with a penalty for each block of columns, tuned by inner cross-validation.

    Parameters
    ----------
    blocks : mapping of str to sequence of int, optional
        Columns of each block by place; the first is always used, and penalised least. Without it, all
        columns are one block. A row that is all NaN in a block is a patient without it.
    grid : sequence of float
        Penalties per patient and column, from the strongest.
    cuts : sequence of float
        Of z^2, at which the columns of all blocks but the first may be weighed (`models.blocks.kernels`).
    fused : bool
        Whether the forecast is that of a learner per block, combined by non-negative weights.
    inner_folds, seed : int
        Of the inner cross-validation; no more folds than patients with the rarer outcome.

    Attributes
    ----------
    models_ : BlockModels
        All that was learned.
    classes_ : array of shape (2,)

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 202))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> blocks = {"clinical": range(2), "rna": range(2, 202)}
    >>> model = BlocksClassifier(blocks).fit(X, y)
    >>> bool(model.score(X, y) > 0.9), sorted(model.models_.standards)
    (True, ['clinical', 'rna'])
    """

    def __init__(
        self,
        blocks: Mapping[str, Sequence[int]] | None = None,
        grid: Sequence[float] = GRID,
        *,
        cuts: Sequence[float] = CUTS,
        fused: bool = False,
        inner_folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.blocks = blocks
        self.grid = grid
        self.cuts = cuts
        self.fused = fused
        self.inner_folds = inner_folds
        self.seed = seed

    def __sklearn_tags__(self) -> Tags:
        """Say that it takes NaN, and two classes only."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows `X` (n, p), NaN where missing, and their class `y` (n,).

        Raises
        ------
        ValueError
            If there are not two classes, or fewer than two rows of one.
        """
        X, y = validate_data(self, X, y, dtype=float, ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(y)
        if type_of_target(y) != "binary":
            raise ValueError(f"Only binary classification is supported. y is {type_of_target(y)}")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError("y has one class: there is nothing to tell apart")
        outcome = (y == self.classes_[1]).astype(float)
        rarer = int(min(outcome.sum(), len(y) - outcome.sum()))
        if rarer < 2:
            raise ValueError(f"{rarer} row is of the rarer class; inner folds need at least 2")
        folds = list(stratified_folds(outcome, min(self.inner_folds, rarer), self.seed))
        values = self._values(X)
        first = next(iter(values))
        self.models_ = learn_blocks(lambda _: values, outcome, folds, self.grid, first, cuts=self.cuts)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the log-odds of the second class, shape (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, ensure_all_finite="allow-nan", reset=False)
        return self.models_.margins(self._values(X))[FUSED if self.fused else TOGETHER]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities of both classes, shape (n, 2)."""
        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the likelier class, shape (n,)."""
        likelier = (self.decision_function(X) >= 0).astype(int)
        return np.asarray(self.classes_[likelier])

    def _values(self, X: np.ndarray) -> dict[str, np.ndarray]:
        if self.blocks is None:
            return {"all": X}
        return {name: np.ascontiguousarray(X[:, list(places)]) for name, places in self.blocks.items()}
