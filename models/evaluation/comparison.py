"""Paired differences between models at a landmark, and what each domain and landmark adds."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypedDict

import numpy as np
import pandas as pd

from features.documents.study import PrimaryComparison
from models.evaluation.performance import arm_groups, each_or_its_error, measured, shown_thresholds
from models.measures.common import MeasureDocument, counted
from models.measures.evaluate import by_repeat, compare
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.domain_sets import ALL, WITHOUT

MODEL, RULES = "chosen", "rules"
MEASURES = ("auc", "brier", "log_loss")
# Model, and the simpler one that it is compared with, where both were fitted.
PAIRS = (
    (MODEL, RULES), (MODEL, "prevalence"), (MODEL, "rule_inputs"), ("rule_inputs", RULES),
    ("logistic", RULES), ("lightgbm", RULES), ("lightgbm", "logistic"),
)  # fmt: skip


class DeclaredDocument(TypedDict):
    """The primary comparison, as the study file declares it."""

    landmark: str
    arm: str | None
    metric: str
    model: str
    against: str


class PrimaryDocument(TypedDict):
    """The declared comparison and its result."""

    declared: DeclaredDocument
    result: MeasureDocument


def differences(
    predictions: pd.DataFrame, arm: pd.Series, plan: ValidationPlan
) -> dict[str, dict[str, MeasureDocument]]:
    """Return ``{model-rules: {delta_measure: {value, low, high}}}``, and ``model-rules@ARM`` within arms.

    Differences are on the same patients, folds and repeats. Groups with too few events or non-events are
    counted only.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions of the models and the comparators.
    arm : Series
        Arm by usubjid.
    """
    if predictions.empty:
        return {}
    ids, y, by_model = by_repeat(predictions, sorted(predictions["model"].unique()))
    arms = arm.reindex(ids).to_numpy()
    result: dict[str, dict[str, MeasureDocument]] = {}
    for a, b in ((a, b) for a, b in PAIRS if a in by_model and b in by_model):
        for name, inside in arm_groups(f"{a}-{b}", arms).items():
            result[name] = paired_differences(y[inside], by_model[a][:, inside], by_model[b][:, inside], plan)
    return result


def paired_differences(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, plan: ValidationPlan
) -> dict[str, MeasureDocument]:
    """Return what predictions `a` (repeats, n) have more than `b`, on the outcomes `y` (n,), by measure."""
    if not plan.judges(y):
        return counted(y)

    def differences_of(names: Sequence[str]) -> dict[str, MeasureDocument]:
        compared = compare(y, a, b, names, bootstrap=plan.bootstrap, rng=plan.generator(), level=plan.level)
        return {key: measure.as_dict() for key, measure in compared.items()}

    names = [*MEASURES, *shown_thresholds(plan)]
    return counted(y) | each_or_its_error(differences_of, names, prefix="delta_")


def added_by_domains(
    predictions: pd.DataFrame, plan: ValidationPlan
) -> dict[str, dict[str, MeasureDocument]]:
    """Return what each domain adds to those before it, and to all others; and each set's adequacy.

    Adequacy is the share of the whole set's gain in log-likelihood over the prevalence that a set reaches
    (Harrell, Regression Modeling Strategies, 9.8.1), here out of fold, so that it may leave [0, 1].
    """
    if predictions.empty:
        return {}
    ids, y, by_set = by_repeat(predictions, sorted(predictions["model"].unique()))
    del ids
    differ = partial(paired_differences, plan=plan)
    names = predictions["model"].unique()
    growing = sorted((name for name in names if name != ALL and not name.startswith(WITHOUT)), key=len)
    order = [*growing, ALL]
    added = {f"{a}-{b}": differ(y, by_set[a], by_set[b]) for b, a in pairwise(order)}
    for name in sorted(set(names) - set(order)):
        added[f"{ALL}-{name}"] = differ(y, by_set[ALL], by_set[name])
    loss = {name: float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))) for name, p in by_set.items()}
    null = float(-np.mean(y * np.log(y.mean()) + (1 - y) * np.log1p(-y.mean())))
    gain = null - loss[ALL]
    added["adequacy"] = {
        name: {"value": (null - value) / gain} if gain else {"error": "all domains together gain nothing"}
        for name, value in sorted(loss.items())
    }
    return added


def on_common_patients(
    by_landmark: Mapping[str, pd.DataFrame], plan: ValidationPlan
) -> dict[str, MeasureDocument | dict[str, MeasureDocument]]:
    """Return the model at every landmark on the patients at risk at all, each against the one before.

    Folds differ between landmarks; the differences are paired by patient alone.
    """
    arranged = {name: by_repeat(frame, [MODEL]) for name, frame in by_landmark.items() if not frame.empty}
    if not arranged:
        return {}
    common = sorted(set.intersection(*(set(ids) for ids, _, _ in arranged.values())))
    p, y = {}, np.empty(0)
    for name, (ids, outcome, by_model) in arranged.items():
        places = ids.get_indexer(pd.Index(common))
        p[name], y = by_model[MODEL][:, places], outcome[places]
    if not plan.judges(y):
        return {**counted(y)}
    return {
        **counted(y),
        **{name: measured(y, predicted, plan, MEASURES) for name, predicted in p.items()},
        **{f"{a}-{b}": paired_differences(y, p[a], p[b], plan) for b, a in pairwise(p)},
    }


def primary_comparison(
    declared: PrimaryComparison, by_landmark: Mapping[str, Mapping[str, Mapping[str, MeasureDocument]]]
) -> PrimaryDocument:
    """Return the comparison that the study declares as its primary one, with what it is."""
    name = f"{declared.model}-{declared.against}"
    if declared.arm:
        name = f"{name}@{declared.arm}"
    landmark = declared.landmark
    compared = by_landmark[landmark].get(name)
    if compared is None:
        reason = f"{name}: there are no predictions of both at {landmark}"
    else:
        reason = f"{name}: too few events or non-events at {landmark} to be judged"
    unavailable: MeasureDocument = {"error": reason}
    return {
        "declared": {
            "landmark": declared.landmark,
            "arm": declared.arm,
            "metric": declared.metric,
            "model": declared.model,
            "against": declared.against,
        },
        "result": (compared or {}).get(f"delta_{declared.metric}", unavailable),
    }
