"""From raw tables to the inputs of a decision table, as they were known on the day of the decision.

Every input has a level, or its word for "not known" and the reason: not planned, not done, not evaluable,
outside the window, reported after the decision, by another method. None of these is ever turned into a level.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from features.definitions import target_sums
from features.errors import PipelineFault
from models.rules.ctdna import ctdna, mutation
from models.rules.document import (
    CtdnaSource,
    DecidedSource,
    FeatureChangeSource,
    GivenSource,
    Input,
    MutationSource,
    ResponseSource,
)
from models.rules.table import SEPARATOR, RuleTable
from models.rules.view import NO_RECORD, Known, Tables, View, first_reason, first_usable, no_rows, of_patients

CATEGORIES = ("CR", "PR", "SD", "PD")
READERS = {"investigator": "INVESTIGATOR", "independent": "INDEPENDENT"}


def inputs_from_tables(tables: Tables, cohort: pd.DataFrame, rules: RuleTable) -> pd.DataFrame:
    """Return the inputs of every patient at every node, under the readings of the table.

    A result counts where it was reported (if that date is missing, performed) by the node's decision date, so
    tables that were cut before give the same. Inputs that an earlier node decides are not here. The regimen
    given is what followed the decision at c2: an input at c4 alone, and never a feature.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Validated contract tables; those that the study does not have may be absent.
    cohort : DataFrame
        One row per patient: usubjid, arm and, where the study has dates, ``decision_<landmark>``.

    Returns
    -------
    DataFrame
        Sorted by usubjid and node (in order of time): usubjid, node, arm, one str column per input (a level,
        or the word for "not known"), and `missing_reasons` (``input: reason``, joined by ``; ``).

    Raises
    ------
    RuleError
        If the table asks for mutations and carries no genes, or lacks a reading that an input depends on.
    """
    return RuleInputReader(tables, cohort).inputs(rules)


class RuleInputReader:
    """Raw tables read under one table of rules after the other, each input once for each of its readings.

    Parameters
    ----------
    tables, cohort
        As in `inputs_from_tables`.
    """

    def __init__(self, tables: Tables, cohort: pd.DataFrame) -> None:
        self.patients = cohort.astype({"usubjid": "object"}).set_index("usubjid").sort_index()
        self.tables = of_patients(tables, self.patients.index)
        self.known: Known = {}

    def inputs(self, rules: RuleTable) -> pd.DataFrame:
        """Return what `inputs_from_tables` does; all `rules` come from one document, under any readings."""
        frames = [
            _at_node(View(self.tables, self.patients, rules, node, self.known))
            .reset_index()
            .assign(node=name, order=order)
            for order, (name, node) in enumerate(rules.nodes.items())
        ]
        bound = pd.concat(frames).astype({"usubjid": "str", "node": "str"})
        bound = bound.sort_values(["usubjid", "order"], ignore_index=True)
        return bound[["usubjid", "node", "arm", *(c for c in bound if c in rules.inputs), "missing_reasons"]]


def _at_node(view: View) -> pd.DataFrame:
    """Return arm, inputs and the reasons why some are not known; index usubjid."""
    frame = view.cohort[["arm"]].astype("str").copy()
    reasons = {}
    for name, spec in view.rules.inputs.items():
        if isinstance(spec.source, DecidedSource):
            continue
        if name in view.node.entry.deferred:
            frame[name] = spec.unknown
            continue
        answer = view.once("input", name, partial(_read, view, spec))
        frame[name] = answer["value"].fillna(spec.unknown).astype("str")
        reasons[name] = answer["reason"]
    frame["missing_reasons"] = _joined(pd.DataFrame(reasons, index=frame.index))
    return frame


def _read(view: View, spec: Input) -> pd.DataFrame:
    """Return value and reason of an input that is read from raw tables."""
    match spec.source:
        case CtdnaSource():
            return ctdna(view, spec.name, spec.source)
        case MutationSource():
            return mutation(view, spec.source)
        case ResponseSource():
            return _response(view, spec.source)
        case GivenSource():
            return regimen_given(view.tables, view.patients, spec.source.cycles)[["value", "reason"]]
        case FeatureChangeSource():
            return _feature_change(view, spec.levels, spec.source)
        case DecidedSource():
            raise PipelineFault(f"input {spec.name} is decided by a node, not read")


def _joined(reasons: pd.DataFrame) -> pd.Series:
    """Join the reasons of each row as ``input: reason``."""
    text = pd.Series("", index=reasons.index, dtype="str")
    for name in reasons:
        given = (f"{name}: " + reasons[name]).fillna("")
        between = np.where((text != "") & (given != ""), SEPARATOR, "")
        text = text + between + given
    return text


def _response(view: View, source: ResponseSource) -> pd.DataFrame:
    """Return the response at the node by the reader and the method that the settings name.

    Only methods by which the patient was measured at baseline count, so a category never rests on two
    methods. In a study without lesions the methods of baseline are not known, and every method counts.
    """
    rows = view.rows("response")
    if rows.empty:
        return first_usable(no_rows(), view.patients)
    node = view.node.entry
    rows = rows.loc[rows["visit"] == node.visit]
    methods = view.rules.parameters.method_priority
    checks = {
        "other_reader": rows["reader"] != READERS[view.setting("response_reader")],
        "not_done": rows["overall"] == "ND",
        "not_evaluable": ~rows["overall"].isin(CATEGORIES),
        "other_method": ~(rows["method"].isin(methods) & _at_baseline(view, rows, source.baseline)),
        "outside_window": view.outside(rows, "assessment_date", view.node.name, node.cycle, node.window),
        "reported_late": view.reported_late(rows, "assessment_date"),
    }
    rank = {
        "same": rows["method"].map({name: i for i, name in enumerate(methods)}),
        "best": rows["overall"].map({name: i for i, name in enumerate(CATEGORIES)}),
        "worst": rows["overall"].map({name: -i for i, name in enumerate(CATEGORIES)}),
    }[view.setting("response_method")]
    value, no_reference = _against_reference(view, rows, methods)
    checks["no_reference_sum"] = no_reference
    rows = rows.assign(value=value, reason=first_reason(rows.index, checks), rank=rank)
    rows["other_reader"] = checks["other_reader"]
    return first_usable(rows.sort_values(["other_reader", "rank", "method"], kind="stable"), view.patients)


def _against_reference(view: View, rows: pd.DataFrame, methods: Sequence[str]) -> tuple[pd.Series, pd.Series]:
    """Return the response against the sum that the readings name, and where there is no such sum.

    Responses are recorded against the sum at baseline (progression: against the smallest). Under another
    reading of the node's ``reference`` a recorded PR or SD is judged again by the target lesions of the same
    method and reader: PR if their sum is at most `pr_share` of the reference. CR and PD stay as recorded.
    """
    recorded = rows["overall"]
    reference = view.node.reference
    visit = reference.visits.get(view.setting(reference.reading)) if reference else None
    again = recorded.isin(["PR", "SD"]) & rows["method"].isin(methods)
    if reference is None or visit is None:
        return recorded, pd.Series(data=False, index=rows.index)
    now, then = (_sum_of_targets(view, rows, at) for at in (view.node.entry.visit, visit))
    share = now / then.where(then > 0)
    judged = pd.Series(np.where(share <= reference.pr_share, "PR", "SD"), index=rows.index)
    return recorded.mask(again, judged), again & share.isna()


def _sum_of_targets(view: View, rows: pd.DataFrame, visit: str | None) -> pd.Series:
    """Return for each response the sum (mm) of its targets at a visit, missing unless all were measured."""
    lesions = view.rows("lesions")
    columns = ["usubjid", "method", "reader"]
    if lesions.empty:
        return pd.Series(np.nan, index=rows.index)
    sums = target_sums(lesions.loc[lesions["visit"] == visit], columns)
    whole = sums["sum_mm"].where((sums["measured"] > 0) & (sums["missed"] == 0))
    return pd.Series(whole.reindex(pd.MultiIndex.from_frame(rows[columns])).to_numpy(float), index=rows.index)


def _at_baseline(view: View, rows: pd.DataFrame, baseline: str) -> pd.Series:
    """Tell for which rows the patient's lesions were measured at `baseline` by the same method."""
    if "lesions" not in view.tables:
        return pd.Series(data=True, index=rows.index)
    lesions = view.rows("lesions")
    lesions = lesions.loc[(lesions["visit"] == baseline) & (lesions["status"] == "done")]
    measured = lesions["usubjid"] + SEPARATOR + lesions["method"]
    return (rows["usubjid"] + SEPARATOR + rows["method"]).isin(measured)


