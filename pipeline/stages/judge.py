"""Stage judge: a landmark's measures, curves, subgroups and robustness, and the alarm at what is too good."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.documents.branch import BRANCH
from models.evaluation.bootstrap_curves import COLUMNS, RISK_COLUMNS, bootstrap_curves, risks_by_outcome
from models.evaluation.centres import clustered_by_centre
from models.evaluation.curves import benefit_curves, calibration_curves, roc_curves
from models.evaluation.headline import headline
from models.evaluation.leakage import check_leakage
from models.evaluation.learning_uncertainty import learning_uncertainty
from models.evaluation.performance import MEASURES, MODEL, SMOOTHED, judge
from models.evaluation.robustness import robustness
from models.evaluation.scores import score_parts, value_of_patients
from models.evaluation.subgroups import heterogeneity
from models.measures.common import MeasureDocument, counted
from models.procedure.analysis_set import analysis_rows, with_arm
from models.procedure.backends import side_by_side
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.landmark_features import landmark_features
from pipeline.project import paths
from pipeline.project.files import write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.FEATURES, paths.FEATURE_LIST, paths.COHORT, paths.BRANCHES, paths.PREDICTIONS, paths.RESAMPLED,
        paths.MEASURES_PLAN,
    ),
    writes=(
        paths.METRICS, paths.MEASURES, paths.SUBGROUPS, paths.ROBUSTNESS,
        paths.BENEFIT_CURVE, paths.CALIBRATION_CURVE, paths.ROC_CURVE, paths.INSTABILITY_CURVE,
        paths.BOOTSTRAP_CURVE, paths.RISK_CURVE,
    ),
    params={
        paths.STUDY: ("de_escalated_branches", "leakage_acknowledged", "thresholds"),
        paths.VALIDATION: (
            "bootstrap", "leakage_alarm_auc", "level", "loess_bootstrap", "min_events", "seed",
        ),
    },
    items=("landmark",),
)  # fmt: skip


CURVE_COLUMNS = {
    paths.BENEFIT_CURVE: ["decision", "strategy", "threshold", "value", "low", "high"],
    paths.CALIBRATION_CURVE: ["model", "predicted", "observed", "low", "high"],
    paths.ROC_CURVE: ["model", "false_positive_rate", "true_positive_rate"],
    paths.INSTABILITY_CURVE: ["original", "prediction"],
    paths.BOOTSTRAP_CURVE: [*COLUMNS],
    paths.RISK_CURVE: [*RISK_COLUMNS],
}


def write_not_judged(run: Run, plan: ValidationPlan, y: np.ndarray) -> None:
    """Write the results of a landmark at which no model was learned: counts, the reason, and no curves."""
    reason = plan.too_few(y)
    nothing: dict[str, MeasureDocument] = {name: {"error": reason} for name in (*MEASURES, *SMOOTHED)}
    measures = {MODEL: counted(y) | nothing}
    write_json(run.path(paths.METRICS), headline(measures, plan.headline))
    write_json(run.path(paths.MEASURES), measures)
    for place in (paths.SUBGROUPS, paths.ROBUSTNESS):
        write_json(run.path(place), {})
    for place, columns in CURVE_COLUMNS.items():
        write_table(run.path(place), pd.DataFrame(columns=columns))


def main(run: Run) -> None:
    """Read predictions, judge them, sound the alarm, write the measures and the curves."""
    study = run.study()
    patients = run.table(paths.COHORT).set_index("usubjid")
    plan = validation_plan(run.params(paths.VALIDATION), run.yaml(paths.MEASURES_PLAN))
    plan = plan.at_thresholds(study.thresholds, patients["outcome"].mean())
    branch = run.table(paths.BRANCHES).set_index("usubjid")[BRANCH]
    predictions = run.table(paths.PREDICTIONS)
    features = with_arm(run.table(paths.FEATURES), run.table(paths.COHORT))
    if predictions.empty:
        write_not_judged(run, plan, analysis_rows(features, run.table(paths.COHORT))[1])
        return
    measures = judge(predictions, patients["arm"], branch, plan)
    check_leakage(measures, plan.leakage_alarm_auc, study.leakage_acknowledged)
    for name, parts in score_parts(predictions).items():
        measures[name] |= parts
    measures[MODEL] |= value_of_patients(predictions, plan)
    features = features.join(patients["siteid"], on="usubjid")
    resampled, centre = run.table(paths.RESAMPLED), patients["siteid"]
    clustered = clustered_by_centre(predictions, centre, plan)
    learning = learning_uncertainty(predictions, resampled, patients["arm"], plan)
    described = landmark_features(run.json(paths.FEATURE_LIST))
    calls: dict[str, Callable[[], Any]] = {
        paths.ROBUSTNESS: partial(robustness, resampled, centre, clustered, learning, plan),
        paths.SUBGROUPS: partial(heterogeneity, predictions, features, described, plan),
        paths.BENEFIT_CURVE: partial(benefit_curves, predictions, branch, study.de_escalated_branches, plan),
        paths.CALIBRATION_CURVE: partial(calibration_curves, predictions, plan),
        paths.ROC_CURVE: partial(roc_curves, predictions),
        paths.BOOTSTRAP_CURVE: partial(bootstrap_curves, resampled, plan),
        paths.RISK_CURVE: partial(risks_by_outcome, predictions, plan),
    }
    found = dict(zip(calls, side_by_side(list(calls.values())), strict=True))
    found[paths.ROBUSTNESS], found[paths.INSTABILITY_CURVE] = found[paths.ROBUSTNESS]
    for place in CURVE_COLUMNS:
        write_table(run.path(place), found[place].round(6))
    results = {
        paths.METRICS: headline(measures, plan.headline),
        paths.MEASURES: measures,
        paths.SUBGROUPS: found[paths.SUBGROUPS],
        paths.ROBUSTNESS: found[paths.ROBUSTNESS],
    }
    for place, content in results.items():
        write_json(run.path(place), content)


if __name__ == "__main__":
    STAGE.run(main)
