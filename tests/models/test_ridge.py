import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.procedure import ridge
from models.procedure.ridge import ridge_path

PENALTIES = [4.096 / 2**k for k in range(11)]


def standardised(kind: str, n: int, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised terms of a kind and outcomes that depend on the first two."""
    rng = np.random.default_rng(n + terms)
    x = rng.standard_t(1.5, (n, terms)) if kind == "outlying" else rng.standard_normal((n, terms))
    if kind == "collinear":
        x[:, 2:] = x[:, :2] @ rng.standard_normal((2, terms - 2))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    strength, intercept = {"separated": (50.0, 0.0), "rare": (0.5, -4.0)}.get(kind, (0.5, 0.0))
    return x, (rng.random(n) < expit(intercept + strength * x[:, :2].sum(axis=1))).astype(float)


@pytest.mark.parametrize(
    ("kind", "n", "terms"),
    [("plain", 300, 40), ("collinear", 300, 40), ("outlying", 200, 30), ("separated", 60, 5),
     ("rare", 1000, 20), ("plain", 40, 90)],
)  # fmt: skip
def test_every_point_of_the_path_is_scikit_learns_fit(kind: str, n: int, terms: int) -> None:
    x, y = standardised(kind, n, terms)
    for penalty, fit in zip(PENALTIES, ridge_path(x, y, PENALTIES), strict=True):
        model = LogisticRegression(C=1 / (penalty * n), solver="newton-cholesky", tol=1e-10, max_iter=500)
        expected = model.fit(x, y)
        assert fit is not None
        assert fit.intercept == pytest.approx(expected.intercept_[0], abs=1e-8)
        assert fit.coefficients == pytest.approx(expected.coef_[0], abs=1e-8)


def test_a_fit_does_not_depend_on_where_the_path_began() -> None:
    x, y = standardised("plain", 300, 20)
    alone = next(ridge_path(x, y, [0.01]))
    last = list(ridge_path(x, y, [100.0, 1e-4, 0.01]))[-1]
    assert alone is not None
    assert last is not None
    assert last.coefficients == pytest.approx(alone.coefficients, abs=1e-8)


def test_a_term_that_does_not_vary_gets_no_coefficient() -> None:
    x, y = standardised("plain", 100, 3)
    fit = next(ridge_path(np.column_stack([x, np.zeros(100)]), y, [0.1]))
    assert fit is not None
    assert fit.coefficients[-1] == 0


def test_a_penalty_that_does_not_converge_gives_nothing_and_the_others_their_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = standardised("plain", 100, 3)
    monkeypatch.setattr(ridge, "MAX_ITERATIONS", 5)
    near, far = ridge_path(x, y, [100.0, 1e-9])
    assert near is not None
    assert far is None
