"""A ctDNA library counts patients, not samples, and what was not looked at is unknown."""

import numpy as np
import pandas as pd
import pytest

from features.gene_rules import any_pathogenic
from models.description.ctdna_reference import (
    assay_limits,
    coverage,
    haematopoiesis,
    haematopoiesis_at_50,
    hr_groups,
    library_samples,
    mutation_shares,
    patient_status,
)
from tests.features.tables import table

USUAL = {
    "visit": "d1",
    "qc": "pass",
    "result": "detected",
    "lod_vaf": 0.001,
    "mean_vaf": 0.1,
    "assay_type": "fixed_panel",
}
SAMPLES = [
    {"usubjid": "P1", "sample_id": "S1", "panel_genes": "PIK3CA;TP53", "wbc_sequenced": "Y", "assay_id": "a"},
    {"usubjid": "P1", "sample_id": "S2", "panel_genes": "PIK3CA;TP53", "wbc_sequenced": "Y", "visit": "d2"},
    {"usubjid": "P2", "sample_id": "S3", "panel_genes": "TP53", "wbc_sequenced": "Y"},
    {"usubjid": "P3", "sample_id": "S4", "panel_genes": "PIK3CA;TP53", "wbc_sequenced": "N"},
]
VARIANT = {"hgvsp": "p.X1Y", "classification": "Missense_Mutation", "vaf": 0.1, "pathogenic": "Y"}
VARIANTS = [
    {"sample_id": "S1", "gene": "PIK3CA", "origin": "tumor"},
    {"sample_id": "S2", "gene": "TP53", "origin": "ch", "wbc_vaf": 0.1},
    {"sample_id": "S3", "gene": "TP53", "origin": "tumor"},
]


@pytest.fixture(scope="module")
def variants() -> pd.DataFrame:
    return table("ctdna_variants", [VARIANT | row for row in VARIANTS])


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    return library_samples(
        {"ctdna_samples": table("ctdna_samples", [USUAL | r for r in SAMPLES])}, ["d1", "d2"]
    )


def test_a_gene_is_mutated_of_the_first_sample_that_tells_and_unknown_off_the_panel(
    samples: pd.DataFrame, variants: pd.DataFrame
) -> None:
    status = patient_status(samples, variants, {"PIK3CA": any_pathogenic(["PIK3CA"])})["PIK3CA"]
    assert status.to_dict() == {"P1": "mutated", "P2": "unknown", "P3": "wild_type"}
    rows = mutation_shares(status.to_frame(), pd.Series("HR+", index=status.index), 0.95)
    shares = {row["group"]: (row["patients"], row["n"], row["events"]) for row in rows}
    assert shares == {"all": (3, 2, 1), "HR+": (3, 2, 1), "HR-": (0, 0, 0)}


def test_haematopoiesis_is_of_patients_with_white_cells_sequenced(
    samples: pd.DataFrame, variants: pd.DataFrame
) -> None:
    found = haematopoiesis(samples, variants, "TP53", 0.95)
    counted = {name: (share["n"], share["events"]) for name, share in found.items()}
    assert counted == {"any": (2, 1), "TP53": (2, 1)}


def test_the_share_at_50_takes_the_slope_over_age_out(samples: pd.DataFrame, variants: pd.DataFrame) -> None:
    ages = pd.Series({"P1": 60.0, "P2": 50.0, "P3": 90.0})
    (row,) = haematopoiesis_at_50(samples, variants, ages, {"TP53": np.log(3)}).to_dict("records")
    assert (row["patients"], row["carriers"]) == (2, 1)
    assert row["share_at_50"] == pytest.approx(1 / (3 + 1))


def test_receptors_that_nobody_recorded_are_a_group_of_their_own() -> None:
    subjects = table("subjects", [{"usubjid": f"P{i}"} for i in (2, 1, 3)])
    pathology = table("pathology", [{"usubjid": "P1", "hr": "pos"}, {"usubjid": "P2", "hr": "neg"}])
    found = hr_groups({"subjects": subjects, "pathology": pathology})
    assert found.to_dict() == {"P1": "HR+", "P2": "HR-", "P3": "HR unknown"}


def test_coverage_is_of_a_patients_widest_panel(samples: pd.DataFrame) -> None:
    (row,) = coverage(samples, {"both": ["PIK3CA", "TP53"]})
    assert row == {"genes": "both", "all": 2, "some": 1, "none": 0, "not_listed": 0}


def test_an_assay_has_its_samples_and_the_genes_of_every_panel(
    samples: pd.DataFrame, variants: pd.DataFrame
) -> None:
    named, unnamed = assay_limits(samples, variants)
    assert (named["assay"], named["samples"], named["genes"]) == ("a", 1, 2)
    assert (unnamed["assay"], unnamed["samples"], unnamed["genes"]) == ("not named", 3, 1)
    assert named["lod_vaf"] == {"median": 0.001, "low": 0.001, "high": 0.001}
