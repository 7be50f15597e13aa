"""What no single column shows: contradictions between columns, rows and tables.

They are warnings, but for a call that the sample's panel cannot have made.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from features.checks.finding import Finding
from features.checks.safety import SAFETY_ADVICE, safety_findings
from features.contract.affected_rows import AffectedRows
from features.contract.validation import ADVICE, PROBLEM_COLUMNS, Contract
from features.definitions import (
    NODAL_SITES,
    anatomic_stage,
    clear_of_tumour,
    her2_status,
    ish_status,
    measured_ish_status,
    receptor_status,
    t_category_by_size,
)
from features.exposure import Regimens
from features.mutations import panel_covers
from features.recist import categories_of, overall_response, unfit_targets

RECORDED_PCR = "ypT0/is_ypN0"
"""The definition that the column pcr is held against."""
RCB_LIMITS = (0.0, 1.36, 3.28)
"""Upper limits of the RCB classes 0, I and II (Symmans 2007)."""
VAF_TOLERANCE = 0.02
PER_CENT_LIKE = 0.05
"""A median of detected fractions above 5 % is rare in early breast cancer; as per cents it is 0.05 %."""
PER_CENT_RATIO = 20.0
"""How many times the limit of detection, or the mean of the sample's calls, such a fraction is."""
MIN_DETECTED = 5
"""Fewer detected samples do not show that fractions are per cents."""

OTHER_UNITS = {"mm": ("cm, not mm", 10.0), "%": ("fraction, not per cent", 100.0)}
"""Unit of the contract -> the one often given instead, and how many times smaller its numbers are."""
CENTRE_MIN_VALUES = 10
"""Fewer values of a centre do not show that it uses another unit."""

CROSS_ADVICE = {
    "centre_in_another_unit": "ask the centre; convert its values at the source, if the suspicion is right",
    "result_without_draw": "give the day of the draw, or qc not_done",
    "no_tumour_variant_though_detected": "ask the laboratory: haematopoiesis and germline are no ctDNA",
    "lesion_elsewhere_though_m0": "correct cm, or the site of the lesion",
    "variants_without_sample": "correct qc of the sample, or leave the variants out",
    "reads_above_depth": "correct the two counts; they may be swapped",
    "vaf_contradicts_reads": "correct the fraction or the counts",
    "gene_not_on_panel": ADVICE["gene_not_on_panel"],
    "per_cent_like": "convert to fractions (factor: 0.01 in the study file), if the suspicion is right",
    "value_though_not_done": "correct the status, or empty the value",
    "response_without_lesions": "add the lesions of the visit, if they were measured",
    "recist_differs": "correct diameters or category, or set `response_counts` in the study file",
    "target_too_small": "record the lesion as a non-target, if it was none of RECIST's",
    "node_by_longest_axis": "give the short axis; by its longest a node is not measured",
    "too_many_targets": "record the smallest as non-targets",
    "overall_contradicts_parts": "correct overall, or the response of target, non-target and new lesions",
    "lesions_count": "nothing: `response_counts: lesions` in the study file",
    "pcr_contradicts_yp": "correct pcr, yp_t or yp_n",
    "pcr_contradicts_rcb": "correct pcr, rcb_class or rcb_index",
    "rcb_contradicts_yp": "correct rcb_class, rcb_index, yp_t or yp_n",
    "pathology_without_surgery": "correct `performed`, or empty yp_t and yp_n",
    "rcb_class_contradicts_index": "correct class or index",
    "her2_contradicts_ihc_ish": "correct her2, her2_ihc or ish",
    "ish_contradicts_ratio_and_copies": "correct ish, ratio or copies; groups 2 to 4 go by IHC, too",
    "ihc_contradicts_ish": "ask pathology; 3+ counts as positive, 0 and 1+ do not",
    "detected_at_zero": "correct result or mean_vaf",
    "hr_contradicts_er_pr": "correct hr, er_pct or pr_pct; they may be fractions",
    "foci_differ_in_her2": "nothing, if so; the receptors in pathology are those of the index focus",
    "multifocal_contradicts_foci": "correct multifocal, or the quadrants of the foci",
    "t_contradicts_size": "correct ct or tumour_size_mm; only T4 goes without the size",
    "stage_contradicts_tnm": "correct ct, cn, cm or the stage (anatomic, AJCC 8)",
    "visits_out_of_order": "correct the dates, or the names of the visits",
} | SAFETY_ADVICE
"""Rule (the part before the colon) -> what to do."""


