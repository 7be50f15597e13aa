"""Stage judge: a landmark's measures, curves, subgroups and robustness, and the alarm at what is too good."""

import pandas as pd

from models.evaluation.curves import benefit_curves, calibration_curves, roc_curves
from models.evaluation.leakage import check_leakage
from models.evaluation.performance import judge
from models.evaluation.robustness import robustness
from models.evaluation.subgroups import heterogeneity
from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.rules.table import BRANCH
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json, write_table


def main() -> None:
    """Read predictions, judge them, sound the alarm, write the metrics and the curves."""
    args = stage_paths(
        __doc__ or "", "study", "validation", "features", "description", "cohort", "rules", "predictions",
        "resampled", "metrics", "subgroups", "robustness", "benefit", "calibration", "roc", "instability",
    )  # fmt: skip
    study, plan = read_yaml(args.study), validation_plan(read_yaml(args.validation))
    patients = pd.read_parquet(args.cohort).set_index("usubjid")
    branch = pd.read_parquet(args.rules).set_index("usubjid")[BRANCH]
    predictions = pd.read_parquet(args.predictions)
    judged = judge(predictions, patients["arm"], branch, plan)
    with reported_errors():
        check_leakage(judged, plan.leakage_alarm_auc, study["leakage_acknowledged"])
    features = pd.read_parquet(args.features).join(patients["siteid"], on="usubjid")
    described = landmark_features(read_json(args.description))
    subgroups = heterogeneity(predictions, features, described, plan)
    robust, points = robustness(pd.read_parquet(args.resampled), patients["siteid"], plan)
    curves = {
        args.benefit: benefit_curves(predictions, branch, study["de_escalated_branches"], plan),
        args.calibration: calibration_curves(predictions, plan),
        args.roc: roc_curves(predictions),
        args.instability: points,
    }
    for path, frame in curves.items():
        write_table(path, frame.round(6))
    for path, found in {args.metrics: judged, args.subgroups: subgroups, args.robustness: robust}.items():
        write_json(path, found)


if __name__ == "__main__":
    main()
