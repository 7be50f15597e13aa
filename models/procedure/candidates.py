"""The candidate classifiers: penalised logistic regression and LightGBM, fitted on the whole grid at once.

A candidate is a function from a completed design to one *fit* per point of its prespecified grid; a fit is
plain data (a piece of a model document) with the log-odds it gives to other patients. Tuning, calibration and
the choice between candidates are in `models.procedure.response_model`.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import lightgbm
import numpy as np
from scipy.special import logit

from models.procedure.configuration.settings import BoostingCandidate, FeatureCandidate, LogisticCandidate
from models.procedure.errors import NotLearnableError
from models.procedure.ridge import ridge_path
from models.serving.serving import (
    BlocksDocument,
    ColumnDocument,
    EncodingDocument,
    LinearDocument,
    TermDocument,
    linear_design,
)

# LightGBM's own default of min_data_in_leaf.
LEAST_IN_LEAF = 20
# Harrell, Regression Modeling Strategies, 2nd ed., table 2.3.
KNOT_CENTILES = {3: (10, 50, 90), 4: (5, 35, 65, 95), 5: (5, 27.5, 50, 72.5, 95)}


@dataclass(frozen=True)
class Design:
    """Completed columns of the training part and, in the same encoding, of the patients to predict."""

    encoding: EncodingDocument
    train: np.ndarray
    y: np.ndarray
    test: np.ndarray


class FittedPart(TypedDict, total=False):
    """The part of a model document that a candidate fits: one of the three."""

    linear: LinearDocument
    blocks: BlocksDocument
    boosting: dict[str, float]


@dataclass(frozen=True)
class Fit:
    """One grid point fitted: its name, its part of the model document, LightGBM's text, test log-odds."""

    point: str
    document: FittedPart
    booster: str | None
    margin: np.ndarray


def fit_candidate(
    design: Design, candidate: FeatureCandidate, seed: int, points: Sequence[str] | None = None
) -> Iterator[Fit]:
    """Yield a fit for every point of the candidate's grid (or for the named `points` only), in grid order.

    A point whose fit does not converge is left out.

    Raises
    ------
    NotLearnableError
        If no column varies, or there are too few patients for a tree to split.
    """
    if not design.encoding["columns"]:
        raise NotLearnableError(
            f"no feature varies among the {len(design.y)} training patients: nothing to learn from"
        )
    if isinstance(candidate, LogisticCandidate):
        yield from _fit_logistic(design, candidate, points)
    else:
        yield from _fit_lightgbm(design, candidate, seed, points)


def grid_points(candidate: FeatureCandidate) -> list[str]:
    """Return the names of the points of a candidate's grid, in the order in which they are fitted."""
    if isinstance(candidate, LogisticCandidate):
        return [_ridge_point(penalty) for penalty in candidate.penalties_per_patient]
    return [f"{label},rounds={n}" for label, _ in _boosting_grid(candidate) for n in candidate.rounds]


def intercept_only(y: np.ndarray) -> Fit:
    """Return the forecast that stands where nothing can be learned: the prevalence, for every patient."""
    intercept = float(logit(y.mean()))
    linear: LinearDocument = {
        "terms": [], "mean": [], "scale": [], "intercept": intercept, "coefficients": [],
    }  # fmt: skip
    return Fit("prevalence", {"linear": linear}, None, np.full(len(y), intercept))


def linear_terms(
    encoding: EncodingDocument, completed: np.ndarray, candidate: LogisticCandidate
) -> list[TermDocument]:
    """Return the terms of the linear predictor: columns, spline terms, prespecified products.

    Without an order of features every column is a term. With one, a feature enters with its columns and
    spline terms if all terms are then at most `max_parameters`; else it is passed over. A product
    enters where both of its features do.

    Spline knots stand at Harrell's centiles of the completed training column; a column with too few distinct
    values for its knots stays linear. Products are between the columns of the two features named.

    Raises
    ------
    NotLearnableError
        If no feature of the order has a column, or none has as few as the patients support.
    """
    columns = encoding["columns"]
    if not candidate.order:
        plain: list[TermDocument] = [{"columns": [index]} for index in range(len(columns))]
        splines = [
            term for name in candidate.splines for term in _splines(columns, completed, candidate, name)
        ]
        products = [term for pair in candidate.interactions for term in _products(columns, pair)]
        return plain + splines + products
    limit = candidate.max_parameters or 0
    terms: list[TermDocument] = []
    entered: set[str] = set()
    for name in candidate.order:
        more: list[TermDocument] = [{"columns": [index]} for index in _of_feature(columns, name)]
        if name in candidate.splines:
            more += _splines(columns, completed, candidate, name)
        if more and len(terms) + len(more) <= limit:
            terms += more
            entered.add(name)
    for pair in candidate.interactions:
        more = _products(columns, pair) if entered.issuperset(pair) else []
        if len(terms) + len(more) <= limit:
            terms += more
    if not terms:
        raise NotLearnableError(
            f"none of the features that it may use varies here, or has at most {limit} parameters, which is "
            "what so many patients support"
        )
    return terms


def _splines(
    columns: Sequence[ColumnDocument], completed: np.ndarray, candidate: LogisticCandidate, name: str
) -> list[TermDocument]:
    """Return the spline terms of a feature; none where it has too few distinct values for the knots."""
    terms: list[TermDocument] = []
    for index in _of_feature(columns, name):
        knots = np.unique(np.percentile(completed[:, index], KNOT_CENTILES[candidate.spline_knots]))
        if len(knots) == candidate.spline_knots:
            terms += [
                {"columns": [index], "knots": knots.tolist(), "spline": k} for k in range(len(knots) - 2)
            ]
    return terms


