"""Treatment, scans, decisions, outcomes and the trial's record of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.sources.simulation import outcome, records, scans, treatment
from pipeline.sources.simulation.course import World, draw_fate, rule_inputs
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.image_records import lesions_table, response_table
from pipeline.sources.simulation.settings import Settings, changed
from pipeline.sources.simulation.treatment import Course

Courses = dict[bool, Course]


def test_kill_grows_with_every_cycle_that_is_given_and_stays_after_the_last(
    settings: Settings, world: World
) -> None:
    course = treatment.begin(world.people)
    regimen = np.zeros(len(world.people["age"]), dtype=int)
    treatment.give_cycle(course, regimen, world.people, settings, Streams(1))
    course.going[:] = False
    before = course.kill.copy()
    treatment.give_cycle(course, regimen, world.people, settings, Streams(1))
    assert (course.kill == before).all()
    assert before.mean() == pytest.approx(world.people["sensitivity"][:, 0].mean() / 6, rel=1e-9)


def test_a_course_of_a_cycle_is_extrapolated_to_all(world: World, settings: Settings) -> None:
    course = treatment.begin(world.people)
    regimen = np.zeros(len(world.people["age"]), dtype=int)
    treatment.give_cycle(course, regimen, world.people, settings, Streams(1))
    assert course.mean_kill(6).tolist() == (course.kill * 6).tolist()


def test_a_mutated_pathway_lowers_the_effect_by_the_regimens_own_number(
    settings: Settings, world: World
) -> None:
    people = world.people | {"pam_mutated": np.ones_like(world.people["pam_mutated"])}
    wild = world.people | {"pam_mutated": np.zeros_like(world.people["pam_mutated"])}
    change = treatment.sensitivity(people, settings) - treatment.sensitivity(wild, settings)
    everolimus = list(settings.regimens).index("EVEROHT")
    assert change[~people["hr_negative"], everolimus] == pytest.approx(0.10)


def test_the_control_arm_gets_one_regimen_and_the_adaptive_arm_several(
    courses: Courses, settings: Settings
) -> None:
    names = list(settings.regimens)
    assert {names[i] for i in np.unique(courses[False].regimen)} == {"TCBHP"}
    assert len({names[i] for i in np.unique(courses[True].regimen)}) > 3
    assert set(courses[True].decisions) == {"c2", "c4"}
    assert not courses[False].decisions


def test_a_patient_without_refusal_gets_what_was_prescribed(courses: Courses) -> None:
    decision = courses[True].decisions["c2"]
    assert 0 < decision["differs"].mean() < 0.2
    assert all(reason is not None for reason in decision["reason"][decision["differs"]])


def test_a_result_that_is_late_is_not_known_at_the_decision(courses: Courses, world: World) -> None:
    course, ids = courses[True], world.people["usubjid"]
    on_time = rule_inputs(course, ids, "c2")["ctdna_c1"].to_numpy()
    assert set(on_time) == {"POS", "NEG", "NE"}
    sample = course.samples["c1"] | {"report_day": course.start[-1] + 1}
    late = replace(course, samples=course.samples | {"c1": sample})
    assert set(rule_inputs(late, ids, "c2")["ctdna_c1"]) == {"NE"}


def test_resistant_tumours_progress_more_often(settings: Settings, world: World) -> None:
    event = changed(settings.fate.progression, share=0.2)
    often = changed(settings, fate=changed(settings.fate, progression=event))
    fate = draw_fate(world.people, 0, often, Streams(1))
    progressed = fate["progression_cycle"] <= settings.treatment.cycles
    kill = world.people["sensitivity"][:, 0]
    assert kill[progressed].mean() < kill[~progressed].mean()
    assert ((fate["spared"] > 0) & (fate["spared"] < 1)).all()


def test_response_is_read_from_the_sums_of_diameters_by_recist() -> None:
    def scanned(
        primary: float, node: float = 0.0, new: bool = False, status: str = "done"
    ) -> dict[str, np.ndarray]:
        nothing, no = np.array([[0.0]]), np.array([False])
        return {
            "primary": np.array([[primary]]), "node": np.array([[node]]), "satellite": nothing,
            "second_node": nothing, "primary_target": ~no, "node_target": no, "satellite_target": no,
            "second_node_target": no, "new": np.array([new]), "status": np.array([status]),
            "method": np.array(["MRI"]),
        }  # fmt: skip

    first = scanned(50)
    answers = {
        scans.overall_response(scan, {"baseline": first})[0, 0]: name
        for name, scan in {
            "30 % smaller": scanned(35), "28 % smaller": scanned(36), "gone": scanned(0),
            "a fifth": scanned(60),
            "not evaluable": scanned(50, status="not_evaluable"), "none": scanned(50, status="not_done"),
        }.items()
    }  # fmt: skip
    assert answers == {
        "PR": "30 % smaller", "SD": "28 % smaller", "CR": "gone", "PD": "a fifth", "NE": "not evaluable",
        "ND": "none",
    }  # fmt: skip
    assert scans.overall_response(scanned(10, new=True), {"baseline": first})[0, 0] == "PD"


def test_death_progression_and_inoperable_disease_are_no_complete_response(
    courses: Courses, settings: Settings, world: World
) -> None:
    end = outcome.potential_outcome(courses[True], world.people, world.centres, settings, Streams(1))
    assert end["failed"].any()
    assert not end["y"][end["failed"]].any()
    assert (end["p_given_fate"][end["failed"]] == 0).all()
    assert (end["p"] <= end["p_given_fate"].max()).all()


def test_residual_cancer_burden_is_that_of_its_formula() -> None:
    residual = {
        "cellularity": np.array([0.0, 0.2]), "bed_mm": np.array([0.0, 20.0]), "nodes": np.array([0, 2]),
        "met_mm": np.array([0.0, 5.0]),
    }  # fmt: skip
    # 1.4 x (0.2 x 20)^0.17 + (4 x (1 - 0.75^2) x 5)^0.17, by hand.
    expected = 1.4 * 4**0.17 + 8.75**0.17
    assert outcome.residual_cancer_burden(residual).tolist() == pytest.approx([0.0, expected])


def test_every_patient_is_recorded_under_the_own_arm(courses: Courses, world: World) -> None:
    adaptive = world.people["arm"] == "ADAPTIVE"
    course = records.observed(courses[False], courses[True], adaptive, world.variants["person"])
    for cycle in range(6):
        expected = np.where(adaptive, courses[True].regimen[cycle], courses[False].regimen[cycle])
        assert (course.regimen[cycle] == expected).all()


def test_nothing_is_recorded_after_a_patient_left(courses: Courses, settings: Settings, world: World) -> None:
    everybody = np.ones(len(world.people["age"]), dtype=bool)
    last = np.where(np.arange(len(everybody)) % 2 == 0, 1, 6)
    gone = set(world.people["usubjid"][last == 1])
    shown = (courses[True], last, world.people, world.centres, everybody, settings)
    lesions, responses = lesions_table(*shown), response_table(*shown)
    assert not gone & set(lesions.loc[lesions["visit"] != "baseline", "usubjid"])
    assert not gone & set(responses["usubjid"])
    samples = records.samples_table(courses[True], last, world.people, everybody, settings)
    assert set(samples.loc[samples["usubjid"].isin(gone), "visit"]) == {"baseline", "c1"}


def test_doses_fall_and_never_below_the_lowest(courses: Courses, settings: Settings) -> None:
    doses = pd.DataFrame(np.stack(courses[True].dose, axis=1))
    assert (doses.diff(axis=1).iloc[:, 1:] <= 1e-12).all(axis=None)
    assert doses.min(axis=None) >= settings.treatment.lowest_dose - 1e-12
