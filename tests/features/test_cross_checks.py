"""Contradictions between columns, rows and tables: each rule finds its rows, and no other."""

from typing import Any

import pandas as pd
import pytest

from features.checks.across_tables import CROSS_ADVICE, cross_problems
from features.contract.validation import validate
from features.documents.study import Waiver
from pipeline.sources.ingest import waived
from tests.features.tables import CONTRACT, STUDY, table

Rows = dict[str, list[dict[str, Any]]]
SAMPLE = {"usubjid": "P1", "sample_id": "S1", "visit": "baseline", "qc": "pass", "draw_date": "2026-01-02"}
SECOND = SAMPLE | {"sample_id": "S2", "visit": "c1", "draw_date": "2026-02-01"}
AT_ZERO = {"result": "detected", "mean_vaf": 0.0}
CALL = {
    "sample_id": "S1", "gene": "TP53", "hgvsp": "p.A1B", "classification": "Missense_Mutation",
    "origin": "tumor", "vaf": 0.1, "t_alt_count": 10, "t_depth": 100,
}  # fmt: skip
LESION = {
    "usubjid": "P1", "lesion_id": "L1", "visit": "c2", "method": "MRI", "reader": "INVESTIGATOR",
    "target": "target", "status": "done", "diameter_mm": 20.0, "scan_date": "2026-03-01",
}  # fmt: skip
FIRST = LESION | {"visit": "baseline", "diameter_mm": 50.0, "scan_date": "2026-01-01"}
NODE = {"lesion_id": "L2", "target": "nontarget", "site": "axillary", "axis": "longest"}
UNDONE = {"visit": "c4", "status": "not_done"}
ANSWER = {"usubjid": "P1", "visit": "c2", "method": "MRI", "reader": "INVESTIGATOR", "overall": "PR"}
OPERATED = {
    "usubjid": "P1",
    "performed": "Y",
    "yp_t": "ypT0",
    "yp_n": "ypN0",
    "rcb_index": 0.0,
    "rcb_class": "0",
}
NO_RCB = {"rcb_index": None, "rcb_class": None}
RESIDUAL = {"yp_t": "ypT1", "pcr": "N"}
RCB_WRONG = RESIDUAL | {"rcb_index": 1.37, "rcb_class": "I"}
BIOPSY = {"usubjid": "P1", "hr": "pos", "er_pct": 90.0, "pr_pct": 0.0, "her2": "pos", "her2_ihc": "3+"}
GROUP_2 = {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 2.2, "her2_copies": 3.4}
HIGH = {"ish": "amplified", "her2_cep17": 4.0, "her2_copies": 9.0}
GROUP_3 = {"her2_ihc": "2+", "ish": "not_amplified", "her2_cep17": 1.8, "her2_copies": 6.4}
PATIENT = {"usubjid": "P1", "ct": "T2", "cn": "N1", "cm": "M0"}
FOCUS = {"usubjid": "P1", "focus_id": "F1", "quadrant": "central", "her2_ihc": "3+"}
SOUND: Rows = {
    "ctdna_samples": [SAMPLE, SECOND],
    "ctdna_variants": [CALL],
    "lesions": [FIRST, LESION],
    "response": [ANSWER],
    "surgery": [OPERATED],
    "pathology": [BIOPSY],
}


ERRORS = {"gene_not_on_panel"}


