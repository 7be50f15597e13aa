"""Tissue samples, foci and follow-up of the simulated trial, with draws of their own."""

import numpy as np
import pandas as pd
import pytest

from features.definitions import her2_status
from features.mutations import tissue_status
from models.rules.ctdna import genes_of_set
from models.rules.table import rule_table
from pipeline.project.rule_files import read_rules
from pipeline.simulation_checks.record_figures import foci_figures, follow_up_figures
from pipeline.sources.simulation.biopsy import foci_table
from pipeline.sources.simulation.course import World
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.follow_up import follow_up_table
from pipeline.sources.simulation.settings import Settings, changed
from pipeline.sources.simulation.tissue import tissue_samples_table
from pipeline.sources.simulator import Simulated, simulate
from tests.pipeline.simulation.conftest import CONFIGS

NEW = ("tissue_samples", "tissue_variants", "foci", "follow_up")


@pytest.fixture(scope="module")
def trial(settings: Settings) -> Simulated:
    return simulate(settings, 600, safety=False)


def test_their_parameters_move_no_other_table_and_no_truth(settings: Settings, trial: Simulated) -> None:
    tissue = changed(settings.genome.tissue, matched_blood_share=0.0, failed_share_of_undone=1.0)
    other = simulate(
        changed(
            settings,
            genome=changed(settings.genome, tissue=tissue),
            foci=changed(settings.foci, share=0.9),
            follow_up=changed(settings.follow_up, events_after_pcr=1.0, conjugate_share_of_residual=0.0),
        ),
        600,
        safety=False,
    )
    for name in NEW:
        assert not other.tables[name].equals(trial.tables[name]), name
    for name in set(trial.tables) - set(NEW):
        pd.testing.assert_frame_equal(other.tables[name], trial.tables[name], check_exact=True)
    pd.testing.assert_frame_equal(other.truth, trial.truth, check_exact=True)


def test_every_tumour_has_its_tissue_row_and_only_sequenced_ones_have_variants(trial: Simulated) -> None:
    tissue, variants = trial.tables["tissue_samples"], trial.tables["tissue_variants"]
    assert tissue["usubjid"].tolist() == trial.tables["subjects"]["usubjid"].tolist()
    done = set(tissue.loc[tissue["status"] == "done", "usubjid"])
    with_variant = set(variants["usubjid"])
    assert with_variant < done, "a tumour without any variant was tested all the same"
    assert (tissue["qc"] == "fail").tolist() == (tissue["status"] == "failed").tolist()
    assert tissue.loc[tissue["status"] == "not_done", "panel_genes"].isna().all()


def test_origin_is_told_of_all_variants_of_a_patient_or_of_none(trial: Simulated) -> None:
    told = trial.tables["tissue_variants"].groupby("usubjid")["origin"].agg(["size", "count"])
    assert told["count"].isin([0]).any()
    assert ((told["count"] == 0) | (told["count"] == told["size"])).all()
    assert set(trial.tables["tissue_variants"]["origin"].dropna()) == {"tumor", "germline"}


def test_a_tested_tumour_without_mutation_is_no_longer_unknown(trial: Simulated) -> None:
    rules = read_rules(CONFIGS / "rules/nct07239271.yaml", CONFIGS / "rules/pam_genes.csv")
    tables, genes = trial.tables, genes_of_set(rule_table(rules), "core")
    patients = pd.Index(tables["subjects"]["usubjid"])
    variants = tables["tissue_variants"].assign(alteration=None, copy_number=None)
    before = tissue_status(None, variants, genes, patients)
    after = tissue_status(tables["tissue_samples"], variants, genes, patients)
    assert before.isna().any()
    assert after.notna().all()


def test_foci_are_in_one_quadrant_unless_the_criterion_is_violated(settings: Settings) -> None:
    shares = settings.eligibility.violations | {"multifocal": 0.2}
    eligibility = changed(settings.eligibility, violations=shares)
    tables = simulate(changed(settings, eligibility=eligibility), 400, safety=False).tables
    foci = tables["foci"]
    beyond = foci.groupby("usubjid")["quadrant"].agg(set).str.len() > 1
    violated = tables["subjects"].set_index("usubjid")["multifocal"] == "Y"
    assert set(beyond.index[beyond]) == set(violated.index[violated])
    index = foci.loc[foci["focus_id"] == "F1"].set_index("usubjid")
    pathology = tables["pathology"].set_index("usubjid").loc[index.index]
    for column in ("her2_ihc", "ish", "er_pct", "pr_pct"):
        assert index[column].equals(pathology[column]), column
    assert (foci["size_mm"] <= foci["usubjid"].map(index["size_mm"])).all()


def test_foci_that_differ_in_her2_are_negative_beside_a_positive_one(trial: Simulated) -> None:
    foci = trial.tables["foci"].assign(her2=her2_status(trial.tables["foci"]))
    index = foci["usubjid"].map(foci.drop_duplicates("usubjid").set_index("usubjid")["her2"])
    differ = foci.loc[foci["her2"] != index]
    assert set(differ["her2"]) == {"neg"}
    assert set(differ["her2_ihc"]) <= {"0", "1+"}
    assert foci_figures(foci, 600)["several foci within a quadrant"] == pytest.approx(0.113, abs=0.04)


