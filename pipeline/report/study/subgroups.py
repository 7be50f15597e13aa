"""Subgroups and centres."""

from collections.abc import Sequence

import pandas as pd

from pipeline.project.estimates import Measures
from pipeline.report.drawing import Spec
from pipeline.report.page import measure_of
from pipeline.report.results import MODEL, Results, Subgroups
from pipeline.report.study.common import Part, counted, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table

MEASURES = {"auc": ("AUC", None), "slope": ("Calibration slope", 1.0), "o_e": ("Observed over expected", 1.0)}
DIGITS = {"auc": 3, "slope": 2, "o_e": 2}
NEW_CENTRE = "A new centre (prediction interval)"
# Without variance between centres, a new centre is expected where all of them are.
SAME_AS_POOLED = "A new centre (as pooled: tau\N{SUPERSCRIPT TWO} = 0)"
COLUMNS = ("n", "pCR", "no pCR")
CountCell = tuple[str, str, str]


def subgroups_part(results: Results, landmark: str, landmarks: Sequence[str], privacy: Privacy) -> Part:
    """Return forests of subgroups and centres at one landmark, and the table of all landmarks."""
    charts: dict[str, Spec] = {}
    whole = results.landmarks[landmark][MODEL]
    subgroups = results.subgroups[landmark]
    hidden = hidden_counts(subgroups, privacy)
    for key, (title, reference) in MEASURES.items():
        rows = [
            interval_row(_label(kind, name, measures, hidden), estimate, kind)
            for kind, groups in subgroups.groups.items()
            for name, measures in groups.items()
            if (estimate := measures.interval_of(key)) and not privacy.hides(measures.patients)
        ]
        if rows:
            charts[f"subgroups-{key.replace('_', '-')}"] = forest_chart(
                pd.DataFrame(rows), f"{title} at {landmark}", of_model(whole, title), reference
            )
        charts |= _centres_chart(subgroups, key, title, reference, landmark, whole)
    tables = {
        name: subgroups_table(results.subgroups[name], name, privacy)
        for name in landmarks
        if results.subgroups[name].groups
    }
    return charts, tables


def group_name(kind: str, name: str) -> str:
    """Return a group as a reader reads it, such as ``arm and hr: ADAPTIVE, HR neg``."""
    return f"{kind.replace('_', ' and ')}: {name}"


def hidden_counts(subgroups: Subgroups, privacy: Privacy) -> set[CountCell]:
    """Return which counts (kind, group, column) are not shown: small ones, and those that would tell them.

    A reader knows the patients and events of a landmark, which the groups of a kind add up to, and that
    patients without pCR are those who are not events.
    """
    hidden: set[CountCell] = set()
    for kind, groups in subgroups.groups.items():
        counts: dict[CountCell, int] = {}
        for name, measures in groups.items():
            n, events = measures.patients, measures.events
            cells = zip(COLUMNS, (n, events, n - events), strict=True)
            counts |= {(kind, name, column): count for column, count in cells}
        of_column = [{(kind, name, column): 1 for name in groups} for column in COLUMNS]
        of_group = [
            {(kind, name, column): sign for column, sign in zip(COLUMNS, (1, -1, -1), strict=True)}
            for name in groups
        ]
        hidden |= privacy.hidden(counts, [*of_column, *of_group])
    return hidden


def _label(kind: str, name: str, measures: Measures, hidden: set[CountCell]) -> str:
    group = group_name(kind, name)
    told = not any((kind, name, column) in hidden for column in COLUMNS)
    return counted(group, measures) if told else group


def _centres_chart(
    subgroups: Subgroups, key: str, title: str, reference: float | None, landmark: str, whole: Measures
) -> dict[str, Spec]:
    rows = [
        interval_row(counted(centre, measures), estimate)
        for centre, measures in subgroups.centres.items()
        if (estimate := measures.interval_of(key))
    ]
    if len(rows) < 2:
        return {}
    pooled = subgroups.pooled.interval_of(key)
    if pooled is not None:
        rows.append(interval_row("All centres, pooled", pooled, "random effects", mark=True))
        new = pooled.with_interval("prediction")
        if new.has_interval:
            label = SAME_AS_POOLED if pooled.extra.get("tau2") == 0 else NEW_CENTRE
            rows.append(interval_row(label, new, "prediction interval", mark=True))
    spec = forest_chart(
        pd.DataFrame(rows), f"{title} by centre at {landmark}", of_model(whole, title), reference
    )
    return {f"centres-{key.replace('_', '-')}": spec}


def subgroups_table(subgroups: Subgroups, landmark: str, privacy: Privacy) -> Table:
    """Return n, events and measures of all subgroups of a landmark; small cells are not shown."""
    hidden = hidden_counts(subgroups, privacy)
    rows = [
        {
            "group": group_name(kind, name),
            "n": privacy.cell(measures.patients, hidden=(kind, name, "n") in hidden),
            "events": ""
            if privacy.hides(measures.patients)
            else privacy.cell(measures.events, hidden=(kind, name, "pCR") in hidden),
        }
        | {key: measure_of(measures, key, DIGITS[key]) for key in MEASURES}
        for kind, groups in subgroups.groups.items()
        for name, measures in groups.items()
    ]
    columns = {"group": "Subgroup", "n": "n", "events": "pCR"} | {
        key: title for key, (title, _) in MEASURES.items()
    }
    return Table.of(f"subgroups-{landmark}", f"Subgroups at {landmark}, out of fold", columns, rows)
