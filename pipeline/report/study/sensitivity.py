"""The primary comparison under other definitions."""

import pandas as pd

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.facts import Facts
from pipeline.report.page import TOO_FEW, count, measure, measure_of
from pipeline.report.results import Results
from pipeline.report.study.common import Part, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table


def sensitivity_part(results: Results, facts: Facts) -> Part:
    """Return the primary comparison under every other definition."""
    runs = results.sensitivity
    rows, drawn = [], []
    if not runs:
        return {}, {}
    for name, measures in runs.items():
        delta = measures.get("delta_log_loss", Estimate(reason=TOO_FEW))
        rows.append(
            {
                "run": labelled(name, measures),
                "n": count(measures.patients),
                "events": count(measures.events),
                "model": measure_of(measures, "auc_chosen"),
                "rules": measure_of(measures, "auc_rules"),
                "delta": measure(delta, 4, difference=True),
            }
        )
        if delta.has_interval:
            drawn.append(
                interval_row(
                    labelled(name, measures), delta, f"n = {measures.patients}", mark=name == "as in the run"
                )
            )
    first = next(iter(runs.values()))
    columns = {
        "run": "Run",
        "n": "n",
        "events": "pCR",
        "model": "AUC, model",
        "rules": "AUC, rules",
        "delta": f"Log loss, model minus {facts.comparator}",
    }
    if not facts.rules:
        del columns["rules"]
    charts = (
        {
            "sensitivity-runs": forest_chart(
                pd.DataFrame(drawn),
                f"Difference in log loss, model minus {facts.comparator}",
                of_model(first, "log loss"),
            )
        }
        if drawn
        else {}
    )
    table = Table.of("sensitivity-table", "The primary comparison, run by run", columns, rows)
    return charts, {"sensitivity": table}


def labelled(name: str, measures: Measures) -> str:
    """Return the name of a run; the tipping point's interval is that of what is predicted, not shifted."""
    return "missing outcomes: as the model predicts" if "shift" in measures else name
