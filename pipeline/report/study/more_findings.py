"""What the figures of subgroups, decision curves, blocks, events and other runs show, in a sentence each."""

from collections.abc import Mapping, Sequence

import pandas as pd

from models.description.documents import Description
from pipeline.project.estimates import (
    Estimate,
    Measures,
    bounds_text,
    estimate_text,
    parse_estimate,
    verdict,
)
from pipeline.report.alluvial import flows_sentence
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import capitalised, minus
from pipeline.report.results import ALLOCATION, MODEL, RULE_INPUTS, RULES, Results, Robustness, Subgroups
from pipeline.report.study.blocks import block_model_name
from pipeline.report.study.findings import findings
from pipeline.report.study.flow import FlowRow, flow_sentence
from pipeline.report.study.glance import VERDICTS
from pipeline.report.study.measured import course_sentences, state_sentences
from pipeline.report.study.rules import branches_sentence
from pipeline.report.study.strategies import DIFFERENCES
from pipeline.report.study.subgroups import group_name
from pipeline.report.study.toxicity import compared_events
from pipeline.report.tables import Privacy

CHANCE = 0.5
"""The AUC of a forecast that tells nobody apart."""


def titles(
    results: Results,
    domains: Mapping[str, Sequence[str]],
    described: Description,
    rows: Sequence[FlowRow],
    visits: Sequence[str],
    facts: Facts,
    privacy: Privacy,
    labels: Labels,
) -> dict[str, str]:
    """Return the titles of the figures by their id: what each shows in this run, where it can be said.

    Parameters
    ----------
    domains : mapping
        Those of every landmark.
    rows : sequence of FlowRow
        From `flow_rows`.
    visits : sequence of str
        The study's, in order.
    """
    found = findings(results, domains, facts, labels)
    found |= subgroup_findings(results, privacy, labels) | benefit_findings(results, facts, labels)
    found |= run_findings(results, facts) | block_findings(results, labels)
    found |= event_findings(described, privacy, labels)
    found |= stability_findings(results, labels) | strategy_findings(results, labels)
    found |= state_sentences(described, privacy, labels) | course_sentences(described, visits, labels)
    found["flow-chart"] = flow_sentence(rows)
    found["branches"] = branches_sentence(described["branches"], privacy)
    if flows := described["flows"]:
        found["ctdna-flows"] = flows_sentence(flows, labels, privacy)
    primary = results.comparison.declared.landmark
    found["for-whom"] = for_whom_not(results.subgroups[primary], results.robustness[primary], labels)
    return {figure: sentence for figure, sentence in found.items() if sentence}


def subgroup_findings(results: Results, privacy: Privacy, labels: Labels) -> dict[str, str]:
    """Return the titles of the figures of AUC: lowest and highest among subgroups, in centres."""
    landmark = results.comparison.declared.landmark
    subgroups, robust = results.subgroups[landmark], results.robustness[landmark]
    groups = {
        group_name(kind, name, labels): measures
        for kind, named in subgroups.groups.items()
        for name, measures in named.items()
        if not privacy.hides(measures.patients)
    }
    left_out = dict(robust.centres) if robust else {}
    return {
        "subgroups-auc": _ends(groups, "The AUC is"),
        "centres-auc": _ends(subgroups.centres, "The AUC is"),
        "left-out-centres": _ends(left_out, "Of models that have not seen a centre, the AUC in it is"),
    } | {
        f"{figure}-{measure.replace('_', '-')}": _beside_ideal(inside, measure)
        for figure, inside in (("subgroups", groups), ("centres", subgroups.centres))
        for measure in ("slope", "o_e")
    }


def _beside_ideal(groups: Mapping[str, Measures], measure: str) -> str:
    """Return the groups whose interval of a measure does not hold 1, its ideal value; empty without any."""
    found = {name: of.interval for name, each in groups.items() if (of := each.interval_of(measure))}
    beside = [name for name, (low, high) in found.items() if not low <= 1 <= high]
    if not found:
        return ""
    if not beside:
        return "Every interval includes the ideal value."
    return f"The ideal value lies outside the interval of {'; '.join(beside)}."


