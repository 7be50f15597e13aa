"""The model, and the model minus the rules, with intervals that allow for who was learned from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.evaluation.performance import MODEL, arm_groups, each_or_its_error
from models.measures.clustered import Influence, influence
from models.measures.common import FloatArray, Measure, MeasureDocument, MeasureError, counted
from models.measures.evaluate import by_repeat
from models.measures.learning_uncertainty import allowing_for_learning, learning_variance
from models.procedure.configuration.plan import ValidationPlan

RULES = "rules"
JUDGED = ("auc", "brier", "log_loss")
LearningUncertainty = dict[str, dict[str, MeasureDocument]]


def learning_uncertainty(
    predictions: pd.DataFrame, resampled: pd.DataFrame, arm: pd.Series, plan: ValidationPlan
) -> LearningUncertainty:
    """Return the measures of ``chosen``, and ``delta_...`` of ``chosen-rules``, in all and within arms.

    Groups with too few events or non-events are counted only. What cannot be computed has ``error``.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    resampled : DataFrame
        Written by the stage resample: what the models of bootstrap samples predict for all patients.
    arm : Series
        Arm by usubjid.
    """
    present = [name for name in (MODEL, RULES) if (predictions["model"] == name).any()]
    ids, y, by_model = by_repeat(predictions, present)
    bootstrap = resampled[resampled["scheme"] == "bootstrap"]
    p_of = {name: _arranged(bootstrap, name, "p", ids) for name in present}
    drawn = _arranged(bootstrap, MODEL, "drawn", ids)
    share = 1 - 1 / predictions["fold"].nunique()
    found: LearningUncertainty = {}
    for group, inside in arm_groups("", arm.reindex(ids).to_numpy()).items():
        for names in [present[:1], present] if len(present) > 1 else [present]:
            judged = Judged(
                y[inside],
                [by_model[name][:, inside] for name in names],
                [p_of[name][:, inside] for name in names],
                [np.flatnonzero(of_sample == 0) for of_sample in drawn[:, inside]],
            )
            found["-".join(names) + group] = counted(judged.y) | _measures(judged, share, plan)
    return found


@dataclass(frozen=True)
class Judged:
    """One model, or a model and the one that it is compared with, in n patients.

    `out_of_fold`: (repeats, n) of each; `resampled`: (samples, n) of each, NaN where nothing was learned;
    `left_out`: of each sample, the positions of whom it left out.
    """

    y: FloatArray
    out_of_fold: Sequence[FloatArray]
    resampled: Sequence[FloatArray]
    left_out: Sequence[np.ndarray]

    def allowing_for_learning(self, measure: str, share: float, level: float) -> Measure:
        """Return the measure, or its difference, with its interval.

        `share` of the patients is what the fold models learned from.

        Raises
        ------
        MeasureError
            If it has no value out of fold, or in too few of the samples.
        """
        learning = learning_variance(self._of_samples(measure), len(self.y), share)
        return allowing_for_learning(self._of(measure, self.out_of_fold, slice(None)), learning, level)

    def _of(self, measure: str, p: Sequence[FloatArray], among: np.ndarray | slice) -> Influence:
        """Return the measure, or its difference, of predictions (..., n) among some of the patients."""
        each = [influence(measure, self.y[among], one[..., among]) for one in p]
        return each[0] if len(each) == 1 else each[0] - each[1]

    def _of_samples(self, measure: str) -> list[Influence | None]:
        """Return the same of every sample's models in the patients left out; None where it has no value."""
        found: list[Influence | None] = []
        for among, *p in zip(self.left_out, *self.resampled, strict=True):
            try:
                found.append(None if np.isnan(p).any() else self._of(measure, p, among))
            except MeasureError:
                found.append(None)
        return found


def _measures(judged: Judged, share: float, plan: ValidationPlan) -> dict[str, MeasureDocument]:
    if not plan.judges(judged.y):
        return {}
    prefix = "delta_" if len(judged.out_of_fold) > 1 else ""

    def compute(names: Sequence[str]) -> dict[str, MeasureDocument]:
        return {
            prefix + name: judged.allowing_for_learning(name, share, plan.level).as_dict() for name in names
        }

    return each_or_its_error(compute, JUDGED, prefix)


def _arranged(bootstrap: pd.DataFrame, model: str, column: str, ids: pd.Index) -> FloatArray:
    """Return a column of the bootstrap samples of a model, shape (samples, n)."""
    of_model = bootstrap[bootstrap["model"] == model]
    by_sample = of_model.pivot_table(index="repeat", columns="usubjid", values=column, dropna=False)
    return by_sample.reindex(columns=ids).to_numpy(dtype=float)
