"""The dress rehearsal: what would stop, degrade or mislead a run, said before anything is computed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd

from features.assemble import Assembled, LeakageError, assemble
from features.cohort import outcomes
from features.contract.validation import PROBLEM_COLUMNS, Contract
from features.documents.parsing import Between, Count, Share
from features.documents.study import Study
from features.errors import UserError
from features.feature import safe_names
from features.settings import FeatureSettings
from models.procedure.analysis_set import analysis_rows
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import BoostingCandidate, ModelSettings
from models.procedure.landmark_features import LandmarkFeature, landmark_features
from models.procedure.single_features import SingleAuc, check_single_features, single_feature_aucs
from models.sample_size.trial import too_small, trial_size

DAYS_A_YEAR = 365.25
REHEARSAL_ADVICE = {
    "separates_outcome": "make sure that it was known before the outcome; if it was, say so in "
    "`leakage_acknowledged`",
    "patients_without_row": "check the ids of the file, and that it is whole",
    "constant": "nothing: it is not learned from; leave it out, or correct it",
    "no_feature": "leave the domain out of `features.domains`, or map its tables",
    "no_outcome": "make sure that it is recoded as meant; patients without an outcome are not learned from",
    "entry_far_apart": "make sure that the dates are of the patients' entry, not what an empty cell became",
    "named_as_later": "make sure that it was known at the landmark, or leave it out (`leave_out`)",
    "twins": "make sure that the ids are of different patients",
    "visits_swapped": "make sure that the columns are of the visits that they are mapped to",
    "too_small": "read the results as those of a small study; fewer features would need fewer patients",
    "too_few_events": "read the description: no model is learned (`min_events` of configs/validation.yaml)",
    "cannot_learn": "leave the candidate out of configs/models.yaml, or lower its min_data_in_leaf",
    "nothing_to_learn": "map features that vary; as it is, the study can only be described",
    "many_features": "map the measured features of an assay as an omics table (`omics`, docs/blocks.md), or "
    "leave out what is not needed",
    "definition_not_judged": "nothing: the sensitivity run is counted; or leave the definition out",
    "one_class": "leave the landmark out, or define the outcome otherwise",
}
"""Rule (the part before the colon) -> what to do."""


UpperHalf = Annotated[float, Between(0.5, 1)]


@dataclass(frozen=True)
class Separation:
    """AUC of a single feature from which on it is named, and refused."""

    named: UpperHalf
    refused: UpperHalf
    min_class: Count


@dataclass(frozen=True)
class Growth:
    """When sizes that grow make visits suspect."""

    share: UpperHalf
    min_patients: Count
    features: tuple[str, ...]


@dataclass(frozen=True)
class CheckSettings:
    """The content of configs/check.yaml."""

    separation: Separation
    max_share_without_row: Share
    max_share_without_outcome: Share
    max_years_from_median_entry: Annotated[float, Between(1, 100)]
    later_words: tuple[str, ...]
    twin_min_features: Annotated[int, Between(2)]
    max_features: Count
    refused_features: Count
    growth: Growth


class Preparations(NamedTuple):
    """What the rehearsal is judged by."""

    study: Study
    contract: Contract
    features: FeatureSettings
    models: ModelSettings
    plan: ValidationPlan
    check: CheckSettings


class Remark(NamedTuple):
    """A remark: where, in which column, by which rule, and the patients that it is about."""

    where: str
    column: str
    rule: str
    ids: Sequence[str] = ()


def rehearse(tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, by: Preparations) -> pd.DataFrame:
    """Return what a run would meet in checked tables: `PROBLEM_COLUMNS`, all of severity warning.

    `cohort` is ``Cohort.frame``.

    Raises
    ------
    LeakageError
        If a single feature separates the outcome, and the study file does not say why that is right.
    UserError
        If the features cannot be built, or are too many to be learned from as single columns.
    """
    remarks = [*_lost_patients(tables, by), *_swapped_visits(tables, by), *_rare_definitions(tables, by)]
    remarks += [*_missing_outcomes(cohort, by), *_distant_entries(cohort, by)]
    remarks += _later_names(tables, by)
    for name in by.study.landmark_names:
        landmark = by.study.landmark(name)
        assembled = assemble(tables, cohort, landmark, by.study, by.features, by.contract)
        remarks += _of_landmark(name, assembled, cohort, by)
        if name == by.study.landmark_names[0]:
            remarks += _twins(assembled, by)
    return as_problems(remarks)


def as_problems(remarks: Iterable[Remark]) -> pd.DataFrame:
    """Return remarks as `PROBLEM_COLUMNS`, all of severity warning."""
    found: list[tuple[object, ...]] = [
        (r.where, r.column, r.rule, "warning", len(r.ids), "; ".join(sorted(r.ids)[:3]), []) for r in remarks
    ]
    return pd.DataFrame(found, columns=PROBLEM_COLUMNS).astype({"rows": "int64"})


def single_aucs(
    rows: pd.DataFrame, y: np.ndarray, features: Sequence[LandmarkFeature], min_class: int
) -> dict[str, float]:
    """Return how well every feature alone separates the outcome: AUC in the better direction, 0.5 to 1.

    Of features with missing values, also their being missing counts. Features with fewer than `min_class`
    values in a class are left out.
    """
    missing = rows[[feature.name for feature in features]].isna()
    known = single_feature_aucs(rows, y, features)
    gaps = single_feature_aucs(missing, y, features)
    aucs: dict[str, float] = {}
    for name in known:
        n, events = known[name]["n"]["value"], known[name]["events"]["value"]
        by_values: SingleAuc = known[name]["auc"] if min(events, n - events) >= min_class else {}
        by_gaps: SingleAuc = gaps[name]["auc"] if min(n, len(y) - n) >= min_class else {}
        judged = [auc["value"] for auc in (by_values, by_gaps) if "value" in auc]
        if judged:
            aucs[name] = max(judged)
    return aucs


def _of_landmark(name: str, assembled: Assembled, cohort: pd.DataFrame, by: Preparations) -> Iterator[Remark]:
    where = f"features at {name}"
    for domain in assembled.absent_domains:
        yield Remark(where, "", f"no_feature: domain {domain}")
    rows, y = analysis_rows(assembled.frame, cohort)
    if len(np.unique(y)) < 2:
        yield Remark(where, "", f"one_class: {len(y)} patients at risk with an outcome, all the same")
        return
    fewest = int(min(y.sum(), len(y) - y.sum()))
    if fewest < by.plan.min_events:
        yield Remark(
            where, "", f"too_few_events: {fewest}, and {by.plan.min_events} are needed to learn a model"
        )
    names = [f.name for f in assembled.features if f.name != "arm" or len(by.study.arms) > 1]
    constant = [n for n in names if len(rows[n].dropna().unique()) <= 1]
    if constant:
        yield Remark(where, "", f"constant: {first_names(constant)}")
    if len(constant) == len(names):
        yield Remark(where, "", "nothing_to_learn: no feature varies")
        return
    if len(names) >= by.check.refused_features:
        raise UserError(
            f"{where}: {len(names):,} features of single columns; a run takes fewer than "
            f"{by.check.refused_features:,} (refused_features of configs/check.yaml): "
            f"{REHEARSAL_ADVICE['many_features']}"
        )
    if len(names) > by.check.max_features:
        size = f"{len(names):,} by {len(names):,} numbers"
        yield Remark(
            where, "", f"many_features: every model that is fitted holds {size}, and a run takes hours"
        )
    described = landmark_features(assembled.description(name))
    yield from _separating(where, rows, y, [f for f in described if f.name in names], by)
    learned = trial_size(rows, y, described, by.models, by.plan)["development"]
    if "error" in learned:
        yield Remark(where, "", f"nothing_to_learn: {learned['error']}")
        return
    if not learned["enough"]:
        yield Remark(where, "", f"too_small: {too_small(name, learned)}")
    yield from _idle_candidates(where, len(y), by)


def first_names(names: Sequence[str]) -> str:
    """Return the first five of some names, and how many there are more."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _separating(
    where: str, rows: pd.DataFrame, y: np.ndarray, features: Sequence[LandmarkFeature], by: Preparations
) -> Iterator[Remark]:
    """Yield features that alone separate the outcome nearly; refuse those that do so entirely."""
    limits = by.check.separation
    aucs = single_aucs(rows, y, features, limits.min_class)
    refused = {n: auc for n, auc in aucs.items() if auc >= limits.refused}
    acknowledged = by.study.leakage_acknowledged
    if refused and not acknowledged:
        listed = ", ".join(f"{n} (AUC {auc:.3f})" for n, auc in refused.items())
        raise LeakageError(
            f"{where}: alone, {listed} separates those with pCR from those without, so it is probably the "
            f"outcome itself or was known after it; unmap it, or, if it is right, say why in "
            f"`leakage_acknowledged` in the study file"
        )
    if by.plan.judges(y):
        # The alarm that would stop the run when it begins to learn.
        singles = single_feature_aucs(rows, y, features)
        check_single_features(singles, by.plan.leakage_alarm_auc, by.plan.level, acknowledged)
    for name, auc in aucs.items():
        if auc >= limits.named:
            yield Remark(where, name, f"separates_outcome: alone with an AUC of {auc:.3f}")