def regimen_given(tables: Tables, patients: pd.Index, cycles: Iterable[int]) -> pd.DataFrame:
    """Return the regimen of the last cycle given among `cycles`, by usubjid in `patients`.

    Columns: value (missing where none was given), reason (why it is missing), change_reason (the last one
    recorded with these cycles).
    """
    columns = {name: pd.Series(index=patients, dtype="str") for name in ("value", "change_reason")}
    if "exposure" in tables:
        exposure = tables["exposure"]
        cycle = exposure.loc[exposure["cycle"].isin(list(cycles))].sort_values(["usubjid", "cycle"])
        last = cycle.groupby("usubjid")[["regimen", "change_reason"]].last().reindex(patients)
        columns = {"value": last["regimen"], "change_reason": last["change_reason"]}
    without = "not_given" if "exposure" in tables else NO_RECORD
    reason = pd.Series(without, index=patients, dtype="str").where(columns["value"].isna())
    return pd.DataFrame(columns | {"reason": reason})


def _feature_change(view: View, levels: Sequence[str], source: FeatureChangeSource) -> pd.DataFrame:
    """Cut the relative change of an imaging feature since baseline into levels: (value - first) / first.

    A change equal to a cut belongs to the level before it; without a positive first value there is no change.
    """
    rows = view.rows("imaging_features")
    if rows.empty:
        return first_usable(no_rows(), view.patients)
    rows = rows.loc[(rows["feature"] == source.feature) & (rows["method"] == source.method)]
    rows = rows.loc[(rows["status"] == "done") & ~view.reported_late(rows, "scan_date")]
    first, now = (
        rows.loc[rows["visit"] == v].set_index("usubjid")["value"].reindex(view.patients)
        for v in (source.baseline, view.node.entry.visit)
    )
    change = (now - first) / first.where(first > 0)
    level = np.searchsorted(source.cuts, change.to_numpy(), side="left")
    level[change.isna()] = len(levels)
    value = pd.Series(np.array([*levels, None], dtype=object)[level], index=view.patients, dtype="str")
    reason = pd.Series("no_change_measured", index=view.patients, dtype="str").where(value.isna())
    return pd.DataFrame({"value": value, "reason": reason})
