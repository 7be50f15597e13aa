"""The primary comparison under other definitions."""

import pandas as pd

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import TOO_FEW, count, explained, measure, measure_of
from pipeline.report.results import Results
from pipeline.report.study.common import Part, interval_row
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table
from pipeline.wording import OUT_OF_FOLD

PRIMARY_RUN = "as in the run"


def sensitivity_part(results: Results, facts: Facts, labels: Labels) -> Part:
    """Return the primary comparison under every other definition."""
    runs = results.sensitivity
    rows, drawn = [], []
    if not runs:
        return {}, {}
    for name, measures in runs.items():
        delta = measures.get("delta_log_loss", Estimate(reason=TOO_FEW))
        rows.append(
            {
                "run": explained(labelled(name, measures, labels), name),
                "n": count(measures.patients),
                "events": count(measures.events),
                "model": measure_of(measures, "auc_chosen"),
                "rules": measure_of(measures, "auc_rules"),
                "inputs": measure_of(measures, "auc_rule_inputs"),
                "delta": measure(delta, 4, difference=True),
                "beside": measure_of(measures, "delta_log_loss_rule_inputs", 4, difference=True),
            }
        )
        if delta.has_interval:
            drawn.append(
                interval_row(
                    labelled(name, measures, labels), delta, name, of=measures, mark=name == PRIMARY_RUN
                )
            )
    columns = {
        "run": "Run",
        "delta": f"Log loss, model minus {facts.comparator}",
        "beside": "Log loss, model minus inputs of the rules",
        "model": "AUC, model",
        "rules": "AUC, rules",
        "inputs": "AUC, inputs of the rules",
        "n": "n",
        "events": "pCR",
    }
    if not facts.rules:
        columns = {key: label for key, label in columns.items() if key not in {"rules", "inputs", "beside"}}
    charts = (
        {
            "sensitivity-runs": forest_chart(
                pd.DataFrame(drawn),
                f"Difference in log loss, model minus {facts.comparator}",
                "difference in log loss",
                OUT_OF_FOLD,
                digits=3,
            )
        }
        if drawn
        else {}
    )
    table = Table.of("sensitivity-table", "The primary comparison, run by run", columns, rows)
    return charts, {"sensitivity": table}


def labelled(name: str, measures: Measures, labels: Labels) -> str:
    """Return the name of a run; the tipping point's interval is that of what is predicted, not shifted."""
    return "missing outcomes: as the model predicts" if "shift" in measures else labels.name(name)
