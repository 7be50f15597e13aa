"""The page that explains the predictions at one landmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.documents.feature import FeatureList, LandmarkFeatureEntry
from features.documents.study_entries import StudyDocument
from features.errors import PipelineFault
from models.description.as_measured import Measured
from models.explanation.assays import with_assays, with_scores
from models.explanation.documents import ContributionSummary, FeatureContribution
from models.explanation.out_of_fold import KEYS
from pipeline.project.estimates import Measures
from pipeline.project.files import read_json
from pipeline.report.drawing import About, Spec
from pipeline.report.facts import Facts, study_facts, told_branches
from pipeline.report.labels import Labels
from pipeline.report.limits import bounded
from pipeline.report.page import absent_domains, domain_name, percent, render, unit_text
from pipeline.report.patients import feature_data, patient_data
from pipeline.report.points import evenly, swarm_points
from pipeline.report.settings import PageSettings
from pipeline.report.shap_charts import (
    beeswarm_chart,
    dependence_chart,
    domain_colours,
    domain_shares_chart,
    ranking_chart,
    split_chart,
    trajectory_chart,
    waterfall_chart,
)
from pipeline.report.shap_tables import (
    NO_UNIT,
    inputs_table,
    landmark_tables,
    largest,
    told_features,
    without_expectation,
)
from pipeline.report.shap_themes import landmark_titles, themes_part
from pipeline.report.tables import Privacy
from pipeline.wording import LOG_ODDS, OUT_OF_FOLD

# Where most values are missing, hence imputed, the label says so.
MOSTLY = 0.5


class MismatchError(PipelineFault):
    """Artifacts that do not belong together."""


@dataclass(frozen=True)
class Landmark:
    """The artifacts of one landmark: its features, their values, contributions and predictions."""

    description: FeatureList
    measured: pd.DataFrame
    explained: pd.DataFrame
    predictions: pd.DataFrame


def landmark_page(
    study: StudyDocument,
    settings: PageSettings,
    landmarks: Mapping[str, Landmark],
    name: str,
    summary: ContributionSummary,
    cohort: pd.DataFrame,
    branches: pd.Series | None,
    performance: Mapping[str, Measures],
    domains_added: Mapping[str, Measures],
    *,
    split_by: str,
    summaries: Mapping[str, ContributionSummary] | None = None,
) -> str:
    """Return the HTML page of one landmark.

    Parameters
    ----------
    study, settings : mapping and PageSettings
        The study file and configs/report_pages.yaml.
    landmarks : mapping
        All landmarks in order; the page is of `name`, the others show where a patient came from.
    summary : mapping
        The landmark's shap/<landmark>.json.
    cohort : DataFrame
        cohort/cohort.parquet.
    branches : Series or None
        Protocol branch of each patient at the landmark, index usubjid.
    performance : mapping
        Measures of every model at the landmark, out of fold.
    domains_added : mapping
        Differences between sets of domains at the landmark, by pair of sets.
    split_by : str
        The feature by whose levels the contributions are drawn, too, where the summary has them.
    summaries : mapping, optional
        The contributions at every landmark that has a model; if missing, those of this one.

    Raises
    ------
    MismatchError
        If the contributions are not those of the described features, or of the predicted patients.
    """
    here = landmarks[name]
    facts = study_facts(study, cohort, settings.trials)
    labels = Labels(settings.labels, study["visits"])
    branches = told_branches(branches, facts)
    performance = {model: bounded(measures, settings.limits) for model, measures in performance.items()}
    features = told_features(here.description["features"], labels)
    explained = here.explained.sort_values(["repeat", "usubjid"], ignore_index=True)
    outcome = explained_outcome(features, here.measured, explained, here.predictions)
    privacy = Privacy(settings.privacy.min_cell_count, suppress=settings.privacy.suppress_small_cells)
    first = explained[explained["repeat"] == explained["repeat"].min()]
    shown = evenly(first, settings.drawing.patients(len(features))).reset_index(drop=True)
    shown_values = here.measured.set_index("usubjid").loc[shown["usubjid"]].reset_index(drop=True)
    counts = what_is_explained(explained, outcome)
    about: About = {
        "n": counts["patients"],
        "events": counts["events"],
        "scale": LOG_ODDS,
        "sampling": OUT_OF_FOLD,
    }
    named = {feature["name"]: feature for feature in features}
    shown_names = labels.features(list(named))
    ranked = summary["features"]
    drawing = settings.drawing
    charts = landmark_charts(study, summary, named, labels, drawing.ranked, privacy, about)
    if branches is None:
        charts.pop("split-branch", None)
    top = [named[row["feature"]] for row in largest(summary, drawing.swarmed)]
    drawn: About = {
        **about,
        "n": len(shown),
        "events": int(outcome.set_axis(first["usubjid"])[shown["usubjid"]].sum()),
    }
    view = settings.privacy.patient_view
    points = named_points(swarm_points(shown, shown_values, top), shown_names, labels)
    if view:
        charts["beeswarm"] = beeswarm_chart(points, drawn)
    charts |= _open_charts(study, drawn, labels)
    split = split_by if summary["curves_by"] else None
    themes = themes_part(
        summary, summaries or {name: summary},
        {key: len(set(each.explained["usubjid"])) for key, each in landmarks.items()}, named, shown_names,
        domain_colours(study), settings.process, privacy, labels, about,
    )  # fmt: skip
    charts |= themes.charts
    return render(
        "landmark.html.j2",
        study,
        charts,
        facts,
        labels,
        page_data(study, summary, features, shown, shown_values, split, labels, points=view)
        | (
            patient_data(
                shown,
                here.predictions,
                cohort,
                None if branches is None else branches.map(labels.name, na_action="ignore"),
                {k: (v.description, v.explained, v.predictions) for k, v in landmarks.items()},
                here.measured.set_index("usubjid")[split_by] if split_by in here.measured else None,
            )
            if view
            else {}
        )
        | {"patients": counts["patients"], "repeats": counts["repeats"]},
        findings=landmark_titles(summary, shown_names, summaries or {}, privacy, labels),
        landmark=name,
        here=name,
        rules_choose=rules_choose_treatment(study, name),
        allocated=bool(summary["left_out"]),
        **counts,
        level=summary["level"],
        summary=summary,
        performance=performance,
        absent_domains=absent_domains(settings.domains, features),
        absent_features=here.description.get("absent_features", []),
        late=here.description.get("late", []),
        ranked=len(largest(summary, drawing.ranked)),
        drawn=len(shown),
        shown_kinds=set(points["kind"]),
        shown_repeat=int(first["repeat"].iloc[0]) + 1,
        order=[row["feature"] for row in ranked],
        split=split,
        told_by=split_by,
        colour_first=split or "",
        parts=named[split]["levels"] if split else [],
        patient_view=view,
        page_domains=[row["group"] for row in summary["domains"]],
        tables=landmark_tables(
            summary, domains_added, named, absent_domains(settings.domains, features), shown_names, labels
        ),
        named=named,
        shown=shown_names,
        themes=themes,
        unexpected=without_expectation(summary, ranked[: drawing.ranked]),
        inputs=inputs_table(features, ranked, shown_names, labels),
    )


def unmodelled_page(study: StudyDocument, facts: Facts, labels: Labels, name: str, reason: str) -> str:
    """Return the HTML page of a landmark at which no model was learned."""
    return render("unmodelled.html.j2", study, {}, facts, labels, landmark=name, here=name, reason=reason)


def page_data(
    study: StudyDocument,
    summary: ContributionSummary,
    features: Sequence[LandmarkFeatureEntry],
    shown: pd.DataFrame,
    values: pd.DataFrame,
    split: str | None,
    labels: Labels,
    *,
    points: bool,
) -> dict[str, Any]:
    """Return what the page's script draws features from: curves, and the points of patients if wanted."""
    packed, scale = feature_data(features, shown, values)
    named = labels.features([feature["name"] for feature in features])
    for feature in packed:
        if not points:
            feature |= {"values": "", "shap": ""}
        feature["curve"] = summary["curves"][feature["name"]]
        feature["curves"] = {part: curves[feature["name"]] for part, curves in summary["curves_by"].items()}
        feature["label"] = named[feature["name"]]
        feature["known"] = labels.name(feature["known_at"])
        feature["domain"] = domain_name(feature["domain"])
        told = Measured.by(feature["unit"])
        feature |= {"logarithm": told.logarithm, "factor": told.factor}
        feature["unit"] = "" if told.unit in NO_UNIT else unit_text(told.unit)
    return {
        "n": len(shown) if points else 0,
        "repeat": int(shown["repeat"].iloc[0]) + 1,
        "scale": scale,
        "features": packed,
        "split": split,
        "adaptive": study["adaptive_arm"],
        "domains": [row["group"] for row in summary["domains"]],
        "names": {
            key: labels.name(key)
            for key in [*study["arms"], *study["landmarks"], *(v for f in features for v in f["levels"])]
        },
    }