def stability_findings(results: Results, labels: Labels) -> dict[str, str]:
    """Return the titles of the figures of bootstrap models: how far they move, what optimism takes."""
    landmark = results.comparison.declared.landmark
    robust, curves = results.robustness[landmark], results.curves[landmark].get("bootstrap")
    titles = {}
    moved = robust.instability.get("mean_absolute_prediction_error") if robust else None
    if moved and moved.value is not None:
        titles["instability"] = (
            f"At {labels.name(landmark)}, a bootstrap model's prediction is {100 * moved.value:.1f} "
            "percentage points away from the model's on average."
        )
    slope = robust.optimism_corrected.get("calibration_slope") if robust else None
    if slope and slope.value is not None:
        told = minus(estimate_text(slope.with_interval("approximate"), 2))
        titles["bootstrap-calibration"] = f"Corrected for optimism, the slope is {told}."
    for decision in ("de_escalation", "escalation"):
        if curves is None:
            break
        lines = curves[curves["curve"] == decision].pivot_table(index="at", columns="line", values="value")
        if {"apparent", "corrected"} <= set(lines):
            lower = lines["corrected"] < lines["apparent"]
            titles[f"bootstrap-{decision.replace('_', '-')}"] = (
                f"Corrected for optimism, net benefit is lower {_at_thresholds(lower)}."
            )
    return titles


def strategy_findings(results: Results, labels: Labels) -> dict[str, str]:
    """Return the title of the figure of strategies: which values can be told apart by their interval."""
    sides: dict[str, list[str]] = {}
    for pair, measures in results.strategies.items():
        names = [labels.name(arm) for arm in pair.split("-", 1)]
        for key, label in DIFFERENCES.items():
            if apart := measures.interval_of(key):
                low, high = apart.interval
                side = "above 0" if low > 0 else "below 0" if high < 0 else "not distinguishable from 0"
                sides.setdefault(side, []).append(label.format(*names))
    told = [f"{capitalised(side)}: {'; '.join(names)}." for side, names in sides.items()]
    return {"strategy-values": " ".join(told)} if told else {}


def for_whom_not(subgroups: Subgroups, robustness: Robustness | None, labels: Labels) -> str:
    """Return in whom the model is not shown to tell patients apart, or its risks do not fit.

    In subgroups and centres, and by O:E in the patients who came later. Centres too small to be judged are
    not named.
    """
    groups = {
        group_name(kind, name, labels): measures
        for kind, named in subgroups.groups.items()
        for name, measures in named.items()
    }
    centres = {f"centre {name}": measures for name, measures in subgroups.centres.items()}
    later = robustness.later.interval_of("o_e") if robustness else None
    if not groups and not centres and later is None:
        return ""
    judged = {name: found for name, found in (groups | centres).items() if found.interval_of("auc")}
    chance = [name for name, found in judged.items() if _holds_chance(found)]
    misfit = [name for name, found in (groups | centres).items() if _misfits(found)]
    none = "in no subgroup or centre judged" if centres else "in no subgroup judged"
    told = [
        f"AUC not above chance by its interval: {'; '.join(chance) or none}",
        f"calibration off by the interval of slope or O:E: {'; '.join(misfit) or none}",
    ]
    if robustness and later is not None and _side_of(later):
        ratio = f"O:E {later.point:.2f}, {bounds_text(*later.interval, 2)}"
        n = robustness.later.patients
        told.append(f"later patients: {_side_of(later)} of {n:,} had pCR than predicted ({ratio})")
    if unjudged := [name for name in groups if name not in judged]:
        told.append(f"too few to be judged: {'; '.join(unjudged)}")
    return f"For whom not: {'. '.join(capitalised(words) for words in told)}."


def _holds_chance(measures: Measures) -> bool:
    auc = measures.interval_of("auc")
    return auc is not None and auc.interval[0] <= CHANCE


def _misfits(measures: Measures) -> bool:
    ratios = [found for key in ("slope", "o_e") if (found := measures.interval_of(key))]
    return any(map(_side_of, ratios))


