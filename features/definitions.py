"""Clinical sentences, each said once: for features, rules, cross-checks and the simulator's targets."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import UserError
from features.feature import choose

NOT_TAKEN = ("not_planned", "not_done")
DETECTED = ("positive", "below_lod")
EVALUABLE = ("negative", *DETECTED)

NODAL_SITES = ("axillary", "other_node")
"""Sites whose lesions are measured by their short axis (RECIST 1.1)."""

HR_POSITIVE_FROM_PCT = 1.0
"""Stained nuclei from which on ER or PR is positive (ASCO/CAP; Allison 2020, J Clin Oncol 38:1346)."""
ER_LOW_UP_TO_PCT = 10.0
ISH_RATIO = 2.0
ISH_LOW_COPIES, ISH_HIGH_COPIES = 4.0, 6.0
T_UP_TO_MM = (20.0, 50.0)
"""Largest diameters of T1 and T2."""

CLEAR_BREAST = {
    "ypT0/is_ypN0": ("ypT0", "ypTis"),
    "ypT0_ypN0": ("ypT0",),
    "ypT0/is": ("ypT0", "ypTis"),
}
BREAST_ONLY = "ypT0/is"
CLEAR_NODES = "ypN0"
BREAST_NOT_ASSESSED = "ypTX"
NODES_NOT_ASSESSED = "ypNX"
RCB_0_1 = ("0", "I")
NODE_REMOVED_BEFORE = ("missing", "residual_is_failure")
"""What the outcome is after a positive sentinel node was taken out before treatment."""


class OutcomeError(UserError):
    """A definition of pCR that does not exist."""


def sample_states(samples: pd.DataFrame) -> pd.Series:
    """Return the state of each plasma sample: one of `NOT_TAKEN`, not_evaluable, or one of `EVALUABLE`.

    The laboratory's call decides. ``not_planned`` holds only where nothing was taken; a failed quality
    control makes any call not evaluable; a detected call whose mean allele fraction lies below the sample's
    limit of detection is ``below_lod``.

    Parameters
    ----------
    samples : DataFrame
        Rows of ctdna_samples.

    Returns
    -------
    Series
        dtype str, index of `samples`.
    """
    detected = samples["result"] == "detected"
    nothing = samples["qc"] == "not_done"
    cases = {
        "not_planned": nothing & (samples["planned"] == "N"),
        "not_done": nothing,
        "not_evaluable": (samples["qc"] != "pass") | ~samples["result"].isin(["detected", "not_detected"]),
        "below_lod": detected & (samples["mean_vaf"] < samples["lod_vaf"]),
        "positive": detected,
    }
    return choose(samples.index, cases, "negative")


def measured_lesions(lesions: pd.DataFrame) -> pd.Series:
    """Tell which rows of lesions have a diameter that counts: done, nodes by short axis (RECIST 1.1)."""
    long_node = lesions["site"].isin(NODAL_SITES) & (lesions["axis"] == "longest")
    return (lesions["status"] == "done") & lesions["diameter_mm"].notna() & ~long_node


def target_sums(lesions: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the sum of target lesions for each group of lesion rows; index `by`, sorted.

    Columns: `measured` and `missed`, how many targets have a diameter that counts and how many do not;
    `sum_mm`, the sum of the former. It is a sum of diameters only where none is missed.

    The parts of a target that split are one target, their diameters added; a target that merged into another
    is measured with it and adds nothing (RECIST 1.1, lesions that split or coalesce).
    """
    keys = list(by)
    target = lesions["target"] == "target"
    merged = lesions["merged_into"].notna() & (lesions["status"] == "done")
    measured = measured_lesions(lesions)
    counted = target & (measured | merged)
    parts = lesions[keys].assign(
        origin=original_lesion(lesions),
        lesion_id=lesions["lesion_id"],
        counted=counted,
        missed=target & ~counted,
        sum_mm=lesions["diameter_mm"].where(target & measured, 0.0),
    )
    parts = parts.sort_values([*keys, "origin", "lesion_id"])  # sums in a fixed order
    lesion = parts.groupby([*keys, "origin"])
    whole = pd.DataFrame(
        {
            "missed": lesion["missed"].any(),
            "measured": lesion["counted"].any() & ~lesion["missed"].any(),
            "sum_mm": lesion["sum_mm"].sum(),
        }
    )
    return whole.groupby(level=keys)[["measured", "missed", "sum_mm"]].sum()


