"""External validation: a stored model judged on another cohort, as it is.

Nothing is fitted again unless a recalibration is asked for by name, and then the figures say so. Features
that the cohort does not have are imputed by the model's own rule and are named.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import UserError
from models.measures.common import MeasureDocument, MeasureError
from models.measures.evaluate import calibration_intercept, evaluate
from models.procedure.calibration import recalibrate
from models.procedure.configuration.plan import ValidationPlan
from models.serving.serving import PcrModel

MEASURES = (
    "auc", "brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e",
    "ici", "e50", "e90", "emax", "ici_mean0", "ici_null95",
)  # fmt: skip
Recalibration = Literal["none", "intercept", "logistic"]


class ExternalError(UserError):
    """A model that cannot be judged on a cohort, and what to do."""


@dataclass(frozen=True)
class ExternalValidation:
    """A stored model's performance in another cohort.

    `measures`: as in metrics/<landmark>.json. `absent`: features that the model uses and the cohort has no
    column of. `unknown_levels`: rows by feature whose level the model does not know; they count as missing.
    """

    model: str
    simulated: bool
    patients: int
    events: int
    absent: list[str]
    unknown_levels: dict[str, int]
    recalibration: dict[str, float]
    measures: dict[str, MeasureDocument]


def model_inputs(rows: pd.DataFrame, model: PcrModel) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    """Return the model's inputs of a cohort, which features are absent, and by feature rows of unknown level.

    Columns of assays stand beside the features, as far as the rows have them.
    """
    columns: dict[str, pd.Series | np.ndarray] = {}
    absent, unknown = [], {}
    for feature in model.document["features"]:
        name = feature["name"]
        if name not in rows:
            absent.append(name)
            kind = float if feature["kind"] == "numeric" else object
            columns[name] = np.full(len(rows), np.nan, dtype=kind)
            continue
        values = rows[name]
        if feature["kind"] == "categorical":
            is_unknown = values.notna() & ~values.isin(feature["levels"])
            if is_unknown.any():
                unknown[name] = int(is_unknown.sum())
            values = values.mask(is_unknown)
        columns[name] = values
    frame = pd.DataFrame(columns, index=rows.index)
    if model.blocks is not None:
        assays = {*model.blocks.batch_inputs.values(), *itertools.chain(*model.blocks.columns.values())}
        frame = pd.concat([frame, rows[[column for column in rows if column in assays]]], axis=1)
    return frame, absent, unknown


def recalibrated(p: np.ndarray, y: np.ndarray, kind: Recalibration) -> tuple[np.ndarray, dict[str, float]]:
    """Return the probabilities (n,) after a recalibration, and its coefficients on the log-odds."""
    if kind == "none":
        return p, {}
    margin = np.log(p / (1 - p))
    intercept, slope = (calibration_intercept(y, p), 1.0) if kind == "intercept" else recalibrate(margin, y)
    return 1 / (1 + np.exp(-(intercept + slope * margin))), {"intercept": intercept, "slope": slope}


def validate_externally(
    model: PcrModel, rows: pd.DataFrame, y: np.ndarray, plan: ValidationPlan, kind: Recalibration
) -> ExternalValidation:
    """Judge a stored model on a cohort, by all measures.

    Parameters
    ----------
    rows : DataFrame
        A row per patient, a column per feature; what the cohort does not have is absent.
    y : array (n,)
        The outcome, 0 or 1.
    kind : str
        ``none``, or the recalibration on this very cohort: ``intercept`` or ``logistic``.

    Raises
    ------
    ExternalError
        If the cohort has too few events or non-events, or none of the features that the model uses.
    """
    events = int(y.sum())
    if min(events, len(y) - events) < plan.min_events:
        raise ExternalError(
            f"{events} of {len(y)} patients have pCR: a validation needs at least {plan.min_events} with and "
            "without"
        )
    frame, absent, unknown = model_inputs(rows, model)
    document = model.document
    used = {column["feature"] for column in document["encoding"]["columns"]}
    if used <= set(absent):
        raise ExternalError(f"the cohort has none of the {len(used)} features that {document['model']} uses")
    p, coefficients = recalibrated(model.probability(frame), y, kind)
    return ExternalValidation(
        document["model"], document["simulated"], len(y), events,
        [name for name in absent if name in used], unknown, coefficients, measured(y, p, plan),
    )  # fmt: skip


def measured(y: np.ndarray, p: np.ndarray, plan: ValidationPlan) -> dict[str, MeasureDocument]:
    """Return every measure with its interval, or under ``error`` why it could not be computed."""
    measures: dict[str, MeasureDocument] = {}
    for name in MEASURES:
        # Each measure draws the same bootstrap samples, whichever others are asked for.
        rng = plan.generator()
        try:
            estimate = evaluate(
                y, p, [name], rng=rng, bootstrap=plan.bootstrap, level=plan.level,
                loess_bootstrap=plan.loess_bootstrap,
            )[name]  # fmt: skip
            measures[name] = estimate.as_dict()
        except MeasureError as error:
            measures[name] = {"error": str(error)}
    return measures
