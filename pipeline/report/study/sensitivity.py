"""The primary comparison under other definitions."""

import pandas as pd

from pipeline.report.page import count, measure
from pipeline.report.results import Results
from pipeline.report.study.common import Part, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table


def sensitivity_part(results: Results) -> Part:
    """Return the primary comparison under every other definition."""
    runs = results.sensitivity
    rows, drawn = [], []
    for name, measures in runs.items():
        delta = measures["delta_log_loss"]
        rows.append(
            {
                "run": name,
                "n": count(measures.patients),
                "events": count(measures.events),
                "model": measure(measures.get("auc_chosen")),
                "rules": measure(measures.get("auc_rules")),
                "delta": measure(delta, 4, difference=True),
            }
        )
        if delta.has_interval:
            drawn.append(interval_row(name, delta, f"n = {measures.patients}", mark=name == "as in the run"))
    if not drawn:
        return {}, {}
    first = next(iter(runs.values()))
    columns = {
        "run": "Run",
        "n": "n",
        "events": "pCR",
        "model": "AUC, model",
        "rules": "AUC, rules",
        "delta": "Log loss, model minus rules",
    }
    return (
        {
            "sensitivity-runs": forest_chart(
                pd.DataFrame(drawn), "Difference in log loss, model minus rules", of_model(first, "log loss")
            )
        },
        {"sensitivity": Table.of("sensitivity-table", "The primary comparison, run by run", columns, rows)},
    )
