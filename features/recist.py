"""The RECIST 1.1 category that lesion diameters give (Eisenhauer 2009, Eur J Cancer 45:228), per scan.

Unconfirmed, as of a neoadjuvant trial: one assessment counts.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.definitions import NODAL_SITES, measured_lesions, target_sums

SCAN = ["usubjid", "reader", "visit", "method"]
COURSE = ["usubjid", "reader"]
NORMAL_NODE_MM = 10.0
"""Short axis below which a node is normal."""
PARTIAL_SHARE = 0.30
PROGRESSION_SHARE = 0.20
PROGRESSION_MM = 5.0


def recist_categories(lesions: pd.DataFrame, visits: Sequence[str]) -> pd.DataFrame:
    """Return the category of every scan after the first visit.

    ========  =======================================================================================
    ND        no lesion was assessed: every row says not_done
    PD        a new lesion; or the sum of targets at least 20 % and 5 mm above the smallest so far
    NE        a target not measured, another method than at the first visit, or no target at first
    CR        every target and non-target gone, nodes below 10 mm in short axis
    PR        the sum at least 30 % below the first; also targets gone while a non-target is not
    SD        all else
    ========  =======================================================================================

    Parameters
    ----------
    lesions : DataFrame
        The contract's table; diameters of nodes are short axes.
    visits : sequence of str
        The study's visits in order; the first is the baseline.

    Returns
    -------
    DataFrame
        usubjid, reader, visit, method, category, sum_mm; sorted by these keys.
    """
    rows = lesions[lesions["visit"].isin(visits)].sort_values([*SCAN, "lesion_id"])
    node, measured = rows["site"].isin(NODAL_SITES), measured_lesions(rows)
    present = measured & np.where(node, rows["diameter_mm"] >= NORMAL_NODE_MM, rows["diameter_mm"] > 0)
    target, other = rows["target"] == "target", rows["target"] == "nontarget"
    parts = rows[SCAN].assign(
        target_left=target & present,
        other_left=other & (present | ~measured),
        new=(rows["target"] == "new") & (rows["status"] == "done"),
        undone=rows["status"] != "not_done",
    )
    scans = parts.groupby(SCAN).sum().join(target_sums(rows, SCAN)).reset_index()
    scans = scans.assign(order=scans["visit"].map({name: i for i, name in enumerate(visits)}))
    scans = scans.sort_values([*COURSE, "order", "method"], ignore_index=True)
    scans["sum_mm"] = scans["sum_mm"].where((scans["measured"] > 0) & (scans["missed"] == 0))
    judged = _judged(scans)
    return judged[[*SCAN, "category", "sum_mm"]].sort_values(SCAN, ignore_index=True)


def categories_of(response: pd.DataFrame, lesions: pd.DataFrame, visits: Sequence[str]) -> pd.Series:
    """Return, for each row of the response table, the category that the lesions give; missing without any."""
    found = recist_categories(lesions, visits).set_index(SCAN)["category"]
    keys = pd.MultiIndex.from_frame(response[SCAN])
    return pd.Series(found.reindex(keys).to_numpy(), index=response.index, dtype="str")


def _judged(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the scans after the first, judged against the first and the smallest sum so far."""
    first = scans[scans["sum_mm"].notna() & (scans["order"] == 0)].drop_duplicates(COURSE)
    base = scans[COURSE].merge(first, on=COURSE, how="left")
    same = scans["method"] == base["method"]
    sums = scans["sum_mm"].where(same)
    course = [scans[name] for name in COURSE]
    smallest = sums.groupby(course).cummin().groupby(course).ffill().groupby(course).shift()
    growth = sums - smallest
    grown = (growth >= PROGRESSION_SHARE * smallest) & (growth >= PROGRESSION_MM)
    complete = (scans["measured"] >= base["measured"]) & sums.notna()
    gone = scans["target_left"] == 0
    category = np.select(
        [
            scans["undone"] == 0,
            (base["measured"] > 0) & (scans["new"] > 0) | (complete & grown),
            ~complete,
            gone & (scans["other_left"] == 0),
            gone | (sums <= (1 - PARTIAL_SHARE) * base["sum_mm"] + 1e-9),
        ],
        ["ND", "PD", "NE", "CR", "PR"],
        "SD",
    )
    result = scans.assign(category=category)
    return result[scans["order"] > 0]