def named_points(points: pd.DataFrame, shown: Mapping[str, str], labels: Labels) -> pd.DataFrame:
    """Return the points of a beeswarm with labels of features and levels."""
    levels = points["kind"] == "categorical"
    value = points["value"].astype(object)
    value = value.where(~levels, value[levels].map(labels.name, na_action="ignore"))
    return points.assign(feature=points["feature"].map(shown), value=value)


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
    features: Sequence[LandmarkFeatureEntry],
    values: pd.DataFrame,
    explained: pd.DataFrame,
    predictions: pd.DataFrame,
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


def rules_choose_treatment(study: StudyDocument, landmark: str) -> bool:
    """Tell whether ctDNA, PAM or response known at the landmark choose the treatment of an arm.

    So it is at every landmark that sees a visit on treatment, where an arm follows decision rules.
    """
    return (
        study["rules"] != "none"
        and study["adaptive_arm"] is not None
        and len(study["schedule"][landmark]["visits"]) > 1
    )


def landmark_charts(
    study: StudyDocument,
    summary: ContributionSummary,
    named: Mapping[str, LandmarkFeatureEntry],
    labels: Labels,
    ranked: int,
    privacy: Privacy,
    about: About,
) -> dict[str, Spec]:
    """Return the charts of the whole landmark by the id of their figure."""
    colours = domain_colours(study)
    shown = labels.features(list(named))
    shares = pd.DataFrame(summary["domains"]).rename(columns={"group": "domain"})
    shares = shares.assign(domain=shares["domain"].map(domain_name))
    ranking = pd.DataFrame(
        [
            _ranked_row(row, named[row["feature"]], shown[row["feature"]], summary["top"], labels)
            for row in largest(summary, ranked)
        ]
    )
    charts = {
        "domain-shares": domain_shares_chart(
            shares[["domain", "features", "share", "low", "high"]], colours, about
        ),
        "ranking": ranking_chart(ranking, colours, about),
    }
    for kind, rows in summary["splits"].items():
        parts = [
            {
                "label": f"{labels.name(row['part'])} (n = {row['patients']:,})",
                "key": row["part"],
                "n": row["patients"],
                "domain": domain_name(row["group"]),
                **{key: row[key] for key in ("mean_abs", "low", "high")},
            }
            for row in rows
            if not privacy.hides(row["patients"])
        ]
        if len({part["label"] for part in parts}) > 1:
            charts[f"split-{kind}"] = split_chart(pd.DataFrame(parts), colours)
    return charts


