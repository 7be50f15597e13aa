"""Which variants are mutations, by the kind of gene, and what tissue says, as tables to be read."""

import pandas as pd
import pytest

from features.gene_rules import any_pathogenic
from features.mutations import mutating_variants, tissue_status
from models.rules.ctdna import genes_of_set
from tests.features.tables import spec_rows, table
from tests.models.rule_tables import CORE, rules

EXTENDED, PANELS = genes_of_set(rules(), "extended"), {"core": CORE, "part": "PIK3CA", None: None}


@pytest.mark.parametrize(
    "row", spec_rows("features_gene_rules.txt"), ids=lambda row: " ".join(map(str, row.values()))
)
def test_a_variant_counts_by_the_rule_of_its_gene(row: dict[str, str]) -> None:
    origin = row["origin"] if row["origin"] != "ch" else None
    variant = {"hgvsp": row["change"], "usubjid": "P1"} | row | {"origin": origin}
    variants = table("tissue_variants", [variant]).assign(origin=row["origin"])
    mutations, possible = mutating_variants(variants, EXTENDED)
    found = "yes" if mutations[0] else "open" if possible[0] else "no"
    assert found == row["counts"]


def test_every_pathway_gene_has_a_rule_and_a_list_where_it_is_one_of_hotspots() -> None:
    kinds = {gene: how.rule for gene, how in EXTENDED.items()}
    assert len(kinds) == 29
    assert {gene for gene, kind in kinds.items() if kind == "hotspot"} == {"PIK3CA", "AKT1"}
    assert all(how.changes for how in EXTENDED.values() if how.rule == "hotspot")
    core = genes_of_set(rules(), "core")
    assert sorted(core) == ["AKT1", "MTOR", "PIK3CA", "PTEN", "TSC1", "TSC2"]


def test_a_set_without_rules_counts_whatever_is_pathogenic() -> None:
    variant = {"gene": "PIK3CA", "hgvsp": "p.E726K", "pathogenic": "Y", "usubjid": "P1"}
    variants = table("tissue_variants", [variant]).assign(origin="tumor")
    assert mutating_variants(variants, any_pathogenic(["PIK3CA"]))[0].tolist() == [True]


def test_tissue_says_what_was_tested_and_what_was_lost() -> None:
    rows = spec_rows("features_tissue_genes.txt")
    tested, variants = [], []
    for number, row in enumerate(rows):
        patient = {"usubjid": f"P{number:02d}", "panel_genes": PANELS[row["panel"]]}
        if row["status"]:
            tested.append(patient | {k: row[k] for k in ("status", "qc", "pten_ihc")} | {"sample_id": "T"})
        if row["variant"]:
            gene, change, alteration, origin = row["variant"].split()
            kind = "Nonsense_Mutation" if change.endswith("*") else "Missense_Mutation"
            cells = {"gene": gene, "hgvsp": change, "alteration": alteration, "pathogenic": "Y"}
            origin = None if origin == "-" else origin
            variants.append(patient | cells | {"origin": origin, "classification": kind, "panel_genes": CORE})
    patients = pd.Index([f"P{number:02d}" for number in range(len(rows))])
    state = tissue_status(
        table("tissue_samples", tested),
        table("tissue_variants", variants),
        genes_of_set(rules(), "core"),
        patients,
    )
    assert [None if pd.isna(value) else value for value in state] == [row["state"] for row in rows]


def test_a_study_without_tissue_says_nothing() -> None:
    assert tissue_status(None, None, EXTENDED, pd.Index(["P1"])).isna().all()
