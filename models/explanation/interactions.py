"""How strongly pairs of features act together in a model, out of fold."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.explanation.documents import Interaction
from models.procedure.fold_fits import FoldFit
from models.serving.serving import PcrModel


def interaction_strengths(
    fits: Sequence[FoldFit],
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    model: str,
    patients: int,
) -> list[Interaction]:
    """Return the mean absolute interaction (calibrated log-odds) of the pairs of features that interact.

    Linear models: a product term w a b has the interaction w (a - E a)(b - E b), for all out-of-fold
    patients. Boosted models: SHAP interaction values of the first `patients` of every fit, both halves added.

    Returns
    -------
    list of Interaction
        first, second (in the model's order), mean_abs, patients (predictions it is a mean of); largest first.
    """
    by_id = features.set_index("usubjid")
    rows = predictions[predictions["model"] == model]
    total: dict[tuple[str, str], float] = defaultdict(float)
    count = 0
    for fit in fits:
        ids = rows.loc[(rows["repeat"] == fit["repeat"]) & (rows["fold"] == fit["fold"]), "usubjid"]
        served = PcrModel(fit["document"], fit["booster"])
        pairs, n = (_boosted if served.booster is not None else _linear)(
            served, by_id.loc[ids].reset_index(), patients
        )
        count += n
        for pair, values in pairs.items():
            total[pair] += float(np.abs(values).sum())
    strengths: list[Interaction] = [
        {"first": a, "second": b, "mean_abs": value / count, "patients": count}
        for (a, b), value in total.items()
        if value > 0
    ]
    return sorted(strengths, key=lambda pair: (-pair["mean_abs"], pair["first"], pair["second"]))


def _linear(model: PcrModel, frame: pd.DataFrame, _: int) -> tuple[dict[tuple[str, str], np.ndarray], int]:
    """Return the interaction of every pair with a product term, for all rows."""
    document = model.document
    if "linear" not in document:
        # A model of blocks is a sum of its columns.
        return {}, len(frame)
    columns = model.complete(model.encode(frame))
    means = document["encoding"]["mean"]
    owner = [column["feature"] for column in document["encoding"]["columns"]]
    linear = document["linear"]
    pairs: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(len(frame)))
    for term, scale, coefficient in zip(
        linear["terms"], linear["scale"], linear["coefficients"], strict=True
    ):
        if len(term["columns"]) == 2:
            a, b = term["columns"]
            centred = (columns[:, a] - means[a]) * (columns[:, b] - means[b])
            weight = document["calibration"]["slope"] * coefficient / scale
            pairs[owner[a], owner[b]] = pairs[owner[a], owner[b]] + weight * centred
    return dict(pairs), len(frame)


def _boosted(
    model: PcrModel, frame: pd.DataFrame, patients: int
) -> tuple[dict[tuple[str, str], np.ndarray], int]:
    """Return SHAP interaction values of every pair of features, for a few rows."""
    import shap  # noqa: PLC0415 - two seconds that a logistic model need not pay

    columns = model.complete(model.encode(frame.head(patients)))
    values = np.asarray(shap.TreeExplainer(model.booster).shap_interaction_values(columns))
    once = np.stack([model.by_feature(values[:, i]) for i in range(values.shape[1])], axis=1)
    both = np.stack([model.by_feature(once[:, :, j]) for j in range(once.shape[2])], axis=2)
    both = both * model.document["calibration"]["slope"]
    names = model.features
    pairs = {
        (names[i], names[j]): 2 * both[:, i, j]
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if np.any(both[:, i, j])
    }
    return pairs, len(columns)
