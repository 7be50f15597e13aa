"""Stage judge: every measure of every model at one landmark, out of fold, pooled and by arm."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.measures.common import Measure, MeasureError
from models.metrics import by_repeat, evaluate
from pipeline.console import refusals
from pipeline.files import read_yaml, stage_paths, write_json

FEWEST = 10
MEASURES = (
    "auc", "brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e",
)  # fmt: skip


class LeakageAlarmError(ValueError):
    """A performance that is too good to be true."""


def judge(
    predictions: pd.DataFrame, arm: pd.Series, *, bootstrap: int, level: float, seed: int
) -> dict[str, dict[str, Any]]:
    """Return ``{model: {measure: {value, low, high}}}``; a model within an arm is named ``model@ARM``.

    Each also has ``n`` and ``events``. Groups with fewer than 10 events or non-events are counted, not
    judged. A measure that cannot be computed has ``error`` with the reason instead of a value.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    arm : Series
        Arm by usubjid.
    """
    judged = {}
    ids, y, by_model = by_repeat(predictions, sorted(predictions["model"].unique()))
    arms = arm.reindex(ids).to_numpy()
    for model, p in by_model.items():
        for name, inside in arm_groups(model, arms).items():
            judged[name] = _judge_group(y[inside], p[:, inside], bootstrap=bootstrap, level=level, seed=seed)
    return judged


def arm_groups(model: str, arms: np.ndarray) -> dict[str, np.ndarray]:
    """Return which patients are meant by ``model`` (all) and by ``model@ARM``, masks of shape (n,)."""
    groups = {model: np.ones(len(arms), dtype=bool)}
    levels = sorted(set(arms))
    if len(levels) > 1:
        groups |= {f"{model}@{level}": arms == level for level in levels}
    return groups


def _judge_group(y: np.ndarray, p: np.ndarray, *, bootstrap: int, level: float, seed: int) -> dict[str, Any]:
    judged: dict[str, Any] = {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}
    if min(y.sum(), len(y) - y.sum()) < FEWEST:
        return judged

    def measured(names: Sequence[str]) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        found = evaluate(y, p, names, bootstrap=bootstrap, rng=rng, level=level)
        return {name: as_json(measure) for name, measure in found.items()}

    return judged | each_or_its_error(measured, MEASURES)


def each_or_its_error(
    compute: Callable[[Sequence[str]], dict[str, Any]], names: Sequence[str], prefix: str = ""
) -> dict[str, Any]:
    """Compute all measures at once; where that fails, one by one, with ``{error: reason}`` where one cannot.

    The bootstrap samples follow from the seed, so both ways give the same numbers.
    """
    try:
        return compute(names)
    except MeasureError as error:
        if len(names) == 1:
            return {f"{prefix}{names[0]}": {"error": str(error)}}
    found: dict[str, Any] = {}
    for name in names:
        found |= each_or_its_error(compute, [name], prefix)
    return found


def as_json(measure: Measure) -> dict[str, float]:
    """Return value, low and high; a measure without interval has the value only."""
    interval = {"low": measure.low, "high": measure.high}
    return {"value": measure.value, **{name: x for name, x in interval.items() if x is not None}}


def sound_alarm(judged: Mapping[str, Mapping[str, Any]], limit: float, acknowledged: str) -> None:
    """Raise if an AUC is above `limit`, unless the study file acknowledges it with a reason.

    Raises
    ------
    LeakageAlarmError
        Naming the models and what to do.
    """
    suspects = [m for m, measures in judged.items() if measures.get("auc", {}).get("value", 0.0) > limit]
    if suspects and not acknowledged:
        raise LeakageAlarmError(
            f"AUC above {limit} by {', '.join(suspects)}: look for a feature that knows the outcome. "
            "If it is true, write why into leakage_acknowledged of configs/study.yaml"
        )


def main() -> None:
    """Read predictions, judge them, sound the alarm, write the metrics."""
    args = stage_paths(__doc__ or "", "study", "validation", "predictions", "cohort", "metrics")
    study, validation = read_yaml(args.study), read_yaml(args.validation)
    arm = pd.read_parquet(args.cohort).set_index("usubjid")["arm"]
    judged = judge(
        pd.read_parquet(args.predictions),
        arm,
        bootstrap=validation["bootstrap"],
        level=validation["level"],
        seed=validation["seed"],
    )
    with refusals():
        sound_alarm(judged, validation["leakage_alarm_auc"], study["leakage_acknowledged"])
    write_json(args.metrics, judged)


if __name__ == "__main__":
    main()
