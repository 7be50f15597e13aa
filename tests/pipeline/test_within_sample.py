"""Ranks inside a sample: scores of gene sets as R has them, and the same on any platform."""

import doctest
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.sources.omics import repeatability, within_sample
from pipeline.sources.omics.repeatability import agreement
from pipeline.sources.omics.within_sample import rank_scores, shares_below

REFERENCE = Path("tests/reference")
SETS = {"A": [0, 3, 8, 15, 24], "B": list(range(2, 12)), "C": [29]}
MATRIX = pd.read_csv(REFERENCE / "omics_matrix.csv", index_col="sample").to_numpy()


def test_the_examples_run() -> None:
    assert doctest.testmod(within_sample, extraglobs={"np": np}).failed == 0
    assert doctest.testmod(repeatability, extraglobs={"np": np}).failed == 0


@pytest.mark.parametrize("name", SETS)
def test_scores_of_gene_sets_are_those_of_r_with_ties_and_missing_genes(name: str) -> None:
    expected = pd.read_csv(REFERENCE / "omics_scores.csv")[name].to_numpy()
    assert rank_scores(MATRIX, np.array(SETS[name]), 1) == pytest.approx(expected, abs=1e-12)


def test_a_score_is_0_at_the_bottom_1_at_the_top_and_the_same_after_any_rising_change() -> None:
    values = np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]])
    assert rank_scores(values, np.array([2, 3]), 2).tolist() == [1, 0]
    places = np.array(SETS["B"])
    assert (rank_scores(np.exp(MATRIX), places, 5) == rank_scores(MATRIX, places, 5)).all()


def test_a_sample_with_too_few_genes_of_a_set_or_no_other_gene_has_no_score() -> None:
    values = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, np.nan]])
    assert np.isnan(rank_scores(values, np.array([0, 1]), 2)).tolist() == [True, True]


def test_scores_of_a_sample_do_not_depend_on_the_others() -> None:
    places = np.array(SETS["A"])
    assert rank_scores(MATRIX[3:4], places, 1)[0] == rank_scores(MATRIX, places, 1)[3]
    assert (shares_below(MATRIX[3:4])[0] == shares_below(MATRIX)[3]).all()


def test_ranks_carry_over_to_another_platform() -> None:
    other = 2 ** (MATRIX + 6)
    assert shares_below(other) == pytest.approx(shares_below(MATRIX), nan_ok=True)
    assert np.isnan(shares_below(MATRIX)[1, 2])


def test_repeatability_is_that_of_an_analysis_of_variance_in_r() -> None:
    retest = pd.read_csv(REFERENCE / "omics_retest.csv")
    values = retest[["F1", "F2", "F3", "F4"]].to_numpy().reshape(12, 3, 4)
    expected = pd.read_csv(REFERENCE / "omics_icc.csv")["icc"].to_numpy()
    assert agreement(values) == pytest.approx(expected, abs=1e-12)


def test_repeatability_is_1_without_error_less_with_a_shift_and_none_without_variance() -> None:
    truth = np.arange(6.0)
    same, shifted, flat = [np.stack([truth, truth + by], axis=1) for by in (0, 2)] + [np.ones((6, 2))]
    icc = agreement(np.stack([same, shifted, flat], axis=2))
    assert icc[0] == pytest.approx(1)
    assert 0.5 < icc[1] < 0.8
    assert np.isnan(icc[2])


def test_a_subject_with_a_missing_measurement_is_left_out_of_that_feature() -> None:
    retest = np.random.default_rng(0).normal(size=(8, 2, 1)) + np.arange(8.0)[:, None, None]
    missing = retest.copy()
    missing[3, 1, 0] = np.nan
    assert agreement(missing) == pytest.approx(agreement(np.delete(retest, 3, axis=0)))
