"""Blocks: the dual solution is scikit-learn's, and what is learned of blocks holds for every patient."""

import doctest
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from features.errors import UserError
from models.blocks import classifier, conjugate, tuning
from models.blocks.classifier import BlocksClassifier
from models.blocks.conjugate import fit_by_products
from models.blocks.dual import fit_dual
from models.blocks.fusion import Fusion, learn_fusion
from models.blocks.kernels import EVERY, block_kernels, coefficients, kernel
from models.blocks.learning import BlockModels, learn_blocks
from models.blocks.names import FUSED, TOGETHER
from models.procedure.errors import NotLearnableError
from models.procedure.folds import stratified_folds

Values = dict[str, np.ndarray]


def cohort(n: int = 80, p: int = 300, seed: int = 0, effect: float = 1.0) -> tuple[Values, np.ndarray]:
    """Return a clinical block of 4 columns and one of p, whose first three columns matter, and outcomes."""
    rng = np.random.default_rng(seed)
    values = {"clinical": rng.normal(50, 9, (n, 4)), "rna": rng.normal(5, 2, (n, p))}
    margin = (values["clinical"][:, 0] - 50) / 9 + effect * (values["rna"][:, :3] - 5).sum(axis=1) / 2
    return values, (rng.random(n) < expit(margin)).astype(float)


def learned(values: Values, y: np.ndarray, grid: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)) -> BlockModels:
    return learn_blocks(lambda _: values, y, list(stratified_folds(y, 3, 1)), grid, "clinical")


@parametrize_with_checks([BlocksClassifier(inner_folds=3), BlocksClassifier(inner_folds=3, fused=True)])  # type: ignore[untyped-decorator]
def test_blocks_follow_the_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_examples_run() -> None:
    assert doctest.testmod(classifier).failed == 0


@pytest.mark.parametrize("penalties", [(1e-4, 1e-4), (1.0, 1e-3), (1e-3, 1.0), (0.03, 0.01)])
@pytest.mark.parametrize("shape", [(40, 300), (150, 12)])
@pytest.mark.parametrize("cut", [EVERY, 1.0])
def test_the_dual_is_scikit_learn_on_rescaled_columns(
    shape: tuple[int, int], penalties: tuple[float, float], cut: float
) -> None:
    values, y = cohort(*shape)
    rows = np.arange(len(y))
    kernels = {name: block_kernels(block, rows, y, np.ones(len(y)), (cut,)) for name, block in values.items()}
    by_block = dict(zip(values, penalties, strict=True))
    fit = fit_dual(
        np.sum([kernels[name].by_cut[cut].products / by_block[name] for name in values], axis=0), y
    )
    found, rescaled, factors = [], [], []
    for name, block in values.items():
        standard, shares = kernels[name].standard, kernels[name].by_cut[cut].shares
        found.append(coefficients(block, rows, standard, shares, fit.dual / by_block[name]))
        factors.append(np.sqrt(shares / by_block[name]))
        if cut == EVERY:
            assert shares == pytest.approx(np.full(block.shape[1], 1 / block.shape[1]))
        rescaled.append((block - block.mean(axis=0)) / block.std(axis=0) * factors[-1])
    oracle = LogisticRegression(C=1 / len(y), solver="newton-cg", tol=1e-13, max_iter=10_000)
    oracle.fit(np.hstack(rescaled), y)
    assert np.concatenate(found) == pytest.approx(oracle.coef_[0] * np.concatenate(factors), abs=1e-8)
    assert fit.intercept == pytest.approx(oracle.intercept_[0], abs=1e-8)


def test_a_kernel_is_that_of_columns_standardised_by_the_training_part_with_missing_at_the_mean() -> None:
    block = np.array([[1.0, 7, np.nan], [3.0, 7, 2], [5.0, 7, 4], [9.0, 8, 1]])
    result = block_kernels(block, np.arange(4), np.array([0.0, 1, 1]), np.ones(3), (EVERY, 0.5))
    standard = (block[:, [0, 2]] - [3, 3]) / [np.sqrt(8 / 3), 1]
    standard[0, 1] = 0
    assert result.by_cut[EVERY].products == pytest.approx(standard @ standard.T / 2)
    assert list(result.standard.weight > 0) == [True, False, True]
    squares = (standard[:3].T @ [0, 1, 1]) ** 2 / (np.array([3, 2]) * 2 / 9)
    shares = np.maximum(squares - 0.5, 0) / np.maximum(squares - 0.5, 0).sum()
    assert result.by_cut[0.5].shares[[0, 2]] == pytest.approx(shares)
    assert result.by_cut[0.5].products == pytest.approx(standard * shares @ standard.T)


