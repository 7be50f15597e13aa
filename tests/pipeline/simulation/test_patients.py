"""Centres, patients, their tumours at randomisation, and the few who break a criterion."""

import numpy as np
import pytest

from pipeline.sources.simulation.biopsy import pathology_table, read_biopsy
from pipeline.sources.simulation.centres import draw_centres, site_ids, sites_table
from pipeline.sources.simulation.course import World
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.patients import draw_latents, randomise, stage_patients, subjects_table
from pipeline.sources.simulation.screening import labs_table, violate_eligibility
from pipeline.sources.simulation.section import LATENTS
from pipeline.sources.simulation.settings import Settings, changed


def test_centres_have_exactly_the_configured_shares_and_average_to_no_shift(settings: Settings) -> None:
    centres = draw_centres(settings)
    assert (centres["assay"] == "panel_a").mean() == settings.centres.assay["panel_a"]
    for name in settings.centres.shift_sd:
        assert np.average(centres[name], weights=centres["weight"]) == pytest.approx(0, abs=1e-12)
    assert sites_table(centres, settings)["siteid"].tolist() == site_ids(settings.centres.count).tolist()


def test_arms_are_dealt_in_blocks_of_the_allocation(settings: Settings) -> None:
    people = randomise(400, draw_centres(settings), settings, Streams(1))
    blocks = people["arm"].reshape(-1, 4)
    assert ((blocks == "CONTROL_TCBHP").sum(axis=1) == 1).all()


def test_nobody_is_randomised_before_the_centre_opened_or_treated_before_randomisation(
    settings: Settings,
) -> None:
    centres = draw_centres(settings)
    people = randomise(2_000, centres, settings, Streams(1))
    opened = centres["activation"][people["centre"]]
    assert (people["rand_day"] >= opened + settings.cohort.screening_days).all()
    assert (people["biopsy_day"] < people["consent_day"]).all()
    assert (people["consent_day"] < people["rand_day"]).all()
    assert (people["first_dose_day"] > people["rand_day"]).all()


def test_latents_lean_on_age_and_on_one_another_as_configured_and_keep_their_variance(
    settings: Settings, world: World
) -> None:
    people = randomise(40_000, world.centres, settings, Streams(4))
    drawn = draw_latents(people, world.centres, settings, Streams(4))
    luminal, divided = drawn["luminal"], drawn["proliferation"]
    weights = settings.latents.leans_on["proliferation"]
    expected = weights["luminal"] + weights["age"] * settings.latents.leans_on["luminal"]["age"]
    assert np.corrcoef(luminal, divided)[0, 1] == pytest.approx(expected, abs=0.03)
    assert np.corrcoef(drawn["age"], drawn["frailty"])[0, 1] == pytest.approx(0.30, abs=0.03)
    assert [drawn[name].std() for name in LATENTS] == pytest.approx([1.0] * len(LATENTS), abs=0.04)


def test_a_latent_cannot_lean_on_a_later_one(settings: Settings) -> None:
    with pytest.raises(ValueError, match=r"leans_on\.luminal: frailty comes after it"):
        changed(settings.latents, leans_on={"luminal": {"frailty": 0.1}})


def test_t4_goes_with_large_tumours_and_nodes(world: World) -> None:
    t4 = world.people["ct"] == "T4"
    assert 0.03 < t4.mean() < 0.12
    assert world.people["size_mm"][t4].mean() > world.people["size_mm"][~t4].mean() + 5
    assert (world.people["cn"][t4] == "N0").mean() < (world.people["cn"][~t4] == "N0").mean() - 0.05


def test_stage_follows_from_size_and_nodes(settings: Settings, world: World) -> None:
    people = world.people | stage_patients(world.people, world.centres, settings, Streams(3))
    advanced = np.isin(people["cn"], ["N2", "N3"]) | (people["ct"] == "T4")
    assert (people["stage"][advanced] == "III").all()
    assert (people["stage"][(people["ct"] == "T2") & (people["cn"] == "N0")] == "II").all()
    assert (people["ct"] == "T3").tolist() == ((people["size_mm"] > 50) & (people["ct"] != "T4")).tolist()


def test_receptors_and_her2_agree_with_their_categories(settings: Settings, world: World) -> None:
    people = world.people | read_biopsy(world.people, world.centres, settings, Streams(3))
    table = pathology_table(people, settings)
    negative = table["hr"] == "neg"
    assert ((table["er_pct"] < 1) & (table["pr_pct"] < 1)).tolist() == negative.tolist()
    assert (table.loc[table["her2_ihc"] == "2+", "ish"] == "amplified").all()
    assert table.loc[table["ish"] == "not_done", "her2_cep17"].isna().all()


def test_a_violation_changes_what_it_is_about_and_nothing_else(settings: Settings, world: World) -> None:
    people = violate_eligibility(world.people, settings, Streams(5))
    kinds = list(settings.eligibility.violations)
    old = people["violations"][:, kinds.index("age")]
    assert old.any()
    assert (people["age"][old] >= 71).all()
    assert (people["age"][~old] == world.people["age"][~old]).all()


def test_laboratory_values_are_outside_the_usual_range_only_where_the_table_says(
    settings: Settings, world: World
) -> None:
    labs = labs_table(world.people, settings, Streams(5)).groupby("testcd")
    test = settings.labs.tests["LVEF"]
    values = labs.get_group("LVEF")["value"]
    usual = values.between(test.low, test.high)
    assert values[~usual].between(test.outside_low, test.outside_high).all()
    assert 0 < (~usual).mean() < 0.02
    pregnancy = set(labs.get_group("HCG")["usubjid"])
    assert not pregnancy & set(world.people["usubjid"][world.people["menopause"] == "post"])


def test_another_share_of_tests_outside_leaves_the_other_tests_as_they_were(
    settings: Settings, world: World
) -> None:
    tests = settings.labs.tests
    others = changed(settings, labs=changed(settings.labs, tests={n: tests[n] for n in tests if n != "ANC"}))
    fewer = labs_table(world.people, others, Streams(5))
    every = labs_table(world.people, settings, Streams(5))
    assert fewer.equals(every[every["testcd"] != "ANC"].reset_index(drop=True))


def test_subjects_have_one_row_each(settings: Settings, world: World) -> None:
    table = subjects_table(world.people, settings)
    assert table["usubjid"].is_unique
    assert len(table) == len(world.people["age"])
