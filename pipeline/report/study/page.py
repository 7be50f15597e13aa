"""The study report, first page of a study's reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from features.documents.feature import FeatureList
from features.documents.flow import Flow
from features.documents.study import parse_study, with_defaults
from features.documents.study_entries import StudyDocument
from models.description.documents import Description
from pipeline.project.estimates import HIGHER_IS_BETTER, Measures, verdict
from pipeline.report.cohort.part import single_patient_part
from pipeline.report.cohort.people import SinglePatients
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts, run_facts
from pipeline.report.labels import Labels
from pipeline.report.limits import within_limits
from pipeline.report.page import OVERVIEW, absent_domains, count, domain_name, explained, page_links, render
from pipeline.report.results import (
    MODEL,
    RULE_INPUTS,
    RULES,
    Comparison,
    Declared,
    Results,
)
from pipeline.report.settings import ChecklistItem, Checklists, PageSettings
from pipeline.report.study.blocks import blocks_part
from pipeline.report.study.challengers import challengers_part
from pipeline.report.study.common import ForestRow, interval_row, verdict_of
from pipeline.report.study.efficacy import efficacy_part, efficacy_sentences
from pipeline.report.study.flow import flow_chart, flow_rows
from pipeline.report.study.gates import Judged, gate_sentences
from pipeline.report.study.glance import beside_primary, glance, wider_primary
from pipeline.report.study.learning import learning_part
from pipeline.report.study.measured import courses_part, missing_part
from pipeline.report.study.more_findings import titles
from pipeline.report.study.performance import domains_at, domains_part, performance_part, shown_threshold
from pipeline.report.study.rules import overlap_sentences, rules_part
from pipeline.report.study.sensitivity import sensitivity_part
from pipeline.report.study.stability import size_part, stability_part
from pipeline.report.study.strategies import strategy_part, truth_part
from pipeline.report.study.subgroups import subgroups_part
from pipeline.report.study.table_one import table_one_part
from pipeline.report.study.toxicity import toxicity_part
from pipeline.report.study.uncertainty import uncertainty_part
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table
from pipeline.wording import ESTIMAND, OUT_OF_FOLD

AUTHORS = "to be written by the authors"
Configuration = Mapping[str, Any]
"""configs/models.yaml, or validation.yaml and measures.yaml, which the templates of the checklists quote."""


@dataclass(frozen=True)
class Inputs:
    """What the report is made of, apart from the results: configurations, cohort, features, description.

    `undivided` are the landmarks at which the rules do not tell patients apart; `single` is None where no
    single patients are shown.
    """

    study: StudyDocument
    settings: PageSettings
    validation: Configuration
    models: Configuration
    items: Checklists
    flow: Flow
    features: Mapping[str, FeatureList]
    described: Description
    problems: pd.DataFrame
    facts: Facts
    undivided: Sequence[str]
    digests: Mapping[str, str]
    gates: Judged = field(default_factory=dict)
    single: SinglePatients | None = None


def overview_page(given: Inputs, results: Results) -> str:
    """Return the HTML of the study report."""
    study, level, facts = given.study, given.validation["level"], given.facts
    results = within_limits(results, given.settings.limits)
    run = run_facts(results)
    labels = Labels(given.settings.labels, study["visits"])
    late = late_rows(study, given.features)
    shown = given.settings.privacy
    privacy = Privacy(shown.min_cell_count, suppress=shown.suppress_small_cells)
    comparison = results.comparison
    declared = comparison.declared
    # The only arm of a study is the same as all.
    arms = study["arms"] if facts.arms > 1 else []
    landmark = declared.landmark
    differences = difference_rows(study, comparison, facts, given.undivided)
    threshold = shown_threshold(comparison)
    domains = {
        name: found for name, found in domains_at(given.features).items() if name in study["landmarks"]
    }
    single, single_titles = single_patient_part(
        given.single, given.settings.single_patients, study["visits"], study.get("regimens", ()),
        given.settings.drawing, facts, labels,
    )  # fmt: skip
    rows = flow_rows(study, given.flow, facts, labels)
    parts = {
        "one": table_one_part(given.described, arms, privacy, labels),
        "missing": missing_part(given.described, facts, privacy, labels),
        "courses": courses_part(given.described, study["visits"], labels, privacy),
        "rules": rules_part(given.described, results.review, privacy, labels) if facts.rules else ({}, {}),
        "toxicity": toxicity_part(given.described, facts, privacy, labels),
        "performance": performance_part(results, facts, labels),
        "domains": domains_part(results, domains, threshold, labels),
        "blocks": blocks_part(comparison.blocks, labels, study.get("omics")),
        "challengers": challengers_part(comparison.challengers, facts.everybody, labels),
        "subgroups": subgroups_part(results, landmark, study["landmarks"], privacy, labels),
        "stability": stability_part(
            results, landmark, study["landmarks"], given.settings.drawing.max_patients_drawn, labels
        ),
        "uncertainty": uncertainty_part(results, study["landmarks"], facts, labels),
        "sensitivity": sensitivity_part(results, facts, labels),
        "learning": learning_part(results, labels),
        "size": size_part(results, labels),
        "efficacy": efficacy_part(results.efficacy, facts, privacy, labels, given.described["coverage"]),
        "strategy": strategy_part(results, labels),
        "single": (single, {}),
        "truth": truth_part(results, study["landmarks"], facts, labels),
    }
    charts: dict[str, Spec] = {name: spec for drawn, _ in parts.values() for name, spec in drawn.items()}
    charts |= difference_charts(differences, declared, facts, labels)
    charts["flow-chart"] = flow_chart(rows, arms, facts, labels)
    first = glance(study, results, facts, privacy, labels)
    charts |= first.charts
    context = said_context(given, results)
    return render(
        "index.html.j2",
        study,
        charts,
        facts,
        labels,
        findings=titles(results, domains, given.described, rows, study["visits"], facts, privacy, labels)
        | single_titles,
        here=OVERVIEW,
        run=run,
        first=first,
        judged=bool(given.gates),
        open_gates=gate_sentences(given.gates, labels),
        flow=given.flow,
        undivided=given.undivided,
        level=level,
        declared=declared,
        primary=comparison.primary,
        primary_wider=wider_primary(declared, results.robustness[landmark], facts),
        primary_beside=beside_primary(comparison) if facts.rules else None,
        verdict_of=verdict_of,
        tipping=next((run for run in results.sensitivity.values() if "shift" in run), None),
        told=lambda difference, metric=declared.metric: verdict(difference, metric),
        size=results.size.get(landmark),
        lower_is_better=declared.metric not in HIGHER_IS_BETTER,
        landmarks=landmark_rows(study, results.landmarks, given.features),
        differences=differences,
        unjudged_blocks={name: found.reason for name, found in comparison.blocks.items() if found.reason},
        challengers=comparison.challengers,
        unmodelled={name: each.reason for name, each in results.learning.items() if each.reason},
        arms=arms,
        flow_rows=rows,
        outcome=given.flow["outcome"],
        outcome_missing=given.flow["outcome_missing"],
        criteria=given.flow["criteria"] if facts.trial else [],
        problems=given.problems.to_dict("records"),
        late=late,
        compared=efficacy_sentences(results.efficacy, labels),
        tables={name: tables for name, (_, tables) in parts.items()},
        drawn={name: list(drawn) for name, (drawn, _) in parts.items()},
        overlaps=overlap_sentences(
            given.described["branches"], given.described["conflicts"], privacy, labels
        ),
        families=given.described["over_time"],
        absent=[
            domain_name(d)
            for d in absent_domains(
                given.settings.domains, given.features[study["landmarks"][-1]]["features"]
            )
        ],
        tripod=checklist(
            given.items.tripod,
            context,
            labels,
            "tripod",
            "TRIPOD+AI items (Collins et al., BMJ 2024;385:e078378)",
        ),
        probast=checklist(
            given.items.probast,
            context,
            labels,
            "probast",
            "Questions after PROBAST and PROBAST+AI (Moons et al., BMJ 2025;388:e082505), numbered here",
        ),
        used=used_tables(given, labels),
        key=given.described["used"]["key"],
        privacy=given.settings.privacy,
        cell=privacy.cell,
        drawing=given.settings.drawing,
    )


def said_context(given: Inputs, results: Results) -> dict[str, object]:
    """Return what the sentences of checklists and methods are filled from, by the name that they call it."""
    return {
        "study": parse_study(with_defaults(given.study)),
        "flow": given.flow,
        "validation": given.validation,
        "models": given.models,
        "features": {f["name"] for each in given.features.values() for f in each["features"]},
        "results": results,
        "problems": len(given.problems),
        "facts": given.facts,
        "run": run_facts(results),
        "late": sum(late_rows(given.study, given.features).values()),
        "estimand": ESTIMAND,
    }


def checklist(
    items: Sequence[ChecklistItem], context: Mapping[str, object], labels: Labels, name: str, caption: str
) -> Table:
    """Return reporting items, each filled from the run or left to the authors, with a link to its place."""
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.filters |= {
        "label": labels.name, "candidate": labels.candidate, "feature": labels.feature, "count": count,
    }  # fmt: skip
    rows = []
    for item in items:
        answer = labels.text(environment.from_string(item.answer).render(**context).strip())
        rows.append(
            {
                "item": item.item,
                "topic": item.topic,
                "asks": item.asks,
                "answer": answer or Markup("<em>{}</em>").format(AUTHORS),
                "where": Markup('<a href="#{0}">{0}</a>').format(item.where) if item.where and answer else "",
            }
        )
    columns = {
        "item": "Item",
        "topic": "Topic",
        "asks": "What is asked",
        "answer": "In this run",
        "where": "Where",
    }
    return Table.of(name, caption, columns, rows, text=("topic", "asks", "answer", "where"))


def used_tables(given: Inputs, labels: Labels) -> dict[str, Table]:
    """Return software versions, parameters and digests of what the results were made from."""
    used = given.described["used"]
    parameters = {
        key: given.validation[key]
        for key in ("seed", "folds", "repeats", "inner_folds", "bootstrap", "level", "branch_shrinkage")
    } | {"candidates": "; ".join(map(labels.candidate, given.models["candidates"]))}
    if given.facts.rules:
        parameters["rules"] = given.study["rules"]
    else:
        del parameters["branch_shrinkage"]
    digests = used["digests"] | {
        f"models/{name}/model.json": digest for name, digest in given.digests.items()
    }
    return {
        "versions": Table.of(
            "versions",
            "Software",
            {"name": "Package", "version": "Version"},
            [{"name": k, "version": v} for k, v in used["versions"].items()],
        ),
        "parameters": Table.of(
            "parameters",
            "Parameters of the analysis plan",
            {"name": "Parameter", "value": "Value"},
            [{"name": explained(labels.name(k), k), "value": v} for k, v in parameters.items()],
            text=("value",),
        ),
        "digests": Table.of(
            "digests",
            "Content: sha256 of tables, configurations and models",
            {"name": "What", "digest": "sha256"},
            [
                {"name": explained(labels.name(k), k), "digest": Markup("<code>{}</code>").format(v)}
                for k, v in digests.items()
            ],
            text=("digest",),
        ),
    }


def landmark_rows(
    study: StudyDocument,
    performance: Mapping[str, Mapping[str, Measures]],
    features: Mapping[str, FeatureList],
) -> list[dict[str, Any]]:
    """Return one row per landmark: measures of model and rules, and where the explanation is."""
    address = dict(page_links(study))
    return [
        {
            "name": name,
            "model": performance[name][MODEL],
            "rules": performance[name].get(RULES),
            "rule_inputs": performance[name].get(RULE_INPUTS),
            "address": address[name],
            "features": len(features[name]["features"]),
            "absent": [domain_name(domain) for domain in features[name]["absent_domains"]],
        }
        for name in study["landmarks"]
    ]


def difference_rows(
    study: StudyDocument, comparison: Comparison, facts: Facts, undivided: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return one row per landmark and group of patients (all, then by arm), the primary one marked.

    `measures` are the differences from the declared comparator, `beside` those from the small model on the
    rules' inputs. `alike`: the rules have the same forecast for all of the group, so its AUC says nothing; so
    it is in an arm at the landmarks `undivided`, at which no rule has decided.

    The patients of the only arm are all patients.
    """
    declared = comparison.declared
    pair, beside = f"{declared.model}-{declared.against}", f"{declared.model}-{RULE_INPUTS}"
    rows = []
    for landmark in study["landmarks"]:
        for arm in (None, *(study["arms"] if facts.arms > 1 else ())):
            name = f"{pair}@{arm}" if arm else pair
            if name in comparison.landmarks[landmark]:
                rows.append(
                    {
                        "landmark": landmark,
                        "group": arm or facts.everybody,
                        "primary": landmark == declared.landmark
                        and arm == (declared.arm if facts.arms > 1 else None),
                        "alike": landmark in undivided and (arm is not None or facts.arms == 1),
                        "measures": comparison.landmarks[landmark][name],
                        "beside": comparison.landmarks[landmark].get(name.replace(pair, beside), Measures()),
                    }
                )
    return rows


