"""The interval of a patient's risk: how far apart models of other samples of patients would put it.

Every bootstrap sample of the patients gave a model of its own, by the whole procedure. How they differ is
described by the columns of the model that is served: a new patient's interval needs one small matrix.
"""

import numpy as np
import pandas as pd
from scipy.special import logit, ndtri
from sklearn.linear_model import RidgeCV

from models.procedure.configuration.settings import IntervalSettings
from models.serving.serving import IntervalDocument, PcrModel

MODEL = "chosen"
RIDGES = np.logspace(-2, 5, 22)


def bootstrap_log_odds(resampled: pd.DataFrame) -> np.ndarray:
    """Return the log-odds of every patient, sorted by id, by each sample's model, shape (samples, n).

    Samples from which no model could be learned are left out.

    Parameters
    ----------
    resampled : DataFrame
        Written by the stage resample: scheme, model, repeat, usubjid, p.
    """
    rows = resampled.loc[(resampled["scheme"] == "bootstrap") & (resampled["model"] == MODEL)]
    p = rows.pivot_table("p", "repeat", "usubjid", dropna=False).to_numpy(dtype=float)
    return np.asarray(logit(p[~np.isnan(p).any(axis=1)]))


def patient_interval(
    model: PcrModel, rows: pd.DataFrame, y: np.ndarray, log_odds: np.ndarray, settings: IntervalSettings
) -> IntervalDocument | None:
    """Return what serving needs to put an interval around a patient's risk; None from too few samples.

    The samples' log-odds minus their mean are regressed on the standardised columns of the served model, and
    on what each assay adds to its log-odds where it is one of blocks,
    (ridge; the penalty with the least leave-one-out error). With C the coefficients, (1 + columns, samples),
    a patient with the columns z has the variance ``|C' (1, z)|^2 / (samples - 1) + rest^2``: `rest` is what
    the columns do not tell of the samples' differences. C is kept in so many of its principal directions
    among the training patients that these hold `settings.held` of its variance; the others are rest.

    What the models of all samples miss alike (a form that is too simple, a penalty that draws all of them to
    the mean) no spread between them shows, and it is more where fewer patients were learned from: with m
    patients of the rarer outcome, the variance ``misfit^2 + small_sample^2 / m`` is added to that of `rest`.
    Both were set by simulation, and how often the intervals hold the patients' true risks is published
    (docs/patient-intervals.md).

    Parameters
    ----------
    model : PcrModel
        The model that is served.
    rows : DataFrame (n, >= features)
        Its training patients, sorted by id.
    y : array of 0 and 1, shape (n,)
        Their outcomes.
    log_odds : array, shape (samples, n)
        See `bootstrap_log_odds`.
    settings : IntervalSettings
        Level, misfit and its growth, and the smallest number of samples.
    """
    samples = len(log_odds)
    if samples < settings.min_samples or not model.document["encoding"]["columns"]:
        return None
    completed = model.complete(model.encode(rows))
    columns = model.describing(completed, model.standardised(completed), model.assay_values(rows))
    differences = (log_odds - log_odds.mean(axis=0)).T
    ridge = RidgeCV(RIDGES, store_cv_results=True).fit(columns, differences)
    chosen = int(np.argmin(np.abs(RIDGES - ridge.alpha_)))
    unexplained = ridge.cv_results_[..., chosen].sum() / (len(rows) * (samples - 1))
    coefficients = np.vstack([ridge.intercept_, ridge.coef_.T]) / np.sqrt(samples - 1)
    _, size, directions = np.linalg.svd(
        np.column_stack([np.ones(len(rows)), columns]) @ coefficients, full_matrices=False
    )
    share = np.cumsum(size**2) / max((size**2).sum(), np.finfo(float).tiny)
    kept = int(np.searchsorted(share, settings.held)) + 1
    rest = unexplained + (size[kept:] ** 2).sum() / len(rows)
    misfit = settings.misfit**2 + settings.small_sample**2 / min(np.sum(y), np.sum(1 - y))
    return {
        "method": "bootstrap models of the whole procedure",
        "level": settings.level,
        "samples": samples,
        "width": float(ndtri((1 + settings.level) / 2)),
        "spread": (coefficients @ directions[:kept].T).T.tolist(),
        "rest": float(np.sqrt(rest + misfit)),
    }
