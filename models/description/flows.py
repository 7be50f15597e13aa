"""How patients went from ctDNA at each visit over their protocol branch to the outcome."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd

from models.description.documents import Flow, Flows

RESULTS = ("negative", "positive")
NO_RESULT = "no_result"
OUTCOMES = {1.0: "pCR", 0.0: "no pCR"}
BRANCH, OUTCOME = "branch", "outcome"


def flows(states: Mapping[str, pd.Series], branches: pd.Series, outcome: pd.Series) -> Flows | None:
    """Return who went from which level of a stage to which of the next; None without two visits or patients.

    Parameters
    ----------
    states : mapping of Series
        State of ctDNA by visit, in order, index usubjid; what is neither negative nor positive is no result.
    branches : Series
        Branch of the patients at risk at the first node that decides; without any, all patients are counted
        who have a state at every visit.
    outcome : Series
        1, 0 or missing; patients whose outcome is missing are not counted.
    """
    if len(states) < 2:
        return None
    table = pd.DataFrame(
        {visit: series.where(series.isin(RESULTS), NO_RESULT) for visit, series in states.items()}
    )
    table = table.loc[table.notna().all(axis=1)]
    if len(branches):
        table = table.reindex(branches.index.intersection(table.index)).assign(**{BRANCH: branches})
    table = table.assign(**{OUTCOME: outcome.map(OUTCOMES)}).dropna()
    if table.empty:
        return None
    stages = [str(stage) for stage in table]
    return {
        "stages": stages,
        "patients": len(table),
        "events": int((table[OUTCOME] == OUTCOMES[1.0]).sum()),
        "flows": [flow for first, second in pairwise(stages) for flow in _between(table, first, second)],
    }


def _between(table: pd.DataFrame, first: str, second: str) -> Sequence[Flow]:
    sizes = table.groupby([first, second]).size().reset_index(name="patients")
    return [
        {"stage": first, "source": str(source), "target": str(target), "patients": int(n)}
        for source, target, n in sizes.itertuples(index=False, name=None)
    ]
