"""Variants, and what tissue and plasma show of them."""

import numpy as np
import pytest

from pipeline.sources.simulation.course import World
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.genome import (
    all_genes,
    detection_chance,
    draw_genome,
    pam_mutated,
    sequence_tissue,
    tissue_table,
)
from pipeline.sources.simulation.plasma import draw_sample, panel_covers, panels, shed_at_baseline
from pipeline.sources.simulation.settings import Settings


def test_some_tumours_have_no_variant_and_genes_occur_as_often_as_the_table_says(
    settings: Settings, world: World
) -> None:
    variants = draw_genome(world.people, settings, Streams(3))
    tumour = variants["origin"] == "tumor"
    n = len(world.people["age"])
    assert 0.75 < len(np.unique(variants["person"][tumour])) / n < 0.95
    negative = world.people["hr_negative"]
    carriers = np.unique(variants["person"][tumour & (variants["gene"] == "TP53")])
    share = np.isin(np.flatnonzero(negative), carriers).mean()
    assert share == pytest.approx(settings.genome.tumor["TP53"].share_hr_negative, abs=0.05)


def test_haematopoiesis_rises_with_age(settings: Settings, world: World) -> None:
    variants = draw_genome(world.people, settings, Streams(3))
    carriers = np.isin(np.arange(len(world.people["age"])), variants["person"][variants["origin"] == "ch"])
    old = world.people["age"] > 55
    assert carriers[old].mean() > carriers[~old].mean()


def test_a_variant_of_the_germline_or_of_unknown_significance_is_no_mutation_of_the_pathway() -> None:
    variants = {
        "person": np.array([0, 1, 2]),
        "origin": np.array(["tumor", "germline", "tumor"], dtype=object),
        "pathogenic": np.array(["Y", "Y", "VUS"], dtype=object),
        "gene": np.array(["PTEN", "PTEN", "PTEN"], dtype=object),
    }
    assert pam_mutated(variants, 4, {"PTEN"}).tolist() == [True, False, False, False]


def test_tissue_shows_no_haematopoiesis_and_nothing_where_not_sequenced(
    settings: Settings, world: World
) -> None:
    variants = draw_genome(world.people, settings, Streams(3))
    variants |= sequence_tissue(variants, world.people, world.centres, settings, Streams(3))
    assert not (variants["in_tissue"][variants["origin"] == "ch"] == "Y").any()
    able = world.centres["tissue_panel"][world.people["centre"]][variants["person"]]
    assert (variants["in_tissue"][~able] == "not_tested").all()
    assert set(tissue_table(variants, world.people, settings)["gene"]) <= set(all_genes(settings))


def test_a_variant_at_the_limit_of_detection_is_seen_every_second_time() -> None:
    assert detection_chance(np.array([0.0]), 7.0)[0] == 0.5
    assert (np.diff(detection_chance(np.linspace(-1, 1, 9), 7.0)) > 0).all()


def test_a_tumour_that_sheds_more_is_detected_more_often(settings: Settings, world: World) -> None:
    assert shed_at_baseline(world.people, settings).tolist() == world.people["log10_vaf"].tolist()
    day = world.people["consent_day"]
    rates = []
    for shift in (-1.0, 0.0, 1.0):
        sample, _ = draw_sample(
            "baseline", world.people["log10_vaf"] + shift, day, world.people, world.centres, world.variants,
            settings, Streams(4),
        )  # fmt: skip
        passed = sample["qc"] == "pass"
        rates.append((sample["result"][passed] == "detected").mean())
        assert set(sample["result"][~passed]) == {"not_evaluable"}
    assert rates == sorted(rates)
    assert rates[2] - rates[0] > 0.3


def test_a_panel_lists_its_genes_without_those_that_it_does_not_cover(
    settings: Settings, world: World
) -> None:
    listed = panels(settings, all_genes(settings))
    assert listed["informed_c"] is None
    assert "PIK3R1" not in str(listed["panel_b"]).split(";")
    assert "RPTOR" in str(listed["panel_a"]).split(";")
    covered = panel_covers(world.people, {"PIK3R1"}, settings)
    assert (covered == (world.people["assay"] != "panel_b")).all()