RECIST_DIFFERS = "recist_differs: the lesions give another category"


def cross_problems(
    tables: Mapping[str, pd.DataFrame],
    contract: Contract,
    visits: Sequence[str],
    regimens: Regimens | None = None,
    names: Sequence[str] = (),
) -> pd.DataFrame:
    """Return contradictions in checked tables: `PROBLEM_COLUMNS`, in the order of the rules.

    A missing cell contradicts nothing. `visits` are the study's, in order of time, `names` its regimens;
    without `regimens`, the drugs that make them, drugs are not held against them.
    """
    concerned, rows = AffectedRows(tables, contract), []
    findings = chain(_findings(tables, contract, visits), safety_findings(tables, regimens, names))
    for finding in findings:
        mask = finding.rows.fillna(value=False).astype(bool)
        if mask.any():
            whom = concerned.by(finding.table, mask)
            rows.append((finding.table, finding.column, finding.rule, finding.severity, *whom))
    return pd.DataFrame(rows, columns=PROBLEM_COLUMNS).astype({"rows": "int64"})


def _findings(
    tables: Mapping[str, pd.DataFrame], contract: Contract, visits: Sequence[str]
) -> Iterator[Finding]:
    if "ctdna_samples" in tables:
        yield from _samples(tables["ctdna_samples"], tables.get("ctdna_variants"))
    for name in ("lesions", "imaging_features"):
        if name in tables:
            value = "diameter_mm" if name == "lesions" else "value"
            undone = tables[name]["status"] != "done"
            yield Finding(name, value, "value_though_not_done", undone & tables[name][value].notna())
    yield from _recist(tables, visits)
    if "surgery" in tables:
        yield from _surgery(tables["surgery"])
    yield from _tumour(tables)
    yield from _units_of_centres(tables, contract)
    for name, frame in tables.items():
        timing = contract[name].timing
        if timing.visit is not None and timing.performed is not None:
            yield Finding(
                name, timing.performed, "visits_out_of_order",
                _out_of_order(frame, timing.visit, timing.performed, visits),
            )  # fmt: skip


def _units_of_centres(tables: Mapping[str, pd.DataFrame], contract: Contract) -> Iterator[Finding]:
    """Yield the values of centres whose median is nearer to another unit's than to all patients' median.

    Values above zero count. A column that is in another unit as a whole is found by its range.
    """
    if "subjects" not in tables:
        return
    centre = tables["subjects"].drop_duplicates("usubjid").set_index("usubjid")["siteid"]
    for name, frame in tables.items():
        if "usubjid" not in frame:
            continue
        at = frame["usubjid"].map(centre)
        for column in contract[name].columns.values():
            if column.unit not in OTHER_UNITS:
                continue
            other, factor = OTHER_UNITS[column.unit]
            values = frame[column.name].astype("float64")
            values = values.where(values > 0)
            of_centre = values.groupby(at).agg(["median", "count"])
            small = of_centre["median"] < values.median() / factor**0.5
            odd = of_centre.index[small & (of_centre["count"] >= CENTRE_MIN_VALUES)]
            yield Finding(
                name, column.name, f"centre_in_another_unit: {other}", at.isin(odd) & values.notna()
            )