def _idle_candidates(where: str, n: int, by: Preparations) -> Iterator[Remark]:
    """Yield candidates whose leaves are larger than half of the patients of an inner fold."""
    training = int(n * (1 - 1 / by.plan.folds) * (1 - 1 / by.plan.inner_folds))
    for name, candidate in by.models.candidates.items():
        if isinstance(candidate, BoostingCandidate):
            leaf = int(candidate.fixed.get("min_data_in_leaf", 1))
            if training < 2 * leaf:
                rule = f"{name}, as leaves of {leaf} patients cannot split the {training} of a fold"
                yield Remark(where, "", f"cannot_learn: {rule}")


def _rare_definitions(tables: Mapping[str, pd.DataFrame], by: Preparations) -> Iterator[Remark]:
    """Yield definitions of the sensitivity runs by which there are too few events to judge anything."""
    for definition in by.study.outcome.sensitivity:
        y = outcomes(tables, by.study.with_outcome(definition).outcome)["outcome"].dropna().to_numpy()
        if not by.plan.judges(y):
            rule = f"definition_not_judged: {definition} gives {int(y.sum())} pCR of {len(y)} known outcomes"
            yield Remark("surgery", "", rule)


def _lost_patients(tables: Mapping[str, pd.DataFrame], by: Preparations) -> Iterator[Remark]:
    """Yield tables in which many patients have no row."""
    ids = tables["subjects"]["usubjid"]
    for table, frame in tables.items():
        # Those who stayed and kept to the plan have no row of leaving or deviating.
        if "usubjid" not in frame or (table != "surgery" and by.contract[table].timing.known_at == "outcome"):
            continue
        without = ids[~ids.isin(frame["usubjid"])]
        if len(without) > by.check.max_share_without_row * len(ids):
            rule = f"patients_without_row: {len(without)} of {len(ids)} patients"
            yield Remark(table, "", rule, without.tolist())


