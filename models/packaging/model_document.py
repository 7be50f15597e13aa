"""The document of a model that is served: what was fitted, and what a reader must know of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypedDict

import numpy as np
import pandas as pd

from features.documents.study import Study
from models.packaging.patient_interval import patient_interval
from models.packaging.reference import assay_summaries, reference
from models.packaging.training_summary import later_visits, support, with_ranges
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import EncodingSettings, ServingSettings
from models.procedure.learned import LearnedModel
from models.serving.serving import (
    EligibilityDocument,
    ModelDocument,
    PatientCount,
    RulesDocument,
    ServingDocument,
)


@dataclass(frozen=True)
class PackagingSettings:
    """What decides how training patients are told: of the plan, the inner folds and the seed."""

    serving: ServingSettings
    encoding: EncodingSettings
    plan: ValidationPlan


class TimingEntry(TypedDict):
    """When a table's values are known; of its keys, the one that is read here."""

    known_at: str


class TableEntry(TypedDict):
    """A file of configs/contract; of its keys, those that are read here."""

    timing: TimingEntry
    columns: Iterable[str]


def outcome_columns(tables: Sequence[TableEntry]) -> list[str]:
    """Return the columns that only the outcome's tables of a data contract have, sorted."""
    late, early = (
        {column for t in tables if (t["timing"]["known_at"] == "outcome") is late for column in t["columns"]}
        for late in (True, False)
    )
    return sorted({"outcome", "y", *(late - early)})


def serving_part(
    learned: LearnedModel,
    study: Study,
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    bootstrap: np.ndarray,
    settings: PackagingSettings,
    branches: RulesDocument,
    outcomes: Sequence[str],
    eligibility: EligibilityDocument,
) -> ServingDocument:
    """Return what `serving.RowScorer` reads: interval, support, refused columns, eligibility, branches.

    `bootstrap` (samples, n) are the log-odds of the training patients by the models of bootstrap samples.
    """
    document: ServingDocument = {
        "required": list(settings.serving.required),
        "refused": {
            "outcome": list(outcomes),
            "later": later_visits(study.visits, study.visits_at(landmark)),
        },
    }
    if interval := patient_interval(learned.model, rows, y, bootstrap, settings.serving.interval):
        document["interval"] = interval
    # Where no column tells patients apart, there is nothing that they look like.
    if learned.model.document["encoding"]["columns"]:
        document["support"] = support(
            learned.model, rows, y, settings.serving,
            min_level_patients=settings.encoding.min_level_patients,
            folds=settings.plan.inner_folds,
            seed=settings.plan.seed,
        )  # fmt: skip
    summed = assay_summaries(learned.model, rows, learned=True)
    document["reference"] = reference(learned.model.document["features"], rows, summed)
    document["eligibility"] = eligibility
    document["rules"] = branches
    return document


def model_document(
    learned: LearnedModel,
    study: Study,
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    estimand: str,
    serving_document: ServingDocument,
    range_margin: float,
) -> ModelDocument:
    """Return the content of model.json: the learned document and what a reader must know of it."""
    packages = ["numpy", "pandas", *(["lightgbm"] if learned.booster else [])]
    document: ModelDocument = {
        "model": f"pcr-{study.name}-{landmark}",
        "study": study.name,
        "simulated": study.simulated,
        "landmark": landmark,
        "estimand": estimand,
        "outcome": study.outcome.definition,
        "training": {"patients": len(y), "events": int(y.sum()), "by_arm": _by_arm(rows, y)},
        "requirements": [f"{name}=={version(name)}" for name in packages],
        **learned.model.document,
    }
    document["features"] = with_ranges(document["features"], rows, range_margin)
    if learned.passed_over:
        document["passed_over"] = dict(learned.passed_over)
    document["serving"] = serving_document
    return document


def _by_arm(rows: pd.DataFrame, y: np.ndarray) -> dict[str, PatientCount]:
    groups = pd.Series(y).groupby(rows["arm"].to_numpy())
    return {str(arm): {"patients": len(group), "events": int(group.sum())} for arm, group in groups}