def test_z_is_the_score_test_of_logistic_regression() -> None:
    values, y = cohort(60, 5)
    found = block_kernels(values["rna"], np.arange(60), y, np.ones(60), (0.0,)).by_cut[0.0].shares
    x = values["rna"] - values["rna"].mean(axis=0)
    score = x.T @ (y - y.mean())
    squares = score**2 / ((x**2).sum(axis=0) * y.mean() * (1 - y.mean()))
    assert found == pytest.approx(squares / squares.sum())


def test_patients_who_do_not_teach_do_not_weigh_a_column() -> None:
    values, y = cohort(60, 30)
    other = values["rna"].copy()
    other[40:] = 1 - other[40:]
    first, second = (
        block_kernels(block, np.arange(60), y[:40], np.ones(40), (1.0,)).by_cut[1.0]
        for block in (values["rna"], other)
    )
    assert (first.shares == second.shares).all()
    assert (first.products[:40, :40] == second.products[:40, :40]).all()


def test_a_cut_that_no_column_reaches_leaves_products_of_nothing() -> None:
    values, y = cohort(60, 30)
    none = block_kernels(values["rna"], np.arange(60), y, np.ones(60), (1e6,)).by_cut[1e6]
    assert not none.products.any()
    assert none.largest == 0


def test_a_constant_column_of_large_numbers_is_no_rounding_noise() -> None:
    block = np.column_stack([np.full(50, 1e8 + 0.1), np.arange(50.0)])
    assert block_kernels(block, np.arange(50), np.arange(50) % 2, np.ones(50), (EVERY,)).standard.size == 1


def test_separated_outcomes_have_a_finite_fit_at_every_penalty() -> None:
    values, _ = cohort()
    y = (values["rna"][:, 0] > 5).astype(float)
    fit = fit_dual(kernel(values["rna"], np.arange(80)) / 1e-6, y)
    assert np.isfinite(fit.margin).all()
    assert ((fit.margin > 0) == (y == 1)).all()


@pytest.mark.parametrize("penalties", [(1e-4, 1e-4), (1.0, 1e-3), (0.03, 0.01)])
def test_products_with_vectors_and_factors_have_one_minimum(penalties: tuple[float, float]) -> None:
    values, y = cohort(150, 300)
    copies = np.random.default_rng(4).integers(1, 4, 150).astype(float)
    kernels = [
        block_kernels(block, np.arange(150), y, copies, (EVERY,)).by_cut[EVERY] for block in values.values()
    ]
    exact = fit_dual(
        np.sum([one.products / penalty for one, penalty in zip(kernels, penalties, strict=True)], axis=0),
        y,
        copies,
    )

    def product(vector: np.ndarray) -> np.ndarray:
        parts = [one.times(vector / penalty, 150) for one, penalty in zip(kernels, penalties, strict=True)]
        return np.sum(parts, axis=0)

    assert [one.factor is None for one in kernels] == [False, True]
    for start in (None, fit_dual(kernels[1].products, y, copies)):
        found = fit_by_products(product, y, copies, start=start, tolerance=1e-10)
        assert found.margin == pytest.approx(exact.margin, abs=1e-7)
        assert found.intercept == pytest.approx(exact.intercept, abs=1e-7)
        assert found.dual.sum() == pytest.approx(0.0, abs=1e-12)


def test_many_patients_are_tuned_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    values, y = cohort(120)
    values["rna"][:20] = np.nan
    few = learned(values, y)
    monkeypatch.setattr(tuning, "MANY", 0)
    many = learned(values, y)
    for name, each in few.tuned.items():
        assert many.tuned[name].penalties == each.penalties
        assert many.tuned[name].margin == pytest.approx(each.margin, abs=0.05, nan_ok=True)
    assert many.margins(values)[TOGETHER] == pytest.approx(few.margins(values)[TOGETHER], abs=1e-12)


def test_a_fit_that_products_do_not_reach_is_made_with_a_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    values, y = cohort(120)
    few = learned(values, y)
    monkeypatch.setattr(tuning, "MANY", 0)
    monkeypatch.setattr(conjugate, "MAX_PRODUCTS", 0)
    many = learned(values, y)
    for name, each in few.tuned.items():
        assert many.tuned[name].margin == pytest.approx(each.margin, abs=1e-12)


def test_shuffled_columns_change_nothing() -> None:
    values, y = cohort()
    order = np.random.default_rng(1).permutation(300)
    shuffled = values | {"rna": values["rna"][:, order]}
    first, second = learned(values, y), learned(shuffled, y)
    assert first.tuned["blocks"].penalties == second.tuned["blocks"].penalties
    assert first.margins(values)[TOGETHER] == pytest.approx(second.margins(shuffled)[TOGETHER], abs=1e-10)


