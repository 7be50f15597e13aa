"""Stage present: the page that explains the predictions at one landmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from models.explanation import KEYS, binned_median, contribution_by_level, domain_shares, feature_ranking
from pipeline.console import refusals
from pipeline.files import read_json, read_yaml, stage_paths, write_text
from pipeline.report.charts import (
    PALETTE,
    Spec,
    beeswarm_chart,
    domain_shares_chart,
    levels_chart,
    ranking_chart,
    scatter_chart,
    strip_chart,
)
from pipeline.report.page import domain_name, percent, render
from pipeline.report.points import MISSING, dependence_points, evenly, strip_points, swarm_points

# How much is drawn.
RANKED = 20
SWARMED = 15
DEPENDENCE = 6
MOST_PATIENTS = 3000
BINS = 12
MOSTLY = 0.5
# Units of a number without dimension.
NO_UNIT = ("", "1")
# Dependence plots are coloured by the first of these that the landmark has.
COLOUR_BY = ("hr", "arm")

Feature = Mapping[str, Any]


class MismatchError(ValueError):
    """Artifacts that do not belong together."""


def landmark_page(
    study: Mapping[str, Any],
    description: Mapping[str, Any],
    values: pd.DataFrame,
    explained: pd.DataFrame,
    predictions: pd.DataFrame,
    metrics: Mapping[str, Any],
    level: float,
) -> str:
    """Return the HTML page of one landmark.

    Parameters
    ----------
    study : mapping
        The study file.
    description, values : mapping and DataFrame
        The landmark's features: what they are, and one row per patient with ``usubjid``.
    explained : DataFrame
        Out-of-fold contributions: usubjid, repeat, fold, model, base, and one column per feature.
    predictions : DataFrame
        Out-of-fold predictions: usubjid, repeat, fold, model, y, p.
    metrics : mapping
        ``{model: {measure: {value, low, high}}}``.
    level : float
        Confidence level of the intervals.

    Raises
    ------
    MismatchError
        If the contributions are not those of the described features, or of the predicted patients.
    """
    features = description["features"]
    explained = explained.sort_values(["repeat", "usubjid"], ignore_index=True)
    outcome = explained_outcome(features, values, explained, predictions)
    first = explained[explained["repeat"] == explained["repeat"].min()]
    shown = evenly(first, MOST_PATIENTS).reset_index(drop=True)
    shown_values = values.set_index("usubjid").loc[shown["usubjid"]].reset_index(drop=True)
    shares = domain_shares(explained, features)
    ranking = described_ranking(explained, features)
    top = by_rank(features, ranking)
    dependence = dependence_figures(shown, shown_values, features, top[:DEPENDENCE])
    charts = landmark_charts(study, shares, ranking, top[:SWARMED], shown, shown_values)
    charts |= {figure["id"]: figure.pop("chart") for figure in dependence}
    return render(
        "landmark.html.j2",
        study,
        charts,
        landmark=description["landmark"],
        here=description["landmark"],
        rules_choose=rules_choose_treatment(study, description["landmark"]),
        **what_is_explained(explained, outcome),
        level=level,
        metrics=metrics,
        shares=shares.to_dict("records"),
        absent_domains=description["absent_domains"],
        absent_features=description.get("absent_features", []),
        late=description.get("late", []),
        ranked=RANKED,
        no_unit=NO_UNIT,
        drawn=len(shown),
        shown_repeat=int(first["repeat"].iloc[0]) + 1,
        dependence=dependence,
        features=inputs_table(features, ranking),
    )


def what_is_explained(explained: pd.DataFrame, outcome: pd.Series) -> dict[str, Any]:
    """Return the explained candidate, and the numbers of patients, events, repeats and folds."""
    return {
        "candidate": explained["model"].iloc[0],
        "patients": len(outcome),
        "events": int(outcome.sum()),
        "repeats": explained["repeat"].nunique(),
        "folds": explained["fold"].nunique(),
    }


def explained_outcome(
    features: Sequence[Feature], values: pd.DataFrame, explained: pd.DataFrame, predictions: pd.DataFrame
) -> pd.Series:
    """Return the outcome of the explained patients, once each, after checking that the artifacts fit.

    `explained` is sorted by repeat and usubjid.

    Raises
    ------
    MismatchError
        If feature names or their order, or the patients, differ.
    """
    names = [feature["name"] for feature in features]
    if [name for name in explained if name not in KEYS] != names:
        raise MismatchError("contributions and features/*.json differ in the features or in their order")
    model = explained["model"].iloc[0]
    rows = predictions[predictions["model"] == model].sort_values(["repeat", "usubjid"])
    if rows["usubjid"].tolist() != explained["usubjid"].tolist():
        raise MismatchError(f"the explained patients are not those that {model} predicted")
    strangers = set(rows["usubjid"]) - set(values["usubjid"])
    if strangers:
        raise MismatchError(f"{len(strangers)} explained patients have no features at this landmark")
    return pd.Series(rows.drop_duplicates("usubjid")["y"])


def rules_choose_treatment(study: Mapping[str, Any], landmark: str) -> bool:
    """Tell whether ctDNA, PAM or response known at the landmark choose the treatment of an arm.

    So it is at every landmark that sees a visit on treatment, where an arm follows decision rules.
    """
    return (
        study["rules"] != "none"
        and study["adaptive_arm"] is not None
        and len(study["schedule"][landmark]["visits"]) > 1
    )


def described_ranking(explained: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """Return the ranking of all features with rank, description, known_at and share missing."""
    details = pd.DataFrame(
        {
            "feature": [f["name"] for f in features],
            "description": [f["description"] for f in features],
            "known_at": [f["known_at"] for f in features],
            "missing": [float(f["share_missing"]) for f in features],
        }
    )
    ranking = feature_ranking(explained, features)
    return ranking.assign(rank=range(1, len(ranking) + 1)).merge(details, on="feature", how="left")


def by_rank(features: Sequence[Feature], ranking: pd.DataFrame) -> list[Feature]:
    """Return the features in the order of the ranking."""
    named = {feature["name"]: feature for feature in features}
    return [named[name] for name in ranking["feature"]]


def domain_colours(study: Mapping[str, Any]) -> dict[str, str]:
    """Return the colour of each of the study's domains, the same on every page."""
    domains = [domain_name(domain) for domain in study["features"]["domains"]]
    return {domain: PALETTE[i % len(PALETTE)] for i, domain in enumerate(domains)}


