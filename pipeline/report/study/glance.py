"""The first screen: who, pCR by arm, the model beside its comparators in words and AUC, by landmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from features.documents.study_entries import StudyDocument
from pipeline.project.estimates import Estimate, Measures, verdict
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts, listed
from pipeline.report.labels import Labels
from pipeline.report.page import measure_of
from pipeline.report.results import MODEL, RULE_INPUTS, RULES, Comparison, Declared, Results, Robustness
from pipeline.report.study.common import interval_row
from pipeline.report.study.efficacy import group_label
from pipeline.report.study.toxicity import points
from pipeline.report.study_charts import landmarks_chart
from pipeline.report.tables import Privacy

FORECASTS = {MODEL: "Model", RULES: "Rules", RULE_INPUTS: "Small model, rules' inputs"}
VERDICTS = {
    "better": "better than",
    "worse": "worse than",
    "not distinguishable": "not distinguishably better or worse than",
}


@dataclass(frozen=True)
class Glance:
    """What the first screen says beside the cohort: each part empty where the study has no such thing.

    `response`: pCR by arm, and differences between arms; `forecasts`: AUC by forecast at the primary
    landmark in the primary patients; `sentence`: the model against its comparators.
    """

    response: Mapping[str, Markup]
    forecasts: Mapping[str, Markup]
    sentence: str
    charts: Mapping[str, Spec]


def glance(study: StudyDocument, results: Results, facts: Facts, privacy: Privacy, labels: Labels) -> Glance:
    """Return the first screen of a study report."""
    declared = results.comparison.declared
    measures = results.landmarks[declared.landmark]
    forecasts = {
        words: measure_of(of, "auc")
        for name, words in shown_forecasts(facts).items()
        if (of := _in_arm(measures, name, declared.arm, facts))
    }
    return Glance(
        response_by_arm(results.arms, privacy, labels),
        forecasts,
        comparison_sentence(results.comparison, results.robustness[declared.landmark], facts, labels),
        _charts(results.landmarks, study["landmarks"], facts, labels),
    )


def shown_forecasts(facts: Facts) -> dict[str, str]:
    """Return the forecasts that have an AUC: without rules, the comparator is the same for everybody."""
    return FORECASTS if facts.rules else {MODEL: FORECASTS[MODEL]}


def _in_arm(measures: Mapping[str, Measures], name: str, arm: str | None, facts: Facts) -> Measures | None:
    whole = measures.get(name)
    return measures.get(f"{name}@{arm}", whole) if arm and facts.arms > 1 else whole


def response_by_arm(arms: Mapping[str, Measures], privacy: Privacy, labels: Labels) -> dict[str, Markup]:
    """Return pCR of every arm as randomised, then the differences between arms, in percentage points.

    No difference is told where the count of an arm is hidden: the other arm's would tell it.
    """
    shown: dict[str, Markup] = {}
    differences: dict[str, Markup] = {}
    hidden = False
    for group, measures in arms.items():
        if "pcr" in measures:
            share = measures["pcr"]
            n, events = int(share.extra["n"]), int(share.extra["events"])
            hidden |= any(map(privacy.hides, (n, events, n - events)))
            shown[labels.name(group)] = privacy.proportion(events, n, share)
        elif difference := measures.interval_of("risk_difference"):
            differences[f"{group_label(group, labels)}, points"] = points(difference)
    return shown if hidden else shown | differences


def comparison_sentence(
    comparison: Comparison, robustness: Robustness | None, facts: Facts, labels: Labels
) -> str:
    """Return how the model predicts against its comparators; empty where nothing has an interval.

    Judged by the interval that allows for who was learned from, where there is one.
    """
    robust = robustness or Robustness()
    declared = comparison.declared
    arm = declared.arm if facts.arms > 1 else None
    told = []
    for name in (declared.against, *([RULE_INPUTS] if facts.rules else [])):
        pairs = comparison.landmarks.get(declared.landmark, {})
        pair = f"{declared.model}-{name}"
        measures = pairs.get(f"{pair}@{arm}", pairs.get(pair, Measures()))
        key = f"delta_{declared.metric}"
        wider = robust.allowing_for_learning(f"{pair}@{arm}" if arm else pair, key)
        if difference := wider or measures.interval_of(key):
            who = "a small model on the rules' inputs" if name == RULE_INPUTS else f"the {facts.named(name)}"
            told.append(f"{VERDICTS[verdict(difference, declared.metric)]} {who}")
    if not told:
        return ""
    patients = f"in arm {labels.name(arm)}" if arm else "in all patients"
    return (
        f"At {labels.name(declared.landmark)}, {patients}, the model predicts pCR {listed(told)} "
        f"({labels.name(declared.metric)}, out of fold)."
    )


def wider_primary(declared: Declared, robustness: Robustness | None, facts: Facts) -> Estimate | None:
    """Return the primary difference with the interval that allows for who was learned from."""
    pair = f"{declared.model}-{declared.against}"
    name = f"{pair}@{declared.arm}" if declared.arm and facts.arms > 1 else pair
    return (robustness or Robustness()).allowing_for_learning(name, f"delta_{declared.metric}")


def beside_primary(comparison: Comparison) -> Estimate | None:
    """Return the primary difference from the small model on the rules' inputs, in place of the rules."""
    declared = comparison.declared
    pair = f"{declared.model}-{RULE_INPUTS}"
    at_landmark = comparison.landmarks[declared.landmark]
    measures = at_landmark.get(f"{pair}@{declared.arm}", at_landmark.get(pair, Measures()))
    return measures.interval_of(f"delta_{declared.metric}")


def _charts(
    landmarks: Mapping[str, Mapping[str, Measures]], names: Sequence[str], facts: Facts, labels: Labels
) -> dict[str, Spec]:
    rows = [
        {
            "landmark": labels.name(landmark),
            "forecast": words,
            **interval_row("", auc, f"{name} at {landmark}", of=of),
        }
        for landmark in names
        for name, words in shown_forecasts(facts).items()
        if (of := landmarks[landmark].get(name)) and (auc := of.interval_of("auc"))
    ]
    if not rows:
        return {}
    frame = pd.DataFrame(rows).drop(columns=["label", "mark"])
    return {"auc-landmarks": landmarks_chart(frame, [labels.name(name) for name in names])}
