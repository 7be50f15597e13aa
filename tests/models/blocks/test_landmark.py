"""Blocks of a landmark: predictions on the folds of the others, what is learned, and the verdicts."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.blocks.documents import BlockDocument
from models.blocks.landmark import BlockResult, learn_landmark
from models.blocks.procedure import BlockProcedure
from models.blocks.tuning import Trials, part_kernels, tune
from models.evaluation import blocks as verdicts
from models.evaluation.blocks import block_verdicts, false_discovery
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import BlocksSettings
from models.procedure.domain_predictions import domain_predictions
from models.procedure.errors import NotLearnableError
from models.procedure.folds import stratified_folds
from tests.models.test_domain_predictions import MODELS
from tests.patients import FEATURES, SETTINGS, patients

PLAN = validation_plan(
    {
        "folds": 3, "repeats": 2, "inner_folds": 3, "seed": 4, "level": 0.95, "bootstrap": 60,
        "min_events": 10, "domains": {"candidate": "logistic", "repeats": 1},
    }
)  # fmt: skip
BLOCKS = BlocksSettings((1.0, 0.1, 0.01), (4.0,))


def analysed(effect: float, *, missing: int = 0, genes: int = 30) -> BlockResult:
    """Learn from 150 patients with a block of genes, whose first one shifts by `effect` with the outcome."""
    rows, y = patients(150)
    rng = np.random.default_rng(3)
    values = rng.normal(size=(len(y), genes))
    values[:, 0] += effect * y
    values[:missing] = np.nan
    wide = pd.DataFrame(values, columns=[f"rna:G{k}" for k in range(genes)])
    columns = {"rna": list(wide.columns)}
    return learn_landmark(
        pd.concat([rows, wide], axis=1), y, FEATURES, columns, SETTINGS.encoding, BLOCKS, PLAN
    )


@pytest.fixture(scope="module", name="signal")
def _signal() -> BlockResult:
    return analysed(3.0, missing=20)


def test_every_model_of_blocks_forecasts_every_patient_in_every_repeat_and_on_the_folds_of_the_domains(
    signal: BlockResult,
) -> None:
    rows, y = patients(150)
    others = domain_predictions(rows, y, FEATURES, MODELS, PLAN).drop_duplicates("usubjid")
    p = signal.predictions
    assert set(p["model"]) == {"blocks", "late_fusion", "clinical", "rna", "hidden rna"}
    assert (p.groupby(["repeat", "model"]).size() == 150).all()
    assert set(p["repeat"]) == {0, 1}
    merged = p[p["repeat"] == 0].merge(others[["usubjid", "fold"]], on="usubjid")
    assert (merged["fold_x"] == merged["fold_y"]).all()


def test_only_the_block_alone_has_no_forecast_for_a_patient_without_it(signal: BlockResult) -> None:
    missing = signal.predictions[signal.predictions["p"].isna()]
    assert set(missing["model"]) == {"rna"}
    assert len(missing) == 2 * 20


def test_a_block_that_tells_is_better_with_a_price_where_it_is_missing(signal: BlockResult) -> None:
    found = block_verdicts(signal.predictions, signal.learned, PLAN)
    assert found["patients"] == 130
    assert found["with_block"] == {"clinical": 150, "rna": 130}
    assert found["best_single"] == "rna"
    assert found["pairs"]["blocks-clinical"]["verdict"] == "better"
    assert found["pairs"]["blocks-hidden rna"]["question"] == "the price where rna is missing"
    assert found["blocks"]["rna"]["used"] == 6
    assert found["blocks"]["rna"]["top"][0] == "G0"
    assert found["blocks"]["rna"]["kept"][0]["value"] == 1
    assert found["blocks"]["rna"]["kept"][0]["low"] == pytest.approx(6 / (6 + 1.959964**2))
    assert found["blocks"]["clinical"]["kept"] == []


def test_columns_are_weighed_where_that_is_better_and_how_often_each_is_kept_is_told() -> None:
    few = analysed(1.5, genes=300)
    learned = few.learned
    cuts = learned["cuts"]["blocks"]["rna"]
    assert set(cuts) <= {None, 4.0}
    assert cuts.count(4.0) >= 4
    counts, coefficients = learned["blocks"]["rna"]["kept"], learned["blocks"]["rna"]["coefficients"]
    assert counts is not None
    assert counts[0] == 6
    assert 0 < np.count_nonzero(coefficients) < 100
    assert block_verdicts(few.predictions, learned, PLAN)["blocks"]["rna"]["weighed"] == 6 - cuts.count(None)


def test_shares_of_blocks_add_up_and_penalties_are_there_for_every_fold(signal: BlockResult) -> None:
    learned = signal.learned
    assert sum(block["share"] for block in learned["blocks"].values()) == pytest.approx(1)
    rna: BlockDocument = learned["blocks"]["rna"]
    assert rna["patients"] == 130
    assert len(learned["penalties"]["blocks"]["rna"]) == 6
    largest = np.argmax(np.abs(learned["blocks"]["rna"]["coefficients"]))
    assert learned["blocks"]["rna"]["columns"][largest] == "rna:G0"


def test_a_block_of_noise_is_better_than_nothing_at_nothing() -> None:
    noise = analysed(0.0, genes=300)
    found = block_verdicts(noise.predictions, noise.learned, PLAN)
    assert "better" not in {pair["verdict"] for pair in found["pairs"].values()}
    assert found["pairs"]["blocks-clinical"]["verdict"] == "not distinguishable"


def test_nothing_is_called_worse_than_the_block_that_was_chosen_for_its_auc() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random(200) < 0.5).astype(float)
    good, bad = expit(2 * y + rng.normal(size=200)), expit(-y + rng.normal(size=200))
    p = {"clinical": expit(rng.normal(size=200)), "rna": good, "blocks": bad, "late_fusion": bad}
    rows = {"usubjid": [f"P{k:03d}" for k in range(200)], "repeat": 0, "fold": 0, "y": y}
    frame = pd.concat([pd.DataFrame(rows | {"model": name, "p": values}) for name, values in p.items()])
    pairs = block_verdicts(frame, {}, PLAN)["pairs"]
    assert pairs["blocks-rna"]["q"] < 0.01
    assert pairs["blocks-rna"]["verdict"] == "not distinguishable"
    assert pairs["blocks-clinical"]["verdict"] == "worse"


def test_a_block_that_hardly_anybody_has_gives_the_reason_and_no_prediction() -> None:
    result = analysed(1.0, missing=148)
    assert "block rna" in result.learned["error"]
    assert result.predictions.empty
    assert "block rna" in block_verdicts(result.predictions, result.learned, PLAN)["error"]


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    assert doctest.testmod(verdicts).failed == 0
    assert false_discovery([0.005, 0.009, 0.05, 0.1, 0.5]) == pytest.approx(
        [0.0225, 0.0225, 0.25 / 3, 0.125, 0.5]
    )
    assert false_discovery([]).tolist() == []


def test_the_search_finds_no_worse_point_than_searches_of_parts_of_the_grid() -> None:
    rng = np.random.default_rng(2)
    values = {"a": rng.normal(size=(90, 5)), "b": rng.normal(size=(90, 60))}
    y = (values["a"][:, 0] + values["b"][:, :2].sum(axis=1) + rng.normal(size=90) > 0).astype(float)
    parts = [part_kernels(lambda _: values, y, np.ones(90), *fold) for fold in stratified_folds(y, 3, 0)]
    grid = (1.0, 0.1, 0.01)
    trials = Trials(parts, y, np.ones(90))
    tuned = tune(trials, ["a", "b"], grid)
    every = [tune(trials, ["a", "b"], (a, b)).loss for a in grid for b in grid if a != b]
    assert tuned.loss <= min(every) + 1e-9
    assert not np.isnan(tuned.margin).any()


def test_the_order_in_which_columns_stand_changes_no_bit() -> None:
    rows, y = patients(90)
    genes = pd.DataFrame(
        np.random.default_rng(3).normal(size=(90, 12)), columns=[f"rna:G{k}" for k in range(12)]
    )
    frame = pd.concat([rows, genes], axis=1)
    first, second = (
        BlockProcedure(FEATURES, {"rna": names}, SETTINGS.encoding, BLOCKS, 3)
        .fit(frame, y)
        .predictions(frame)
        for names in (list(genes), list(genes)[::-1])
    )
    assert all((first[name] == second[name]).all() for name in first)


def test_fewer_events_than_inner_folds_cannot_be_learned() -> None:
    rows, _ = patients(30)
    y = np.r_[1.0, 1.0, np.zeros(28)]
    with pytest.raises(NotLearnableError, match="2 patients have the rarer outcome"):
        BlockProcedure(FEATURES, {}, SETTINGS.encoding, BLOCKS, 3).fit(rows, y)
