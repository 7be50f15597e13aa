"""The whole procedure on bootstrap samples, without each centre, and on what was known at each origin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from models.procedure.backends import Backend
from models.procedure.configuration.plan import ResamplingPlan
from models.procedure.resampling import (
    FoldResult,
    Procedure,
    Progress,
    Store,
    cross_validated,
    no_predictions,
    silently,
    tidy,
)
from models.procedure.splits import (
    Split,
    apparent_split,
    bootstrap_splits,
    leave_one_out_splits,
    rolling_origin_splits,
)

MODELS = ("chosen", "rules")


def schemes(rows: pd.DataFrame, settings: ResamplingPlan, seed: int) -> dict[str, list[Split]]:
    """Return the splits of each scheme: apparent, bootstrap, temporal (rolling origin) and centre.

    Parameters
    ----------
    rows : DataFrame
        Analysis rows with siteid, rand_date and outcome_date; a study without dates has no temporal split,
        one with a single centre none to leave out.
    """
    found = {
        "apparent": [apparent_split(len(rows), seed=seed)],
        "bootstrap": bootstrap_splits(len(rows), samples=settings.bootstrap, seed=seed),
    }
    if rows["rand_date"].notna().all():
        found["temporal"] = rolling_origin_splits(
            rows["rand_date"], rows["outcome_date"], settings.origins, seed=seed
        )
    centres = rows["siteid"]
    if settings.leave_centres_out and centres.notna().all() and len(centres.unique()) > 1:
        found["centre"] = leave_one_out_splits(centres.to_numpy(dtype=object), seed=seed)
    return {scheme: splits for scheme, splits in found.items() if splits}


def resampled(
    procedures: Callable[[int], Sequence[Procedure]],
    rows: pd.DataFrame,
    y: np.ndarray,
    splits: Mapping[str, Sequence[Split]],
    backend: Backend,
    *,
    store: Store | None = None,
    progress: Progress = silently,
) -> pd.DataFrame:
    """Return scheme and the tidy predictions of every split; bootstrap models predict everyone.

    ``drawn`` counts how often the patient is in the training part: in a bootstrap sample 0, 1, 2, ... Where
    a model could not be learned from a training part, its predictions are NaN.
    """
    every = [(scheme, split) for scheme, some in splits.items() for split in some]
    results = cross_validated(
        lambda seed: [_Judged(procedure) for procedure in procedures(seed)],
        rows, y, [split for _, split in every], backend, store=store, progress=progress, may_fail=True,
    )  # fmt: skip
    models = {model for result in results for model in result.predictions if model in MODELS}
    parts = [
        _frame(scheme, result, sorted(models), rows["usubjid"].tolist(), y)
        for (scheme, _), result in zip(every, results, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).astype({"scheme": "str"})


class _Judged:
    """A procedure of which nothing is kept but what it predicts by `MODELS`: hundreds are fitted."""

    def __init__(self, procedure: Procedure) -> None:
        self.procedure = procedure

    def fit(self, X: pd.DataFrame, y: np.ndarray, **known: np.ndarray) -> Self:
        """Learn from the training part; `known` as in `Procedure`."""
        self.procedure.fit(X, y, **known)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the probabilities (n,) by the models that are judged."""
        return {model: p for model, p in self.procedure.predictions(X).items() if model in MODELS}


def nothing_resampled() -> pd.DataFrame:
    """Return the frame of `resampled` at a landmark at which nothing was learned."""
    return no_predictions().assign(scheme=pd.Series(dtype="str"), drawn=pd.Series(dtype="int64"))


def beside(candidates: pd.DataFrame, rules: pd.DataFrame) -> pd.DataFrame:
    """Return the resampled predictions of candidates and rules, split by split."""
    both = pd.concat([candidates, rules], ignore_index=True)
    splits = both.groupby(["scheme", "repeat", "fold"], sort=False).ngroup()
    return both.loc[splits.sort_values(kind="stable").index].reset_index(drop=True)


def _frame(
    scheme: str, result: FoldResult, models: Sequence[str], patients: list[str], y: np.ndarray
) -> pd.DataFrame:
    nothing = np.full(len(result.split.test), np.nan)
    kept = {model: result.predictions.get(model, nothing) for model in models}
    drawn = pd.Series(np.bincount(result.split.train, minlength=len(y)), index=patients)
    frame = tidy([FoldResult(result.split, kept)], patients, y)
    return frame.assign(scheme=scheme, drawn=frame["usubjid"].map(drawn))
