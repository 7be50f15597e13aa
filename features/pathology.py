"""Pathology features: the diagnostic biopsy, and molecular scores of it."""

from collections.abc import Mapping, Sequence

import pandas as pd

from features.definitions import receptor_status
from features.feature import (
    BuildContext,
    Feature,
    NamedSeries,
    as_they_stand,
    collect,
    from_template,
    one_per_patient,
    safe_names,
)
from features.settings import PathologySettings

DOMAIN = "pathology"


def build(
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    settings: PathologySettings,
    context: BuildContext,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the pathology features of `patients`: frame with that index, and what each column is.

    Parameters
    ----------
    tables : mapping
        Visible tables.
    """
    columns = as_they_stand(context.columns, tables, patients)
    if "pathology" in tables:
        derived = hormone_receptor(tables["pathology"])
        derived = derived.set_axis(tables["pathology"]["usubjid"]).reindex(patients)
        columns = [(f, derived if f.name == "hr" else series) for f, series in columns]
    if "biomarkers" in tables:
        columns += biomarkers(tables["biomarkers"], patients, settings, context.visits)
    return collect(columns, patients)


def hormone_receptor(pathology: pd.DataFrame) -> pd.Series:
    """Return hormone receptor status (pos, neg, NaN) of each row: as recorded, else from ER and PR."""
    return pathology["hr"].fillna(receptor_status(pathology))


def biomarkers(
    scores: pd.DataFrame, patients: pd.Index, settings: PathologySettings, visits: Sequence[str]
) -> list[NamedSeries]:
    """Return one feature per score and visit, scores in alphabetical order."""
    safe = safe_names(scores["biomarker"].unique().tolist())
    columns = []
    for visit in visits:
        template = settings.biomarker if visit == visits[0] else settings.biomarker_later
        at_visit = scores.loc[scores["visit"] == visit]
        for name in sorted(at_visit["biomarker"].unique(), key=safe.__getitem__):
            feature = from_template(template, DOMAIN, visit, safe=safe[name], name=name, visit=visit)
            rows = at_visit.loc[at_visit["biomarker"] == name]
            columns.append((feature, one_per_patient(rows, "value", patients)))
    return columns