def _ranked_row(
    row: FeatureContribution, feature: LandmarkFeatureEntry, shown: str, top: int, labels: Labels
) -> dict[str, Any]:
    missing = feature["share_missing"]
    return {
        "label": f"{shown} ({percent(missing)} missing)" if missing > MOSTLY else shown,
        "key": feature["name"],
        "domain": domain_name(feature["domain"]),
        "mean_abs": row["mean_abs"],
        "low": row["low"],
        "high": row["high"],
        "description": f"{feature['description']}; at {labels.name(feature['known_at'])}; "
        f"{percent(missing)} missing",
        "more": f"among the {top} largest in {percent(row['top'])} of resamples",
    }


def _open_charts(study: StudyDocument, about: About, labels: Labels) -> dict[str, Spec]:
    """Return the charts that the page's script fills: one feature, one patient."""
    charts = {
        "feature-numeric": dependence_chart("numeric", about),
        "feature-categorical": dependence_chart("categorical", about),
        "waterfall": waterfall_chart({**about, "n": 1}),
        "trajectory": trajectory_chart(
            [labels.name(name) for name in study["landmarks"]], {**about, "n": 1, "scale": "probability"}
        ),
    }
    for spec in charts.values():
        spec["usermeta"]["filled"] = True
    return charts


def read_landmark(features: Path, shap: Path, predictions: Path, name: str) -> Landmark:
    """Return the artifacts of one landmark from the folders of all."""
    explained = pd.read_parquet(shap / f"{name}.parquet")
    return Landmark(
        with_assays(read_json(features / f"{name}.json"), explained),
        with_scores(pd.read_parquet(features / f"{name}.parquet"), explained),
        explained,
        pd.read_parquet(predictions / f"{name}.parquet"),
    )


def read_branches(path: Path) -> pd.Series | None:
    """Return the protocol branch of each patient, index usubjid; None where the rules have no branches."""
    rules = pd.read_parquet(path)
    return rules.set_index("usubjid")["protocol_branch"] if "protocol_branch" in rules else None
