"""How stable statements about SHAP values are: means, ranks, directions and curves over resamples.

One matrix of weights serves all statistics. A resample draws centres with replacement, patients inside each
drawn centre, and fits of the cross-validation. The fits of two folds share most of their training patients:
intervals are narrower than those of models refitted on new patients would be.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.explanation.documents import CurvePoint, Direction
from models.explanation.plan import Expectation
from models.procedure.landmark_features import LandmarkFeature
from models.serving.serving import spline_basis

# Harrell, Regression Modeling Strategies, 2nd ed., table 2.3: centiles of the knots.
CENTILES = {3: (0.10, 0.50, 0.90), 4: (0.05, 0.35, 0.65, 0.95), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}
DISAGREES, AGREES, OPEN, UNUSED = "disagrees", "as expected", "not distinguishable from none", "not used"
UNCERTAIN = "uncertain"
GROUP_COLUMNS = ["group", "features", "mean_abs", "mean_low", "mean_high", "share", "low", "high"]


def resample_weights(
    explained: pd.DataFrame, centres: pd.Series, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Return how much each row of `explained` counts in each resample, shape (samples, rows).

    Parameters
    ----------
    explained : DataFrame
        usubjid, repeat, fold of every explained prediction.
    centres : Series
        Centre of each patient, index usubjid; a missing centre is one of its own. One centre: patients are
        drawn, not centres.
    """
    ids, patient = np.unique(explained["usubjid"].to_numpy(dtype=str), return_inverse=True)
    codes, names = pd.factorize(centres.reindex(ids).astype(object).fillna(""), sort=True)
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    fits, fit = np.unique(explained[["repeat", "fold"]].to_numpy(), axis=0, return_inverse=True)
    weights = np.zeros((samples, len(explained)))
    for row in weights:
        count = np.zeros(len(ids))
        for centre in rng.integers(len(members), size=len(members)):
            inside = members[centre]
            count += np.bincount(rng.choice(inside, len(inside)), minlength=len(ids))
        drawn = np.bincount(rng.integers(len(fits), size=len(fits)), minlength=len(fits))
        row[:] = count[patient] * drawn[fit.ravel()]
    return weights


def weighted_means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of each column in each resample, shape (samples, columns); NaN without weight."""
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, (weights @ values) / total, np.nan))


def bounds(samples: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of every column, without resamples in which a mean does not exist."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(samples, [tail, 1 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def importance(
    explained: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    centres: pd.Series,
    weights: np.ndarray,
    *,
    level: float,
    top: int,
    min_centre_patients: int,
) -> pd.DataFrame:
    """Return mean |SHAP| of every feature with its stability, largest first, ties by name.

    Columns: feature, domain, mean_abs, share (of the sum over features), low and high (over resamples), top
    (share of the resamples in which the feature is among the `top` largest), centre_low and centre_high
    (smallest and largest mean |SHAP| in a centre of at least `min_centre_patients` patients), rank (from 1).
    """
    names = [feature.name for feature in features]
    absolute = explained[names].abs()
    means = weighted_means(weights, absolute.to_numpy())
    low, high = bounds(means, level)
    place = (-means).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    site = explained["usubjid"].map(centres)
    size = explained.groupby(site)["usubjid"].nunique()
    by_centre = absolute.groupby(site).mean().loc[size[size >= min_centre_patients].index]
    frame = pd.DataFrame(
        {
            "feature": names,
            "domain": [feature.domain for feature in features],
            "mean_abs": absolute.mean().to_numpy(),
            "low": low,
            "high": high,
            "top": (place < top).mean(axis=0),
            "centre_low": by_centre.min().to_numpy(),
            "centre_high": by_centre.max().to_numpy(),
        }
    )
    total = frame["mean_abs"].sum()
    frame["share"] = frame["mean_abs"] / total if total > 0 else 0.0
    frame = frame.sort_values(["mean_abs", "feature"], ascending=[False, True], ignore_index=True)
    return frame.assign(rank=np.arange(1, len(frame) + 1))


def group_sums(explained: pd.DataFrame, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return each group's summed contribution, one column a group: what cancels inside it moves nothing."""
    return pd.DataFrame({name: explained[list(columns)].sum(axis=1) for name, columns in groups.items()})


