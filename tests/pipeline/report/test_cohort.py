"""Figures of single patients: who is drawn, where, and that figures without data are not there."""

import io
from typing import Any

import pandas as pd
import pytest

from features.gene_rules import any_pathogenic
from pipeline.report.cohort.ctdna import fractions, fractions_chart
from pipeline.report.cohort.oncoprint import BLOOD, MUTATION, NOT_COVERED, OTHER_GENES, cells
from pipeline.report.cohort.part import single_patient_part
from pipeline.report.cohort.people import SinglePatients, last_known, people
from pipeline.report.cohort.response import best_changes
from pipeline.report.cohort.treatment import ends, segments
from pipeline.report.drawing import Spec
from tests.labels import PLAIN
from tests.pipeline.test_report import SETTINGS
from tests.pipeline.test_study_sections import FACTS

IDS = ["P1", "P2", "P3", "P4"]
COHORT = pd.DataFrame({"usubjid": IDS, "arm": ["A", "A", "B", "B"], "outcome": [1.0, 0.0, 1.0, None]})
C2 = pd.DataFrame(
    {
        "usubjid": ["P1", "P2", "P3"], "hr": ["pos", "neg", "pos"],
        "imaging_c2_sum_change": [-0.5, 0.1, None], "imaging_c2_response": ["PR", "SD", "ND"],
        "ctdna_baseline_state": ["positive", "negative", "not_evaluable"],
        "ctdna_c1_state": ["negative", "negative", "positive"],
        "ctdna_baseline_vaf_max_panel": [-2.0, -4.0, -3.0], "ctdna_c1_vaf_max_panel": [-4.0, -4.0, -3.0],
    }
)  # fmt: skip
BASELINE = pd.DataFrame({"usubjid": IDS, "hr": ["neg", "neg", "neg", "pos"]})
EXPOSURE = pd.DataFrame(
    {
        "usubjid": ["P1", "P1", "P1", "P2"], "regimen": ["X", "X", "Y", "X"],
        "start_date": pd.to_datetime(["2025-01-01", "2025-01-22", "2025-02-12", "2025-01-01"]),
    }
)  # fmt: skip
SAMPLES = pd.DataFrame(
    {
        "sample_id": ["s1", "s2"], "usubjid": ["P1", "P2"], "assay_type": "fixed_panel", "planned": "Y",
        "panel_genes": ["TP53;ERBB2", "TP53"], "qc": "pass", "result": "detected", "mean_vaf": 0.1,
        "lod_vaf": 0.01,
    }
)  # fmt: skip
VARIANTS = pd.DataFrame(
    {
        "sample_id": ["s1", "s1", "s2"], "gene": ["TP53", "DNMT3A", "TP53"], "hgvsp": "p.R1H",
        "classification": "Missense_Mutation", "origin": ["tumor", "ch", "ch"], "pathogenic": ["Y", "Y", "Y"],
    }
)  # fmt: skip


def single(**changes: Any) -> SinglePatients:
    raw = {"exposure": EXPOSURE, "ctdna_samples": SAMPLES, "ctdna_variants": VARIANTS}
    given: dict[str, Any] = {
        "features": {"baseline": BASELINE, "c2": C2}, "cohort": COHORT, "branches": {}, "raw": raw,
        "genes": any_pathogenic(["TP53", "ERBB2"]),
    } | changes  # fmt: skip
    return SinglePatients(**given)


def part(**changes: Any) -> tuple[dict[str, Spec], dict[str, str]]:
    return single_patient_part(
        single(**changes), SETTINGS.single_patients, ["baseline", "c1", "c2"], ["X", "Y"], SETTINGS.drawing,
        FACTS, PLAIN,
    )  # fmt: skip


def charts(**changes: Any) -> dict[str, Spec]:
    return part(**changes)[0]


def drawn(spec: Spec) -> set[str]:
    tables = [pd.read_csv(io.StringIO(text)) for text in spec["datasets"].values() if isinstance(text, str)]
    return {patient for table in tables if "patient" in table for patient in table["patient"]}


def test_the_caption_of_a_figure_counts_the_patients_that_it_draws() -> None:
    figures = charts()
    assert set(figures) == {"waterfall-changes", "spider", "fractions", "swimmer", "oncoprint"}
    assert {name: spec["usermeta"]["about"]["n"] for name, spec in figures.items()} == {
        name: len(drawn(spec)) for name, spec in figures.items()
    }
    assert figures["waterfall-changes"]["usermeta"]["about"]["events"] == 1


def test_no_pseudonym_is_in_a_figure_and_a_patient_has_one_number_in_all_of_them() -> None:
    figures = charts()
    assert not any(patient in str(spec) for spec in figures.values() for patient in IDS)
    assert drawn(figures["waterfall-changes"]) == {1, 2}
    assert drawn(figures["fractions"]) == {1, 2, 3}


