"""What the strategies are worth as randomised, and what is true where patients are simulated."""

from collections.abc import Sequence

import pandas as pd

from pipeline.report.page import count, measure
from pipeline.report.results import Results
from pipeline.report.sections.common import MODEL, Part, interval_row
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table


def strategy_part(results: Results) -> Part:
    """Return the values of the strategies as randomised, beside the truth where it is known."""
    truth = results.truth.get("strategies", {})
    labels = {
        "reference": "all by {1}",
        "treated": "all by {0}",
        "difference": "difference",
        "policy": "policy by baseline features",
        "policy_gain": "policy minus the better fixed strategy",
        "policy_share": "share that the policy assigns to {0}",
    }
    rows, drawn = [], []
    n = 0
    for pair, values in results.strategies.items():
        names = pair.split("-", 1)
        n = int(values["n"]["value"])
        for key, label in labels.items():
            if key in values:
                text = label.format(*names)
                true = truth.get(pair, {}).get(key, {}).get("value")
                rows.append(
                    {
                        "what": text,
                        "value": measure(values[key]),
                        "truth": "" if true is None else f"{true:.3f}",
                    }
                )
                if "low" in values[key] and key in {"reference", "treated", "policy"}:
                    drawn.append(interval_row(text, values[key]))
    if not rows:
        return {}, {}
    columns = {"what": "Value", "value": "Estimate"} | ({"truth": "Truth of the simulation"} if truth else {})
    about = {
        "n": n,
        "events": None,
        "scale": "mean probability of pCR as delivered",
        "sampling": "cross-fitted, as randomised",
    }
    return (
        {
            "strategy-values": forest_chart(
                pd.DataFrame(drawn), "Mean probability of pCR, as delivered", about, None
            )
        },
        {
            "strategy": Table.of(
                "strategy-table", f"Value of the strategies as randomised, {count(n)} patients", columns, rows
            )
        },
    )


def truth_part(results: Results, landmarks: Sequence[str]) -> Part:
    """Return what the models are worth on patients simulated anew, beside the estimates."""
    rows = []
    for name in landmarks:
        found = results.truth.get(name)
        if found is None:
            continue
        estimated = results.landmarks[name][MODEL]
        rows.append(
            {
                "landmark": name,
                "n": count(found["n"]["value"]),
                "estimated": measure(estimated.get("auc")),
                "auc": measure(found["chosen"].get("auc")),
                "attainable": measure(found.get("attainable_auc")),
                "slope": measure(found["chosen"].get("calibration_slope"), 2),
                "o_e": measure(found["chosen"].get("o_e"), 2),
                "rules": measure(found["rules"].get("auc")),
            }
        )
    columns = {
        "landmark": "Landmark",
        "n": "New patients",
        "estimated": "AUC, out of fold",
        "auc": "AUC, truth",
        "attainable": "About the best attainable",
        "slope": "Slope, truth",
        "o_e": "O:E, truth",
        "rules": "AUC of the rules, truth",
    }
    return {}, {
        "truth": Table.of("truth-table", "The final models on patients simulated anew", columns, rows)
    } if rows else {}
