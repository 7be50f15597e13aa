"""Stage judge: every measure of every model at one landmark, out of fold, and its curves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from models.benefit import decision_curves
from models.measures.common import MeasureError
from models.measures.loess import FEWEST_DISTINCT, LOESS_MEASURES, distinct_predictions
from models.metrics import by_repeat, evaluate, observed_minus_expected
from models.rules import BRANCH
from pipeline.console import refusals
from pipeline.curves import calibration_curves, roc_curves
from pipeline.files import read_yaml, stage_paths, workers, write_json, write_table

MEASURES = (
    "auc", "brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e",
)  # fmt: skip
SMOOTHED = (*LOESS_MEASURES, "ici_null95")
RULES = "rules"
BENEFIT = {"de_escalation": "net_benefit", "escalation": "net_benefit_escalation"}


class LeakageAlarmError(ValueError):
    """A performance that is too good to be true."""


def shown_thresholds(validation: Mapping[str, Any]) -> list[str]:
    """Return the net-benefit measures at the thresholds that are shown among the metrics."""
    return [
        f"{BENEFIT[decision]}@{threshold:g}"
        for decision, entry in validation["thresholds"].items()
        for threshold in entry["shown"]
    ]


def judge(
    predictions: pd.DataFrame, arm: pd.Series, branch: pd.Series, validation: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return ``{model: {measure: {value, low, high}}}``; a model within an arm is named ``model@ARM``.

    Each also has ``n`` and ``events``. Groups with too few events or non-events are counted, not judged. A
    measure that cannot be computed has ``error`` with the reason instead of a value. Few distinct
    predictions have no loess measures; the rules have observed minus expected in every branch instead.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    arm, branch : Series
        Arm, and branch of the rules known at the landmark, by usubjid.
    """
    ids, y, by_model = by_repeat(predictions, sorted(predictions["model"].unique()))
    arms = arm.reindex(ids).to_numpy()
    groups = [
        (name, inside, p) for model, p in by_model.items() for name, inside in arm_groups(model, arms).items()
    ]
    # The chosen model often is one of the candidates in every fold: the same predictions are judged once.
    distinct = {(p.tobytes(), inside.tobytes()): (inside, p) for _, inside, p in groups}
    # Threads: the linear algebra and the sorting of the bootstrap release the interpreter's lock.
    judged = Parallel(n_jobs=workers(), backend="threading")(
        delayed(_judge_group)(y[inside], p[:, inside], validation) for inside, p in distinct.values()
    )
    of = dict(zip(distinct, judged, strict=True))
    found = {name: dict(of[p.tobytes(), inside.tobytes()]) for name, inside, p in groups}
    if RULES in by_model:
        known = branch.reindex(ids).fillna("none").to_numpy(dtype=object).astype(str)
        for name, inside in arm_groups(RULES, arms).items():
            found[name] |= _by_branch(y[inside], by_model[RULES][:, inside], known[inside], validation)
    return found


def arm_groups(model: str, arms: np.ndarray) -> dict[str, np.ndarray]:
    """Return which patients are meant by ``model`` (all) and by ``model@ARM``, masks of shape (n,)."""
    groups = {model: np.ones(len(arms), dtype=bool)}
    levels = sorted(set(arms))
    if len(levels) > 1:
        groups |= {f"{model}@{level}": arms == level for level in levels}
    return groups


def _judge_group(y: np.ndarray, p: np.ndarray, validation: Mapping[str, Any]) -> dict[str, Any]:
    judged: dict[str, Any] = {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}
    if min(y.sum(), len(y) - y.sum()) < validation["fewest_events"]:
        return judged
    settings = {name: validation[name] for name in ("bootstrap", "level", "loess_bootstrap")}

    def measured(names: Sequence[str]) -> dict[str, Any]:
        found = evaluate(y, p, names, rng=np.random.default_rng(validation["seed"]), **settings)
        return {name: measure.as_dict() for name, measure in found.items()}

    smoothed = SMOOTHED if distinct_predictions(p) >= FEWEST_DISTINCT else ()
    return judged | each_or_its_error(measured, [*MEASURES, *smoothed, *shown_thresholds(validation)])


def _by_branch(
    y: np.ndarray, p: np.ndarray, branch: np.ndarray, validation: Mapping[str, Any]
) -> dict[str, Any]:
    """Return observed minus expected pCR in every branch with enough patients for its interval."""
    counts = pd.Series(branch).value_counts()
    enough = np.isin(branch, counts.index[counts >= validation["fewest_events"]])
    if not enough.any():
        return {}
    table = observed_minus_expected(
        y[enough], p[:, enough], branch[enough],
        bootstrap=validation["bootstrap"], rng=np.random.default_rng(validation["seed"]),
        level=validation["level"],
    )  # fmt: skip
    return {
        f"observed_minus_expected@{row['group']}": {
            name: float(row[name]) for name in ("value", "low", "high", "n", "events", "expected")
        }
        for row in table.to_dict("records")
    }


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


def benefit_curves(
    predictions: pd.DataFrame, branch: pd.Series, de_escalated: Sequence[str], validation: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the decision curves of model, rules and the rules' allocation, of treating all and none.

    The allocation is whom the rules de-escalate: the branches `de_escalated`; escalation is all others.
    """
    ids, y, by_model = by_repeat(predictions, ["chosen", RULES])
    spared = branch.reindex(ids).isin(de_escalated).to_numpy()
    parts = []
    for decision, entry in validation["thresholds"].items():
        thresholds = np.arange(entry["from"], entry["to"] + entry["step"] / 2, entry["step"]).round(6)
        acted = spared if decision == "de_escalation" else ~spared
        strategies: dict[str, np.ndarray] = {name: by_model[name] for name in ("chosen", RULES)}
        if de_escalated:
            strategies["rules_allocation"] = acted
        parts.append(
            decision_curves(
                y, strategies, thresholds, decision,
                bootstrap=validation["bootstrap"], rng=np.random.default_rng(validation["seed"]),
                level=validation["level"],
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Read predictions, judge them, sound the alarm, write the metrics and the curves."""
    args = stage_paths(
        __doc__ or "", "study", "validation", "predictions", "cohort", "rules", "metrics", "benefit",
        "calibration", "roc",
    )  # fmt: skip
    study, validation = read_yaml(args.study), read_yaml(args.validation)
    arm = pd.read_parquet(args.cohort).set_index("usubjid")["arm"]
    branch = pd.read_parquet(args.rules).set_index("usubjid")[BRANCH]
    predictions = pd.read_parquet(args.predictions)
    judged = judge(predictions, arm, branch, validation)
    with refusals():
        sound_alarm(judged, validation["leakage_alarm_auc"], study["leakage_acknowledged"])
    curves = {
        args.benefit: benefit_curves(predictions, branch, study["de_escalated_branches"], validation),
        args.calibration: calibration_curves(predictions, validation),
        args.roc: roc_curves(predictions),
    }
    for path, frame in curves.items():
        write_table(path, frame.round(6))
    write_json(args.metrics, judged)


if __name__ == "__main__":
    main()
