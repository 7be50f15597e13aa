"""Net benefit by dcurves, from performance_*.csv into net_benefit_dcurves.csv; run in this folder.

uv run --no-project --with dcurves==1.1.7 --with "pandas<3" python net_benefit_dcurves.py
"""

from importlib.metadata import version
from pathlib import Path

import pandas as pd
from dcurves import dca

HERE = Path(__file__).parent
THRESHOLDS = [0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85]


def curves(dataset: str) -> pd.DataFrame:
    """Return both decisions' net benefit of the two models and of acting on all."""
    data = pd.read_csv(HERE / f"performance_{dataset}.csv")
    reverse = pd.DataFrame({"y": 1 - data["y"], "p_a": 1 - data["p_a"], "p_b": 1 - data["p_b"]}).round(9)
    parts = []
    for decision, frame in (("de_escalation", data), ("escalation", reverse)):
        table = dca(data=frame, outcome="y", modelnames=["p_a", "p_b"], thresholds=THRESHOLDS)
        parts.append(table.assign(dataset=dataset, decision=decision))
    return pd.concat(parts)


if __name__ == "__main__":
    columns = ["dataset", "decision", "model", "threshold", "net_benefit"]
    table = pd.concat(curves(dataset) for dataset in ("40", "500", "ties"))[columns]
    table.assign(dcurves=version("dcurves")).to_csv(HERE / "net_benefit_dcurves.csv", index=False)
