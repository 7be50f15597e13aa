"""External validation: a stored model scored on another cohort, as it is; `pcr validate`.

Nothing is fitted again unless a recalibration is asked for by name, and then the figures say so. Features
that the cohort does not have are imputed by the model's own rule and are named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.assemble import assemble
from features.cohort import build_cohort
from features.errors import UserError
from features.landmarks import parse_landmarks
from models.measures.common import MeasureError
from models.measures.evaluate import calibration_intercept, evaluate
from models.procedure.calibration import recalibrate
from models.serving.serving import PcrModel, read_model
from pipeline.project.configs import read_contract, read_feature_settings, read_rules
from pipeline.project.files import read_study, read_yaml
from pipeline.sources.mapped import check_study_file
from pipeline.stages.features import require_landmark
from pipeline.stages.raw import ingest

CONFIGS = Path("configs")
MEASURES = (
    "auc", "brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e",
    "ici", "e50", "e90", "emax", "ici_null95",
)  # fmt: skip
Recalibration = Literal["none", "intercept", "logistic"]


class ExternalError(UserError):
    """A model that cannot be scored on a cohort, and what to do."""


@dataclass(frozen=True)
class ExternalValidation:
    """What the scoring found.

    `measures`: as in metrics/<landmark>.json. `absent`: features of the model that the cohort has no column
    of. `unknown_levels`: features with levels that the model does not know, and rows; they count as missing.
    """

    model: str
    simulated: bool
    patients: int
    events: int
    absent: list[str]
    unknown_levels: dict[str, int]
    recalibration: dict[str, float]
    measures: dict[str, Any]


def cohort_rows(study_file: Path, source: Path, landmark: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the features of a study's patients at risk with an outcome, and the outcome (n,).

    Raises
    ------
    ValueError
        If the study, its files or the landmark are not in order.
    """
    study = read_study(study_file)
    check_study_file(study)
    landmarks = parse_landmarks(study)
    require_landmark(landmark, landmarks)
    contract, genes = read_contract(CONFIGS / "contract"), CONFIGS / "rules" / "pam_genes.csv"
    rules = read_rules(CONFIGS / "rules" / f"{study['rules']}.yaml", genes)
    raw = ingest(study, source, contract, read_yaml(CONFIGS / "identifiers.yaml"), rules)
    cohort = build_cohort(raw.tables, study, read_yaml(CONFIGS / "eligibility.yaml")).frame
    settings = read_feature_settings(CONFIGS / "features.yaml", genes)
    frame = assemble(raw.tables, cohort, landmarks[landmark], study, settings, contract).frame
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    rows = frame.merge(known, on="usubjid").sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"].to_numpy(dtype=float)


def as_the_model_reads(rows: pd.DataFrame, model: PcrModel) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    """Return the model's features of a cohort, which are absent, and rows whose level it does not know."""
    columns: dict[str, Any] = {}
    absent, unknown = [], {}
    for feature in model.document["features"]:
        name = feature["name"]
        if name not in rows:
            absent.append(name)
            columns[name] = np.full(
                len(rows), np.nan, dtype=float if feature["kind"] == "numeric" else object
            )
            continue
        values = rows[name]
        if feature["kind"] == "categorical":
            strange = values.notna() & ~values.isin(feature["levels"])
            if strange.any():
                unknown[name] = int(strange.sum())
            values = values.mask(strange)
        columns[name] = values
    return pd.DataFrame(columns, index=rows.index), absent, unknown


def recalibrated(p: np.ndarray, y: np.ndarray, kind: Recalibration) -> tuple[np.ndarray, dict[str, float]]:
    """Return the probabilities after the recalibration asked for, and its coefficients on the log-odds."""
    if kind == "none":
        return p, {}
    margin = np.log(p / (1 - p))
    intercept, slope = (calibration_intercept(y, p), 1.0) if kind == "intercept" else recalibrate(margin, y)
    return 1 / (1 + np.exp(-(intercept + slope * margin))), {"intercept": intercept, "slope": slope}


def validate_externally(
    folder: Path, rows: pd.DataFrame, y: np.ndarray, validation: Mapping[str, Any], kind: Recalibration
) -> ExternalValidation:
    """Score a stored model on a cohort, with all measures.

    Parameters
    ----------
    folder : Path
        model.json and, for a boosted model, booster.txt.
    rows, y : DataFrame and array (n,)
        From `cohort_rows`.
    validation : mapping
        configs/validation.yaml.
    kind : str
        ``none``, or the recalibration on this very cohort: ``intercept`` or ``logistic``.

    Raises
    ------
    ExternalError
        If the cohort has too few events or non-events, or none of the features that the model uses.
    """
    if min(y.sum(), len(y) - y.sum()) < validation["min_events"]:
        raise ExternalError(
            f"{int(y.sum())} of {len(y)} patients have pCR: a validation needs at least "
            f"{validation['min_events']} with and without"
        )
    model = read_model(folder)
    frame, absent, unknown = as_the_model_reads(rows, model)
    used = {column["feature"] for column in model.document["encoding"]["columns"]}
    if used <= set(absent):
        raise ExternalError(f"the cohort has none of the {len(used)} features that {folder} uses")
    p, coefficients = recalibrated(model.probability(frame), y, kind)
    settings = {name: validation[name] for name in ("bootstrap", "level", "loess_bootstrap")}
    measures: dict[str, Any] = {}
    for name in MEASURES:
        try:
            found = evaluate(y, p, [name], rng=np.random.default_rng(validation["seed"]), **settings)
            measures[name] = found[name].as_dict()
        except MeasureError as error:
            measures[name] = {"error": str(error)}
    document = model.document
    return ExternalValidation(
        document["model"], document["simulated"], len(y), int(y.sum()),
        [name for name in absent if name in used], unknown, coefficients, measures,
    )  # fmt: skip
