"""Six states that are never one number, gene status that is never guessed, assays that are never mixed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.ctdna import build, course, gene_status, on_samples
from features.definitions import sample_states
from features.feature import FeatureError
from tests.features.tables import PANEL, SETTINGS, domain_settings, spec_rows, table

PATIENTS = pd.Index(["P1"], name="usubjid")
DONE = {"usubjid": "P1", "planned": "Y", "qc": "pass", "assay_type": "fixed_panel", "lod_vaf": 0.001}
POSITIVE = DONE | {"result": "detected", "mean_vaf": 0.01, "mtm_per_ml": 10.0, "panel_genes": PANEL}
NEGATIVE = DONE | {"result": "not_detected", "panel_genes": PANEL}
HIT = {
    "sample_id": "S1",
    "gene": "PIK3CA",
    "hgvsp": "p.H1047R",
    "vaf": 0.02,
    "origin": "tumor",
    "pathogenic": "Y",
}
PANELS = {"full": PANEL, "part": "PIK3CA", None: None}


def samples(*rows: dict[str, Any], **visits: dict[str, Any]) -> pd.DataFrame:
    named = [{"sample_id": f"S-{visit}", "visit": visit, **row} for visit, row in visits.items()]
    return table("ctdna_samples", [{"sample_id": "S1", "visit": "baseline", **row} for row in rows] + named)


def features(
    frame: pd.DataFrame,
    variants: list[dict[str, Any]] | None = None,
    patients: pd.Index = PATIENTS,
    **settings: Any,
) -> pd.DataFrame:
    tables = {"ctdna_samples": frame}
    if variants is not None:
        tables["ctdna_variants"] = table("ctdna_variants", variants)
    return build(tables, patients, *domain_settings("ctdna", **settings))[0]


@pytest.mark.parametrize(
    "row", spec_rows("features_ctdna_state.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_the_state_of_a_sample_follows_the_specification(row: dict[str, Any]) -> None:
    assert sample_states(samples(row | {"lod_vaf": 0.001})).tolist() == [row["state"]]


@pytest.mark.parametrize(
    "row", spec_rows("features_ctdna_course.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_the_course_follows_the_specification(row: dict[str, str]) -> None:
    states = pd.DataFrame([row])[["baseline", "c1", "c2"]]
    for visit in ("c1", "c2"):
        assert course(states, visit).tolist() == [row[f"course_{visit}"]]


@pytest.mark.parametrize(
    "row", spec_rows("features_ctdna_genes.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_gene_status_follows_the_specification(row: dict[str, Any]) -> None:
    vaf = 0.0001 if row["state"] == "below_lod" else 0.01
    assay = {
        "assay_type": row["assay"],
        "panel_genes": PANELS[row["panel"]],
        "mean_vaf": vaf,
        "lod_vaf": 0.001,
    }
    sample = samples(assay).assign(state=row["state"])
    variant = HIT | {k: row[k] for k in ("gene", "origin", "pathogenic")}
    variants = on_samples(table("ctdna_variants", [variant]), sample)
    status = gene_status(sample, variants, SETTINGS.ctdna.gene_sets)
    assert status["pam"].tolist() == [row["status"]]


def test_the_six_states_of_a_visit_all_come_out_distinct() -> None:
    rows = [
        DONE | {"qc": "not_done", "planned": "N"},
        DONE | {"qc": "not_done"},
        DONE | {"qc": "fail"},
        POSITIVE | {"mean_vaf": 0.0002},
        NEGATIVE,
        POSITIVE,
    ]
    frame = samples(*(row | {"usubjid": f"P{i}", "sample_id": f"S{i}"} for i, row in enumerate(rows)))
    found = features(frame, patients=pd.Index([f"P{i}" for i in range(6)]))
    expected = ["not_planned", "not_done", "not_evaluable", "below_lod", "negative", "positive"]
    assert found["ctdna_baseline_state"].tolist() == expected
    vaf = found["ctdna_baseline_vaf_mean_panel"]
    assert vaf.isna().tolist() == [True, True, True, False, False, False]
    assert vaf.iloc[3:].tolist() == pytest.approx([np.log10(0.0002), -4.0, -2.0])


def test_a_patient_without_a_row_is_not_done() -> None:
    found = features(samples(POSITIVE), patients=pd.Index(["P1", "P2"]))
    assert found["ctdna_baseline_state"].tolist() == ["positive", "not_done"]


def test_a_negative_sample_has_the_floor_and_no_variants_whatever_else_is_listed() -> None:
    found = features(samples(NEGATIVE | {"mean_vaf": 0.0005, "mtm_per_ml": 3.0}), [HIT]).iloc[0]
    assert found["ctdna_baseline_vaf_max_panel"] == found["ctdna_baseline_vaf_mean_panel"] == -4
    assert found["ctdna_baseline_mtm_log10_panel"] == -2
    assert found["ctdna_baseline_n_variants_panel"] == 0


def test_only_variants_of_tumour_origin_count() -> None:
    other = [HIT | {"origin": o, "vaf": 0.4, "gene": f"G{o}"} for o in ("ch", "germline", "unknown")]
    second = HIT | {"gene": "ERBB2", "vaf": 0.05}
    found = features(samples(POSITIVE | {"mean_vaf": None}), [HIT, second, *other]).iloc[0]
    assert found["ctdna_baseline_n_variants_panel"] == 2
    assert found["ctdna_baseline_vaf_max_panel"] == pytest.approx(np.log10(0.05))
    assert found["ctdna_baseline_vaf_mean_panel"] == pytest.approx(np.log10(0.035))


def test_a_detected_sample_without_listed_variants_has_no_highest_vaf_and_the_laboratorys_count() -> None:
    informed = POSITIVE | {"assay_type": "tumor_informed", "n_detected": 7}
    found = features(samples(informed), []).iloc[0]
    assert np.isnan(found["ctdna_baseline_vaf_max_informed"])
    assert found["ctdna_baseline_n_variants_informed"] == 7


def test_kinds_of_assay_have_columns_of_their_own_and_no_change_across() -> None:
    informed = POSITIVE | {"assay_type": "tumor_informed", "mean_vaf": 0.0001}
    found = features(samples(baseline=POSITIVE, c1=informed, c2=POSITIVE | {"mean_vaf": 0.001})).iloc[0]
    assert found["ctdna_baseline_vaf_mean_panel"] == -2
    assert found["ctdna_c1_vaf_mean_informed"] == -4
    assert np.isnan(found["ctdna_c1_vaf_mean_panel"])
    assert found.filter(regex="c1_vaf_change").isna().all()
    assert found["ctdna_c2_vaf_change_panel"] == pytest.approx(-1)


def test_change_is_on_the_log_scale_since_the_first_visit_and_mtm_keeps_its_own() -> None:
    found = features(samples(baseline=POSITIVE, c1=NEGATIVE)).iloc[0]
    assert found["ctdna_c1_vaf_change_panel"] == pytest.approx(-2)
    assert found["ctdna_c1_mtm_change_panel"] == pytest.approx(-3)
    assert found["ctdna_course_c1"] == "cleared"


def test_a_visit_without_samples_gives_no_columns() -> None:
    found = features(samples(baseline=POSITIVE, c2=NEGATIVE))
    assert not found.filter(like="c1").columns.tolist()
    assert found["ctdna_course_c2"].tolist() == ["cleared"]
    assert features(samples()).empty
    assert build({}, PATIENTS, *domain_settings("ctdna"))[0].empty


def test_without_a_variants_table_nothing_is_said_of_variants_or_genes() -> None:
    found = features(samples(POSITIVE))
    assert not found.filter(regex="vaf_max|n_variants|pam|tp53").columns.tolist()
    assert found["ctdna_baseline_vaf_mean_panel"].tolist() == [-2]


def test_the_assay_and_its_limit_are_those_of_the_first_sample_taken() -> None:
    informed = NEGATIVE | {"assay_type": "tumor_informed", "lod_vaf": 0.0001}
    found = features(samples(baseline=DONE | {"qc": "not_done"}, c1=informed, c2=POSITIVE)).iloc[0]
    assert found["ctdna_assay"] == "tumor_informed"
    assert found["ctdna_lod_log10"] == pytest.approx(-4)


def test_a_gene_set_left_empty_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"ctdna\.gene_sets\.pam: no genes are given"):
        features(samples(POSITIVE), [HIT], gene_sets={"pam": ()})


def test_a_feature_says_what_it_is() -> None:
    described = build(
        {"ctdna_samples": samples(baseline=POSITIVE, c1=POSITIVE)}, PATIENTS, *domain_settings("ctdna")
    )[1]
    by_name = {feature.name: feature for feature in described}
    change = by_name["ctdna_c1_vaf_change_panel"]
    assert (change.domain, change.kind, change.unit, change.known_at) == (
        "ctdna",
        "numeric",
        "log10 ratio",
        "c1",
    )
    assert by_name["ctdna_c1_state"].levels[0] == "not_planned"


def test_the_mean_over_variants_has_the_same_bits_in_any_order_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    patients = pd.Index([f"P{i:02d}" for i in range(40)])
    unsaid = [POSITIVE | {"mean_vaf": None, "usubjid": p, "sample_id": f"S-{p}"} for p in patients]
    listed = [
        HIT | {"sample_id": f"S-{p}", "hgvsp": f"p.X{k}Y", "vaf": 10 ** rng.uniform(-4, 0)}
        for p in patients
        for k in range(12)
    ]
    one, other = (
        features(samples(*unsaid), [listed[i] for i in rng.permutation(len(listed))], patients)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_kind_of_assay_that_gave_no_result_has_no_columns() -> None:
    found = features(samples(baseline=POSITIVE, c1=DONE | {"qc": "not_done", "assay_type": None}))
    assert not found.filter(regex="informed|unknown").columns.tolist()