def _samples(samples: pd.DataFrame, variants: pd.DataFrame | None) -> Iterator[Finding]:
    if samples["draw_date"].notna().any():
        undated = (samples["qc"] != "not_done") & samples["draw_date"].isna()
        yield Finding("ctdna_samples", "draw_date", "result_without_draw", undated)
    yield Finding(
        "ctdna_samples", "mean_vaf", "per_cent_like: all fractions are large", _per_cents(samples, variants)
    )
    at_zero = (samples["result"] == "detected") & (samples["mean_vaf"] == 0)
    yield Finding("ctdna_samples", "mean_vaf", "detected_at_zero", at_zero)
    if variants is None:
        return
    yield Finding(
        "ctdna_variants", "gene", "gene_not_on_panel: of its sample", _off_panel(samples, variants), "error"
    )
    untaken = samples.loc[samples["qc"] == "not_done", "sample_id"]
    of_none = variants["sample_id"].isin(untaken)
    yield Finding("ctdna_variants", "sample_id", "variants_without_sample: qc not_done", of_none)
    yield Finding(
        "ctdna_samples", "result", "no_tumour_variant_though_detected", _blood_alone(samples, variants)
    )
    alt, depth = variants["t_alt_count"].astype("float64"), variants["t_depth"].astype("float64")
    yield Finding("ctdna_variants", "t_alt_count", "reads_above_depth", alt > depth)
    off = (variants["vaf"] - alt / depth.where(depth > 0)).abs() > VAF_TOLERANCE
    yield Finding("ctdna_variants", "vaf", f"vaf_contradicts_reads: by more than {VAF_TOLERANCE:g}", off)


def _blood_alone(samples: pd.DataFrame, variants: pd.DataFrame) -> pd.Series:
    """Return True for samples called detected all of whose variants are of the blood or the germline."""
    told = variants["origin"].isin(["ch", "germline"]).groupby(variants["sample_id"]).all()
    alone = samples["sample_id"].isin(told.index[told])
    return alone & (samples["result"] == "detected") & (samples["assay_type"] == "fixed_panel")


def _per_cents(samples: pd.DataFrame, variants: pd.DataFrame | None) -> pd.Series:
    """Return True for the fractions of all samples, if they look like per cents below 1.

    They do if their median is above `PER_CENT_LIKE` and `PER_CENT_RATIO` times the limit of detection, or
    (if calls are known) the mean of the sample's calls.
    """
    vaf = samples["mean_vaf"].astype("float64")
    detected = vaf.where((samples["result"] != "not_detected") & (vaf > 0))
    none = pd.Series(data=False, index=samples.index)
    if detected.notna().sum() < MIN_DETECTED or detected.max() > 1 or detected.median() <= PER_CENT_LIKE:
        return none
    far = detected.median() > PER_CENT_RATIO * samples["lod_vaf"].astype("float64").median()
    if variants is not None:
        of_calls = variants.groupby("sample_id")["vaf"].mean().astype("float64")
        ratio = detected / samples["sample_id"].map(of_calls)
        far = bool(far) if ratio.notna().sum() < MIN_DETECTED else bool(ratio.median() > PER_CENT_RATIO)
    return detected.notna() if far else none


def _off_panel(samples: pd.DataFrame, variants: pd.DataFrame) -> pd.Series:
    """Return True for calls in a gene that their sample's panel does not list; without a list for none."""
    listed = samples.dropna(subset=["sample_id", "panel_genes"]).drop_duplicates("sample_id")
    off = pd.Series(data=False, index=variants.index)
    if listed.empty or variants["gene"].isna().all():
        return off
    sample = pd.Index(listed["sample_id"]).get_indexer(pd.Index(variants["sample_id"]))
    panel, panels = pd.factorize(listed["panel_genes"])
    gene, genes = pd.factorize(variants["gene"])
    covers = np.column_stack([panel_covers(pd.Series(panels), [name]) for name in genes])
    called = (sample >= 0) & (gene >= 0)
    off[called] = ~covers[panel[sample[called]], gene[called]]
    return off