def found(name: str, *rows: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return table, column, rule and rows of the problems when one table has these rows."""
    tables = {key: table(key, value) for key, value in {**SOUND, name: list(rows)}.items()}
    problems = cross_problems(tables, CONTRACT, STUDY["visits"])
    shown = problems.assign(rule=problems["rule"].str.split(":").str[0])
    assert ((shown["severity"] == "error") == shown["rule"].isin(ERRORS)).all()
    assert shown["rule"].isin(CROSS_ADVICE).all()
    return list(shown[["table", "column", "rule", "rows"]].itertuples(index=False, name=None))


FAULTS: list[tuple[str, list[dict[str, Any]], str, str]] = [
    ("ctdna_samples", [SAMPLE, SECOND | {"draw_date": None}], "draw_date", "result_without_draw"),
    ("ctdna_samples", [SAMPLE | {"qc": "not_done"}], "sample_id", "variants_without_sample"),
    ("ctdna_variants", [CALL | {"t_alt_count": 300, "vaf": 3.0}], "t_alt_count", "reads_above_depth"),
    ("ctdna_variants", [CALL | {"vaf": 0.5}], "vaf", "vaf_contradicts_reads"),
    ("lesions", [FIRST, LESION, LESION | UNDONE], "diameter_mm", "value_though_not_done"),
    ("response", [ANSWER, ANSWER | {"visit": "c4"}], "overall", "response_without_lesions"),
    ("surgery", [OPERATED | NO_RCB | {"pcr": "N"}], "pcr", "pcr_contradicts_yp"),
    ("surgery", [OPERATED | NO_RCB | {"pcr": "Y", "yp_n": "ypN0i+"}], "pcr", "pcr_contradicts_yp"),
    ("surgery", [OPERATED | {"performed": "N"}], "performed", "pathology_without_surgery"),
    ("surgery", [OPERATED | RCB_WRONG], "rcb_class", "rcb_class_contradicts_index"),
    ("surgery", [OPERATED | {"pcr": "N", "yp_t": None}], "pcr", "pcr_contradicts_rcb"),
    ("surgery", [OPERATED | RESIDUAL | {"pcr": None}], "rcb_class", "rcb_contradicts_yp"),
    ("pathology", [BIOPSY | {"her2_ihc": "2+", "ish": "not_amplified"}], "her2", "her2_contradicts_ihc_ish"),
    ("pathology", [BIOPSY | GROUP_2 | {"her2": "neg"}], "ish", "ish_contradicts_ratio_and_copies"),
    ("pathology", [BIOPSY | GROUP_3], "ish", "ish_contradicts_ratio_and_copies"),
    ("pathology", [BIOPSY | {"her2_ihc": "3+", "ish": "not_amplified"}], "her2_ihc", "ihc_contradicts_ish"),
    ("pathology", [BIOPSY | HIGH | {"her2_ihc": "0", "her2": None}], "her2_ihc", "ihc_contradicts_ish"),
    ("ctdna_samples", [SAMPLE, SECOND | AT_ZERO], "mean_vaf", "detected_at_zero"),
    (
        "lesions", [FIRST, LESION, FIRST | NODE],
        "axis", "node_by_longest_axis",
    ),
    ("subjects", [PATIENT | {"ct": "T2", "tumour_size_mm": 80.0}], "ct", "t_contradicts_size"),
    ("subjects", [PATIENT | {"ct": "T3", "tumour_size_mm": 50.0}], "ct", "t_contradicts_size"),
    ("subjects", [PATIENT | {"stage": "II", "cn": "N2"}], "stage", "stage_contradicts_tnm"),
    ("subjects", [PATIENT | {"stage_group": "IIIB", "cn": "N3"}], "stage_group", "stage_contradicts_tnm"),
    ("subjects", [PATIENT | {"stage": "III", "cm": "M1"}], "stage", "stage_contradicts_tnm"),
    ("pathology", [BIOPSY | {"her2": "neg"}], "her2", "her2_contradicts_ihc_ish"),
    ("pathology", [BIOPSY | {"er_pct": 0.9}], "hr", "hr_contradicts_er_pr"),
    ("pathology", [BIOPSY | {"hr": "neg"}], "hr", "hr_contradicts_er_pr"),
    ("ctdna_samples", [SAMPLE, SECOND | {"draw_date": "2026-01-01"}], "draw_date", "visits_out_of_order"),
]  # fmt: skip


def test_sound_tables_have_no_contradiction() -> None:
    assert found("pathology", BIOPSY) == []


@pytest.mark.parametrize(("name", "rows", "column", "rule"), FAULTS)
def test_a_contradiction_is_found_in_its_row(
    name: str, rows: list[dict[str, Any]], column: str, rule: str
) -> None:
    at = "ctdna_variants" if rule == "variants_without_sample" else name
    assert found(name, *rows) == [(at, column, rule, 1)]


def test_foci_of_different_her2_status_are_named() -> None:
    rule = ("foci", "her2_ihc", "foci_differ_in_her2", 2)
    assert found("foci", FOCUS, FOCUS | {"focus_id": "F2", "her2_ihc": "1+"}) == [rule]
    assert found("foci", FOCUS, FOCUS | {"focus_id": "F2", "her2_ihc": "2+"}) == [], "open is not another"


def test_a_tumour_over_quadrants_is_multifocal() -> None:
    foci = table("foci", [FOCUS, FOCUS | {"focus_id": "F2", "quadrant": "upper_outer"}])
    patients = [PATIENT | {"multifocal": "N"}, PATIENT | {"usubjid": "P2", "multifocal": "N"}]
    tables = {"subjects": table("subjects", patients), "foci": foci}
    problems = cross_problems(tables, CONTRACT, STUDY["visits"])
    assert problems[["rule", "ids"]].to_numpy().tolist() == [["multifocal_contradicts_foci", "P1"]]


CONSISTENT: list[tuple[str, dict[str, Any]]] = [
    ("surgery", OPERATED | NO_RCB | {"pcr": "N", "yp_n": "ypNX"}),
    ("surgery", OPERATED | RESIDUAL | {"rcb_index": 1.36, "rcb_class": "I"}),
    ("surgery", OPERATED | RESIDUAL | {"rcb_index": 3.29, "rcb_class": "III"}),
    ("pathology", BIOPSY | {"her2_ihc": "2+", "ish": "not_done"}),
    ("pathology", BIOPSY | GROUP_2 | {"ish": "not_amplified", "her2": "neg"}),
    ("pathology", BIOPSY | GROUP_3 | {"ish": "amplified"}),
    ("pathology", BIOPSY | GROUP_2 | {"her2_ihc": None}),
    ("subjects", PATIENT | {"ct": "T4", "tumour_size_mm": 15.0, "stage": "III"}),
    ("subjects", PATIENT | {"tumour_size_mm": 50.0, "stage": "II", "stage_group": "IIB"}),
    ("subjects", PATIENT | {"ct": None, "stage": "III", "tumour_size_mm": 10.0}),
    ("foci", FOCUS),
    ("pathology", BIOPSY | {"er_pct": None, "pr_pct": None}),
    ("response", ANSWER | {"overall": "ND", "visit": "c4"}),
    ("ctdna_variants", CALL | {"t_alt_count": None}),
]


@pytest.mark.parametrize(("name", "row"), CONSISTENT)
def test_what_is_missing_or_at_the_limit_contradicts_nothing(name: str, row: dict[str, Any]) -> None:
    assert found(name, row) == []


def test_the_simulated_kind_of_empty_tables_is_no_problem() -> None:
    tables = {name: table(name, [rows[0]]).iloc[:0] for name, rows in SOUND.items()}
    assert cross_problems(tables, CONTRACT, STUDY["visits"]).empty


PROBLEMS = pd.DataFrame(
    [
        ("surgery", "pcr", "pcr_contradicts_yp", "warning", 2, "P1; P2"),
        ("surgery", "surgery_date", "not_before: subjects.rand_date", "error", 1, "P1"),
        ("surgery", "yp_t", "levels: ypT0", "error", 1, "P1"),
    ],
    columns=["table", "column", "rule", "severity", "rows", "ids"],
)


def waiver(column: str, rule: str, rows: int) -> dict[str, Any]:
    return {"table": "surgery", "column": column, "rule": rule, "rows": rows, "reason": "seen", "who": "AB"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (waiver("pcr", "pcr_contradicts_yp", 2), ["waived", "error", "error"]),
        (waiver("pcr", "pcr_contradicts_yp", 1), ["warning", "error", "error"]),
        (waiver("surgery_date", "not_before", 1), ["warning", "waived", "error"]),
        (waiver("yp_t", "levels", 9), ["warning", "error", "error"]),
    ],
)
def test_a_waiver_covers_what_it_says_and_never_what_cannot_be_used(
    entry: dict[str, Any], expected: list[str]
) -> None:
    result = waived(PROBLEMS, [Waiver(**entry)])
    assert result["severity"].tolist() == expected
    shown = result.loc[result["severity"] == "waived", "rule"]
    assert shown.str.endswith("; waived by AB: seen").all()
    assert PROBLEMS["severity"].tolist() == ["warning", "error", "error"]


def at_centres(name: str, column: str, values: dict[str, list[float]]) -> pd.DataFrame:
    """Return what is found where the patients of each centre have these values of a column."""
    cells = [(centre, value) for centre, of_centre in values.items() for value in of_centre]
    people = [{"usubjid": f"P{i:02d}", "siteid": centre} for i, (centre, _) in enumerate(cells)]
    rows = [{"usubjid": f"P{i:02d}", column: value} for i, (_, value) in enumerate(cells)]
    if name == "lesions":
        rows = [FIRST | row for row in rows]
    tables = {"subjects": table("subjects", people), name: table(name, rows)}
    problems = cross_problems(tables, CONTRACT, ["baseline"])
    return problems[~problems["rule"].str.startswith("target_too_small")].reset_index(drop=True)


@pytest.mark.parametrize(
    ("name", "column", "usual", "other"),
    [
        ("lesions", "diameter_mm", 30.0, "cm, not mm"),
        ("pathology", "ki67_pct", 40.0, "fraction, not per cent"),
    ],
)
def test_a_centre_in_another_unit_is_found_and_a_small_or_an_ordinary_one_is_not(
    name: str, column: str, usual: float, other: str
) -> None:
    factor = 10 if other.startswith("cm") else 100
    usual_centre = [usual + i for i in range(12)]
    odd = [value / factor for value in usual_centre]
    found = at_centres(name, column, {"A": usual_centre, "B": odd, "C": usual_centre})
    assert found[["column", "rule", "rows"]].to_numpy().tolist() == [
        [column, f"centre_in_another_unit: {other}", 12]
    ]
    assert [at.centre for at in found["by_centre"][0]] == ["B"]
    few = at_centres(name, column, {"A": usual_centre, "B": odd[:9], "C": usual_centre})
    half = at_centres(
        name, column, {"A": usual_centre, "B": [v / 2 for v in usual_centre], "C": usual_centre}
    )
    assert few.empty
    assert half.empty


def test_the_rules_of_the_contract_and_these_have_different_names() -> None:
    _, problems = validate({}, CONTRACT, {"visits": [], "arms": [], "regimens": []})
    assert not set(problems["rule"]) & set(CROSS_ADVICE)


def detected(n: int, vaf: float, lod: float = 0.001) -> list[dict[str, Any]]:
    day = {"qc": "pass", "result": "detected", "draw_date": "2026-01-02", "lod_vaf": lod}
    return [
        day | {"usubjid": f"P{i}", "sample_id": f"S{i}", "visit": "baseline", "mean_vaf": vaf}
        for i in range(n)
    ]


def test_fractions_that_are_all_large_look_like_per_cents() -> None:
    suspicion = [("ctdna_samples", "mean_vaf", "per_cent_like", 6)]
    assert found("ctdna_samples", *detected(6, 0.31)) == suspicion
    assert found("ctdna_samples", *detected(4, 0.31)) == [], "too few"
    assert found("ctdna_samples", *detected(6, 0.04)) == [], "rare, but a fraction"
    assert found("ctdna_samples", *detected(6, 0.31, lod=0.05)) == [], "an assay for advanced disease"


@pytest.mark.parametrize(("call", "suspected"), [(0.0031, True), (0.31, False)])
def test_the_samples_own_calls_tell_fractions_from_per_cents(call: float, suspected: bool) -> None:
    calls = [CALL | {"sample_id": f"S{i}", "vaf": call, "t_alt_count": None} for i in range(6)]
    tables = {
        "ctdna_samples": table("ctdna_samples", detected(6, 0.31)),
        "ctdna_variants": table("ctdna_variants", calls),
    }
    rules = cross_problems(tables, CONTRACT, STUDY["visits"])["rule"]
    assert rules.str.startswith("per_cent_like").any() == suspected


def test_a_call_is_off_the_panel_only_where_the_samples_panel_is_known() -> None:
    off = [("ctdna_variants", "gene", "gene_not_on_panel", 1)]
    assert found("ctdna_samples", SAMPLE | {"panel_genes": "AKT1;PTEN"}, SECOND) == off
    assert found("ctdna_samples", SAMPLE | {"panel_genes": "AKT1;TP53"}, SECOND) == []
    assert found("ctdna_samples", SAMPLE, SECOND | {"panel_genes": "AKT1"}) == []
