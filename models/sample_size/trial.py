"""Whether a trial is large enough to learn a model of its candidate parameters, and to validate one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.procedure.candidates import linear_terms
from models.procedure.encoding import learn_encoding
from models.sample_size.development import development_sample_size, supported_parameters
from models.sample_size.predictor import normal_predictor
from models.sample_size.validation import validation_sample_size
from models.serving.serving import PcrModel


def candidate_parameters(
    rows: pd.DataFrame, features: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> int:
    """Return the parameters of the linear candidate before any selection: columns, splines, products."""
    learned = settings["encoding"]
    encoding = learn_encoding(
        rows,
        features,
        min_level_patients=learned["min_level_patients"],
        max_missing_share=learned["max_missing_share"],
        shrinkage=learned["imputation_shrinkage"],
    )
    coder = PcrModel({"features": features, "encoding": encoding})
    (linear,) = [entry for entry in settings["candidates"].values() if entry["kind"] == "logistic"]
    return len(linear_terms(encoding, coder.complete(coder.encode(rows)), linear))


def development(
    n: int, prevalence: float, parameters: int, settings: Mapping[str, Any], level: float
) -> dict[str, Any]:
    """Return the criteria for developing a model, what they ask for, and what the patients support."""
    limits = {name: settings[name] for name in ("shrinkage", "optimism", "margin")}
    needed = development_sample_size(parameters, prevalence, settings["c_statistic"], **limits, level=level)
    supported = supported_parameters(n, prevalence, settings["c_statistic"], **limits, level=level)
    found = {"n": n, "prevalence": prevalence, "parameters": parameters, "needed": int(needed["n"].max())}
    found |= {f"needed_{name}": int(n) for name, n in zip(needed["criterion"], needed["n"], strict=True)}
    return found | {"parameters_supported": supported, "enough": int(found["needed"] <= n)}


def validation_size(prevalence: float, settings: Mapping[str, Any], level: float) -> dict[str, int]:
    """Return the patients that an external validation needs for intervals of the configured widths."""
    widths = ("o_e_width", "slope_width", "c_statistic_width", "threshold", "net_benefit_width")
    mean, sd = normal_predictor(prevalence, settings["c_statistic"])
    needed = validation_sample_size(mean, sd, **{name: settings[name] for name in widths}, level=level)
    return {f"needed_{name}": int(n) for name, n in zip(needed["measure"], needed["n"], strict=True)}


def trial_size(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the criteria ask for at a landmark, to learn a model and to validate one.

    `rows` (n, >= features) and `y` (n,) are the landmark's analysis rows and outcome.
    """
    criteria, level, prevalence = validation["sample_size"], validation["level"], float(y.mean())
    parameters = candidate_parameters(rows, features, settings)
    return {
        "development": development(len(y), prevalence, parameters, criteria, level),
        "validation": validation_size(prevalence, criteria, level),
    }


def too_small(landmark: str, learned: Mapping[str, Any]) -> str:
    """Return the warning that the patients do not support the candidate parameters."""
    return (
        f"{landmark}: {learned['n']} patients support about {learned['parameters_supported']} candidate "
        f"parameters by Riley's criteria; the linear candidate has {learned['parameters']}, which would need "
        f"{learned['needed']} patients. Penalisation and calibration are relied on: see the slopes."
    )
