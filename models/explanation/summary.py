"""What the SHAP values of a landmark say as a whole."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, get_type_hints

import numpy as np
import pandas as pd

from features.documents.feature import FeatureList
from features.errors import PipelineFault
from models.explanation import attribution
from models.explanation.assays import top_columns, with_assays, with_scores
from models.explanation.clusters import clusters
from models.explanation.documents import (
    Attributions,
    ContributionSummary,
    CurvePoint,
    FeatureContribution,
    GroupContribution,
    PartContribution,
    ThemeContribution,
)
from models.explanation.interactions import interaction_strengths
from models.explanation.out_of_fold import explain_out_of_fold
from models.explanation.plan import ExplanationPlan
from models.explanation.themes import group_means, open_ranks
from models.procedure.fold_fits import FoldFit
from models.procedure.landmark_features import LandmarkFeature, landmark_features

TOLERANCE = 1e-9
"""Largest difference between the sum of a row's SHAP values and its log-odds."""
Row = TypeVar("Row")


def explain(
    model: str,
    fits: Sequence[FoldFit],
    values: pd.DataFrame,
    predictions: pd.DataFrame,
    description: FeatureList,
    cohort: pd.DataFrame,
    rules: pd.DataFrame,
    plan: ExplanationPlan,
    *,
    seed: int,
    level: float,
) -> tuple[pd.DataFrame, ContributionSummary]:
    """Return the out-of-fold contributions at a landmark, and what they say as a whole.

    Parameters
    ----------
    model, fits : str, sequence of FoldFit
        The chosen model's name and its fit in every fold (`models.procedure.resampling.fold_fits`).
    values, predictions, cohort, rules : DataFrame
        Values of features and assays, out-of-fold predictions, cohort, and the branches of the rules, at the
        landmark.
    description : FeatureList
        The landmark's name and features.
    plan : ExplanationPlan
        How they are summarised, and what is expected of them.
    """
    explained = explain_out_of_fold(fits, values, predictions, model=model, tolerance=TOLERANCE)
    columns = top_columns(fits, values, predictions, model=model, top=plan.top)
    described = landmark_features(with_assays(description, explained))
    own = values[["usubjid", *(feature["name"] for feature in description["features"])]]
    branches = rules.set_index("usubjid")["protocol_branch"] if "protocol_branch" in rules else None
    summary = summarise(
        explained, with_scores(own, explained), description["landmark"], described, cohort, branches, plan,
        seed=seed, level=level,
    )  # fmt: skip
    strengths = interaction_strengths(
        fits, values, predictions, model=model, patients=plan.interaction_patients
    )
    whole: ContributionSummary = {
        **summary,
        "interactions": strengths[: plan.interactions],
        "assays": columns,
    }
    return explained, whole