def original_lesion(lesions: pd.DataFrame) -> pd.Series:
    """Return the lesion that each row was at first: of a part, the one that split."""
    return lesions["split_from"].fillna(lesions["lesion_id"])


def targets_from_the_first(lesions: pd.DataFrame, course: Sequence[str], first_visit: str) -> pd.Series:
    """Tell which rows are no target that was not measured at the first visit; bool.

    A target that is new later does not stand for one of the first scan, nor belongs to its sum. Where the
    first scan of a course has no measured target, nothing is left out.

    Parameters
    ----------
    course : sequence of str
        The columns within which lesions are followed, such as patient, reader and method.
    """
    keys = [*course, "origin"]
    rows = lesions[list(course)].assign(origin=original_lesion(lesions))
    first = (lesions["visit"] == first_visit) & (lesions["target"] == "target") & measured_lesions(lesions)
    begun = pd.MultiIndex.from_frame(rows.loc[first, keys])
    followed = pd.MultiIndex.from_frame(rows[keys]).isin(begun)
    has_first = pd.MultiIndex.from_frame(rows[list(course)]).isin(begun.droplevel("origin"))
    later_target = (lesions["target"] == "target") & (lesions["visit"] != first_visit)
    return ~later_target | followed | ~has_first


def clear_of_tumour(surgery: pd.DataFrame, definition: str) -> pd.Series:
    """Return 1.0 where breast and nodes are clear by ypT and ypN, 0.0 where not, NaN where not assessed.

    - ``ypT0/is_ypN0``: no invasive tumour in breast and nodes; in-situ disease may remain (AJCC 8).
    - ``ypT0_ypN0``: no tumour at all. ``ypT0/is``: the breast alone.

    By AJCC 8, isolated tumour cells in a node (ypN0(i+)) are residual disease, hence no pCR. Where breast or
    nodes were not assessed (ypTX, ypNX, empty), a definition that needs them gives NaN *whatever the other
    organ shows*: else only non-pCR could be observed in these patients.

    Parameters
    ----------
    surgery : DataFrame
        Columns yp_t, yp_n.
    definition : str
        A key of `CLEAR_BREAST`.
    """
    clear = surgery["yp_t"].isin(CLEAR_BREAST[definition])
    unknown = surgery["yp_t"].isna() | (surgery["yp_t"] == BREAST_NOT_ASSESSED)
    if definition != BREAST_ONLY:
        clear &= surgery["yp_n"] == CLEAR_NODES
        unknown |= surgery["yp_n"].isna() | (surgery["yp_n"] == NODES_NOT_ASSESSED)
    return clear.astype("float64").mask(unknown)


def residual_disease(surgery: pd.DataFrame, definition: str) -> pd.Series:
    """Tell who has residual disease by `definition` in what was assessed, whatever was not; bool."""
    if definition == "rcb_0_1":
        return surgery["rcb_class"].notna() & ~surgery["rcb_class"].isin(RCB_0_1)
    breast, nodes = surgery["yp_t"], surgery["yp_n"]
    in_breast = breast.notna() & ~breast.isin([*CLEAR_BREAST[definition], BREAST_NOT_ASSESSED])
    return in_breast | (nodes.notna() & ~nodes.isin([CLEAR_NODES, NODES_NOT_ASSESSED]))


def pcr(
    surgery: pd.DataFrame, pre_nat_slnb: pd.Series, definition: str, node_removed_before: str = "missing"
) -> pd.Series:
    """Return pCR by `definition` for operated patients: 1.0, 0.0, or NaN where it cannot be told.

    Beside the definitions of `clear_of_tumour`: ``rcb_0_1``, residual cancer burden class 0 or I, and
    ``recorded``, as the study recorded it. Where a positive sentinel node was taken out before treatment, a
    definition that needs the nodes gives NaN; with ``residual_is_failure`` it gives 0.0 where residual
    disease was found.

    Parameters
    ----------
    surgery : DataFrame
        Columns yp_t, yp_n, rcb_class, pcr, one row per patient.
    pre_nat_slnb : Series
        Sentinel node biopsy before treatment, same index.
    node_removed_before : str
        One of `NODE_REMOVED_BEFORE`.

    Raises
    ------
    OutcomeError
        If the definition, or what follows from a node removed before, is unknown.
    """
    if node_removed_before not in NODE_REMOVED_BEFORE:
        choices = ", ".join(NODE_REMOVED_BEFORE)
        raise OutcomeError(
            f"outcome.node_removed_before: {node_removed_before} is unknown; must be one of {choices}"
        )
    if definition == "recorded":
        return surgery["pcr"].map({"Y": 1.0, "N": 0.0}).astype("float64")
    if definition == "rcb_0_1":
        reached = surgery["rcb_class"].isin(RCB_0_1).astype("float64").mask(surgery["rcb_class"].isna())
    elif definition in CLEAR_BREAST:
        reached = clear_of_tumour(surgery, definition)
    else:
        choices = ", ".join([*CLEAR_BREAST, "rcb_0_1", "recorded"])
        raise OutcomeError(f"outcome.definition: {definition} is unknown; must be one of {choices}")
    if definition == BREAST_ONLY:
        return reached
    removed = pre_nat_slnb == "positive"
    reached = reached.mask(removed)
    if node_removed_before == "missing":
        return reached
    return reached.mask(removed & residual_disease(surgery, definition), 0.0)