def _recist(tables: Mapping[str, pd.DataFrame], visits: Sequence[str]) -> Iterator[Finding]:
    if "lesions" in tables:
        by_longest = tables["lesions"]["site"].isin(NODAL_SITES) & (tables["lesions"]["axis"] == "longest")
        yield Finding("lesions", "axis", "node_by_longest_axis", by_longest)
    if "lesions" in tables and len(visits):
        small, many = unfit_targets(tables["lesions"], visits[0])
        yield Finding("lesions", "diameter_mm", "target_too_small: 10 mm, nodes 15 mm in short axis", small)
        yield Finding("lesions", "target", "too_many_targets: five, and two in an organ", many)
    if "response" not in tables:
        return
    response = tables["response"]
    parts = overall_response(response)
    wrong = (
        parts.notna() & response["overall"].isin(["CR", "PR", "SD", "PD"]) & (response["overall"] != parts)
    )
    yield Finding("response", "overall", "overall_contradicts_parts", wrong)
    if "lesions" in tables:
        yield _responses(response, tables["lesions"])
        yield Finding("response", "overall", RECIST_DIFFERS, recist_differs(tables, visits))


def _responses(response: pd.DataFrame, lesions: pd.DataFrame) -> Finding:
    key = ["usubjid", "visit"]
    seen = pd.MultiIndex.from_frame(response[key]).isin(pd.MultiIndex.from_frame(lesions[key]))
    judged = response["overall"].isin(["CR", "PR", "SD", "PD"])
    return Finding("response", "overall", "response_without_lesions", judged & ~seen)


def recist_differs(tables: Mapping[str, pd.DataFrame], visits: Sequence[str]) -> pd.Series:
    """Return True for recorded responses that the lesions of the same scan contradict."""
    category = categories_of(tables["response"], tables["lesions"], visits)
    return category.notna() & (category != tables["response"]["overall"])


def _surgery(surgery: pd.DataFrame) -> Iterator[Finding]:
    clear = clear_of_tumour(surgery, RECORDED_PCR)
    wrong = (surgery["pcr"] == "Y") & (clear == 0) | (surgery["pcr"] == "N") & (clear == 1)
    yield Finding("surgery", "pcr", "pcr_contradicts_yp", wrong)
    pathology = surgery["yp_t"].notna() | surgery["yp_n"].notna()
    yield Finding(
        "surgery", "performed", "pathology_without_surgery", (surgery["performed"] != "Y") & pathology
    )
    index, class_ = surgery["rcb_index"], surgery["rcb_class"]
    none, first, second = RCB_LIMITS
    expected = pd.cut(index, [-1.0, none, first, second, float("inf")], labels=["0", "I", "II", "III"])
    no_residual = (class_ == "0").astype("float64").where(class_.notna())
    no_residual = no_residual.fillna((index == 0).astype("float64").where(index.notna()))
    wrong = (surgery["pcr"] == "Y") & (no_residual == 0) | (surgery["pcr"] == "N") & (no_residual == 1)
    yield Finding("surgery", "pcr", "pcr_contradicts_rcb: class 0 is pCR, and no other", wrong)
    wrong = (clear == 1) & (no_residual == 0) | (clear == 0) & (no_residual == 1)
    yield Finding("surgery", "rcb_class", "rcb_contradicts_yp: class 0 is ypT0/is ypN0", wrong)
    both = index.notna() & class_.notna()
    yield Finding(
        "surgery", "rcb_class", "rcb_class_contradicts_index", both & (expected.astype("str") != class_)
    )


def _tumour(tables: Mapping[str, pd.DataFrame]) -> Iterator[Finding]:
    """Yield the contradictions of the tumour before treatment."""
    if "pathology" in tables:
        yield from _receptors(tables["pathology"])
    if "subjects" in tables:
        yield from _staging(tables["subjects"])
        if "lesions" in tables:
            yield from _elsewhere(tables["subjects"], tables["lesions"])
    if "foci" in tables:
        yield from _foci(tables["foci"], tables.get("subjects"))


