"""Batch as nuisance: its share of a block, whether it goes with the outcome, and the adjustment."""

import numpy as np
import pandas as pd
import pytest

from models.blocks.adjustment import learn_shifts
from models.blocks.landmark import learn_landmark
from models.blocks.nuisance import nuisance, nuisances
from models.blocks.procedure import BlockProcedure
from models.evaluation.blocks import block_verdicts
from models.procedure.configuration.settings import BlocksSettings
from models.serving.serving import batch_names, take_shifts
from tests.models.blocks.test_landmark import PLAN
from tests.patients import FEATURES, SETTINGS, patients

RNG = np.random.default_rng(7)
BATCH = pd.Series(["a", "b", "c"] * 30)
VALUES = RNG.normal(size=(90, 12))
Y = (RNG.random(90) < 0.4).astype(float)


def test_the_share_is_that_of_sums_of_squares_between_groups_of_standardised_columns() -> None:
    moved = VALUES + np.outer(BATCH == "b", np.arange(12.0) / 4)
    found = nuisance(moved, BATCH, Y, 99, 0)
    standard = (moved - moved.mean(axis=0)) / moved.std(axis=0)
    means = pd.DataFrame(standard).groupby(BATCH.to_numpy()).transform("mean").to_numpy()
    assert found["share"] == pytest.approx((means**2).sum() / (standard**2).sum())
    assert found["p"] == pytest.approx(0.01)
    assert found["by_chance"] == pytest.approx(2 / 89, abs=0.01)


def test_a_batch_that_does_nothing_is_as_by_chance_and_its_p_is_uniform() -> None:
    p = [nuisance(RNG.normal(size=(40, 5)), BATCH[:40], Y[:40], 39, k)["p"] for k in range(200)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.065)


def test_the_association_with_the_outcome_is_cramers_v() -> None:
    y = (BATCH == "a").to_numpy(dtype=float)
    assert nuisance(VALUES, BATCH, y, 99, 0)["outcome"] == pytest.approx(1)
    table = pd.crosstab(BATCH, Y).to_numpy()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    v = np.sqrt(((table - expected) ** 2 / expected).sum() / 90)
    assert nuisance(VALUES, BATCH, Y, 99, 0)["outcome"] == pytest.approx(v)


def test_patients_without_the_block_or_the_batch_do_not_count_and_one_group_says_so() -> None:
    values, batch = VALUES.copy(), BATCH.copy()
    values[:3] = np.nan
    batch[3:6] = None
    assert nuisance(values, batch, Y, 9, 0)["patients"] == 84
    assert nuisance(values, pd.Series(["a"] * 90), Y, 9, 0)["error"] == "there is one group"
    every = pd.Series([str(k) for k in range(90)])
    assert nuisances({"rna": values}, {"rna": {"centre": every}}, Y, 9, 0)["rna"]["centre"]["error"]


def test_shifts_are_batch_means_minus_all_and_small_or_unknown_batches_have_none() -> None:
    values = np.array([[1.0, np.nan], [3, np.nan], [7, 2], [9, 4], [50, 6]])
    batch = pd.Series(["a", "a", "b", "b", "c"])
    shifts = learn_shifts(values, batch, 2)
    assert shifts["a"].tolist() == [2 - 14, 0]
    assert shifts["b"].tolist() == [8 - 14, 3 - 4]
    assert set(shifts) == {"a", "b"}
    learned = take_shifts(values, batch_names(["a", "z", None, "b", "c"]), shifts)
    assert values[:, 0].tolist() == [13, 3, 7, 15, 50]
    assert learned.tolist() == [True, False, False, True, False]


def test_a_batch_is_the_same_whatever_type_a_reader_made_of_it() -> None:
    missing = [None, float("nan"), pd.NA, ""]
    assert batch_names([7, 7.0, " 7", "7.5", *missing]).tolist() == ["7", "7", "7", "7.5", "", "", "", ""]


BLOCKS = BlocksSettings((1.0, 0.1, 0.01), min_batch_patients=3)


def confounded() -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Return patients, a signal in one gene, and batches that move all genes by much more."""
    rows, y = patients(150)
    rng = np.random.default_rng(3)
    batch = rng.integers(0, 3, 150)
    genes = rng.normal(size=(150, 20)) + 8 * batch[:, None]
    genes[:, 0] += 2 * y
    names = [f"rna:G{k}" for k in range(20)]
    origin = pd.DataFrame({"batch@rna": pd.Series(batch.astype(str), dtype="str")})
    return pd.concat([rows, pd.DataFrame(genes, columns=names), origin], axis=1), y, names


def test_the_adjustment_finds_what_the_batch_hid_and_is_named_in_what_was_learned() -> None:
    rows, y, names = confounded()
    aucs = {}
    for said, batches in (("raw", {}), ("adjusted", {"rna": "batch@rna"})):
        result = learn_landmark(
            rows, y, FEATURES, {"rna": names}, SETTINGS.encoding, BLOCKS, PLAN, batches=batches
        )
        found = block_verdicts(result.predictions, result.learned, PLAN)
        aucs[said] = found["models"]["rna"]["auc"]["value"]
        assert found["adjusted"] == ({"rna": ["0", "1", "2"]} if batches else {})
    assert aucs["adjusted"] > aucs["raw"] + 0.05


def test_the_values_of_who_is_predicted_teach_no_shift() -> None:
    rows, y, names = confounded()
    model = BlockProcedure(
        FEATURES, {"rna": names}, SETTINGS.encoding, BLOCKS, 3, 0, {"rna": "batch@rna"}
    ).fit(rows[:120], y[:120])
    together, alone = (model.predictions(rows[120:end])["blocks"][0] for end in (150, 121))
    assert together == pytest.approx(alone, abs=1e-12)