def receptor_status(pathology: pd.DataFrame) -> pd.Series:
    """Return hormone receptor status by ER and PR: pos, neg or NaN.

    Positive if either reaches `HR_POSITIVE_FROM_PCT`, negative only if both are known to lie below it.
    """
    receptors = pathology[["er_pct", "pr_pct"]]
    cases = {
        "pos": (receptors >= HR_POSITIVE_FROM_PCT).any(axis=1),
        "neg": (receptors < HR_POSITIVE_FROM_PCT).all(axis=1),
    }
    return choose(pathology.index, cases, None)


def status_by_per_cent(per_cent: pd.Series) -> pd.Series:
    """Return a receptor's status by its positive cells: pos from `HR_POSITIVE_FROM_PCT` on, neg, or NaN."""
    cases = {"pos": per_cent >= HR_POSITIVE_FROM_PCT, "neg": per_cent < HR_POSITIVE_FROM_PCT}
    return choose(per_cent.index, cases, None)


def er_category(per_cent: pd.Series) -> pd.Series:
    """Return the ER category by positive nuclei: negative (below 1 %), low (1 to 10 %), positive, or NaN.

    Low is a category of its own (ASCO/CAP; Allison 2020, J Clin Oncol 38:1346).
    """
    cases = {
        "negative": per_cent < HR_POSITIVE_FROM_PCT,
        "low": per_cent <= ER_LOW_UP_TO_PCT,
        "positive": per_cent > ER_LOW_UP_TO_PCT,
    }
    return choose(per_cent.index, cases, None)


def ish_group(pathology: pd.DataFrame) -> pd.Series:
    """Return the dual-probe ISH group, 1 to 5 as text, by HER2/CEP17 ratio and HER2 copies per cell, or NaN.

    =====  ===========  ======
    group  copies       ratio
    =====  ===========  ======
    1      at least 4   at least 2
    2      below 4      at least 2
    3      at least 6   below 2
    4      4 to below 6 below 2
    5      below 4      below 2
    =====  ===========  ======

    ASCO/CAP (Wolff 2018, Arch Pathol Lab Med 142:1364; affirmed by Wolff 2023, J Clin Oncol 41:3867).
    """
    ratio, copies = pathology["her2_cep17"], pathology["her2_copies"]
    cases = {
        "1": (ratio >= ISH_RATIO) & (copies >= ISH_LOW_COPIES),
        "2": (ratio >= ISH_RATIO) & (copies < ISH_LOW_COPIES),
        "3": (ratio < ISH_RATIO) & (copies >= ISH_HIGH_COPIES),
        "4": (ratio < ISH_RATIO) & (copies >= ISH_LOW_COPIES),
        "5": (ratio < ISH_RATIO) & (copies < ISH_LOW_COPIES),
    }
    return choose(pathology.index, cases, None)


def measured_ish_status(pathology: pd.DataFrame) -> pd.Series:
    """Return ISH status by ratio, copies and IHC: pos, neg, equivocal, or NaN without copies.

    Group 1 is positive and group 5 negative. Groups 2, 3 and 4 need IHC beside them: with 3+ they are
    positive, with 0 or 1+ negative, and with 2+ group 3 is positive, groups 2 and 4 negative; without IHC
    equivocal (Wolff 2018). Where the ratio is not known, copies of at least 6 with IHC 2+ or
    3+ are positive (group 1 or 3), below 4 with IHC up to 2+ negative (group 2 or 5).
    """
    group, ihc, copies = ish_group(pathology), pathology["her2_ihc"], pathology["her2_copies"]
    by_ihc = group.isin(["2", "3", "4"])
    alone = copies.where(pathology["her2_cep17"].isna())
    many = (alone >= ISH_HIGH_COPIES) & ihc.isin(["2+", "3+"])
    few = (alone < ISH_LOW_COPIES) & ihc.isin(["0", "1+", "2+"])
    cases = {
        "pos": (group == "1") | (by_ihc & (ihc == "3+")) | ((group == "3") & (ihc == "2+")) | many,
        "neg": (group == "5") | (by_ihc & ihc.notna()) | few,
        "equivocal": by_ihc,
    }
    return choose(pathology.index, cases, None)


