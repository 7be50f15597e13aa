"""The figures of a landmark as SVG files, for those who look at a model elsewhere than on the pages.

None of them has a point of a single patient: curves, and the mean contribution of each feature.
"""

import re
from collections.abc import Iterator, Mapping

import altair as alt
import pandas as pd
import vl_convert

from features.documents.study_entries import StudyDocument
from models.explanation.documents import ContributionSummary
from pipeline.report.drawing import GREY, PALETTE, About, Spec, colours_of, data_of, spec_of
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import domain_name
from pipeline.report.results import MODEL, RULES, Results
from pipeline.report.shap_charts import domain_colours, ranking_chart
from pipeline.report.study.common import NAMES, of_model
from pipeline.report.study.performance import performance_part

WIDTH = 640
RANKED = 15
DRAWN_ID = re.compile(r"(clip|gradient_)\d+")


def landmark_figures(
    study: StudyDocument,
    facts: Facts,
    results: Results,
    summaries: Mapping[str, ContributionSummary],
    labels: Labels,
) -> dict[str, str]:
    """Return the SVG of every figure by landmark and name, such as ``c2/calibration.svg``.

    Parameters
    ----------
    summaries : mapping
        The contributions of each landmark that has a model.
    """
    drawn: dict[str, Spec] = {}
    charts, _ = performance_part(results, facts, labels)
    for landmark, summary in summaries.items():
        of_landmark = {
            "calibration": charts.get(f"calibration-{landmark}"),
            "decision-curve": charts.get(f"benefit-de-escalation-{landmark}"),
            "shap": _ranking(study, summary, results, landmark, labels),
        }
        drawn |= {f"{landmark}/{name}.svg": spec for name, spec in of_landmark.items() if spec is not None}
        drawn |= dict(_roc(results, facts, landmark))
    return {name: svg(spec) for name, spec in drawn.items()}


def svg(spec: Spec, width: int = WIDTH) -> str:
    """Return a chart as SVG, of a fixed width; the same chart gives the same text."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    text = str(vl_convert.vegalite_to_svg({**spec, "width": width}, version))
    # Vega numbers its clips and gradients on from chart to chart.
    names = dict.fromkeys(match.group() for match in DRAWN_ID.finditer(text))
    numbers = {name: str(k) for k, name in enumerate(names)}
    return DRAWN_ID.sub(lambda match: match[1] + numbers[match.group()], text)


def _ranking(
    study: StudyDocument, summary: ContributionSummary, results: Results, landmark: str, labels: Labels
) -> Spec:
    named = labels.features([row["feature"] for row in summary["features"]])
    rows = [
        {
            "label": named[row["feature"]],
            "domain": domain_name(row["domain"]),
            "mean_abs": row["mean_abs"],
            "low": row["low"],
            "high": row["high"],
            "key": row["feature"],
            "description": "",
            "more": "",
        }
        for row in summary["features"][:RANKED]
    ]
    about = of_model(results.landmarks[landmark][MODEL], "log-odds")
    return ranking_chart(pd.DataFrame(rows), domain_colours(study), about)


def _roc(results: Results, facts: Facts, landmark: str) -> Iterator[tuple[str, Spec]]:
    curve = results.curves[landmark].get("roc")
    if curve is None:
        return
    shown = curve[curve["model"].isin([MODEL, RULES] if facts.rules else [MODEL])].replace({"model": NAMES})
    if not shown.empty:
        about = of_model(results.landmarks[landmark][MODEL], "probability")
        yield f"{landmark}/roc.svg", roc_chart(shown, f"ROC at {landmark}, out of fold", about)


def roc_chart(curve: pd.DataFrame, title: str, about: About) -> Spec:
    """Draw the true positive rate along the false positive rate, a line per model, and the diagonal.

    Parameters
    ----------
    curve : DataFrame
        model, false_positive_rate, true_positive_rate.
    """
    models = list(dict.fromkeys(curve["model"]))
    line = alt.InlineData(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])
    diagonal = alt.Chart(line).mark_line(color=GREY, strokeDash=[4, 3]).encode(x="a:Q", y="b:Q")
    axis = alt.Axis(format="%", tickCount=5)
    lines = (
        alt.Chart(data_of(curve))
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("false_positive_rate:Q", title="Patients without pCR above the threshold", axis=axis),
            y=alt.Y("true_positive_rate:Q", title="Patients with pCR above it", axis=axis),
            color=colours_of("model", models, [PALETTE[0], PALETTE[5]][: len(models)], columns=2),
        )
    )
    return spec_of(alt.layer(diagonal, lines), title, 280, about)
