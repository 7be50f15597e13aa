"""Whether a trial is large enough to learn a model of its candidate parameters, and to validate one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.procedure.candidates import linear_terms
from models.procedure.cohort_size.development import (
    DevelopmentSize,
    development_sample_size,
    supported_parameters,
    unmet_criterion,
)
from models.procedure.cohort_size.normal import SampleSizeError
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import LogisticCandidate, ModelSettings
from models.procedure.encoding import learn_encoding
from models.procedure.landmark_features import LandmarkFeature, as_documents
from models.sample_size.documents import NotComputed, TrialSize, ValidationSize
from models.sample_size.predictor import normal_predictor
from models.sample_size.validation import validation_sample_size
from models.serving.serving import PcrModel


def candidate_parameters(
    rows: pd.DataFrame, features: Sequence[LandmarkFeature], settings: ModelSettings
) -> int:
    """Return the parameters of the linear candidate before any selection: columns, splines, products."""
    encoding = learn_encoding(rows, features, settings.encoding)
    coder = PcrModel({"features": as_documents(features), "encoding": encoding})
    (linear,) = [
        one for one in settings.candidates.values() if isinstance(one, LogisticCandidate) and not one.order
    ]
    return len(linear_terms(encoding, coder.complete(coder.encode(rows)), linear))


def development(n: int, prevalence: float, parameters: int, plan: ValidationPlan) -> DevelopmentSize:
    """Return the criteria for developing a model, what they ask for, and what the patients support."""
    criteria = plan.model_size
    limits = {
        "shrinkage": criteria.shrinkage, "optimism": criteria.optimism, "margin": plan.sample_size.margin,
        "level": plan.level,
    }  # fmt: skip
    needed = development_sample_size(parameters, prevalence, criteria.c_statistic, **limits)
    supported = supported_parameters(n, prevalence, criteria.c_statistic, **limits)
    largest, by_criterion = int(needed["n"].max()), needed.set_index("criterion")["n"]
    return {
        "n": n,
        "prevalence": prevalence,
        "parameters": parameters,
        "needed": largest,
        "needed_shrinkage": int(by_criterion["shrinkage"]),
        "needed_optimism": int(by_criterion["optimism"]),
        "needed_overall_risk": int(by_criterion["overall_risk"]),
        "parameters_supported": supported,
        "enough": int(largest <= n),
    }


def validation_size(prevalence: float, plan: ValidationPlan) -> ValidationSize:
    """Return the patients that an external validation needs for intervals of the configured widths."""
    criteria = plan.sample_size
    mean, sd = normal_predictor(prevalence, plan.model_size.c_statistic)
    needed = validation_sample_size(
        mean, sd, o_e_width=criteria.o_e_width, slope_width=criteria.slope_width,
        c_statistic_width=criteria.c_statistic_width, threshold=criteria.threshold,
        net_benefit_width=criteria.net_benefit_width, level=plan.level,
    )  # fmt: skip
    by_measure = needed.set_index("measure")["n"]
    return {
        "needed_o_e": int(by_measure["o_e"]),
        "needed_slope": int(by_measure["slope"]),
        "needed_c_statistic": int(by_measure["c_statistic"]),
        "needed_net_benefit": int(by_measure["net_benefit"]),
    }


def trial_size(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[LandmarkFeature],
    settings: ModelSettings,
    plan: ValidationPlan,
) -> TrialSize:
    """Return what the criteria ask for at a landmark, to learn a model and to validate one.

    `rows` (n, >= features) and `y` (n,) are the landmark's analysis rows and outcome. A part that cannot be
    computed, such as that of a single outcome, has ``error`` with the reason.
    """
    prevalence = float(y.mean()) if len(y) else 0.0
    parameters = candidate_parameters(rows, features, settings)
    learned: DevelopmentSize | NotComputed
    validated: ValidationSize | NotComputed
    try:
        learned = development(len(y), prevalence, parameters, plan)
    except SampleSizeError as error:
        learned = {"error": str(error)}
    try:
        validated = validation_size(prevalence, plan)
    except SampleSizeError as error:
        validated = {"error": str(error)}
    return {"development": learned, "validation": validated}


def too_small(landmark: str, learned: DevelopmentSize) -> str:
    """Return the warning that the patients do not support the candidate parameters."""
    unmet = unmet_criterion(learned)
    supported = f"no candidate parameter ({unmet})" if unmet else f"about {learned['parameters_supported']}"
    return (
        f"{landmark}: {learned['n']} patients support {supported}{'' if unmet else ' candidate parameters'} "
        f"by Riley's criteria; the linear candidate has {learned['parameters']}, which would need "
        f"{learned['needed']} patients. Penalisation and calibration are relied on: see the slopes."
    )
