"""The whole procedure on bootstrap samples, without each centre, and on the earlier patients."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.landmark_features import LandmarkFeature
from models.plan import ResamplingPlan, ValidationPlan
from models.procedure.backends import Backend
from models.procedure.comparators import Rules
from models.procedure.resampling import (
    FoldResult,
    Procedure,
    Progress,
    Split,
    Store,
    apparent_split,
    bootstrap_splits,
    cross_validate,
    leave_one_out_splits,
    outcome_strata,
    silently,
    temporal_split,
    tidy,
)
from models.procedure.response_model import ResponseModel
from models.settings import ProcedureSettings

MODELS = ("chosen", "rules")


def schemes(
    rows: pd.DataFrame, y: np.ndarray, settings: ResamplingPlan, landmark: str, seed: int
) -> dict[str, list[Split]]:
    """Return the splits of each scheme: apparent, bootstrap, temporal, and where configured centre.

    Parameters
    ----------
    rows : DataFrame
        Analysis rows with siteid and rand_date; a study without dates has no temporal split, one with a
        single centre none to leave out.
    """
    strata = outcome_strata(y, rows["arm"])
    found = {
        "apparent": [apparent_split(len(y), seed=seed)],
        "bootstrap": bootstrap_splits(len(y), samples=settings.bootstrap, seed=seed, strata=strata),
    }
    if rows["rand_date"].notna().all():
        found["temporal"] = [temporal_split(rows["rand_date"], settings.temporal_share, seed=seed)]
    if landmark in settings.centres_left_out_at and len(rows["siteid"].unique()) > 1:
        found["centre"] = leave_one_out_splits(rows["siteid"].to_numpy(dtype=object), seed=seed)
    return found


def resampled(
    rows: pd.DataFrame,
    y: np.ndarray,
    splits: Mapping[str, Sequence[Split]],
    features: Sequence[LandmarkFeature],
    settings: ProcedureSettings,
    plan: ValidationPlan,
    backend: Backend,
    *,
    store: Store | None = None,
    progress: Progress = silently,
) -> pd.DataFrame:
    """Return scheme and the tidy predictions of every split; bootstrap models predict everyone.

    ``drawn`` counts how often the patient is in the training part: in a bootstrap sample 0, 1, 2, ...
    """

    def procedures(seed: int) -> list[Procedure]:
        return [
            ResponseModel(features, settings, plan.inner_folds, seed),
            Rules(plan.branch_shrinkage),
        ]

    every = [(scheme, split) for scheme, some in splits.items() for split in some]
    results = cross_validate(
        procedures, rows, y, [split for _, split in every],
        workers=backend.workers, backend=backend.name, address=backend.address, store=store,
    )  # fmt: skip
    shown = progress(results, len(every))
    parts = [
        _frame(scheme, result, rows["usubjid"].tolist(), y)
        for (scheme, _), result in zip(every, shown, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).astype({"scheme": "str"})


def _frame(scheme: str, result: FoldResult, patients: list[str], y: np.ndarray) -> pd.DataFrame:
    kept = {model: p for model, p in result.predictions.items() if model in MODELS}
    drawn = pd.Series(np.bincount(result.split.train, minlength=len(y)), index=patients)
    frame = tidy([FoldResult(result.split, kept)], patients, y)
    return frame.assign(scheme=scheme, drawn=frame["usubjid"].map(drawn))
