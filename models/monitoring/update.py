"""How an update of a served model is judged: in patients whom it was not learned from."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from models.evaluation.robustness import temporal_validation
from models.measures.common import MeasureDocument
from models.monitoring.recalibration import Recalibration, calibration
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.folds import stratified_folds

FloatArray = npt.NDArray[np.float64]
FOLDS = 10


def judged_on_others(
    method: Recalibration, y: FloatArray, log_odds: FloatArray, plan: ValidationPlan
) -> Mapping[str, MeasureDocument]:
    """Return calibration of the updated model in patients whom the update was not learned from.

    Each tenth of the patients is predicted for by the recalibration that the others give; measures as
    `models.evaluation.robustness.temporal_validation`, which the gates of promotion read.

    Raises
    ------
    UpdateError
        If the others of a tenth are too few for a recalibration.
    """
    p = np.empty(len(y))
    for others, tenth in stratified_folds(y, FOLDS, plan.seed):
        by = calibration(method, y[others], log_odds[others])
        p[tenth] = expit(by.intercept + by.slope * log_odds[tenth])
    return temporal_validation(pd.DataFrame({"y": y, "p": p}), plan)