def group_importance(
    explained: pd.DataFrame, groups: Mapping[str, Sequence[str]], weights: np.ndarray, level: float
) -> pd.DataFrame:
    """Return mean |summed contribution| of groups of features, and its share of the sum over the groups.

    Columns: group, features (how many), mean_abs, mean_low, mean_high, share, low, high.
    """
    if not groups:
        return pd.DataFrame(columns=GROUP_COLUMNS)
    sums = group_sums(explained, groups).abs()
    means = weighted_means(weights, sums.to_numpy())
    shares = means / np.where(means.sum(axis=1, keepdims=True) > 0, means.sum(axis=1, keepdims=True), 1.0)
    point = sums.mean().to_numpy()
    mean_low, mean_high = bounds(means, level)
    low, high = bounds(shares, level)
    return pd.DataFrame(
        {
            "group": list(groups),
            "features": [len(columns) for columns in groups.values()],
            "mean_abs": point,
            "mean_low": mean_low,
            "mean_high": mean_high,
            "share": point / point.sum() if point.sum() > 0 else 0.0,
            "low": low,
            "high": high,
        }
    )


def matching(features: Sequence[LandmarkFeature], patterns: Sequence[str]) -> list[str]:
    """Return the names of the features that fit one of the patterns, in the model's order."""
    return [f.name for f in features if any(fnmatchcase(f.name, pattern) for pattern in patterns)]


def thirds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return who is in the upper and who in the lower third of the known values; ties stay together."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    first, second = np.quantile(known, [1 / 3, 2 / 3])
    lower = values <= first
    return (values >= second) & ~lower, lower


def directions(
    explained: pd.DataFrame,
    values: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    expected: Sequence[Expectation],
    weights: np.ndarray,
    level: float,
) -> list[Direction]:
    """Return the direction found for every expectation and feature, with its interval and stability.

    Parameters
    ----------
    values : DataFrame
        Feature values, rows as in `explained`.
    expected : sequence of Expectation
        With levels for categorical features, without for numbers: upper third against lower third.

    Returns
    -------
    list of Direction
        name, feature, expected, source, of, against, difference (mean contribution of the one group minus the
        other, log-odds), low, high, stability (share of resamples with the sign found), found (higher, lower
        or none), verdict.
    """
    kinds = {feature.name: feature for feature in features}
    observed: list[Direction] = []
    for expectation in expected:
        for name in matching(features, expectation.features):
            levels = expectation.of, expectation.against
            if kinds[name].is_numeric == (expectation.of is not None):
                continue
            if kinds[name].is_numeric:
                labels = ["upper third", "lower third"]
                upper, lower = thirds(values[name].to_numpy(dtype=float))
            else:
                occurring = set(values[name].dropna())
                labels = [", ".join(v for v in side or () if v in occurring) for side in levels]
                upper, lower = (values[name].isin(list(side or ())).to_numpy() for side in levels)
            if upper.any() and lower.any():
                compared = _compare(explained[name].to_numpy(), upper, lower, weights, level)
                observed.append(
                    {
                        "name": expectation.name,
                        "feature": name,
                        "expected": expectation.expected,
                        "source": expectation.source,
                        "of": labels[0],
                        "against": labels[1],
                        "difference": compared.difference,
                        "low": compared.low,
                        "high": compared.high,
                        "stability": compared.stability,
                        "found": compared.direction,
                        "verdict": _verdict(expectation.expected, compared),
                    }
                )
    return observed


class _Compared(NamedTuple):
    """A difference with its interval, the share of resamples with its sign, and its direction."""

    difference: float
    low: float
    high: float
    stability: float
    direction: str


def _compare(
    contribution: np.ndarray, upper: np.ndarray, lower: np.ndarray, weights: np.ndarray, level: float
) -> _Compared:
    """Return the difference of the mean contributions of two groups, its interval and its stability."""
    difference = float(contribution[upper].mean() - contribution[lower].mean())
    means = [weighted_means(weights[:, group], contribution[group, None])[:, 0] for group in (upper, lower)]
    drawn = means[0] - means[1]
    drawn = drawn[~np.isnan(drawn)]
    low, high = bounds(drawn[:, None], level)
    return _Compared(
        difference,
        float(low[0]),
        float(high[0]),
        stability=float((np.sign(drawn) == np.sign(difference)).mean()),
        direction="none" if difference == 0 else "higher" if difference > 0 else "lower",
    )


