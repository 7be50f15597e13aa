"""From the tidy frame of out-of-fold predictions to arrays with one row per repeat."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.measures.common import FloatArray, MeasureError


def by_repeat(
    predictions: pd.DataFrame, models: Sequence[str]
) -> tuple[pd.Index, FloatArray, dict[str, FloatArray]]:
    """Arrange a tidy frame of predictions for ``evaluate`` and ``compare``.

    Parameters
    ----------
    predictions : DataFrame
        usubjid, repeat, fold, model, y, p: one row per patient, repeat and model.
    models : sequence of str
        The models wanted.

    Returns
    -------
    usubjid : Index, shape (n,)
        Sorted.
    y : array, shape (n,)
        Outcome.
    p : mapping from model to array, shape (repeats, n)
        Predictions, repeats in sorted order.

    Raises
    ------
    MeasureError
        If a model is absent, a patient has no or more than one prediction in a repeat, or the models do not
        share patients, repeats, folds and outcomes: then their difference would not be paired.
    """
    chosen = predictions[predictions["model"].isin(models)]
    absent = sorted(set(models) - set(chosen["model"]))
    if absent:
        raise MeasureError(f"predictions: no model is called {', '.join(absent)}")
    _refuse_incomplete(chosen)
    _refuse_unpaired(chosen)
    ordered = chosen.sort_values(["model", "repeat", "usubjid"])
    patients = pd.Index(np.sort(chosen["usubjid"].unique()), name="usubjid")
    first = ordered.head(len(patients))
    p = {
        str(model): rows["p"].to_numpy(dtype=np.float64).reshape(-1, len(patients))
        for model, rows in ordered.groupby("model")
    }
    return patients, first["y"].to_numpy(dtype=np.float64), p


def _refuse_incomplete(chosen: pd.DataFrame) -> None:
    """Raise unless every model has exactly one prediction for every patient in every repeat."""
    keys = ["model", "repeat", "usubjid"]
    twice = int(chosen.duplicated(keys).sum())
    if twice:
        raise MeasureError(f"predictions: {twice} rows repeat a model, repeat and patient")
    lacking = len(chosen.groupby("model")) * chosen["repeat"].nunique() * chosen["usubjid"].nunique() - len(
        chosen
    )
    if lacking:
        raise MeasureError(f"predictions: {lacking} combinations of model, repeat and patient have no row")


def _refuse_unpaired(chosen: pd.DataFrame) -> None:
    """Raise unless a patient has one outcome, and within a repeat one fold."""
    for column, keys in (("y", ["usubjid"]), ("fold", ["usubjid", "repeat"])):
        values = len(chosen[[*keys, column]].drop_duplicates())
        differing = values - len(chosen[keys].drop_duplicates())
        if differing:
            raise MeasureError(
                f"predictions: {column} differs in {differing} rows with the same {' and '.join(keys)}"
            )