def test_follow_up_is_of_those_operated_and_ends_with_the_last_contact(trial: Simulated) -> None:
    known = trial.tables["follow_up"].set_index("usubjid")
    surgery = trial.tables["surgery"].set_index("usubjid")
    assert set(known.index) <= set(surgery.index[surgery["performed"] == "Y"])
    assert (known["last_contact_date"] >= surgery["surgery_date"].reindex(known.index)).all()
    assert known["last_contact_date"].max() <= pd.Timestamp("2027-12-31")
    for column in ("event_date", "death_date", "adjuvant_start_date"):
        assert not (known[column] > known["last_contact_date"]).any(), column
    assert (known["event"] == "none").equals(known["event_date"].isna())


def test_the_conjugate_is_for_residual_disease_and_endocrine_for_hr_positive(
    trial: Simulated,
) -> None:
    known = trial.tables["follow_up"].set_index("usubjid")
    clear = trial.tables["surgery"].set_index("usubjid")["yp_t"].isin(["ypT0", "ypTis"]).reindex(known.index)
    node_free = trial.tables["surgery"].set_index("usubjid")["yp_n"].reindex(known.index) == "ypN0"
    assert not ((known["adjuvant_regimen"] == "T-DM1") & clear & node_free).any()
    hr = trial.tables["pathology"].set_index("usubjid")["hr"].reindex(known.index)
    assert set(hr[known["adjuvant_endocrine"] == "Y"]) == {"pos"}


def test_pten_is_lost_rather_where_the_gene_is_mutated(settings: Settings, world: World) -> None:
    pten = changed(
        settings.genome.tissue.pten, stained_share=1.0, lost_share_if_mutated=1.0, not_evaluable_share=0.0
    )
    tissue = changed(settings.genome.tissue, pten=pten)
    of_pten = changed(settings, genome=changed(settings.genome, tissue=tissue))
    table = tissue_samples_table(world.variants, world.people, world.centres, of_pten, Streams(1))
    variants = world.variants
    mutated = (variants["gene"] == "PTEN") & (variants["origin"] == "tumor") & (variants["pathogenic"] == "Y")
    who = world.people["usubjid"][variants["person"][mutated]]
    assert len(who) > 10
    assert (table.set_index("usubjid")["pten_ihc"][who] == "lost").all()
    assert table["pten_ihc"].eq("lost").mean() == pytest.approx(0.27, abs=0.03)


def test_without_discordance_all_foci_have_the_her2_of_the_tumour(settings: Settings, world: World) -> None:
    alike = changed(settings, foci=changed(settings.foci, her2_discordant_share=0.0, third_share=1.0))
    foci = foci_table(world.people, alike, Streams(1))
    assert foci.groupby("usubjid").size().eq(3).all()
    assert foci.groupby("usubjid")["her2_ihc"].agg(set).str.len().eq(1).all()
    assert not foci.equals(foci_table(world.people, alike, Streams(2)))


def test_nobody_has_the_conjugate_after_pcr_or_an_event_where_none_comes(
    settings: Settings, world: World
) -> None:
    n = len(world.people["age"])
    surgery = pd.DataFrame({"surgery_date": [pd.Timestamp("2026-06-01")] * (n - 1) + [pd.NaT]})
    none = changed(settings.follow_up, events_after_pcr=1e-9, start_after_surgery=changed(
        settings.follow_up.start_after_surgery, earliest=14, latest=14
    ))  # fmt: skip
    settings = changed(settings, follow_up=none)
    known = follow_up_table(world.people, surgery, {"y": np.ones(n, dtype=bool)}, settings, Streams(1))
    assert len(known) == n - 1, "whoever was not operated on is not followed"
    assert set(known["event"]) == {"none"}
    assert set(known["adjuvant_regimen"]) == {"HP"}
    assert set(known["adjuvant_start_date"]) == {pd.Timestamp("2026-06-15")}


def test_figures_of_follow_up_are_those_of_a_constant_hazard() -> None:
    surgery = pd.DataFrame({"usubjid": ["P1", "P2"], "surgery_date": pd.Timestamp("2026-01-01")})
    year = pd.Timestamp("2026-01-01") + pd.Timedelta(days=365.25)
    known = pd.DataFrame(
        {"usubjid": ["P1", "P2"], "last_contact_date": year, "adjuvant_regimen": ["T-DM1", "HP"],
         "event": ["distant_recurrence", "none"], "event_date": [year, pd.NaT]}
    )  # fmt: skip
    figures = follow_up_figures({"follow_up": known, "surgery": surgery}, pd.Series(0.0, index=["P1", "P2"]))
    assert figures["free of events three years after surgery, residual disease and T-DM1"] == pytest.approx(
        0.0498, abs=2e-4
    )
    assert figures["free of events three years after surgery, all operated"] == pytest.approx(0.223, abs=1e-3)
    assert figures["distant, of first events"] == 1.0
