"""Stage refit: what sensitivity runs need of models, where outcomes are lost and patients not eligible."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from models.evaluation.refits import REFERENCE, UNKNOWN, WEIGHTED, read_refits
from models.procedure.landmark_features import as_documents
from pipeline.project import paths
from pipeline.project.files import write_json, write_table
from pipeline.project.stage import Run
from pipeline.stages.refit import STAGE, main
from tests.patients import FEATURES, patients
from tests.workspace import SMALL, merged

ROOT = Path(__file__).parents[2]
STUDY: dict[str, Any] = {
    "study": "made-up",
    "source": "data",
    "rules": "none",
    "eligibility": "none",
}


def refitted(root: Path, *, lost: int, not_eligible: int, otherwise: bool = False, **changed: Any) -> Run:
    """Run the stage on 120 patients, the first with lost outcomes, the last not eligible.

    `otherwise`: by another definition of pCR one patient has the other outcome.
    """
    shutil.copytree(ROOT / "configs", root / "configs")
    (root / paths.STUDY).write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    for path, more in ((paths.MODELS, {}), (paths.VALIDATION, changed)):
        content = merged(yaml.safe_load((root / path).read_text(encoding="utf-8")), SMALL[path] | more)
        (root / path).write_text(yaml.safe_dump(content), encoding="utf-8")
    frame, y = patients(120)
    run = Run(STAGE, {"landmark": "c1"}, root)
    write_table(run.path(paths.FEATURES), frame)
    write_json(run.path(paths.FEATURE_LIST), {"features": as_documents(FEATURES)})
    cohort = pd.DataFrame({"usubjid": frame["usubjid"], "outcome": y, "outcome_status": "known"})
    cohort.loc[: lost - 1, ["outcome", "outcome_status"]] = [np.nan, "missing"]
    cohort["eligible"] = np.arange(120) < 120 - not_eligible
    write_table(run.path(paths.COHORT), cohort)
    other = cohort["outcome"].where(np.arange(120) != 60, 1 - cohort["outcome"])
    defined = {"ypT0_ypN0": other} if otherwise else {}
    write_table(run.path(paths.OTHER_OUTCOMES), frame[["usubjid"]].assign(**defined))
    main(run)
    return run


def scenarios(run: Run) -> dict[str, int]:
    """Return the patients of every scenario."""
    stored = read_refits(run.json(paths.REFIT_SCENARIOS), run.table(paths.REFIT_PREDICTIONS))
    assert [len(stored.at(each.scenario)) for each in stored.scenarios] == [
        0 if each.error else each.n for each in stored.scenarios
    ]
    return {each.scenario: each.n for each in stored.scenarios}


def test_lost_outcomes_and_patients_not_eligible_each_have_their_fit(tmp_path: Path) -> None:
    run = refitted(tmp_path, lost=15, not_eligible=20)
    assert scenarios(run) == {
        "reference: linear candidate, one repeat": 105, "missing outcomes: weighted": 105,
        "missing outcomes: all pCR": 120, "missing outcomes: none pCR": 120, UNKNOWN: 120,
        "eligible patients": 85,
        "missing predictors: imputation 1": 105, "missing predictors: imputation 2": 105,
    }  # fmt: skip
    predicted = run.table(paths.REFIT_PREDICTIONS)
    weighted = predicted.loc[predicted["scenario"] == WEIGHTED]
    assert (weighted["weight"] > 1).all()


def test_where_nothing_is_missing_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    run = refitted(tmp_path, lost=0, not_eligible=0, imputations=2)
    assert list(scenarios(run)) == [
        "reference: linear candidate, one repeat",
        "missing predictors: imputation 1",
        "missing predictors: imputation 2",
    ]


def test_another_definition_of_pcr_is_fitted_with_its_outcomes(tmp_path: Path) -> None:
    run = refitted(tmp_path, lost=15, not_eligible=0, otherwise=True)
    assert scenarios(run)["outcome: ypT0_ypN0"] == 105
    by_scenario = run.table(paths.REFIT_PREDICTIONS).set_index("usubjid").groupby("scenario")["y"]
    reference, other = by_scenario.get_group(REFERENCE), by_scenario.get_group("outcome: ypT0_ypN0")
    assert reference.index[reference != other.reindex(reference.index)].tolist() == ["P0060"]


def test_from_too_few_events_nothing_is_fitted(tmp_path: Path) -> None:
    run = refitted(tmp_path, lost=15, not_eligible=20, min_events=100)
    assert list(scenarios(run)) == ["reference: linear candidate, one repeat"]
    assert run.table(paths.REFIT_PREDICTIONS).empty
