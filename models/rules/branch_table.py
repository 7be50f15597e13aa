"""The protocol branch of every combination of the rules' inputs at a landmark, as a table to be served."""

import itertools
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from models.rules.decisions import branches, decide_nodes, input_levels, known_inputs
from models.rules.document import DecidedSource
from models.rules.table import RuleTable


class BranchTable(TypedDict):
    """rules/<landmark>-branches.json."""

    inputs: dict[str, list[str]]
    answers: list[list[str | None]]
    index: list[int]


def branch_table(rules: RuleTable, landmarks: Sequence[str], prefix: str = "") -> BranchTable:
    """Return what the rules answer at the last of `landmarks` for every combination of inputs.

    An input without a node in its name is taken to have had the same reading at every node up to the
    landmark. The adaptive arm's rules are asked for every combination; in other arms the branch is virtual.

    Parameters
    ----------
    rules : RuleTable
    landmarks : sequence of str
        The landmarks up to the one asked for.
    prefix : str
        Put before the names of the inputs.

    Returns
    -------
    BranchTable
        `inputs`: levels by name, "not known" last. `answers`: distinct ``[branch, status]``. `index`: the
        answer of each combination, in the order of ``itertools.product`` over the inputs. Without inputs
        (nothing is decided by then), all empty.
    """
    if landmarks[-1] not in rules.nodes:
        return {"inputs": {}, "answers": [], "index": []}
    names = _inputs(rules, landmarks)
    levels = {name: input_levels(rules, name) for name in names}
    rows = pd.DataFrame(list(itertools.product(*levels.values())), columns=names, dtype="str")
    rows.index = pd.Index([f"{k:07d}" for k in range(len(rows))], name="usubjid", dtype="str")
    cohort = pd.DataFrame({"usubjid": rows.index, "arm": rules.arm})
    inputs = pd.concat([_at_node(rules, node, rows) for node in rules.nodes]).reset_index()
    decided = decide_nodes(inputs, {}, cohort, rules)
    at = decided.loc[decided["node"] == landmarks[-1]].set_index("usubjid").reindex(rows.index)
    last = pd.DataFrame({"branch": branches(decided, landmarks[-1]), "status": at["status"]})
    pairs = list(zip(last["branch"], last["status"], strict=True))
    pairs = [(None if pd.isna(branch) else str(branch), str(status)) for branch, status in pairs]
    answers = list(dict.fromkeys(pairs))
    places = {pair: k for k, pair in enumerate(answers)}
    return {
        "inputs": {f"{prefix}{name}": list(values) for name, values in levels.items()},
        "answers": [list(pair) for pair in answers],
        "index": [places[pair] for pair in pairs],
    }


def _inputs(rules: RuleTable, landmarks: Sequence[str]) -> list[str]:
    """Return the columns of `known_inputs`, in its order."""
    blank = pd.DataFrame(
        [{"usubjid": "0", "node": node} | {name: spec.unknown for name, spec in rules.inputs.items()}
         for node in rules.nodes]
    )  # fmt: skip
    return [str(name) for name in known_inputs(blank, rules, landmarks)]


def _at_node(rules: RuleTable, node: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the inputs as a node sees them, index usubjid; what is not known yet has its word for it."""
    columns: dict[str, str | pd.Series | np.ndarray | None] = {
        "node": node,
        "arm": rules.arm,
        "missing_reasons": "",
    }
    deferred = rules.nodes[node].entry.deferred
    for name, spec in rules.inputs.items():
        if isinstance(spec.source, DecidedSource):
            continue
        column = spec.column(node)
        known = column in rows and name not in deferred
        columns[name] = rows[column] if known else np.repeat(spec.unknown, len(rows))
    return pd.DataFrame(columns, index=rows.index)