def _missing_outcomes(cohort: pd.DataFrame, by: Preparations) -> Iterator[Remark]:
    """Yield that many patients have no outcome."""
    without = cohort.loc[cohort["outcome_status"] == "missing", "usubjid"]
    if len(without) > by.check.max_share_without_outcome * len(cohort):
        rule = f"no_outcome: {len(without)} of {len(cohort)} patients"
        yield Remark("surgery", "", rule, without.tolist())


def _distant_entries(cohort: pd.DataFrame, by: Preparations) -> Iterator[Remark]:
    """Yield patients who entered decades before or after most others, as where a date stands for none."""
    entries = cohort.set_index("usubjid")["rand_date"].dropna()
    years = (entries - entries.median()).dt.days.abs() / DAYS_A_YEAR
    limit = by.check.max_years_from_median_entry
    distant = years.index[years > limit]
    if len(distant):
        rule = f"entry_far_apart: more than {limit:g} years from the median"
        yield Remark("subjects", "rand_date", rule, distant.tolist())


def _later_names(tables: Mapping[str, pd.DataFrame], by: Preparations) -> Iterator[Remark]:
    """Yield measured features whose names speak of what comes after treatment, such as survival."""
    words = set(by.check.later_words)
    for table, frame in tables.items():
        column = by.contract[table].named_by
        names = [] if column is None else sorted(map(str, frame[column].dropna().unique()))
        later = [name for name in names if words & set(re.findall(r"[^\W_]+", name.casefold()))]
        if later:
            yield Remark(table, column or "", f"named_as_later: {first_names(later)}")


def _twins(assembled: Assembled, by: Preparations) -> Iterator[Remark]:
    """Yield patients with the same values as another in all features that vary."""
    values = assembled.frame.set_index("usubjid")
    values = values[[name for name in values if len(values[name].dropna().unique()) > 1]]
    values = values[values.notna().sum(axis=1) >= by.check.twin_min_features]
    twins = values.index[values.duplicated(keep=False)]
    if len(twins):
        yield Remark("subjects", "usubjid", "twins: the same values under two ids", twins.tolist())


def _swapped_visits(tables: Mapping[str, pd.DataFrame], by: Preparations) -> Iterator[Remark]:
    """Yield visits at which a size that treatment makes smaller is larger than at the visit before."""
    sizes = []
    if "lesions" in tables:
        lesions = tables["lesions"].dropna(subset=["diameter_mm"])
        total = lesions.groupby(["usubjid", "visit"])["diameter_mm"].sum()
        sizes.append(("lesions", "diameter_mm", total))
    if "imaging_features" in tables:
        scans = tables["imaging_features"].dropna(subset=["value"])
        for name, safe in safe_names(scans["feature"].unique().tolist()).items():
            if safe in by.check.growth.features:
                of_name = scans[scans["feature"] == name]
                sizes.append(
                    ("imaging_features", name, of_name.groupby(["usubjid", "visit"])["value"].mean())
                )
    for table, name, size in sizes:
        by_visit = size.unstack("visit")  # noqa: PD010 - one value a patient and visit
        visits = [visit for visit in by.study.visits if visit in by_visit]
        for before, after in pairwise(visits):
            change = (by_visit[after] - by_visit[before]).dropna()
            change = change[change != 0]
            grown = change.index[change > 0]
            limits = by.check.growth
            if len(change) >= limits.min_patients and len(grown) >= limits.share * len(change):
                rule = f"visits_swapped: larger at {after} than at {before} in {len(grown)} of {len(change)}"
                yield Remark(table, name, f"{rule} patients", grown.tolist())