def _products(columns: Sequence[ColumnDocument], pair: tuple[str, str]) -> list[TermDocument]:
    """Return the products of every column of one feature with every column of the other."""
    first, second = (_of_feature(columns, name) for name in pair)
    return [{"columns": [a, b]} for a, b in itertools.product(first, second)]


def _of_feature(columns: Sequence[ColumnDocument], name: str) -> list[int]:
    return [index for index, column in enumerate(columns) if column["feature"] == name]


def _fit_logistic(
    design: Design, candidate: LogisticCandidate, points: Sequence[str] | None
) -> Iterator[Fit]:
    """Ridge logistic regression on standardised terms, one fit per penalty, each started from the last."""
    terms = linear_terms(design.encoding, design.train, candidate)
    unit: LinearDocument = {
        "terms": terms, "mean": [0.0] * len(terms), "scale": [1.0] * len(terms), "intercept": 0.0,
        "coefficients": [0.0] * len(terms),
    }  # fmt: skip
    raw = linear_design(unit, design.train)
    linear: LinearDocument = {
        **unit, "mean": raw.mean(axis=0).tolist(), "scale": _scales(raw).tolist(),
    }  # fmt: skip
    train, test = linear_design(linear, design.train), linear_design(linear, design.test)
    wanted = [
        penalty
        for penalty in candidate.penalties_per_patient
        if points is None or _ridge_point(penalty) in points
    ]
    for penalty, fit in zip(wanted, ridge_path(train, design.y, wanted), strict=True):
        if fit is None:
            continue
        fitted: LinearDocument = {
            **linear,
            "intercept": fit.intercept,
            "coefficients": fit.coefficients.tolist(),
        }
        yield Fit(_ridge_point(penalty), {"linear": fitted}, None, fit.intercept + test @ fit.coefficients)


def _ridge_point(penalty: float) -> str:
    return f"penalty={penalty}"


def _scales(raw: np.ndarray) -> np.ndarray:
    """Return standard deviations; a term that does not vary keeps scale 1 and so gets coefficient 0."""
    scale = raw.std(axis=0)
    return np.where(scale > 0, scale, 1.0)


def _fit_lightgbm(
    design: Design, candidate: BoostingCandidate, seed: int, points: Sequence[str] | None
) -> Iterator[Fit]:
    """One binned data set serves the grid, and one boosting run serves every number of rounds."""
    fixed = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "deterministic": True,
        # The same trees as row-wise histograms and sparse bins give, and a third faster at trials' sizes.
        "force_col_wise": True,
        "is_enable_sparse": False,
        "feature_pre_filter": False,
        "seed": seed,
        **candidate.fixed,
    }
    least = 2 * int(candidate.fixed.get("min_data_in_leaf", LEAST_IN_LEAF))
    if len(design.y) < least:
        raise NotLearnableError(
            f"boosting needs at least {least} training patients to split once (twice min_data_in_leaf), "
            f"and has {len(design.y)}"
        )
    data = lightgbm.Dataset(design.train, label=design.y, params=fixed, free_raw_data=False)
    for label, grid in _boosting_grid(candidate):
        wanted = {f"{label},rounds={n}": n for n in candidate.rounds}
        if points is not None:
            wanted = {point: n for point, n in wanted.items() if point in points}
        if not wanted:
            continue
        # The booster as trained predicts; LightGBM would else write and read its text, with the same result.
        most = max(wanted.values())
        booster = lightgbm.train(fixed | grid, data, num_boost_round=most, keep_training_booster=True)
        margins = staged_margins(booster, design.test, list(wanted.values()))
        for (point, rounds), margin in zip(wanted.items(), margins, strict=True):
            document: FittedPart = {"boosting": {"rounds": rounds, **grid, **candidate.fixed}}
            # The text is needed for the chosen point only, which is asked for by name.
            text = booster.model_to_string(num_iteration=rounds) if points is not None else None
            yield Fit(point, document, text, margin)


def _boosting_grid(candidate: BoostingCandidate) -> Iterator[tuple[str, dict[str, int | float]]]:
    for values in itertools.product(*candidate.grid.values()):
        grid = dict(zip(candidate.grid, values, strict=True))
        yield ",".join(f"{name}={value}" for name, value in grid.items()), grid


def staged_margins(booster: lightgbm.Booster, columns: np.ndarray, rounds: Sequence[int]) -> np.ndarray:
    """Return the log-odds after each number of rounds, shape (rounds, n), from one walk through the trees.

    Leaf values are added from the first tree on, in the order and precision of ``Booster.predict``, so that
    row i equals ``predict(columns, raw_score=True, num_iteration=rounds[i])`` to the last bit. (Sums of sums
    from ``start_iteration`` would not.)

    Parameters
    ----------
    booster : lightgbm.Booster
        With one tree a round.
    columns : array, shape (n, columns)
        Completed columns.
    rounds : sequence of int
        Numbers of rounds; one beyond the last tree means all trees.
    """
    if len(columns) == 0:
        return np.empty((len(rounds), 0))
    leaves = np.asarray(booster.predict(columns, pred_leaf=True, num_threads=1)).reshape(len(columns), -1)
    leaves = np.ascontiguousarray(leaves.T)
    sums = np.empty(leaves.shape)
    for tree, reached in enumerate(leaves):
        values = np.array([booster.get_leaf_output(tree, leaf) for leaf in range(reached.max() + 1)])
        sums[tree] = values[reached]
    np.cumsum(sums, axis=0, out=sums)
    return sums[[min(number, len(sums)) - 1 for number in rounds]]
