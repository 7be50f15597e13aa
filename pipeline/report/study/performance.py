"""How well the models predict, and what each domain adds."""

from collections.abc import Mapping, Sequence

import pandas as pd

from features.documents.feature import FeatureList
from models.procedure.domain_sets import ALL, PLUS, WITHOUT
from pipeline.project.estimates import Measures, estimate_text, verdict
from pipeline.report.calibration_chart import calibration_chart
from pipeline.report.decision_curves import benefit_chart
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import domain_name, measure
from pipeline.report.results import ALLOCATION, MODEL, RULE_INPUTS, RULES, Comparison, Results
from pipeline.report.study.common import NAMES, Part, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table
from pipeline.wording import OUT_OF_FOLD

DECISION_TITLES = {
    "de_escalation": "de-escalation, the event is pCR",
    "escalation": "escalation, the event is no pCR",
}


def performance_part(results: Results, facts: Facts, labels: Labels) -> Part:
    """Return calibration and decision curves of every landmark; without rules, no line of theirs."""
    charts: dict[str, Spec] = {}
    for name, curves in results.curves.items():
        whole = results.landmarks[name][MODEL]
        risks = curves.get("risk")
        densities = None if risks is None or risks.empty else risks
        shown = curves["calibration"]
        shown = shown[shown["model"].isin([MODEL])].replace({"model": NAMES})
        # A model of few distinct predictions has no curve.
        if not shown.empty or densities is not None:
            charts[f"calibration-{name}"] = calibration_chart(
                shown,
                densities,
                calibration_notes(whole),
                f"Calibration, {labels.name(name)}: observed along predicted probability, with band",
                of_model(whole, "probability"),
            )
        for decision, title in DECISION_TITLES.items():
            part = curves["benefit"]
            part = part[part["decision"] == decision].drop(columns="decision")
            if part.empty:
                continue
            if not facts.rules:
                part = part[~part["strategy"].isin([RULES, RULE_INPUTS, ALLOCATION])]
            part = part.assign(strategy=part["strategy"].map(NAMES))
            charts[f"benefit-{decision.replace('_', '-')}-{name}"] = benefit_chart(
                part, f"Net benefit, {labels.name(name)}: {title}", of_model(whole, f"net benefit, {title}")
            )
    return charts, {}


def calibration_notes(measures: Measures) -> list[str]:
    """Return slope and observed over expected with their intervals, where there are any."""
    named = {"calibration_slope": "slope", "o_e": "O:E"}
    return [
        f"{words} {estimate_text(measures[name], 2)}"
        for name, words in named.items()
        if measures.interval_of(name)
    ]


def domains_part(
    results: Results, domains: Mapping[str, Sequence[str]], threshold: str, labels: Labels
) -> Part:
    """Return what each of the `domains` by landmark adds to those before it, and to all the others."""
    rows, drawn = [], []
    for name in domains:
        for pair, differences in results.comparison.domains.get(name, {}).items():
            added = differences.interval_of("delta_auc")
            if added is None:
                continue
            label = added_name(pair, domains[name])
            rows.append(
                {
                    "landmark": labels.name(name),
                    "added": label,
                    "auc": measure(added, difference=True),
                    "loss": measure(differences["delta_log_loss"], 4, difference=True),
                    "benefit": measure(differences.get(threshold), difference=True),
                    "verdict": verdict(added, "auc"),
                }
            )
            said = f"n = {differences.patients}, {verdict(added, 'auc')}"
            drawn.append(interval_row(f"{labels.name(name)}: {label}", added, said, of=differences))
    if not drawn:
        return {}, {}
    columns = {
        "landmark": "Landmark",
        "added": "Added",
        "auc": "AUC",
        "loss": "Log loss",
        "benefit": f"Net benefit at {threshold.partition('@')[2]}",
        "verdict": "By AUC",
    }
    return (
        {
            "domains-added": forest_chart(
                pd.DataFrame(drawn), "Difference in AUC", "difference in AUC", OUT_OF_FOLD, digits=3
            )
        },
        {
            "domains": Table.of(
                "domains-table",
                "What each domain adds: linear candidate on the same patients and folds",
                columns,
                rows,
                text=("added",),
            )
        },
    )


def added_name(pair: str, domains: Sequence[str]) -> str:
    """Return what the first of two sets of a landmark's `domains` adds to the second, in words."""
    more, _, less = pair.partition("-")
    if less.startswith(WITHOUT):
        return f"{domain_name(less.removeprefix(WITHOUT))} to all others"
    base = less.split(PLUS)
    added = [name for name in (domains if more == ALL else more.split(PLUS)) if name not in base]
    return f"{_listed(added)} to {_listed(base)}"


def _listed(names: Sequence[str]) -> str:
    return " + ".join(map(domain_name, names))


def domains_at(features: Mapping[str, FeatureList]) -> dict[str, list[str]]:
    """Return the domains that have features at each landmark."""
    return {
        name: list(dict.fromkeys(feature["domain"] for feature in found["features"]))
        for name, found in features.items()
    }


def shown_threshold(comparison: Comparison) -> str:
    """Return the measure of net benefit shown beside AUC: the middle one of those configured."""
    keys = sorted(
        {
            k
            for pairs in comparison.domains.values()
            for pair in pairs.values()
            for k in pair
            if k.startswith("delta_net_benefit@")
        }
    )
    return keys[len(keys) // 2] if keys else ""