def _receptors(pathology: pd.DataFrame) -> Iterator[Finding]:
    her2, measured = pathology["her2"], her2_status(pathology)
    wrong = her2.notna() & measured.notna() & (her2 != measured)
    yield Finding("pathology", "her2", "her2_contradicts_ihc_ish", wrong)
    status = measured_ish_status(pathology)
    recorded = pathology["ish"].map({"amplified": "pos", "not_amplified": "neg"})
    wrong = recorded.notna() & status.isin(["pos", "neg"]) & (recorded != status)
    yield Finding("pathology", "ish", "ish_contradicts_ratio_and_copies", wrong)
    ihc, status = pathology["her2_ihc"], ish_status(pathology)
    wrong = ((ihc == "3+") & (status == "neg")) | (ihc.isin(["0", "1+"]) & (status == "pos"))
    yield Finding("pathology", "her2_ihc", "ihc_contradicts_ish", wrong)
    status = receptor_status(pathology)
    wrong = pathology["hr"].notna() & status.notna() & (pathology["hr"] != status)
    yield Finding("pathology", "hr", "hr_contradicts_er_pr", wrong)


def _staging(subjects: pd.DataFrame) -> Iterator[Finding]:
    by_size = t_category_by_size(subjects["tumour_size_mm"])
    wrong = subjects["ct"].isin(["T1", "T2", "T3"]) & by_size.notna() & (subjects["ct"] != by_size)
    yield Finding("subjects", "ct", "t_contradicts_size", wrong)
    group = anatomic_stage(subjects)
    wrong = subjects["stage_group"].notna() & group.notna() & (subjects["stage_group"] != group)
    yield Finding("subjects", "stage_group", "stage_contradicts_tnm", wrong)
    wrong = subjects["stage"].notna() & group.notna() & (subjects["stage"] != group.str.rstrip("ABC"))
    yield Finding("subjects", "stage", "stage_contradicts_tnm", wrong)


def _elsewhere(subjects: pd.DataFrame, lesions: pd.DataFrame) -> Iterator[Finding]:
    """Yield patients with M0 who have a lesion outside breast and nodes from the first."""
    first = (lesions["target"] != "new") & (lesions["site"] == "other")
    wrong = subjects["usubjid"].isin(lesions.loc[first, "usubjid"]) & (subjects["cm"] == "M0")
    yield Finding("subjects", "cm", "lesion_elsewhere_though_m0", wrong)


def _foci(foci: pd.DataFrame, subjects: pd.DataFrame | None) -> Iterator[Finding]:
    patient, her2 = foci["usubjid"], her2_status(foci)
    differ = her2.groupby(patient).transform("nunique").gt(1)
    yield Finding("foci", "her2_ihc", "foci_differ_in_her2", differ)
    if subjects is None:
        return
    quadrants_differ = foci["quadrant"].groupby(patient).transform("nunique").gt(1)
    over_quadrants = subjects["usubjid"].isin(patient[quadrants_differ])
    wrong = over_quadrants & (subjects["multifocal"] == "N")
    yield Finding("subjects", "multifocal", "multifocal_contradicts_foci", wrong)


def _out_of_order(frame: pd.DataFrame, visit: str, date: str, visits: Sequence[str]) -> pd.Series:
    """Return True for rows dated before a row of an earlier visit of the same patient."""
    order = frame[visit].map({name: i for i, name in enumerate(visits)})
    dates = frame.assign(order=order).groupby(["usubjid", "order"])[date].max().unstack("order")  # noqa: PD010
    latest_before = dates.cummax(axis=1).shift(axis=1).stack()  # noqa: PD013 - one value a patient and visit
    keys = pd.MultiIndex.from_arrays([frame["usubjid"], order])
    before = pd.Series(latest_before.reindex(keys).to_numpy(), index=frame.index, dtype="datetime64[us]")
    return frame[date] < before
