"""The RECIST 1.1 category that lesion diameters give (Eisenhauer 2009, Eur J Cancer 45:228), per scan.

Unconfirmed, as of a neoadjuvant trial: one assessment counts.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.definitions import NODAL_SITES, measured_lesions, target_sums, targets_from_the_first
from features.feature import choose

SCAN = ["usubjid", "reader", "visit", "method"]
COURSE = ["usubjid", "reader"]
NORMAL_NODE_MM = 10.0
"""Short axis below which a node is normal."""
PARTIAL_SHARE = 0.30
PROGRESSION_SHARE = 0.20
PROGRESSION_MM = 5.0
MEASURABLE_MM, MEASURABLE_NODE_MM = 10.0, 15.0
"""Smallest longest diameter, and short axis of a node, of a target (Eisenhauer 2009)."""
MAX_TARGETS, MAX_TARGETS_PER_ORGAN = 5, 2
RECIST, RECIST_LIKE = "RECIST 1.1", "RECIST-like"
RECIST_METHODS = ("MRI", "CT")


def recist_categories(lesions: pd.DataFrame, visits: Sequence[str]) -> pd.DataFrame:
    """Return the category of every scan after the first visit.

    ========  =======================================================================================
    ND        no lesion was assessed: every row says not_done
    PD        a new lesion; a non-target that progressed unequivocally, as recorded; the sum of targets at
              least 20 % and 5 mm above the smallest so far, which those measured may reach alone; or, after
              CR, a lesion other than a node that is back, whatever its size
    NE        a target not measured, another method than at the first visit, no target measured at first, or
              a non-target that grew as much and of which nobody says whether it progressed
    CR        every target and non-target gone, nodes below 10 mm in short axis
    PR        the sum at least 30 % below the first; also targets gone while a non-target is not
    SD        all else
    ========  =======================================================================================

    Targets are those of the first scan: parts of one that split are added up, one that merged into another is
    measured with it. With disease that cannot be measured alone (non-targets, and no target, at first) CR, PD
    and NE go by the non-targets; what RECIST calls non-CR/non-PD is SD here, and no PR. A new node below
    10 mm in short axis is normal, and no new lesion.

    Parameters
    ----------
    lesions : DataFrame
        The contract's table; diameters of nodes are short axes.
    visits : sequence of str
        The study's visits in order; the first is the baseline.

    Returns
    -------
    DataFrame
        usubjid, reader, visit, method, category, sum_mm, criteria (`criteria_of`); sorted by these keys.
    """
    order = {name: i for i, name in enumerate(visits)}
    rows = lesions[lesions["visit"].isin(visits)]
    rows = rows[targets_from_the_first(rows, [*COURSE, "method"], visits[0])]
    rows = rows.assign(order=rows["visit"].map(order)).sort_values([*COURSE, "order", "method", "lesion_id"])
    node, measured = rows["site"].isin(NODAL_SITES), measured_lesions(rows)
    present = measured & np.where(node, rows["diameter_mm"] >= NORMAL_NODE_MM, rows["diameter_mm"] > 0)
    target, other = rows["target"] == "target", rows["target"] == "nontarget"
    merged = rows["merged_into"].notna() & (rows["status"] == "done")
    parts = rows[SCAN].assign(
        targets=target,
        others=other,
        target_left=target & present,
        other_left=other & (present | ~measured) & ~merged,
        other_unseen=other & (rows["status"] != "done"),
        new=(rows["target"] == "new") & (rows["status"] == "done") & (present | ~measured),
        back=(target | other) & ~node & present,
        other_progressed=other & (rows["progressed"] == "Y"),
        other_unsaid=other & rows["progressed"].isna() & _grown(rows),
        undone=rows["status"] != "not_done",
    )
    scans = parts.groupby(SCAN).sum().join(target_sums(rows, SCAN)).reset_index()
    scans = scans.assign(order=scans["visit"].map(order))
    scans = scans.sort_values([*COURSE, "order", "method"], ignore_index=True)
    scans["seen_mm"] = scans["sum_mm"]
    scans["sum_mm"] = scans["sum_mm"].where((scans["measured"] > 0) & (scans["missed"] == 0))
    judged = _judged(scans).assign(criteria=lambda frame: criteria_of(frame["method"]))
    return judged[[*SCAN, "category", "sum_mm", "criteria"]].sort_values(SCAN, ignore_index=True)


def criteria_of(method: pd.Series) -> pd.Series:
    """Return by which criteria a method's categories are: RECIST 1.1, or RECIST-like.

    Ultrasound and mammography are no measuring methods of RECIST 1.1 (Eisenhauer 2009); the same limits are
    applied to them.
    """
    return choose(method.index, {RECIST: method.isin(RECIST_METHODS)}, RECIST_LIKE)


def overall_response(response: pd.DataFrame) -> pd.Series:
    """Return the overall response that the recorded parts give (Eisenhauer 2009), or NaN.

    An empty `nontarget_response` says that there are no non-target lesions, an empty `new_lesion` that there
    is none; without `target_response` nothing is said.
    """
    target, other = response["target_response"], response["nontarget_response"]
    cases = {
        "PD": (target == "PD") | (other == "PD") | (response["new_lesion"] == "Y"),
        "CR": (target == "CR") & (other.isna() | (other == "CR")),
        "PR": target.isin(["CR", "PR"]),
        "SD": target == "SD",
        "NE": target == "NE",
    }
    return choose(response.index, cases, None).where(target.notna())


def _grown(rows: pd.DataFrame) -> pd.Series:
    """Tell which lesions measure at least 20 % and 5 mm more than at their smallest so far; bool.

    `rows` are in order of time within a lesion, reader and method.
    """
    size = rows["diameter_mm"].where(measured_lesions(rows))
    lesion = [rows[name] for name in (*COURSE, "method", "lesion_id")]
    smallest = size.groupby(lesion).cummin().groupby(lesion).ffill().groupby(lesion).shift()
    growth = size - smallest
    return (growth >= PROGRESSION_SHARE * smallest) & (growth >= PROGRESSION_MM)


def unfit_targets(lesions: pd.DataFrame, first_visit: str) -> tuple[pd.Series, pd.Series]:
    """Tell which target lesions at the first visit are too small to be one, and which are too many.

    At least 10 mm, nodes 15 mm in short axis; at most five, and two in an organ. All nodes are one organ.
    """
    target = (lesions["target"] == "target") & (lesions["visit"] == first_visit)
    node = lesions["site"].isin(NODAL_SITES)
    limit = np.where(node, MEASURABLE_NODE_MM, MEASURABLE_MM)
    small = target & measured_lesions(lesions) & (lesions["diameter_mm"] < limit)
    organ = lesions["site"].mask(node, "node").fillna("")
    scan = [lesions[name] for name in (*COURSE, "method")]
    counted = target.astype("int64")
    many = counted.groupby(scan).transform("sum").gt(MAX_TARGETS)
    many |= counted.groupby([*scan, organ]).transform("sum").gt(MAX_TARGETS_PER_ORGAN)
    return small, target & many


def categories_of(response: pd.DataFrame, lesions: pd.DataFrame, visits: Sequence[str]) -> pd.Series:
    """Return, for each row of the response table, the category that the lesions give; missing without any."""
    found = recist_categories(lesions, visits).set_index(SCAN)["category"]
    keys = pd.MultiIndex.from_frame(response[SCAN])
    return pd.Series(found.reindex(keys).to_numpy(), index=response.index, dtype="str")


def _judged(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the scans after the first, judged against the first and the smallest sum so far."""
    at_first = scans[scans["order"] == 0]
    first = at_first[at_first["sum_mm"].notna()].drop_duplicates(COURSE)
    base = scans[COURSE].merge(first, on=COURSE, how="left")
    unmeasurable = _unmeasurable(scans, at_first)
    same = scans["method"] == base["method"]
    complete = same & (scans["measured"] >= base["measured"]) & scans["sum_mm"].notna()
    sums = scans["sum_mm"].where(complete)
    course = [scans[name] for name in COURSE]
    smallest = sums.groupby(course).cummin().groupby(course).ffill().groupby(course).shift()
    # What was not measured could only add to the sum.
    growth = scans["seen_mm"].where(same) - smallest
    grown = (growth >= PROGRESSION_SHARE * smallest) & (growth >= PROGRESSION_MM)
    progressed = (scans["new"] > 0) | (scans["other_progressed"] > 0) | grown
    gone = scans["target_left"] == 0
    category = np.select(
        [
            scans["undone"] == 0,
            ((base["measured"] > 0) | unmeasurable) & progressed,
            unmeasurable & (scans["other_unseen"] + scans["other_unsaid"] > 0),
            unmeasurable & (scans["other_left"] == 0),
            unmeasurable,
            ~complete | (scans["other_unsaid"] > 0),
            gone & (scans["other_left"] == 0),
            gone | (sums <= (1 - PARTIAL_SHARE) * base["sum_mm"] + 1e-9),
        ],
        ["ND", "PD", "NE", "CR", "SD", "NE", "CR", "PR"],
        "SD",
    )
    result = scans.assign(category=category)
    complete_before = (result["category"] == "CR").groupby(course).cummax()
    back = complete_before & (same | unmeasurable) & (result["back"] > 0)
    result["category"] = result["category"].mask(back, "PD")
    return result[scans["order"] > 0]


def _unmeasurable(scans: pd.DataFrame, at_first: pd.DataFrame) -> pd.Series:
    """Tell which scans follow, by the first method, a disease with non-targets alone; bool."""
    alone = at_first.groupby(COURSE)["targets"].transform("sum") == 0
    first = at_first[alone & (at_first["others"] > 0)].drop_duplicates(COURSE)
    begun = pd.MultiIndex.from_frame(first[[*COURSE, "method"]])
    return pd.Series(pd.MultiIndex.from_frame(scans[[*COURSE, "method"]]).isin(begun), index=scans.index)
