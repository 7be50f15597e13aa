"""Clinical sentences: each is said once, and every user of it says the same of the same rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.ctdna import gene_status
from features.definitions import (
    anatomic_stage,
    clear_of_tumour,
    er_category,
    her2_status,
    ish_group,
    ish_status,
    known_dates,
    known_too_late,
    receptor_status,
    residual_her2,
    sample_states,
    t_category_by_size,
    target_sums,
)
from features.gene_rules import any_pathogenic
from features.mutations import mutation_status, panel_covers
from tests.features.tables import spec_rows, table

SAMPLE = {
    "usubjid": "P1", "sample_id": "S1", "visit": "c1", "qc": "pass", "result": "detected", "mean_vaf": 0.01,
    "lod_vaf": 0.001, "assay_type": "fixed_panel", "panel_genes": "PIK3CA; PTEN",
}  # fmt: skip
GENES = any_pathogenic(["PIK3CA", "PTEN"])
HIT = {"sample_id": "S1", "gene": "PTEN", "origin": "tumor", "pathogenic": "Y", "hgvsp": "p.X1Y", "vaf": 0.1}


def status(variant: dict[str, Any] | None, **changes: Any) -> str:
    samples = table("ctdna_samples", [SAMPLE | changes])
    variants = table("ctdna_variants", [HIT | ({"sample_id": "S9"} if variant is None else variant)])
    detected = sample_states(samples).isin(["positive", "below_lod"])
    [answer] = mutation_status(samples, detected, variants, GENES)
    return str(answer)


@pytest.mark.parametrize(
    ("variant", "changes", "expected"),
    [
        ({}, {}, "mutated"),
        ({}, {"mean_vaf": 0.0001, "assay_type": "tumor_informed", "panel_genes": None}, "mutated"),
        (None, {}, "wild_type"),
        ({"origin": "ch"}, {}, "wild_type"),
        ({"pathogenic": "VUS", "origin": "unknown"}, {}, "wild_type"),
        ({"origin": "unknown"}, {}, "doubtful_variant"),
        ({"pathogenic": None}, {}, "doubtful_variant"),
        (None, {"mean_vaf": 0.0001}, "below_limit_of_detection"),
        (None, {"panel_genes": "PTEN"}, "genes_not_covered"),
        (None, {"assay_type": "tumor_informed"}, "tumour_informed_assay"),
        (None, {"assay_type": None}, "unknown_assay"),
        ({}, {"result": "not_detected"}, "not_detected"),
        ({}, {"qc": "fail"}, "not_detected"),
    ],
)
def test_wild_type_needs_evidence_and_a_mutation_needs_detected_ctdna(
    variant: dict[str, Any] | None, changes: dict[str, Any], expected: str
) -> None:
    assert status(variant, **changes) == expected


def test_a_study_without_variants_has_no_wild_type() -> None:
    samples = table("ctdna_samples", [SAMPLE])
    assert mutation_status(samples, pd.Series([True]), None, GENES).tolist() == ["no_variants"]


def test_the_features_call_unknown_whatever_the_reason() -> None:
    samples = table("ctdna_samples", [SAMPLE, SAMPLE | {"sample_id": "S2", "panel_genes": None}])
    samples["state"] = sample_states(samples)
    variants = table("ctdna_variants", [HIT])
    assert gene_status(samples, variants, {"pam": GENES})["pam"].tolist() == ["mutated", "unknown"]


def test_a_panel_covers_genes_only_if_it_lists_them_all() -> None:
    panels = pd.Series(["PTEN;PIK3CA ; TP53", "PTEN;PIK3CA2", None, "PTEN"])
    assert panel_covers(panels, GENES).tolist() == [True, False, False, False]


LESION = {
    "usubjid": "P1",
    "visit": "c2",
    "target": "target",
    "site": "breast",
    "axis": "longest",
    "status": "done",
}
NODE = LESION | {"lesion_id": "L2", "site": "axillary"}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"axis": "short", "diameter_mm": 8.0}, (2, 0, 38.0)),
        ({"axis": "longest", "diameter_mm": 8.0}, (1, 1, 30.0)),
        ({"axis": "short", "status": "not_evaluable"}, (1, 1, 30.0)),
        ({"axis": "short", "diameter_mm": 8.0, "target": "nontarget"}, (1, 0, 30.0)),
    ],
)
def test_a_sum_of_targets_takes_nodes_by_their_short_axis(
    node: dict[str, Any], expected: tuple[int, int, float]
) -> None:
    rows = table("lesions", [LESION | {"lesion_id": "L1", "diameter_mm": 30.0}, NODE | node])
    sums = target_sums(rows, ["usubjid", "visit"]).loc[("P1", "c2")]
    assert (sums["measured"], sums["missed"], sums["sum_mm"]) == expected


@pytest.mark.parametrize(
    ("yp_t", "yp_n", "expected"),
    [
        ("ypTis", "ypN0", (1, 0, 1)),
        ("ypT0", "ypN0(i+)", (0, 0, 1)),
        ("ypT0", "ypNX", (None, None, 1)),
        ("ypT2", "ypNX", (None, None, 0)),
        (None, "ypN1", (None, None, None)),
    ],
)
def test_an_organ_that_was_not_assessed_leaves_the_answer_open_whatever_the_other_shows(
    yp_t: str | None, yp_n: str, expected: tuple[int | None, ...]
) -> None:
    surgery = table("surgery", [{"usubjid": "P1", "yp_t": yp_t, "yp_n": yp_n}])
    answers = [clear_of_tumour(surgery, d).iloc[0] for d in ("ypT0/is_ypN0", "ypT0_ypN0", "ypT0/is")]
    assert tuple(None if np.isnan(answer) else int(answer) for answer in answers) == expected


@pytest.mark.parametrize(
    ("er", "pr", "expected"),
    [(1.0, None, "pos"), (0.0, 90.0, "pos"), (0.99, 0.0, "neg"), (0.0, None, None), (None, None, None)],
)
def test_receptors_are_positive_from_one_per_cent_and_negative_only_if_both_are_known(
    er: float | None, pr: float | None, expected: str | None
) -> None:
    [found] = receptor_status(table("pathology", [{"usubjid": "P1", "er_pct": er, "pr_pct": pr}]))
    assert (None if pd.isna(found) else found) == expected


def test_a_row_is_known_when_reported_else_when_performed_and_the_day_itself_is_in_time() -> None:
    dates = [("2026-01-01", "2026-01-09"), ("2026-01-01", None), ("2026-01-09", None), (None, None)]
    rows = pd.DataFrame(dates, columns=["draw", "report"]).apply(pd.to_datetime)
    decision = np.repeat(np.datetime64("2026-01-08", "us"), 4)
    assert known_too_late(rows, decision, "draw", "report").tolist() == [True, False, True, False]
    assert known_too_late(rows, decision + np.timedelta64(1, "D"), "draw", "report").sum() == 0
    assert np.isnat(known_dates(rows, None, "report")).tolist() == [False, True, True, True]
    assert not known_too_late(rows, np.repeat(np.datetime64("NaT", "us"), 4), "draw", "report").any()


def as_cells(values: pd.Series) -> list[str | None]:
    """Return a column as a spec table has it."""
    return [None if pd.isna(value) else str(value) for value in values]


def test_her2_is_read_from_ihc_ish_ratio_and_copies_as_the_specification_says() -> None:
    rows = spec_rows("features_her2.txt")
    names = {"ihc": "her2_ihc", "ratio": "her2_cep17", "copies": "her2_copies"}
    pathology = table("pathology", [{names.get(k, k): v for k, v in row.items()} for row in rows])
    for name, found in {
        "group": ish_group(pathology),
        "ish_status": ish_status(pathology),
        "her2": her2_status(pathology),
    }.items():
        assert as_cells(found) == [row[name] for row in rows], name


def test_the_stage_group_follows_clinical_t_n_and_m() -> None:
    rows = spec_rows("features_stage.txt")
    subjects = table("subjects", [{k: v for k, v in row.items() if k != "stage"} for row in rows])
    assert as_cells(anatomic_stage(subjects)) == [row["stage"] for row in rows]


def test_size_gives_t_and_stained_nuclei_the_er_category() -> None:
    rows = spec_rows("features_t_and_er.txt")
    size, er = (pd.Series([row[name] for row in rows], dtype="float64") for name in ("size", "er"))
    assert as_cells(t_category_by_size(size)) == [row["t"] for row in rows]
    assert as_cells(er_category(er)) == [row["category"] for row in rows]


def test_her2_of_the_residual_tumour_is_read_as_that_of_the_biopsy() -> None:
    cells = [("3+", None), ("2+", "amplified"), ("2+", "not_done"), ("1+", None), (None, None)]
    rows = [{"residual_her2_ihc": ihc, "residual_ish": ish} for ihc, ish in cells]
    assert as_cells(residual_her2(table("surgery", rows))) == ["pos", "pos", None, "neg", None]