def _side_of(ratio: Estimate) -> str:
    """Return on which side of 1 the interval of a ratio lies, in words; empty where it holds 1."""
    low, high = ratio.interval
    return "more" if low > 1 else "fewer" if high < 1 else ""


def _ends(groups: Mapping[str, Measures], words: str) -> str:
    """Return between which values the AUC of groups lies, and in whom; empty of fewer than two."""
    values = {name: auc.point for name, measures in groups.items() if (auc := measures.interval_of("auc"))}
    if len(values) < 2:
        return ""
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return f"{words} between {values[low]:.2f} ({low}) and {values[high]:.2f} ({high})."


def benefit_findings(results: Results, facts: Facts, labels: Labels) -> dict[str, str]:
    """Return the titles of the decision curves: where the model's value is above all other strategies'."""
    titles = {}
    for landmark, curves in results.curves.items():
        for decision, part in curves["benefit"].groupby("decision"):
            wide = part.pivot_table(index="threshold", columns="strategy", values="value")
            if not facts.rules:
                wide = wide.drop(columns=[RULES, RULE_INPUTS, ALLOCATION], errors="ignore")
            if MODEL in wide and len(wide.columns) > 1:
                figure = f"benefit-{str(decision).replace('_', '-')}-{landmark}"
                titles[figure] = f"At {labels.name(landmark)}, {_above(wide)}."
    return titles


def _above(wide: pd.DataFrame) -> str:
    others = wide.drop(columns=MODEL).max(axis=1)
    return f"the model has the highest net benefit {_at_thresholds(wide[MODEL] > others)}"


def _at_thresholds(holds: pd.Series) -> str:
    """Return at how many of the thresholds something holds, in words."""
    if holds.all():
        return "at every threshold shown"
    if not holds.any():
        return "at no threshold shown"
    return f"at {'most' if holds.mean() > 0.5 else 'some'} of the thresholds shown"


def run_findings(results: Results, facts: Facts) -> dict[str, str]:
    """Return the title of the figure of sensitivity: what the intervals of all runs say."""
    told = [
        verdict(delta, "log_loss")
        for measures in results.sensitivity.values()
        if (delta := measures.interval_of("delta_log_loss"))
    ]
    ways = [(VERDICTS[each], told.count(each)) for each in sorted(set(told))]
    if not ways:
        return {}
    (first, runs), *others = ways
    said = "every run" if not others else f"{runs} of {len(told)} runs"
    rest = "".join(f"; in {n}, {way.removesuffix(' than')}" for way, n in others)
    return {"sensitivity-runs": f"In {said} the model predicts {first} the {facts.comparator}{rest}."}


def block_findings(results: Results, labels: Labels) -> dict[str, str]:
    """Return the title of the figure of blocks: the pairs of models that can be told apart."""
    judged = [found for found in results.comparison.blocks.values() if not found.reason]
    if not any(found.pairs for found in judged):
        return {}
    told = [
        f"{block_model_name(pair.model, labels)} {pair.verdict} than {block_model_name(pair.against, labels)}"
        for found in judged
        for pair in found.pairs
        if pair.verdict in {"better", "worse"}
    ]
    return {
        "blocks-added": f"By AUC, {'; '.join(dict.fromkeys(told))}."
        if told
        else "No two models of blocks can be told apart by AUC."
    }


def event_findings(described: Description, privacy: Privacy, labels: Labels) -> dict[str, str]:
    """Return the title of the figure of adverse events: which were more or less frequent, by interval."""
    found = described["toxicity"]
    rows = compared_events(found["by_arm"], privacy).values() if found else ()
    sides: dict[str, list[str]] = {"More": [], "Less": []}
    arm = ""
    for row in rows:
        low, high = parse_estimate(row["difference"]).interval
        arm = labels.name(row["arm"])
        if low > 0 or high < 0:
            sides["More" if low > 0 else "Less"].append(row["event"])
    told = [f"{side} often in {arm}: {'; '.join(events)}." for side, events in sides.items() if events]
    return {"toxicity-differences": " ".join(told)} if told else {}