def test_without_imaging_ctdna_or_treatment_there_is_no_figure() -> None:
    assert charts(features={"baseline": BASELINE}, raw={}) == {}
    undated = EXPOSURE.assign(start_date=pd.NaT)
    assert "swimmer" not in charts(raw={"exposure": undated})


def test_a_patient_is_known_by_the_last_landmark_and_sits_in_one_row() -> None:
    values = last_known({"baseline": BASELINE, "c2": C2})
    assert values["hr"].to_dict() == {"P1": "pos", "P2": "neg", "P3": "pos", "P4": "pos"}


def test_the_best_change_is_the_lowest_and_patients_without_one_have_no_bar() -> None:
    changes = pd.DataFrame({"c2": [-0.5, 0.1, None], "c4": [-0.2, 0.3, None]}, index=["P1", "P2", "P3"])
    responses = pd.DataFrame({"c2": ["PR", "NE", "PD"], "c4": ["CR", "ND", "PD"]}, index=changes.index)
    best = best_changes(changes, responses, people(single(), FACTS, PLAIN)).set_index("patient")
    assert best["change"].to_dict() == {"P1": -0.5, "P2": 0.1}
    assert best["response"].to_dict() == {"P1": "CR", "P2": "NE"}
    assert best.loc["P2", "place"] < best.loc["P1", "place"]


def test_only_a_result_has_a_point_and_a_negative_one_lies_in_the_band() -> None:
    names = SETTINGS.single_patients
    values, who = last_known({"c2": C2}), people(single(), FACTS, PLAIN)
    rows = fractions(values, names.ctdna_state, names.fraction, ["baseline", "c1"], who)
    assert list(zip(rows["patient"], rows["visit"], rows["detected"], strict=True)) == [
        ("P1", "baseline", True), ("P2", "baseline", False), ("P1", "c1", False), ("P2", "c1", False),
        ("P3", "c1", True),
    ]  # fmt: skip
    assert rows["value"].dropna().tolist() == pytest.approx([1.0, 0.1])
    spec = fractions_chart(rows, {"baseline": "baseline", "c1": "C1"}, 10)
    points = pd.read_csv(io.StringIO(next(t for t in spec["datasets"].values() if isinstance(t, str))))
    assert (points.loc[points["detected"] == "not detected", "value"] < 0.1 / 2).all()


def test_a_course_of_a_regimen_ends_where_the_next_begins() -> None:
    courses = segments(EXPOSURE)
    assert courses[["regimen", "start", "end", "cycles"]].to_numpy().tolist() == [
        ["X", 0.0, 6.0, 2], ["Y", 6.0, 6.0, 1], ["X", 0.0, 0.0, 1],
    ]  # fmt: skip
    surgery = pd.DataFrame({"usubjid": ["P1"], "surgery_date": [pd.Timestamp("2025-03-05")]})
    [event] = ends(EXPOSURE, surgery, None, people(single(), FACTS, PLAIN)).to_dict("records")
    assert event == {"patient": "P1", "week": 9.0, "event": "surgery, pCR"}


def test_a_gene_is_not_covered_where_no_panel_of_the_patient_has_it() -> None:
    found = cells(single()).set_index(["patient", "gene"])["found"].to_dict()
    assert found[("P1", "TP53")] == MUTATION
    assert found[("P2", "TP53")] == BLOOD, "clonal haematopoiesis is no mutation of the tumour"
    assert found[("P1", OTHER_GENES)] == BLOOD
    assert ("P1", "ERBB2") not in found, "covered, and nothing found"
    assert {found[(patient, "ERBB2")] for patient in ("P2", "P3", "P4")} == {NOT_COVERED}


def test_titles_of_single_patients_say_what_is_drawn() -> None:
    titles = part()[1]
    assert (
        titles["waterfall-changes"] == "At best the sum was smaller by 30 % or more in 1 of 2 patients drawn."
    )
    assert titles["spider"] == "At c2, the median change with pCR is lower than without."
    assert titles["fractions"] == "Samples in which ctDNA was detected: 1 of 2 at baseline; 1 of 3 at c1."
    assert titles["oncoprint"] == "Tumour mutations were reported most often in TP53."
    assert part(raw={})[1].keys() == {"waterfall-changes", "spider", "fractions"}
    who = COHORT.assign(outcome=[1.0, 1.0, 1.0, None])
    assert part(cohort=who)[1]["spider"] == "", "of one outcome there is nothing beside it"
    nobody = single_patient_part(
        None, SETTINGS.single_patients, ["c1"], ["X"], SETTINGS.drawing, FACTS, PLAIN
    )
    assert nobody == ({}, {})
