"""Subgroups and centres."""

from collections.abc import Sequence

import pandas as pd

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.drawing import Spec
from pipeline.report.labels import Labels
from pipeline.report.page import measure_of
from pipeline.report.results import Results, Subgroups
from pipeline.report.study.common import ForestRow, Part, counted, interval_row
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import NOT_SHOWN, Privacy, Table
from pipeline.wording import OUT_OF_FOLD

MEASURES = {"auc": ("AUC", None), "slope": ("Calibration slope", 1.0), "o_e": ("Observed over expected", 1.0)}
DIGITS = {"auc": 3, "slope": 2, "o_e": 2}
NEW_CENTRE = "A new centre (prediction interval)"
# Without variance between centres, a new centre is expected where all of them are.
SAME_AS_POOLED = "A new centre (as pooled: tau\N{SUPERSCRIPT TWO} = 0)"
COLUMNS = ("n", "pCR", "no pCR")
CROSSED, BY_RECEPTORS = "arm_hr", ", HR "
"""The grouping by two others, arm and receptor status, and what stands between these in a group's name."""
KINDS = {"hr": "HR", "ctdna": "ctDNA"}
EVALUABLE, NEITHER = "evaluable", "neither"
CountCell = tuple[str, str, str]


def subgroups_part(
    results: Results, landmark: str, landmarks: Sequence[str], privacy: Privacy, labels: Labels
) -> Part:
    """Return forests of subgroups and centres at one landmark, and the table of all landmarks."""
    charts: dict[str, Spec] = {}
    subgroups = results.subgroups[landmark]
    hidden = hidden_counts(subgroups, privacy)
    for key, (title, reference) in MEASURES.items():
        rows = [
            _group_row(kind, name, measures, estimate, hidden, labels)
            for kind, groups in subgroups.groups.items()
            for name, measures in groups.items()
            if (estimate := measures.interval_of(key)) and not privacy.hides(measures.patients)
        ]
        if rows:
            charts[f"subgroups-{key.replace('_', '-')}"] = forest_chart(
                pd.DataFrame(rows), f"{title}, {labels.name(landmark)}", title, OUT_OF_FOLD, reference
            )
        charts |= _centres_chart(subgroups, key, title, reference, labels.name(landmark))
    tables = {
        name: subgroups_table(results.subgroups[name], name, privacy, labels)
        for name in landmarks
        if results.subgroups[name].groups
    }
    return charts, tables


def group_name(kind: str, name: str, labels: Labels) -> str:
    """Return a group as a reader reads it, such as ``arm and HR: Adaptive, HR negative``."""
    kinds = " and ".join(KINDS.get(part, part) for part in kind.split("_"))
    words = [" ".join(map(labels.name, piece.split(" "))) for piece in name.split(", ")]
    # Who has ctDNA and no imaging is not everybody with ctDNA.
    alone = " only" if kind == EVALUABLE and name != NEITHER and " and " not in name else ""
    return f"{kinds}: {', '.join(words)}{alone}"


def hidden_counts(subgroups: Subgroups, privacy: Privacy) -> set[CountCell]:
    """Return which counts (kind, group, column) are not shown: small ones, and those that would tell them.

    A reader knows the patients and events of a landmark, which the groups of a kind add up to, that patients
    without pCR are those who are not events, and that arms by receptor status add up to the arms and to the
    receptor statuses.
    """
    hidden: set[CountCell] = set()
    # Arms by receptor status last: what they add up to is known where it is shown.
    for kind in sorted(subgroups.groups, key=CROSSED.__eq__):
        groups = subgroups.groups[kind]
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
        crossing = _crossing(subgroups, hidden) if kind == CROSSED else []
        patients = {cell for cell in counts if cell[2] == COLUMNS[0]}
        hidden |= privacy.hidden(counts, [*of_column, *of_group, *crossing], patients)
    return hidden


def _crossing(subgroups: Subgroups, hidden: set[CountCell]) -> list[dict[CountCell, int]]:
    """Return which arms by receptor status (``A, HR neg``) add up to a count of their arm or status."""
    parts = {name: name.rsplit(BY_RECEPTORS, 1) for name in subgroups.groups[CROSSED]}
    return [
        {(CROSSED, name, column): 1 for name, of in parts.items() if of[place] == whole}
        for place, kind in enumerate(CROSSED.split("_"))
        for whole in subgroups.groups.get(kind, ())
        for column in COLUMNS
        if (kind, whole, column) not in hidden
    ]


def _group_row(
    kind: str, name: str, measures: Measures, estimate: Estimate, hidden: set[CountCell], labels: Labels
) -> ForestRow:
    group = group_name(kind, name, labels)
    # Groups of two kinds say themselves what they are of, and have no room for more.
    group = group.partition(": ")[2] if "_" in kind else group.replace(" and ", " + ")
    if (kind, name, "n") in hidden:
        return interval_row(group, estimate, f"{kind}: {name}")
    if any((kind, name, column) in hidden for column in COLUMNS):
        patients = Measures(n=measures["n"])
        return interval_row(counted(group, patients), estimate, f"{kind}: {name}", of=patients)
    return interval_row(counted(group, measures), estimate, f"{kind}: {name}", of=measures)


def _centres_chart(
    subgroups: Subgroups, key: str, title: str, reference: float | None, landmark: str
) -> dict[str, Spec]:
    rows = [
        interval_row(counted(centre, measures), estimate, of=measures)
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
    spec = forest_chart(pd.DataFrame(rows), f"{title} by centre, {landmark}", title, OUT_OF_FOLD, reference)
    return {f"centres-{key.replace('_', '-')}": spec}


def subgroups_table(subgroups: Subgroups, landmark: str, privacy: Privacy, labels: Labels) -> Table:
    """Return n, events and measures of all subgroups of a landmark; small cells are not shown."""
    hidden = hidden_counts(subgroups, privacy)
    rows = [
        {
            "group": group_name(kind, name, labels),
            "n": privacy.cell(measures.patients, hidden=(kind, name, "n") in hidden),
            "events": NOT_SHOWN
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
    return Table.of(
        f"subgroups-{landmark}", f"Subgroups, {labels.name(landmark)}, out of fold", columns, rows
    )
