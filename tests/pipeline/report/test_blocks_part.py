"""The verdicts on blocks as the study report shows them."""

import re
from typing import Any

from features.documents.study_entries import AssayEntry
from pipeline.report.blocks import parse_blocks
from pipeline.report.study.blocks import block_model_name, blocks_part, read_as
from tests.labels import PLAIN


def stored(**changes: Any) -> dict[str, Any]:
    interval = {"value": 0.08, "low": -0.01, "high": 0.17}
    return {
        "patients": 130, "events": 40, "with_block": {"clinical": 150, "rna": 130}, "best_single": "rna",
        "models": {"blocks": {"auc": {"value": 0.8, "low": 0.7, "high": 0.9}}},
        "pairs": {
            "blocks-clinical": {
                "question": "against clinical alone", "delta_auc": interval, "delta_log_loss": interval,
                "p": 0.07, "q": 0.14, "verdict": "not distinguishable",
            },
            "rna-clinical": {"question": "alone, against clinical alone", "error": "an AUC of 1"},
        },
        "blocks": {
            "rna": {"columns": 2000, "patients": 130, "share": 0.4, "used": 2, "folds": 3,
                    "penalties": [0.1, 0.01], "top": ["ESR1", "PGR"], "weighed": 2,
                    "kept": [
                        {"value": 1, "low": 0.44, "high": 1}, {"value": 0.67, "low": 0.21, "high": 0.94},
                    ]},
            "clinical": {"columns": 2, "patients": 150, "share": 0.6, "used": 3, "folds": 3,
                         "penalties": [0.01, 0.01, 0.01], "top": ["age_years"], "weighed": 0, "kept": []},
        },
        "error": "",
    } | changes  # fmt: skip


def test_a_verdict_stands_beside_what_was_compared() -> None:
    tables = blocks_part({"baseline": parse_blocks(stored())}, PLAIN)[1]
    first, second = tables["verdicts"].rows
    assert first["compared"] == "all blocks, minus clinical alone"
    assert (first["q"], first["verdict"]) == ("0.140", "not distinguishable")
    assert "an AUC of 1" in str(second["auc"])
    assert second["verdict"] == ""


def test_a_difference_without_an_interval_is_in_the_table_and_not_in_the_forest() -> None:
    charts, _ = blocks_part({"baseline": parse_blocks(stored())}, PLAIN)
    spec = charts["blocks-added"]
    assert spec["usermeta"]["about"]["n"] == 130
    assert "0.080 (\N{MINUS SIGN}0.010 to 0.170)" in str(spec)
    assert "an AUC of 1" not in str(spec)


def test_a_block_names_its_largest_coefficients_and_in_how_many_folds_it_was_used() -> None:
    row, clinical = blocks_part({"baseline": parse_blocks(stored())}, PLAIN)[1]["sizes"].rows
    assert row["columns"] == "2,000"
    assert row["folds"] == "2 of 3"
    assert row["penalty"] == "0.01 to 0.1"
    assert row["weighed"] == "2 of 3"
    texts = [re.sub("<[^>]*>", "", str(each["top"])) for each in (row, clinical)]
    assert texts == ["ESR1: 100 % (44 % to 100 %); PGR: 67 % (21 % to 94 %)", "age years"]


def test_what_was_done_to_the_values_of_a_block_is_told() -> None:
    entry: AssayEntry = {"path": "a.csv", "visit": "baseline"}
    sets: AssayEntry = {**entry, "gene_sets": {"path": "a.gmt"}, "repeatability": {"path": "icc.csv"}}
    assert read_as(None) == "as encoded"
    assert read_as(entry) == "as recorded"
    assert read_as({**entry, "transform": "ranks"}) == "ranks in the sample"
    assert read_as(sets) == "gene sets, repeatable features only"
    beside: AssayEntry = {**entry, "transform": "log2", "gene_sets": {"path": "a", "beside_features": True}}
    assert read_as(beside) == "logarithms and gene sets"
    stated = {"baseline": parse_blocks(stored())}
    row, _ = blocks_part(stated, PLAIN, {"rna": {**entry, "transform": "ranks"}})[1]["sizes"].rows
    assert row["read"] == "ranks in the sample"


def test_without_assays_or_a_verdict_there_is_no_table() -> None:
    assert blocks_part({}, PLAIN) == ({}, {})
    assert blocks_part({"baseline": parse_blocks(stored(error="too few"))}, PLAIN) == ({}, {})


def test_models_of_blocks_have_names_in_words() -> None:
    names = [block_model_name(name, PLAIN) for name in ("hidden rna", "without rna", "late_fusion", "rna")]
    assert names == ["all blocks, rna missing", "all blocks but rna", "late fusion", "rna alone"]


def test_batches_are_told_with_what_they_explain_by_chance_and_whether_the_block_was_adjusted() -> None:
    told = {"groups": 3, "patients": 130, "share": 0.2, "by_chance": 0.015, "p": 0.001, "outcome": 0.1,
            "outcome_p": 0.4}  # fmt: skip
    nuisance = {"rna": {"batch": told, "centre": {"groups": 1, "patients": 130, "error": "one group"}}}
    content = stored(nuisance=nuisance, adjusted={"rna": ["a", "b", "c"]})
    batch, centre = blocks_part({"baseline": parse_blocks(content)}, PLAIN)[1]["origins"].rows
    assert (batch["share"], batch["chance"], batch["p"]) == ("20.0 %", "1.5 %", "0.001")
    assert batch["adjusted"] == "location of 3 batches"
    assert (centre["share"], centre["p"], centre["adjusted"]) == ("one group", "", "no")