def summarise(
    explained: pd.DataFrame,
    values: pd.DataFrame,
    landmark: str,
    features: Sequence[LandmarkFeature],
    cohort: pd.DataFrame,
    branches: pd.Series | None,
    plan: ExplanationPlan,
    *,
    seed: int,
    level: float,
) -> Attributions:
    """Return what the SHAP values of a landmark say as a whole, with intervals over resamples.

    Parameters
    ----------
    explained : DataFrame
        Out-of-fold contributions of all repeats.
    values : DataFrame
        One row per patient with ``usubjid`` and the features.
    landmark, features : str, sequence of LandmarkFeature
        The landmark's name and features.
    cohort : DataFrame
        usubjid, siteid, arm.
    branches : Series or None
        Protocol branch of each patient, index usubjid.
    plan : ExplanationPlan
        How they are summarised, and what is expected of them.
    """
    people = cohort.set_index("usubjid")
    rng = np.random.default_rng(seed)
    weights = attribution.resample_weights(explained, people["siteid"], plan.resamples, rng)
    seen = values.set_index("usubjid").loc[explained["usubjid"]].reset_index(drop=True)
    domains, biology = _domains(features), _biology(features, plan)
    left_out = landmark in plan.allocated_at and branches is not None
    expected = [e for e in plan.expected if not (left_out and e.allocates)]
    ranking = attribution.importance(
        explained, features, people["siteid"], weights, level=level, top=plan.top,
        min_centre_patients=plan.min_centre_patients,
    )  # fmt: skip
    return {
        "resamples": plan.resamples,
        "level": level,
        "centres": int(people["siteid"].reindex(explained["usubjid"].unique()).nunique()),
        "top": plan.top,
        "min_centre_patients": plan.min_centre_patients,
        "domains": _records(
            GroupContribution, attribution.group_importance(explained, domains, weights, level)
        ),
        "features": _records(FeatureContribution, ranking),
        "biology": _themes(
            _records(GroupContribution, attribution.group_importance(explained, biology, weights, level)),
            biology,
            explained,
            {
                **({plan.split_by: seen[plan.split_by]} if plan.split_by in seen else {}),
                "arm": explained["usubjid"].map(people["arm"]),
            },
        ),
        "splits": {
            name: _records(PartContribution, attribution.by_group(explained, domains, split, weights, level))
            for name, split in _splits(explained, people["arm"], branches).items()
        },
        "clusters": clusters(explained, seen, features, plan.clustered_from, plan.clustered_min_share),
        "left_out": [e.name for e in plan.expected if left_out and e.allocates],
        "directions": attribution.directions(explained, seen, features, expected, weights, level),
        "curves": _curves(explained, seen, features, weights, plan, level),
        "curves_by": {
            part: _curves(
                explained, seen, features, weights, plan, level, (seen[plan.split_by] == part).to_numpy()
            )
            for part in next((f.levels for f in features if f.name == plan.split_by), [])
        },
    }


def _themes(
    found: Sequence[GroupContribution],
    members: Mapping[str, Sequence[str]],
    explained: pd.DataFrame,
    groups: Mapping[str, pd.Series],
) -> list[ThemeContribution]:
    """Return the themes with their features, ranks and means by group (rows as in `explained`)."""
    return [
        {
            **row,
            "members": list(members[row["group"]]),
            "first_rank": first,
            "last_rank": last,
            "means": group_means(explained, members[row["group"]], groups),
        }
        for row, (first, last) in zip(found, open_ranks(found), strict=True)
    ]


def _splits(explained: pd.DataFrame, arm: pd.Series, branches: pd.Series | None) -> dict[str, pd.Series]:
    """Return arm and, where there are rules, branch of every row of `explained`."""
    by = {"arm": arm} | ({} if branches is None else {"branch": branches})
    return {name: explained["usubjid"].map(of_patient) for name, of_patient in by.items()}


def _domains(features: Sequence[LandmarkFeature]) -> dict[str, list[str]]:
    """Return the names of the features by domain."""
    names = dict.fromkeys(feature.domain for feature in features)
    return {domain: [f.name for f in features if f.domain == domain] for domain in names}


def _biology(features: Sequence[LandmarkFeature], plan: ExplanationPlan) -> dict[str, list[str]]:
    """Return the names of the features by theme, of themes that the landmark has."""
    themes = {theme.name: attribution.matching(features, theme.features) for theme in plan.biology}
    return {name: columns for name, columns in themes.items() if columns}


def _curves(
    explained: pd.DataFrame,
    seen: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    weights: np.ndarray,
    plan: ExplanationPlan,
    level: float,
    rows: np.ndarray | None = None,
) -> dict[str, list[CurvePoint]]:
    """Return each feature's mean contribution along its values, for all or for some rows."""
    chosen = slice(None) if rows is None else np.flatnonzero(rows)
    inside = weights[:, chosen]
    return {
        f.name: attribution.dependence(
            explained[f.name].to_numpy()[chosen],
            seen[f.name].iloc[chosen],
            inside,
            level=level,
            knots=plan.spline_knots,
            few=plan.few_values,
            points=plan.curve_points,
        )
        for f in features
    }


def _records(kind: type[Row], frame: pd.DataFrame) -> list[Row]:
    """Return rows as JSON has them, NaN as null; the columns are the keys of the document `kind`.

    Raises
    ------
    PipelineFault
        If the columns are others.
    """
    if set(frame.columns) != set(get_type_hints(kind)):
        raise PipelineFault(f"{kind.__name__} has not the columns {', '.join(map(str, frame.columns))}")
    return [
        kind(**{str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()})
        for row in frame.astype(object).to_dict("records")
    ]
