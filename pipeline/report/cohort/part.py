"""The figures of single patients that a study has data for, by the id of their figure."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.report.cohort.ctdna import detected_sentence, fractions, fractions_chart
from pipeline.report.cohort.oncoprint import NOT_COVERED, cells, mutated_sentence, oncoprint_chart, tracks
from pipeline.report.cohort.people import SinglePatients, last_known, numbered, people
from pipeline.report.cohort.response import (
    best_changes,
    courses,
    median_sentence,
    of_visits,
    shrunk_sentence,
    spider_chart,
    waterfall_of_changes,
)
from pipeline.report.cohort.treatment import ends, segments, swimmer_chart
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.points import evenly
from pipeline.report.settings import DrawingSettings, SinglePatientFeatures

MIN_DRAWN = 2
"""Of fewer patients no figure is drawn."""


def single_patient_part(
    single: SinglePatients | None, names: SinglePatientFeatures, visits: Sequence[str],
    regimens: Sequence[str], drawing: DrawingSettings, facts: Facts, labels: Labels,
) -> tuple[dict[str, Spec], dict[str, str]]:  # fmt: skip
    """Return the charts and their titles; those whose data the study lacks are not there.

    Parameters
    ----------
    single : SinglePatients or None
        None where single patients are not shown: then there is nothing.
    names : SinglePatientFeatures
        Which features are drawn.
    visits, regimens : sequence of str
        The study's, in order.
    """
    if single is None:
        return {}, {}
    single = numbered(single)
    values, who = last_known(single.features), people(single, facts, labels)
    shown = {visit: labels.name(visit) for visit in visits}
    charts, titles = _response(values, names, shown, who, drawing, labels)
    samples = fractions(values, names.ctdna_state, names.fraction, visits, who)
    repeated = samples.groupby("patient")["value"].size() if len(samples) else pd.Series(dtype=int)
    if (repeated > 1).any() and samples["value"].notna().any():
        seen = {visit: label for visit, label in shown.items() if visit in set(samples["visit"])}
        charts["fractions"] = fractions_chart(samples, seen, drawing.lines)
        titles["fractions"] = detected_sentence(samples, seen)
    exposure = single.raw.get("exposure")
    if exposure is not None and {"start_date", "regimen"} <= set(exposure):
        given = segments(exposure[exposure["usubjid"].isin(who.index)])
        if given["patient"].nunique() >= MIN_DRAWN:
            events = ends(exposure, single.raw.get("surgery"), single.raw.get("disposition"), who)
            charts["swimmer"] = swimmer_chart(given, events, who, regimens, labels, drawing.rows)
    found = cells(single)
    if len(found) and (found["found"] != NOT_COVERED).any():
        receptors = values[names.receptors].reindex(who.index).map(labels.name, na_action="ignore")
        track = tracks(who, receptors if names.receptors in values else None)
        charts["oncoprint"] = oncoprint_chart(found, track, who, list(single.genes), drawing.rows)
        titles["oncoprint"] = mutated_sentence(found)
    return charts, titles


def _response(
    values: pd.DataFrame, names: SinglePatientFeatures, visits: Mapping[str, str], who: pd.DataFrame,
    drawing: DrawingSettings, labels: Labels,
) -> tuple[dict[str, Spec], dict[str, str]]:  # fmt: skip
    changes = of_visits(values, names.change, list(visits))
    if changes.empty or changes.notna().any(axis=1).sum() < MIN_DRAWN:
        return {}, {}
    responses = of_visits(values, names.response, list(visits))
    best = evenly(best_changes(changes, responses, who), drawing.max_patients_drawn)
    first = next(iter(visits))
    start = changes.notna().any(axis=1).map({True: 0.0, False: None})
    over_time = courses(pd.concat([start.rename(first), changes], axis=1), who)
    seen = {visit: label for visit, label in visits.items() if visit in set(over_time["visit"])}
    charts = {
        "waterfall-changes": waterfall_of_changes(best, labels),
        "spider": spider_chart(over_time, seen, drawing.lines),
    }
    return charts, {"waterfall-changes": shrunk_sentence(best), "spider": median_sentence(over_time, seen)}
