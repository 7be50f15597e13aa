"""Stage compare: paired differences at every landmark, and what each domain and landmark adds.

The declared primary comparison comes first; everything else is descriptive.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from models.evaluation.blocks import BlocksDocument, block_verdicts
from models.evaluation.challengers import judged_challengers
from models.evaluation.comparison import (
    added_by_domains,
    differences,
    on_common_patients,
    primary_comparison,
)
from models.procedure.backends import side_by_side
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.stage import Run, Stage
from pipeline.sources.challengers import read_forecasts

STAGE = Stage(
    reads=(paths.PREDICTIONS_FOLDER, paths.DOMAINS, paths.COHORT, paths.SOURCE),
    writes=(paths.COMPARISON,),
    params={
        paths.STUDY: (
            "challengers", "landmarks", "leakage_acknowledged", "omics", "primary", "thresholds",
        ),
        paths.VALIDATION: ("bootstrap", "leakage_alarm_auc", "level", "min_events", "seed"),
        paths.MEASURES_PLAN: ("threshold_rule",),
    },
)  # fmt: skip


def read_verdicts(run: Run, landmarks: Sequence[str], plan: ValidationPlan) -> dict[str, BlocksDocument]:
    """Return the verdicts on blocks at every landmark by which an assay was known."""
    found: dict[str, BlocksDocument] = {}
    for name in landmarks:
        if run.path(paths.BLOCK_PREDICTIONS, landmark=name).exists():
            predictions = run.table(paths.BLOCK_PREDICTIONS, landmark=name)
            found[name] = block_verdicts(predictions, run.json(paths.BLOCKS_LEARNED, landmark=name), plan)
    return found


def read_challengers(run: Run) -> dict[str, tuple[str, pd.DataFrame, bool]]:
    """Return landmark, forecasts, and whether it is fixed, of every model made elsewhere."""
    return {
        name: (
            entry["landmark"],
            read_forecasts(run.path(f"{paths.SOURCE}/{entry['path']}")),
            entry.get("fixed", False),
        )
        for name, entry in run.study().challengers.items()
    }


def main(run: Run) -> None:
    """Read all predictions, compare, write."""
    study = run.study()
    plan = validation_plan(run.params(paths.VALIDATION), run.params(paths.MEASURES_PLAN))
    cohort = run.table(paths.COHORT).set_index("usubjid")
    plan, arm = plan.at_thresholds(study.thresholds, cohort["outcome"].mean()), cohort["arm"]

    def at_landmarks(place: str) -> dict[str, pd.DataFrame]:
        return {name: run.table(place, landmark=name) for name in study.landmark_names}

    predictions, domains = at_landmarks(paths.PREDICTIONS), at_landmarks(paths.DOMAIN_PREDICTIONS)
    names = study.landmark_names
    calls: list[Callable[[], Any]] = [partial(differences, predictions[name], arm, plan) for name in names]
    calls += [partial(added_by_domains, domains[name], plan) for name in names]
    calls.append(partial(on_common_patients, predictions, plan))
    *found, common = side_by_side(calls)
    by_landmark = dict(zip(names, found[: len(names)], strict=True))
    added = dict(zip(names, found[len(names) :], strict=True))
    comparison = {"primary": primary_comparison(study.primary, by_landmark), **by_landmark, "domains": added}
    comparison["common_patients"] = common
    if study.assays:
        comparison["blocks"] = read_verdicts(run, study.landmark_names, plan)
    if study.challengers:
        comparison["challengers"] = judged_challengers(
            read_challengers(run), predictions, arm, plan, study.leakage_acknowledged
        )
    write_json(run.path(paths.COMPARISON), comparison)


if __name__ == "__main__":
    STAGE.run(main)
