"""The document of a model that is served: what was fitted, and what a reader must know of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from features.study import Study
from models.configuration.plan import ValidationPlan
from models.configuration.settings import EncodingSettings, ServingSettings
from models.packaging.training_summary import later_visits, support, venn_abers
from models.procedure.learned import LearnedModel
from models.serving.serving import PcrModel


@dataclass(frozen=True)
class PackagingSettings:
    """What decides how training patients are told: of the plan, the inner folds and the seed."""

    serving: ServingSettings
    encoding: EncodingSettings
    plan: ValidationPlan


def outcome_columns(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns that only the outcome's tables of a data contract have, sorted."""
    known = {late: {c for t in tables if (t["timing"]["known_at"] == "outcome") is late for c in t["columns"]}
             for late in (True, False)}  # fmt: skip
    return sorted({"outcome", "y", *(known[True] - known[False])})


def serving_part(
    learned: LearnedModel,
    study: Study,
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    settings: PackagingSettings,
    branches: Mapping[str, Any],
    outcomes: Sequence[str],
    eligibility: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what `serving.RowScorer` reads: interval, support, refused columns, eligibility, branches."""
    return {
        "required": list(settings.serving.required),
        "refused": {
            "outcome": list(outcomes),
            "later": later_visits(study.visits, study.visits_at(landmark)),
        },
        "interval": {"method": "inductive Venn-Abers on inner out-of-fold predictions"}
        | venn_abers(learned.score, y),
        **_support(learned.model, rows, y, settings),
        "eligibility": eligibility,
        "rules": branches,
    }


def _support(
    model: PcrModel, rows: pd.DataFrame, y: np.ndarray, settings: PackagingSettings
) -> dict[str, Any]:
    """Return what training patients look like; nothing where no column tells them apart."""
    if not model.document["encoding"]["columns"]:
        return {}
    of = support(
        model, rows, y, settings.serving,
        min_level_patients=settings.encoding.min_level_patients,
        folds=settings.plan.inner_folds,
        seed=settings.plan.seed,
    )  # fmt: skip
    return {"support": of}


def model_document(
    learned: LearnedModel,
    study: Study,
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    estimand: str,
    serving_document: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of model.json: the learned document and what a reader must know of it."""
    packages = ["numpy", "pandas", *(["lightgbm"] if learned.booster else [])]
    return {
        "model": f"pcr-{study.name}-{landmark}",
        "study": study.name,
        "simulated": study.simulated,
        "landmark": landmark,
        "estimand": estimand,
        "outcome": study.outcome.definition,
        "training": {"patients": len(y), "events": int(y.sum()), "by_arm": _by_arm(rows, y)},
        "requirements": [f"{name}=={version(name)}" for name in packages],
        **learned.model.document,
        **({"passed_over": learned.passed_over} if learned.passed_over else {}),
        "serving": serving_document,
    }


def _by_arm(rows: pd.DataFrame, y: np.ndarray) -> dict[str, dict[str, int]]:
    groups = pd.Series(y).groupby(rows["arm"].to_numpy())
    return {str(arm): {"patients": len(group), "events": int(group.sum())} for arm, group in groups}