def _verdict(expected: str, compared: _Compared) -> str:
    """Judge a direction: a disagreement needs an interval that excludes zero, and an expectation."""
    if compared.difference == compared.low == compared.high == 0:
        return UNUSED
    if expected == UNCERTAIN:
        return UNCERTAIN
    if compared.low <= 0 <= compared.high:
        return OPEN
    return AGREES if compared.direction == expected else DISAGREES


def dependence(
    contribution: np.ndarray,
    values: pd.Series,
    weights: np.ndarray,
    *,
    level: float,
    knots: int,
    few: int,
    points: int,
) -> list[CurvePoint]:
    """Return the mean contribution along a feature's values, with a band over the resamples.

    Numbers with more than `few` distinct values: a restricted cubic spline, at `points` values from the 1st
    to the 99th centile. Else, and for levels: the mean at each value. Missing values are left out. Keys: x
    (number or text), n, fit, low, high.
    """
    known = values.notna().to_numpy()
    y, w = contribution[known], weights[:, known]
    if not known.any():
        return []
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= few:
        x = values[known]
        return [_mean_at(level_, (x == level_).to_numpy(), y, w, level) for level_ in sorted(x.unique())]
    at = values[known].to_numpy(dtype=float)
    first, last = np.quantile(at, [0.01, 0.99])
    grid = np.linspace(first, last, points)
    centre, scale = at.mean(), at.std()
    places = np.unique(np.quantile(at, CENTILES[knots])).tolist()

    def design(x: np.ndarray) -> np.ndarray:
        columns = [np.ones(len(x)), (x - centre) / scale]
        if len(places) >= 3:
            columns += list(spline_basis(x, places).T)
        return np.column_stack(columns)

    X = design(at)
    outer = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    gram = (np.vstack([np.ones(len(at)), w]) @ outer).reshape(-1, X.shape[1], X.shape[1])
    moment = np.vstack([np.ones(len(at)), w]) @ (X * y[:, None])
    fits = np.stack([np.linalg.pinv(g, hermitian=True) @ m for g, m in zip(gram, moment, strict=True)])
    lines = fits @ design(grid).T
    low, high = bounds(lines[1:], level)
    return [
        {"x": float(a), "n": len(at), "fit": float(b), "low": float(c), "high": float(d)}
        for a, b, c, d in zip(grid, lines[0], low, high, strict=True)
    ]


def _mean_at(
    value: str | float, rows: np.ndarray, y: np.ndarray, weights: np.ndarray, level: float
) -> CurvePoint:
    low, high = bounds(weighted_means(weights[:, rows], y[rows, None]), level)
    x = value if isinstance(value, str) else float(value)
    return {
        "x": x,
        "n": int(rows.sum()),
        "fit": float(y[rows].mean()),
        "low": float(low[0]),
        "high": float(high[0]),
    }


def by_group(
    explained: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    split: pd.Series,
    weights: np.ndarray,
    level: float,
) -> pd.DataFrame:
    """Return mean |summed contribution| of each group of features in each part of the patients.

    Parameters
    ----------
    split : Series
        Part of each row of `explained`, such as its arm; missing rows are in none.

    Returns
    -------
    DataFrame
        part, patients, group, mean_abs, low, high; parts in alphabetical order.
    """
    sums = group_sums(explained, groups).abs().to_numpy()
    rows = []
    for part in sorted(split.dropna().unique()):
        inside = (split == part).to_numpy()
        low, high = bounds(weighted_means(weights[:, inside], sums[inside]), level)
        patients = explained["usubjid"][inside].nunique()
        rows += [
            {"part": part, "patients": patients, "group": name, "mean_abs": m, "low": a, "high": b}
            for name, m, a, b in zip(groups, sums[inside].mean(axis=0), low, high, strict=True)
        ]
    return pd.DataFrame(rows, columns=["part", "patients", "group", "mean_abs", "low", "high"])
