"""The value of the strategies as randomised, and the truth where patients are simulated."""

from collections.abc import Sequence

import pandas as pd

from pipeline.project.estimates import Measures
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import count, decimal, measure
from pipeline.report.results import MODEL, RULES, Results
from pipeline.report.study.common import Part, interval_row
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table

LABELS = {
    "reference": "all by {1}",
    "treated": "all by {0}",
    "difference": "all by {0} minus all by {1}",
    "policy": "policy by baseline features",
    "policy_minus_reference": "policy minus all by {1}",
    "policy_minus_treated": "policy minus all by {0}",
    "policy_share": "share that the policy assigns to {0}",
}
DRAWN = ("reference", "treated", "policy")
DIFFERENCES = {key: label for key, label in LABELS.items() if " minus " in label}


def strategy_part(results: Results, labels: Labels) -> Part:
    """Return the values of the strategies as randomised, beside the truth where it is known."""
    truth = results.true_strategies
    rows, drawn = [], []
    n = 0
    for pair, measures in results.strategies.items():
        names = [labels.name(arm) for arm in pair.split("-", 1)]
        n = measures.patients
        for key, label in LABELS.items():
            if key not in measures:
                continue
            text, true = label.format(*names), truth.get(pair, Measures()).get(key)
            apart = key in DIFFERENCES
            shown = "" if true is None else decimal(true.point, 3, signed=apart)
            rows.append({"what": text, "value": measure(measures[key], difference=apart), "truth": shown})
            if key in DRAWN and measures[key].has_interval:
                drawn.append(interval_row(text, measures[key], pair, of=measures))
    if not rows:
        return {}, {}
    columns = {"what": "Value", "value": "Estimate"} | ({"truth": "Truth of the simulation"} if truth else {})
    return (
        {
            "strategy-values": forest_chart(
                pd.DataFrame(drawn),
                "Mean probability of pCR, as delivered",
                "mean probability of pCR as delivered",
                "cross-fitted, as randomised",
                None,
            )
        }
        if drawn
        else {},
        {
            "strategy": Table.of(
                "strategy-table", f"Value of the strategies as randomised, {count(n)} patients", columns, rows
            )
        },
    )


def truth_part(results: Results, landmarks: Sequence[str], facts: Facts, labels: Labels) -> Part:
    """Return the models' performance on patients simulated anew, beside the estimates."""
    rows = []
    for name in landmarks:
        truth = results.truth.get(name)
        if truth is None:
            continue
        model, rules = truth.measures(MODEL), truth.measures(RULES)
        rows.append(
            {
                "landmark": labels.name(name),
                "n": count(truth.patients),
                "estimated": measure(results.landmarks[name][MODEL].get("auc")),
                "auc": measure(model.get("auc")),
                "attainable": measure(truth.attainable_auc),
                "slope": measure(model.get("calibration_slope"), 2),
                "o_e": measure(model.get("o_e"), 2),
                "rules": measure(rules.get("auc")),
            }
        )
    columns = {
        "landmark": "Landmark",
        "n": "New patients",
        "estimated": "AUC, out of fold",
        "auc": "AUC, truth",
        "attainable": "Best attainable AUC, approximately",
        "slope": "Slope, truth",
        "o_e": "O:E, truth",
        "rules": "AUC of the rules, truth",
    }
    if not facts.rules:
        del columns["rules"]
    return {}, {
        "truth": Table.of("truth-table", "The final models on patients simulated anew", columns, rows)
    } if rows else {}
