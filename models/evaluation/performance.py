"""Every measure of every model at one landmark, pooled and by arm, out of fold."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from models.measures.common import MeasureDocument, MeasureError, counted
from models.measures.evaluate import by_repeat, evaluate, observed_minus_expected
from models.measures.loess import LOESS_MEASURES, MIN_DISTINCT, PERFECT_MODEL, distinct_predictions
from models.procedure.backends import side_by_side
from models.procedure.configuration.plan import ValidationPlan

MEASURES = (
    "auc", "brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e",
)  # fmt: skip
SMOOTHED = (*LOESS_MEASURES, *PERFECT_MODEL)
MODEL, RULES = "chosen", "rules"
# Before recalibration: in all patients, and only how well it is calibrated.
UNCALIBRATED = "_uncalibrated"
CALIBRATION = ("log_loss", "calibration_intercept", "calibration_slope", "o_e")
# Frequencies by branch or arm: too few distinct predictions for a smoothed curve, though folds differ.
FREQUENCIES = (RULES, "prevalence")
NO_SLOPE = "the forecasts are the frequencies of a few groups: see observed minus expected"
BENEFIT = {"de_escalation": "net_benefit", "escalation": "net_benefit_escalation"}


def shown_thresholds(plan: ValidationPlan) -> list[str]:
    """Return the net-benefit measures at the thresholds that are shown among the metrics."""
    return [
        f"{BENEFIT[decision]}@{threshold:g}"
        for decision, entry in plan.thresholds.items()
        for threshold in entry.shown
    ]


def judged_models(predictions: pd.DataFrame) -> list[str]:
    """Return the models that are judged in full, sorted: all but those before recalibration."""
    return sorted(name for name in predictions["model"].unique() if not name.endswith(UNCALIBRATED))


def judge(
    predictions: pd.DataFrame, arm: pd.Series, branch: pd.Series, plan: ValidationPlan
) -> dict[str, dict[str, MeasureDocument]]:
    """Return ``{model: {measure: {value, low, high}}}``; a model within an arm is named ``model@ARM``.

    Each also has ``n`` and ``events``. Groups with too few events or non-events are counted, not judged. A
    measure that cannot be computed has ``error`` with the reason instead of a value. The loess measures cost
    the most: every model has them in all patients, the chosen one within arms as well. Frequencies have none;
    the rules have observed minus expected in every branch instead.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    arm, branch : Series
        Arm, and branch of the rules known at the landmark, by usubjid.
    """
    ids, y, by_model = by_repeat(predictions, judged_models(predictions))
    arms = arm.reindex(ids).to_numpy()
    groups = [
        (name, inside, p) for model, p in by_model.items() for name, inside in arm_groups(model, arms).items()
    ]
    # The chosen model often is one of the candidates in every fold: the same predictions are judged once.
    distinct = {(p.tobytes(), inside.tobytes(), smoothed(name)): (inside, p) for name, inside, p in groups}
    judged = side_by_side(
        [
            partial(_judge_group, y[inside], p[:, inside], plan, smooth=smooth)
            for (_, _, smooth), (inside, p) in distinct.items()
        ]
    )
    by_predictions = dict(zip(distinct, judged, strict=True))
    by_group = {
        name: dict(by_predictions[p.tobytes(), inside.tobytes(), smoothed(name)])
        for name, inside, p in groups
    }
    for name, measures in by_group.items():
        if name.partition("@")[0] in FREQUENCIES and "calibration_slope" in measures:
            measures["calibration_slope"] = {"error": NO_SLOPE}
    before = sorted(set(predictions["model"]) - set(by_model))
    for name, p in by_repeat(predictions, before)[2].items() if before else ():
        by_group[name] = _judged(y, p, plan, CALIBRATION)
    if RULES in by_model:
        known = branch.reindex(ids).fillna("none").to_numpy(dtype=object).astype(str)
        for name, inside in arm_groups(RULES, arms).items():
            by_group[name] |= _by_branch(y[inside], by_model[RULES][:, inside], known[inside], plan)
    return by_group


def arm_groups(model: str, arms: np.ndarray) -> dict[str, np.ndarray]:
    """Return which patients are meant by ``model`` (all) and by ``model@ARM``, masks of shape (n,)."""
    groups = {model: np.ones(len(arms), dtype=bool)}
    levels = sorted(set(arms))
    if len(levels) > 1:
        groups |= {f"{model}@{level}": arms == level for level in levels}
    return groups


def smoothed(name: str) -> bool:
    """Say whether a model, or a model within an arm, has a smoothed calibration curve."""
    model, _, within = name.partition("@")
    return model == MODEL or not (within or model in FREQUENCIES)


def _judge_group(
    y: np.ndarray, p: np.ndarray, plan: ValidationPlan, *, smooth: bool
) -> dict[str, MeasureDocument]:
    curve = SMOOTHED if smooth and distinct_predictions(p) >= MIN_DISTINCT else ()
    return _judged(y, p, plan, [*MEASURES, *curve, *shown_thresholds(plan)])


def _judged(
    y: np.ndarray, p: np.ndarray, plan: ValidationPlan, names: Sequence[str]
) -> dict[str, MeasureDocument]:
    return counted(y) | (measured(y, p, plan, names) if plan.judges(y) else {})


def measured(
    y: np.ndarray, p: np.ndarray, plan: ValidationPlan, names: Sequence[str]
) -> dict[str, MeasureDocument]:
    """Return the measures of predictions (n,) or (repeats, n), each with its interval or its error."""

    def compute(names: Sequence[str]) -> dict[str, MeasureDocument]:
        # A stage that smooths nothing need not know how many samples the smoothing takes.
        smoothing = plan.loess_bootstrap if set(SMOOTHED) & set(names) else 0
        measures = evaluate(
            y, p, names, bootstrap=plan.bootstrap, rng=plan.generator(), level=plan.level,
            loess_bootstrap=smoothing,
        )  # fmt: skip
        return {name: measure.as_dict() for name, measure in measures.items()}

    return each_or_its_error(compute, names)


def _by_branch(
    y: np.ndarray, p: np.ndarray, branch: np.ndarray, plan: ValidationPlan
) -> dict[str, MeasureDocument]:
    """Return observed minus expected pCR in every branch with enough patients for its interval."""
    counts = pd.Series(branch).value_counts()
    enough = np.isin(branch, counts.index[counts >= plan.min_events])
    if not enough.any():
        return {}
    try:
        table = observed_minus_expected(
            y[enough], p[:, enough], branch[enough],
            bootstrap=plan.bootstrap, rng=plan.generator(),
            level=plan.level,
        )  # fmt: skip
    except MeasureError as error:
        return {"observed_minus_expected": {"error": str(error)}}
    return {
        f"observed_minus_expected@{row['group']}": {
            "value": float(row["value"]), "low": float(row["low"]), "high": float(row["high"]),
            "n": float(row["n"]), "events": float(row["events"]), "expected": float(row["expected"]),
        }
        for row in table.to_dict("records")
    }  # fmt: skip


def each_or_its_error(
    compute: Callable[[Sequence[str]], dict[str, MeasureDocument]], names: Sequence[str], prefix: str = ""
) -> dict[str, MeasureDocument]:
    """Compute all measures at once; where that fails, one by one, with ``{error: reason}`` where one cannot.

    The bootstrap samples follow from the seed, so both ways give the same numbers.
    """
    try:
        return compute(names)
    except MeasureError as error:
        if len(names) == 1:
            return {f"{prefix}{names[0]}": {"error": str(error)}}
    by_name: dict[str, MeasureDocument] = {}
    for name in names:
        by_name |= each_or_its_error(compute, [name], prefix)
    return by_name
