"""Pathology features: the diagnostic biopsy, and molecular scores of it."""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd

from features.definitions import her2_status, receptor_status, status_by_per_cent
from features.documents.feature import Feature
from features.feature import (
    BuildContext,
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
        columns = [
            (f, _of_patients(STATUS[f.name](tables["pathology"]), tables["pathology"], patients))
            if f.name in STATUS
            else (f, series)
            for f, series in columns
        ]
    if "biomarkers" in tables:
        columns += biomarkers(tables["biomarkers"], patients, settings, context)
    return collect(columns, patients)


def hormone_receptor(pathology: pd.DataFrame) -> pd.Series:
    """Return hormone receptor status (pos, neg, NaN) of each row: as recorded, else from ER and PR."""
    return pathology["hr"].fillna(receptor_status(pathology))


def her2(pathology: pd.DataFrame) -> pd.Series:
    """Return HER2 status (pos, neg, NaN) of each row: as recorded, else from IHC and ISH."""
    return pathology["her2"].fillna(her2_status(pathology))


def single_receptor(pathology: pd.DataFrame, name: str) -> pd.Series:
    """Return the status of er or pr (pos, neg, NaN) of each row: as recorded, else from its per cent."""
    return pathology[name].fillna(status_by_per_cent(pathology[f"{name}_pct"]))


STATUS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "hr": hormone_receptor,
    "her2": her2,
    "er": partial(single_receptor, name="er"),
    "pr": partial(single_receptor, name="pr"),
}
"""Features that are derived where they are not recorded."""


def _of_patients(values: pd.Series, pathology: pd.DataFrame, patients: pd.Index) -> pd.Series:
    return values.set_axis(pathology["usubjid"]).reindex(patients)


def biomarkers(
    scores: pd.DataFrame, patients: pd.Index, settings: PathologySettings, context: BuildContext
) -> list[NamedSeries]:
    """Return one feature per score and visit, scores in alphabetical order."""
    safe = safe_names(context.seen.of("scores", scores["biomarker"]))
    columns = []
    for visit in context.visits:
        template = settings.biomarker if visit == context.first_visit else settings.biomarker_later
        at_visit = scores.loc[scores["visit"] == visit]
        by_name = {str(name): rows for name, rows in at_visit.groupby("biomarker", sort=False)}
        scored = context.seen.of(f"scores at {visit}", at_visit["biomarker"])
        for name in sorted(scored, key=safe.__getitem__):
            feature = from_template(template, DOMAIN, visit, safe=safe[name], name=name, visit=visit)
            rows = by_name.get(name, at_visit.iloc[:0])
            columns.append((feature, one_per_patient(rows, "value", patients)))
    return columns