def ish_status(pathology: pd.DataFrame) -> pd.Series:
    """Return ISH status: pos, neg, equivocal, or NaN; as measured, without ratio and copies as recorded."""
    recorded = pathology["ish"].map({"amplified": "pos", "not_amplified": "neg"})
    return measured_ish_status(pathology).fillna(recorded)


def her2_status(pathology: pd.DataFrame) -> pd.Series:
    """Return HER2 status by IHC and ISH (`ish_status`): pos, neg or NaN.

    Positive: IHC 3+, or 2+ with ISH positive. Negative: IHC 0 or 1+, or 2+ with ISH negative, unless ISH is
    positive.
    """
    ihc, ish = pathology["her2_ihc"], ish_status(pathology)
    equivocal = ihc == "2+"
    negative = ihc.isin(["0", "1+"]) | (equivocal & (ish == "neg"))
    cases = {
        "pos": (ihc == "3+") | (equivocal & (ish == "pos")),
        "neg": negative & (ish != "pos"),
    }
    return choose(pathology.index, cases, None)


def residual_her2(surgery: pd.DataFrame) -> pd.Series:
    """Return HER2 status of the residual invasive tumour: pos, neg or NaN."""
    residual = pd.DataFrame({"her2_ihc": surgery["residual_her2_ihc"], "ish": surgery["residual_ish"]})
    return her2_status(residual.assign(her2_cep17=np.nan, her2_copies=np.nan))


def t_category_by_size(size_mm: pd.Series) -> pd.Series:
    """Return T1, T2 or T3 by the largest diameter (AJCC 8: up to 20 mm, up to 50 mm, above), or NaN.

    T4 goes by chest wall and skin, whatever the size.
    """
    t1, t2 = T_UP_TO_MM
    cases = {"T1": size_mm <= t1, "T2": size_mm <= t2, "T3": size_mm > t2}
    return choose(size_mm.index, cases, None)


def anatomic_stage(subjects: pd.DataFrame) -> pd.Series:
    """Return the anatomic stage group by clinical T, N and M (AJCC 8), IA to IIIC and IV, or NaN.

    Micrometastases, which make stage IB, are no clinical category.
    """
    t, n, m = subjects["ct"], subjects["cn"], subjects["cm"]
    local = m == "M0"
    cases = {
        "IV": m == "M1",
        "IIIC": local & (n == "N3"),
        "IIIB": local & (t == "T4") & n.notna(),
        "IIIA": local & t.notna() & ((n == "N2") | ((t == "T3") & (n == "N1"))),
        "IIB": local & (((t == "T3") & (n == "N0")) | ((t == "T2") & (n == "N1"))),
        "IIA": local & (((t == "T2") & (n == "N0")) | (t.isin(["T0", "T1"]) & (n == "N1"))),
        "IA": local & (t == "T1") & (n == "N0"),
    }
    return choose(subjects.index, cases, None)


Dates = npt.NDArray[np.datetime64]


def known_dates(rows: pd.DataFrame, performed: str | None, reported: str | None) -> Dates:
    """Return the day on which each row became known: reported, if missing performed, NaT without either.

    Parameters
    ----------
    performed, reported : str or None
        The columns with these dates; None where the table has none.
    """
    never = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[us]")
    report, performance = (never if name is None else rows[name].to_numpy() for name in (reported, performed))
    return np.where(np.isnat(report), performance, report)


def known_too_late(
    rows: pd.DataFrame, decision: Dates, performed: str | None, reported: str | None
) -> npt.NDArray[np.bool_]:
    """Tell which rows became known only after the decision; on the day itself counts as known.

    This is the gate of time: `features.landmarks.visible` and the rules' inputs both pass through it.
    Without a decision date, or without any date of the row, nothing is too late.

    Parameters
    ----------
    decision : array of datetime64, shape (n,)
        Decision date of each row's patient; NaT where the study has none.
    """
    late: npt.NDArray[np.bool_] = known_dates(rows, performed, reported) > decision
    return late