def landmark_charts(
    study: Mapping[str, Any],
    shares: pd.DataFrame,
    ranking: pd.DataFrame,
    top: Sequence[Feature],
    shown: pd.DataFrame,
    values: pd.DataFrame,
) -> dict[str, Spec]:
    """Return the charts of the whole landmark by the id of their figure."""
    colours = domain_colours(study)
    top_ranked = ranking.head(RANKED)
    named = top_ranked.assign(domain=top_ranked["domain"].map(domain_name), label=ranked_labels(top_ranked))
    charts = {
        "domain-shares": domain_shares_chart(
            shares.assign(domain=shares["domain"].map(domain_name)).drop(columns="mean_abs"), colours
        ),
        "ranking": ranking_chart(named.drop(columns="rank"), colours),
        "beeswarm": beeswarm_chart(swarm_points(shown, values, top)),
    }
    categorical = [feature["name"] for feature in top if feature["kind"] == "categorical"]
    if categorical:
        levels = contribution_by_level(shown, values, categorical, MISSING)
        label = levels["feature"] + ": " + levels["level"] + " (n = " + levels["n"].astype(str) + ")"
        charts["levels"] = levels_chart(levels.assign(label=label).drop(columns=["feature", "level", "n"]))
    return charts


def dependence_figures(
    shown: pd.DataFrame, values: pd.DataFrame, features: Sequence[Feature], top: Sequence[Feature]
) -> list[dict[str, Any]]:
    """Return, per feature in `top`, the figure's id, its chart and what its caption says."""
    figures = []
    for place, feature in enumerate(top, start=1):
        colour_by = _colour_by(features, feature)
        points = dependence_points(shown, values, feature["name"], colour_by)
        contribution = shown.loc[values[feature["name"]].isna().to_numpy(), feature["name"]]
        figures.append(
            {
                "id": f"dependence-{place}",
                "chart": _dependence_chart(points, feature, colour_by or ""),
                "feature": feature,
                "colour_by": colour_by,
                "missing": len(contribution),
                "missing_median": float(contribution.median()) if len(contribution) else None,
            }
        )
    return figures


def _colour_by(features: Sequence[Feature], feature: Feature) -> str | None:
    others = {f["name"] for f in features} - {feature["name"]}
    return next((name for name in COLOUR_BY if name in others), None)


def _dependence_chart(points: pd.DataFrame, feature: Feature, group: str) -> Spec:
    unit = "" if feature["unit"] in NO_UNIT else f" ({feature['unit']})"
    if feature["kind"] == "numeric":
        line = binned_median(points["x"].to_numpy(), points["contribution"].to_numpy(), BINS)
        return scatter_chart(points, line.drop(columns="n"), x=f"{feature['name']}{unit}", group=group)
    medians = (
        points.groupby("x")["contribution"].median().sort_index().sort_values(ascending=False, kind="stable")
    )
    return strip_chart(strip_points(points), medians.index.tolist(), x=feature["name"], group=group)


def ranked_labels(ranking: pd.DataFrame) -> list[str]:
    """Return the features' names; where most values are missing, hence imputed, the label says so."""
    return [
        f"{name} ({percent(missing)} missing)" if missing > MOSTLY else name
        for name, missing in zip(ranking["feature"].tolist(), ranking["missing"].tolist(), strict=True)
    ]


def inputs_table(features: Sequence[Feature], ranking: pd.DataFrame) -> list[dict[str, Any]]:
    """Return every input in the model's order, with its rank and mean |contribution|."""
    ranked = {row["feature"]: row for row in ranking[["feature", "rank", "mean_abs"]].to_dict("records")}
    return [
        {**feature, "rank": ranked[feature["name"]]["rank"], "mean_abs": ranked[feature["name"]]["mean_abs"]}
        for feature in features
    ]


def main() -> None:
    """Read the landmark's artifacts, write its page."""
    args = stage_paths(
        __doc__ or "",
        "study",
        "validation",
        "features",
        "description",
        "shap",
        "predictions",
        "metrics",
        "page",
    )
    with refusals():
        page = landmark_page(
            read_yaml(args.study),
            read_json(args.description),
            pd.read_parquet(args.features),
            pd.read_parquet(args.shap),
            pd.read_parquet(args.predictions),
            read_json(args.metrics),
            read_yaml(args.validation)["level"],
        )
    write_text(Path(args.page), page)


if __name__ == "__main__":
    main()
