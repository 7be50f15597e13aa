"""Who the patients are, what was measured, what happened to them: counts, proportions and quartiles."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from features.safety import ejection_fraction_falls, with_less_of_a_drug
from models.description.as_measured import Measured
from models.description.documents import (
    Branch,
    CoursePoint,
    Difference,
    EventInArm,
    OpenDrug,
    Proportion,
    Quartiles,
    ResponseByEvent,
    StateCount,
    Summary,
    TableOneRow,
)
from models.description.plan import ToxicityPlan
from models.procedure.landmark_features import LandmarkFeature

ALL = "all"


def proportion(events: int, n: int, level: float) -> Proportion:
    """Return a proportion with Wilson's score interval; without patients only the counts.

    Wilson, J Am Stat Assoc 1927;22:209. Keys: n, events, value, low, high.
    """
    if n == 0:
        return {"n": 0, "events": 0}
    interval = binomtest(events, n).proportion_ci(level, method="wilson")
    return {
        "n": n,
        "events": events,
        "value": events / n,
        "low": float(interval.low) if events else 0.0,
        "high": float(interval.high) if events < n else 1.0,
    }


def difference(first: Proportion, second: Proportion) -> Difference:
    """Return first minus second proportion with Newcombe's interval (method 10 of Stat Med 1998;17:873).

    Both are results of `proportion` at the same level; empty where one of them has no patients.
    """
    if not first["n"] or not second["n"]:
        return {}
    value = first["value"] - second["value"]
    below = np.hypot(first["value"] - first["low"], second["high"] - second["value"])
    above = np.hypot(first["high"] - first["value"], second["value"] - second["low"])
    return {"value": value, "low": float(value - below), "high": float(value + above)}


def table_one(
    values: pd.DataFrame, features: Sequence[LandmarkFeature], groups: pd.Series
) -> list[TableOneRow]:
    """Return one row per number and per level of a category, for all and for each group.

    Parameters
    ----------
    values : DataFrame
        One row per patient, the features as columns, index usubjid.
    groups : Series
        Group of each patient, index usubjid.

    Returns
    -------
    list of TableOneRow
        feature, description, unit, domain, level (None for a number), cells: by group name (and ``all``) n
        (patients with a known value), missing, and count (of a level) or median, q25, q75. Logarithms are
        told as they were measured, fractions in per cent.
    """
    rows: list[TableOneRow] = []
    members = {
        ALL: values.index,
        **{g: values.index[groups.reindex(values.index) == g] for g in groups.unique()},
    }
    for feature in features:
        parts = {name: values.loc[ids, feature.name] for name, ids in members.items()}
        if feature.is_numeric:
            told = Measured.by(feature.unit)
            cells: dict[str, Summary] = {
                n: {**_counts(p), **quartiles(told.values(p))} for n, p in parts.items()
            }
            rows.append({**_table_one_row(feature, None, cells), "unit": told.unit})
            continue
        for level in feature.levels:
            cells = {n: {**_counts(p), "count": int((p == level).sum())} for n, p in parts.items()}
            rows.append(_table_one_row(feature, level, cells))
    return rows


def _counts(values: pd.Series) -> Summary:
    return {"n": int(values.notna().sum()), "missing": int(values.isna().sum())}


def _table_one_row(feature: LandmarkFeature, level: str | None, cells: dict[str, Summary]) -> TableOneRow:
    return {
        "description": feature.description, "unit": feature.unit, "domain": feature.domain,
        "feature": feature.name, "level": level, "cells": cells,
    }  # fmt: skip


def quartiles(values: pd.Series) -> Quartiles:
    """Return median, q25 and q75 of the known values; empty where there are none."""
    known = values.dropna()
    if known.empty:
        return {}
    q25, median, q75 = np.quantile(known, [0.25, 0.5, 0.75])
    return {"median": float(median), "q25": float(q25), "q75": float(q75)}


def level_counts(values: pd.Series, levels: Sequence[str], groups: pd.Series) -> list[StateCount]:
    """Return how many patients of each group (and of all) have each level; missing is one where it occurs.

    Keys: group, level, n, of (patients of the group).
    """
    known = values.astype(object).where(values.notna(), "missing")
    shown = [*levels, "missing"] if (known == "missing").any() else list(levels)
    parts = {ALL: known} | {
        str(g): known[groups.reindex(known.index) == g] for g in sorted(groups.dropna().unique())
    }
    return [
        {"group": group, "level": level, "n": int((part == level).sum()), "of": len(part)}
        for group, part in parts.items()
        for level in shown
    ]


def courses(values: pd.Series, groups: pd.DataFrame, visit: str) -> list[CoursePoint]:
    """Return the quartiles of a number at a visit in every group: the columns arm and outcome of `groups`."""
    joined = groups.assign(value=values.reindex(groups.index))
    return [
        {
            "visit": visit, "arm": str(arm), "outcome": str(outcome),
            "n": int(part["value"].notna().sum()), "of": len(part), **quartiles(part["value"]),
        }
        for (arm, outcome), part in joined.groupby(["arm", "outcome"], sort=True)
    ]  # fmt: skip


def response_by_branch(decisions: pd.DataFrame, outcome: pd.Series, level: float) -> list[Branch]:
    """Return pCR in each protocol branch of each node: descriptive, branches are chosen by prognosis.

    Keys: node, branch, patients, and n, events, value, low, high among those whose outcome is known.
    """
    rows: list[Branch] = []
    for (node, branch), part in decisions.groupby(["node", "branch"], sort=True):
        known = outcome.reindex(part["usubjid"]).dropna()
        rows.append(
            {
                "node": str(node),
                "branch": str(branch),
                "patients": len(part),
                **proportion(int(known.sum()), len(known), level),
            }
        )
    return rows


def events_of(adverse: pd.DataFrame, patients: Sequence[str], plan: ToxicityPlan) -> dict[str, pd.Series]:
    """Return, per kind of adverse event, who of `patients` had one: boolean, index usubjid.

    Kinds: any event of the severe grade, fatal, serious, discontinuation, and the configured terms.
    """
    severe = plan.severe
    chosen = {
        f"Any event, grade {severe} or more": adverse["grade"] >= severe,
        f"Fatal event, grade {plan.fatal}": adverse["grade"] >= plan.fatal,
        "Serious event": adverse["serious"] == "Y",
        "Event that stopped a drug or treatment": adverse["action"].isin(list(plan.stopped)),
    } | {
        term.name: adverse["term"].isin(term.terms) & (adverse["grade"] >= term.grade) for term in plan.terms
    }
    index = pd.Index(patients, name="usubjid")
    return {
        name: pd.Series(index.isin(adverse.loc[rows.fillna(value=False), "usubjid"]), index=index)
        for name, rows in chosen.items()
    }


def treatment_events(
    raw: Mapping[str, pd.DataFrame], patients: Sequence[str], plan: ToxicityPlan
) -> dict[str, pd.Series]:
    """Return who had a fall of the ejection fraction as measured, less of a drug, a delay, prophylaxis.

    Boolean, index usubjid: of a fall those who were measured before and on treatment, else `patients`. What a
    study has no table of is left out.
    """
    index = pd.Index(patients, name="usubjid")
    fall = plan.ejection_fraction
    fell = ejection_fraction_falls(raw, fall)
    fell = fell.loc[fell.index.isin(index)]
    name = f"{fall.test} measured: {fall.points:g} points or more down to below {fall.below:g} %"
    measured = {name: fell} if len(fell) else {}
    events: dict[str, np.ndarray] = {}
    if "drug_exposure" in raw:
        drugs = raw["drug_exposure"]
        delayed = drugs.loc[(drugs["delay_days"] > 0) | (drugs["modification"] == "delayed"), "usubjid"]
        events["Dose of a drug reduced, left out or stopped"] = index.isin(with_less_of_a_drug(drugs))
        events["Drug given late"] = index.isin(delayed)
    if "supportive_care" in raw:
        care = raw["supportive_care"]
        prevented = care.loc[(care["category"] == "g_csf") & (care["purpose"] == "prophylaxis"), "usubjid"]
        events["Prophylaxis with G-CSF"] = index.isin(prevented)
    return measured | {name: pd.Series(had, index) for name, had in events.items()}


def open_drugs(cycles: pd.DataFrame) -> list[OpenDrug]:
    """Return how many patients had how many cycles of which drug where a regimen leaves it open, sorted.

    `cycles` has the columns usubjid, regimen and drug, one row for each patient and cycle.
    """
    known = cycles.dropna(subset=["regimen", "drug"])
    number = known.groupby(["regimen", "drug", "usubjid"]).size().rename("cycles").reset_index()
    patients = number.groupby(["regimen", "drug", "cycles"]).size().rename("patients").reset_index()
    return [
        {"regimen": str(regimen), "drug": str(drug), "cycles": int(of_drug), "patients": int(n)}
        for regimen, drug, of_drug, n in patients.itertuples(index=False, name=None)
    ]


def toxicity_by_arm(
    events: Mapping[str, pd.Series], arms: pd.Series, reference: str | None, level: float
) -> list[EventInArm]:
    """Return each kind of event by arm, with the difference to the reference arm (randomised comparison).

    Keys: event, arm, n, events, value, low, high, difference (value, low, high; empty for the
    reference arm, and where there is none).
    """
    rows: list[EventInArm] = []
    for name, had in events.items():
        by_arm = {
            str(arm): proportion(
                int(had[arms.reindex(had.index) == arm].sum()),
                int((arms.reindex(had.index) == arm).sum()),
                level,
            )
            for arm in sorted(arms.unique())
        }
        rows += [
            {
                "event": name, "arm": arm, **share,
                "difference": difference(share, by_arm[reference]) if reference and arm != reference else {},
            }
            for arm, share in by_arm.items()
        ]  # fmt: skip
    return rows


def response_by_toxicity(severe: pd.Series, outcome: pd.Series, arms: pd.Series) -> list[ResponseByEvent]:
    """Return the four cells of pCR by severe toxicity, by arm, among patients whose outcome is known.

    Keys: arm, n, pcr_without, pcr_with, no_pcr_without, no_pcr_with (with or without a severe event).
    """
    known = outcome.dropna().astype(bool).reindex(severe.index.intersection(outcome.dropna().index))
    had = severe.reindex(known.index)
    rows: list[ResponseByEvent] = []
    for arm in sorted(arms.unique()):
        inside = arms.reindex(known.index) == arm
        pcr, event = known[inside], had[inside]
        rows.append(
            {
                "arm": arm,
                "n": len(pcr),
                "pcr_without": int((pcr & ~event).sum()),
                "pcr_with": int((pcr & event).sum()),
                "no_pcr_without": int((~pcr & ~event).sum()),
                "no_pcr_with": int((~pcr & event).sum()),
            }
        )
    return rows