def difference_charts(
    rows: list[dict[str, Any]], declared: Declared, facts: Facts, labels: Labels
) -> dict[str, Spec]:
    """Return the forests of the differences from the comparator, and from the model on the rules' inputs."""
    metric, key = labels.name(declared.metric), f"delta_{declared.metric}"
    against: dict[str, tuple[Literal["measures", "beside"], str]] = {
        "differences": ("measures", facts.named(declared.against))
    }
    if facts.rules:
        against["differences-inputs"] = ("beside", "rules' inputs")
    charts = {}
    for name, (of, comparator) in against.items():
        points = difference_points(rows, key, labels, of)
        if not points.empty:
            title = f"Difference in {metric}, model minus {comparator}"
            charts[name] = forest_chart(points, title, f"difference in {metric}", OUT_OF_FOLD, digits=3)
    return charts


def difference_points(
    rows: list[dict[str, Any]], key: str, labels: Labels, of: Literal["measures", "beside"] = "measures"
) -> pd.DataFrame:
    """Return what the chart of differences draws: rows that have the measure, with its interval."""
    drawn = [
        interval_row(
            f"{labels.name(row['landmark'])}: {labels.name(row['group'])}"
            + (" (primary)" if row["primary"] else ""),
            difference,
            f"{verdict(difference, key.removeprefix('delta_'))} ({row['landmark']}, {row['group']})",
            of=row[of],
            mark=row["primary"],
        )
        for row in rows
        if (difference := row[of].interval_of(key))
    ]
    return pd.DataFrame(drawn, columns=list(ForestRow.__annotations__))


def late_rows(
    study: StudyDocument, features: Mapping[str, FeatureList], reason: str = "reported_late"
) -> dict[str, int]:
    """Return how many rows each landmark did not see because they were reported after its decision."""
    late = {
        name: sum(row["rows"] for row in features[name].get("late", []) if row["reason"] == reason)
        for name in study["landmarks"]
    }
    return {name: rows for name, rows in late.items() if rows}