def test_contributions_of_columns_add_up_to_the_log_odds_also_without_a_block() -> None:
    values, y = cohort()
    values["rna"][::3] = np.nan
    values["rna"][1, 5] = np.nan
    models = learned(values, y)
    contributions = models.contributions(values)
    total = models.intercepts(values) + sum(part.sum(axis=1) for part in contributions.values())
    assert total == pytest.approx(models.margins(values)[TOGETHER], abs=1e-12)
    assert not contributions["rna"][::3].any()


def test_a_patient_without_a_block_is_predicted_by_the_model_of_the_others() -> None:
    values, y = cohort()
    models = learned(values, y)
    without = values | {"rna": np.full_like(values["rna"], np.nan)}
    clinical = models.patterns["clinical",]
    standard = (values["clinical"] - values["clinical"].mean(axis=0)) / values["clinical"].std(axis=0)
    expected = clinical.intercept + standard @ clinical.coefficients["clinical"]
    assert models.margins(without)[TOGETHER] == pytest.approx(expected)
    assert models.margins(without)[FUSED] != pytest.approx(models.margins(values)[FUSED])
    assert np.isnan(models.margins(without)["rna"]).all()


def test_a_column_of_another_patient_does_not_reach_who_is_predicted() -> None:
    values, y = cohort()
    models = learned({name: block[:60] for name, block in values.items()}, y[:60])
    rest = {name: block[60:] for name, block in values.items()}
    alone = {name: block[60:61] for name, block in values.items()}
    for name, margin in models.margins(rest).items():
        assert models.margins(alone)[name] == pytest.approx(margin[:1], abs=1e-12)


def test_the_protected_block_stays_and_is_penalised_least() -> None:
    values, y = cohort(effect=3)
    values["clinical"] = np.random.default_rng(5).normal(size=(80, 4))
    penalties = learned(values, y).tuned[TOGETHER].penalties
    assert set(penalties) == {"clinical", "rna"}
    assert penalties["clinical"].penalty * 4 <= penalties["rna"].penalty * 300


def test_signal_of_a_block_is_found_and_a_block_of_noise_may_stay_out() -> None:
    values, y = cohort(150, 40, effect=3)
    assert "rna" in learned(values, y).tuned[TOGETHER].penalties
    out = 0
    for seed in range(6):
        values, y = cohort(80, 300, seed, effect=0)
        out += "rna" not in learned(values, y).tuned[TOGETHER].penalties
    assert out >= 3


def test_a_block_that_hardly_anybody_has_is_named() -> None:
    values, y = cohort()
    values["rna"][2:] = np.nan
    with pytest.raises(NotLearnableError, match="block rna: 2 of 80 patients have it"):
        learned(values, y)


def test_a_block_that_does_not_vary_is_named() -> None:
    values, y = cohort()
    with pytest.raises(NotLearnableError, match="block rna: no column varies"):
        learned(values | {"rna": np.ones((80, 3))}, y)


def test_too_many_blocks_are_refused() -> None:
    values, y = cohort()
    more = values | {f"b{k}": values["rna"] for k in range(5)}
    with pytest.raises(UserError, match="7 blocks: at most 6"):
        learned(more, y)


def test_fusion_scales_the_weights_of_the_blocks_that_a_patient_has() -> None:
    fusion = Fusion(0.5, np.array([1.0, 3.0]))
    margins = np.array([[1.0, 2.0], [1.0, np.nan], [np.nan, np.nan]])
    assert fusion.margin(margins) == pytest.approx([0.5 + 7, 0.5 + 4, 0.5])


def test_fusion_weighs_what_tells_and_leaves_out_noise_and_what_misleads() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=2000)
    y = (rng.random(2000) < expit(signal)).astype(float)
    fusion = learn_fusion(np.column_stack([signal, -signal + rng.normal(size=2000)]), y)
    assert fusion.weights == pytest.approx([1, 0], abs=0.15)
    assert (fusion.weights > 0).all()


def test_one_block_is_the_logistic_candidate_at_its_penalty() -> None:
    values, y = cohort()
    model = learn_blocks(
        lambda _: {"clinical": values["clinical"]}, y, list(stratified_folds(y, 3, 1)), (0.02,), "clinical"
    )
    standard = (values["clinical"] - values["clinical"].mean(axis=0)) / values["clinical"].std(axis=0)
    logistic = LogisticRegression(C=1 / (0.02 * 4 * 80), solver="newton-cholesky", tol=1e-9).fit(standard, y)
    assert model.margins({"clinical": values["clinical"]})[TOGETHER] == pytest.approx(
        logistic.decision_function(standard), abs=1e-8
    )
