"""Assays among the explained features: exact sums out of fold, scores as values, and the largest columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from features.documents.feature import FeatureList
from models.blocks.response import response_model
from models.explanation.assays import top_columns, with_assays, with_scores
from models.explanation.interactions import interaction_strengths
from models.explanation.out_of_fold import explain_out_of_fold
from models.procedure.resampling import cross_validate, fold_fits, tidy
from models.procedure.splits import stratified_splits
from pipeline.project import paths
from pipeline.project.omics_rows import assays_beside
from pipeline.project.stage import Run
from pipeline.report.labels import Labels, LabelSettings
from pipeline.report.shap_tables import assays_table
from pipeline.stages import domains
from tests.models.blocks.test_response import COLUMNS, PROCEDURE, rows_with_assays
from tests.patients import FEATURES

Explained = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list]  # type: ignore[type-arg]


@pytest.fixture(scope="module", name="explained")
def _explained() -> Explained:
    rows, y = rows_with_assays()
    splits = stratified_splits(y, folds=3, repeats=1, seed=0)
    results = list(
        cross_validate(
            lambda seed: [response_model(FEATURES, PROCEDURE, COLUMNS, 3, seed)], rows, y, splits, workers=1
        )
    )
    predictions, fits = tidy(results, rows["usubjid"].tolist(), y), fold_fits(results, "blocks")["fits"]
    found = explain_out_of_fold(fits, rows, predictions, model="blocks", tolerance=1e-9)
    return rows, predictions, found, fits


def test_contributions_out_of_fold_add_up_with_one_column_for_each_assay(explained: Explained) -> None:
    rows, predictions, found, fits = explained
    assert list(found.columns[-2:]) == ["rna:*", "dna:*"]
    p = predictions[predictions["model"] == "blocks"].sort_values(["repeat", "usubjid"])["p"].to_numpy()
    total = found["base"] + found.iloc[:, 5:].sum(axis=1)
    assert total.to_numpy() == pytest.approx(logit(p), abs=1e-9)
    strengths = interaction_strengths(fits, rows, predictions, model="blocks", patients=5)
    assert strengths == []


def test_an_assay_has_an_entry_and_its_score_as_value_missing_without_it(explained: Explained) -> None:
    rows, _, found, _ = explained
    described: FeatureList = {
        "landmark": "baseline", "patients": 120, "features": [], "absent_domains": [],
    }  # fmt: skip
    entries = with_assays(described, found)["features"]
    assert [(entry["name"], entry["domain"]) for entry in entries] == [("rna:*", "rna"), ("dna:*", "dna")]
    scores = with_scores(rows[["usubjid"]], found).set_index("usubjid")
    assert scores["rna:*"].isna().tolist() == [k < 20 for k in range(120)]
    assert with_scores(rows, found.drop(columns=["rna:*", "dna:*"])) is rows


def test_the_column_that_tells_is_the_first_of_its_assay_in_every_fit(explained: Explained) -> None:
    rows, predictions, _, fits = explained
    columns = top_columns(fits, rows, predictions, model="blocks", top=3)
    assert len(columns["rna"]) == 3
    assert columns["rna"][0]["column"] == "G0"
    assert columns["rna"][0]["stability"] == 1
    labels = Labels(LabelSettings({}, {}, {}, {"rna": "RNA"}), [])
    table = assays_table({"assays": columns}, labels)  # type: ignore[typeddict-item]
    assert [(row["assay"], row["column"]) for row in table.rows][:1] == [("RNA", "G0")]


def test_rows_get_the_columns_of_assays_known_at_the_landmark_where_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / paths.STUDY).write_text(
        "study: s\nsource: data\nrules: none\neligibility: none\nlandmarks: [baseline]\n"
    )
    run = Run(domains.STAGE, {}, tmp_path)
    rows = pd.DataFrame({"usubjid": ["P1", "P2"]})
    assert assays_beside(run, "baseline", rows)[1] == {}
    path = run.path(paths.OMICS_AT_LANDMARK, landmark="baseline")
    path.parent.mkdir(parents=True)
    pd.DataFrame({"usubjid": ["P2"], "rna:G": [1.5]}).to_parquet(path)
    beside, columns = assays_beside(run, "baseline", rows)
    assert columns == {"rna": ["rna:G"]}
    assert np.isnan(beside["rna:G"][0])
    assert beside["rna:G"][1] == 1.5
