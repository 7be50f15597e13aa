"""What figures show in this run, in a sentence each: their titles, where anything can be said."""

from collections.abc import Mapping, Sequence

from models.procedure.domain_sets import ALL, WITHOUT
from pipeline.project.estimates import Measures, verdict
from pipeline.report.facts import Facts, listed
from pipeline.report.labels import Labels
from pipeline.report.results import MODEL, RULE_INPUTS, Results
from pipeline.report.study.performance import added_name

VERDICTS = ("better", "not distinguishable", "worse")


def findings(
    results: Results, domains: Mapping[str, Sequence[str]], facts: Facts, labels: Labels
) -> dict[str, str]:
    """Return the titles of figures by their id; `domains` are those of every landmark."""
    landmarks = list(domains)
    sentences = {
        "auc-landmarks": _along_landmarks(results, landmarks, labels),
        "domains-added": _domains(results, domains, labels),
    }
    comparisons = {"differences": (results.comparison.declared.against, f"the {facts.comparator}")}
    if facts.rules:
        comparisons["differences-inputs"] = (RULE_INPUTS, "the small model on the rules' inputs")
    for figure, (name, words) in comparisons.items():
        sentences[figure] = _differences(results, landmarks, name, words, labels)
    sentences |= {f"calibration-{name}": _calibration(results, name, labels) for name in landmarks}
    return {figure: sentence for figure, sentence in sentences.items() if sentence}


def _along_landmarks(results: Results, landmarks: Sequence[str], labels: Labels) -> str:
    first, last = landmarks[0], landmarks[-1]
    ends = [results.landmarks[name].get(MODEL, Measures()).get("auc") for name in (first, last)]
    if any(auc is None or auc.value is None for auc in ends):
        return ""
    values = [f"{auc.value:.2f}" for auc in ends if auc is not None]
    if first == last:
        return f"The model's AUC is {values[0]} at {labels.name(first)}."
    return f"The model's AUC is {values[0]} at {labels.name(first)} and {values[1]} at {labels.name(last)}."


def _differences(results: Results, landmarks: Sequence[str], against: str, words: str, labels: Labels) -> str:
    """Count, over the landmarks and all patients, how often the interval lies on which side."""
    declared = results.comparison.declared
    by_verdict: dict[str, list[str]] = {}
    for name in landmarks:
        pairs = results.comparison.landmarks.get(name, {})
        pair = pairs.get(f"{declared.model}-{against}")
        if pair and (difference := pair.interval_of(f"delta_{declared.metric}")):
            by_verdict.setdefault(verdict(difference, declared.metric), []).append(labels.name(name))
    told = [
        f"{words_of} at {listed(by_verdict[words_of])}" for words_of in VERDICTS if words_of in by_verdict
    ]
    return f"In all patients, the model against {words}: {'; '.join(told)}." if told else ""


def _domains(results: Results, domains: Mapping[str, Sequence[str]], labels: Labels) -> str:
    """Name what adds to the domains before it, by an interval of the AUC above zero, at which landmarks."""
    adding: dict[str, list[str]] = {}
    for name in domains:
        for pair, measures in results.comparison.domains.get(name, {}).items():
            added = measures.interval_of("delta_auc")
            if added and not pair.startswith(f"{ALL}-{WITHOUT}") and verdict(added, "auc") == "better":
                adding.setdefault(added_name(pair, domains[name]), []).append(labels.name(name))
    told = [f"{words} at {listed(names)}" for words, names in adding.items()]
    return f"What adds to the AUC: {'; '.join(told)}." if told else ""


def _calibration(results: Results, landmark: str, labels: Labels) -> str:
    measures = results.landmarks[landmark].get(MODEL)
    ratio = measures.interval_of("o_e") if measures else None
    if ratio is None:
        return ""
    low, high = ratio.interval
    side = "fewer" if high < 1 else "more" if low > 1 else "not distinguishably more or fewer"
    return f"At {labels.name(landmark)}, {side} patients had pCR than predicted (O:E {ratio.point:.2f})."
