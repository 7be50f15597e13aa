"""Beside the usual measures: other intervals, parts of the scores, value of further patients."""

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.project.estimates import Measures, number_text
from pipeline.report.facts import Facts, listed
from pipeline.report.labels import Labels
from pipeline.report.page import count, measure_of
from pipeline.report.results import MODEL, RULE_INPUTS, RULES, Results
from pipeline.report.study.common import Part, verdict_of
from pipeline.report.tables import Table

COMPARED = {MODEL: "model", RULES: "rules", RULE_INPUTS: "rules' inputs"}
# Of each: words and digits.
MEASURES = {
    "log_loss": ("Log loss", 4),
    "brier": ("Brier", 4),
    "calibration_intercept": ("Calibration intercept", 2),
    "calibration_slope": ("Slope", 2),
    "o_e": ("O:E", 2),
    "ici": ("ICI", 3),
    "ici_null95": ("ICI of a perfect model, 95 %", 3),
}
SCORES = {"brier": "Brier", "log_loss": "Log loss"}
PARTS = ("miscalibration", "discrimination", "uncertainty")


def uncertainty_part(results: Results, landmarks: Sequence[str], facts: Facts, labels: Labels) -> Part:
    """Return other intervals, by learning and by centre, scores in their parts, and the EVPI, by landmark."""
    shown = COMPARED if facts.rules else {MODEL: COMPARED[MODEL]}
    return {}, {
        **_accuracy(results, landmarks, shown, labels),
        **_learned_from(results, landmarks, facts, labels),
        **_clustered(results, landmarks, facts, labels),
        **_scores(results, landmarks, shown, labels),
        **_further_patients(results, landmarks, labels),
    }


def _accuracy(
    results: Results, landmarks: Sequence[str], shown: dict[str, str], labels: Labels
) -> dict[str, Table]:
    rows = [
        {"landmark": labels.name(name), "forecast": words}
        | {key: measure_of(measures, key, digits) for key, (_, digits) in MEASURES.items()}
        for name in landmarks
        for model, words in shown.items()
        if "log_loss" in (measures := results.landmarks[name].get(model, Measures()))
    ]
    columns = {"landmark": "Landmark", "forecast": "Forecast"} | {
        key: words for key, (words, _) in MEASURES.items()
    }
    caption = (
        "Measures of model, rules and rules' inputs, out of fold"
        if RULES in shown
        else "Measures out of fold"
    )
    return (
        {"accuracy": Table.of("accuracy-table", caption, columns, rows, text=("forecast",))} if rows else {}
    )


def _learned_from(
    results: Results, landmarks: Sequence[str], facts: Facts, labels: Labels
) -> dict[str, Table]:
    """Return AUC, and the difference from the rules, with both kinds of intervals."""
    pair = f"{MODEL}-{RULES}"
    rows = []
    for name in landmarks:
        found = results.robustness[name]
        if not found or not found.allowing_for_learning(MODEL, "auc"):
            continue
        wider = found.learning_uncertainty
        fixed = results.comparison.landmarks.get(name, {}).get(pair, Measures())
        differences = {"fixed": fixed, "wider": wider.get(pair, Measures())} if facts.rules else {}
        rows.append(
            {
                "landmark": labels.name(name),
                "auc": measure_of(results.landmarks[name][MODEL], "auc"),
                "wider_auc": measure_of(wider[MODEL], "auc"),
                **{column: _difference(measures) for column, measures in differences.items()},
            }
        )
    columns = {
        "landmark": "Landmark",
        "auc": "AUC, fitted models fixed",
        "wider_auc": "AUC, allowing for who was learned from",
    }
    if facts.rules:
        columns |= {
            "fixed": "Log loss, model minus rules, fitted models fixed",
            "wider": "Log loss, model minus rules, allowing for who was learned from",
        }
    caption = "Had other patients been learned from"
    return {"learned-from": Table.of("learned-from-table", caption, columns, rows)} if rows else {}


def _clustered(results: Results, landmarks: Sequence[str], facts: Facts, labels: Labels) -> dict[str, Table]:
    pairs = (
        {f"{MODEL}-{name}": words for name, words in COMPARED.items() if name != MODEL} if facts.rules else {}
    )
    rows = []
    for name in landmarks:
        found = results.robustness[name]
        model = found.clustered.get(MODEL, Measures()) if found else Measures()
        if not found or "centres" not in model or model["centres"].point < 2:
            continue
        rows.append(
            {
                "landmark": labels.name(name),
                "centres": count(model["centres"].point),
                "patients": measure_of(results.landmarks[name][MODEL], "auc"),
                "auc": measure_of(model, "auc"),
                "within": measure_of(model, "auc_within_centres"),
                **{pair: _difference(found.clustered.get(pair, Measures())) for pair in pairs},
            }
        )
    columns = {
        "landmark": "Landmark",
        "centres": "Centres",
        "patients": "AUC, patients independent",
        "auc": "AUC, interval by centre",
        "within": "AUC within centres",
        **{pair: f"Log loss, model minus {words}, by centre" for pair, words in pairs.items()},
    }
    return (
        {"clustered": Table.of("clustered-table", "Patients of one centre may be alike", columns, rows)}
        if rows
        else {}
    )


def _difference(measures: Measures) -> Markup:
    """Return a difference in log loss with its verdict."""
    key = "delta_log_loss"
    return measure_of(measures, key, 4, difference=True) + verdict_of(measures, key)


def _scores(
    results: Results, landmarks: Sequence[str], shown: dict[str, str], labels: Labels
) -> dict[str, Table]:
    rows = [
        {"landmark": labels.name(name), "model": words}
        | {
            f"{score}_{part}": measure_of(measures, f"{score}_{part}", 4)
            for score in SCORES
            for part in PARTS
        }
        for name in landmarks
        for model, words in shown.items()
        if "brier_miscalibration" in (measures := results.landmarks[name].get(model, Measures()))
    ]
    columns = {"landmark": "Landmark", "model": "Forecast"} | {
        f"{score}_{part}": f"{words}: {part}" for score, words in SCORES.items() for part in PARTS
    }
    caption = "Scores in their parts: miscalibration minus discrimination plus uncertainty"
    return {"scores": Table.of("scores-table", caption, columns, rows, text=("model",))} if rows else {}


def _further_patients(results: Results, landmarks: Sequence[str], labels: Labels) -> dict[str, Table]:
    rows = []
    for name in landmarks:
        values = {
            key: estimate.point
            for key, estimate in results.landmarks[name][MODEL].items()
            if key.startswith("evpi") and estimate.value is not None
        }
        for kind, words in (("evpi@", "de-escalation"), ("evpi_escalation@", "escalation")):
            at: dict[str, list[str]] = {}
            for key, value in values.items():
                if key.startswith(kind):
                    at.setdefault(number_text(value, 4) if value else "0", []).append(key.partition("@")[2])
            told = "; ".join(f"{worth} at {listed(thresholds)}" for worth, thresholds in at.items())
            if told:
                rows.append({"landmark": labels.name(name), "decision": words, "values": told})
    columns = {"landmark": "Landmark", "decision": "Decision", "values": "EVPI by threshold"}
    caption = (
        "What more patients to validate with could be worth: expected value of perfect information (EVPI), "
        "in units of net benefit"
    )
    return (
        {"evpi": Table.of("evpi-table", caption, columns, rows, text=("decision", "values"))} if rows else {}
    )
