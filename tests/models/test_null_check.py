"""The null check: two standard errors over the permutations, and permutations that keep each arm's rate."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.blocks.response import BlockResponseModel
from models.evaluation import null_check as module
from models.evaluation.null_check import Inputs, null_check, permuted_aucs
from models.procedure.backends import Backend
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import BlocksCandidate, ProcedureSettings
from models.procedure.resampling import TaskResult
from models.procedure.response_model import ResponseModel
from tests.patients import FEATURES, LINEAR, SETTINGS, patients

PLAN: dict[str, Any] = {"folds": 2, "inner_folds": 2, "permutations": 3, "seed": 5}
RIDGE = ProcedureSettings(SETTINGS.encoding, {"logistic": LINEAR})


def test_the_bound_is_half_plus_two_standard_errors() -> None:
    check = null_check(np.array([0.48, 0.52]))
    assert check.error == pytest.approx(0.02)
    assert (check.bound, check.permutations, check.passes) == (pytest.approx(0.54), 2, True)
    assert not null_check(np.array([0.60, 0.61])).passes


def test_permutations_are_the_same_for_any_number_of_workers_and_find_nothing() -> None:
    rows, y = patients(120)
    one, two = (
        permuted_aucs(rows, y, Inputs(FEATURES), RIDGE, validation_plan(PLAN), Backend(workers=count))
        for count in (1, 2)
    )
    assert np.array_equal(one, two)
    assert one.mean() == pytest.approx(0.5, abs=0.12)


def test_permutations_of_an_interrupted_check_are_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, y = patients(120)
    check = rows, y, Inputs(FEATURES), RIDGE, validation_plan(PLAN), Backend()
    store: dict[str, TaskResult] = {}
    whole = permuted_aucs(*check, store=store)
    assert len(store) == 3
    store.pop(next(iter(store)))
    fitted = []
    monkeypatch.setattr(module, "permuted_auc", lambda *task: fitted.append(task) or 0.25)
    again = permuted_aucs(*check, store=store)
    assert len(fitted) == 1
    assert again.tolist() == [0.25, *whole[1:]]


def test_a_study_with_an_assay_is_checked_with_the_models_that_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, y = patients(120)
    genes = [f"rna:G{k}" for k in range(200)]
    wide = pd.DataFrame(np.random.default_rng(1).normal(size=(120, 200)), columns=genes)
    both = pd.concat([rows, wide], axis=1)
    chosen: list[str] = []
    fit = BlockResponseModel.fit

    def noted(self: BlockResponseModel, *given: Any) -> ResponseModel:
        fitted = fit(self, *given)
        chosen.append(self.chosen_)
        return fitted

    monkeypatch.setattr(BlockResponseModel, "fit", noted)
    blocks = BlocksCandidate("blocks", penalties_per_column=(1.0, 0.1))
    only = ProcedureSettings(SETTINGS.encoding, {"blocks": blocks})
    aucs = permuted_aucs(both, y, Inputs(FEATURES, {"rna": genes}), only, validation_plan(PLAN), Backend())
    assert set(chosen) == {"blocks"}
    assert len(chosen) == 2 * len(aucs)
    assert aucs.mean() == pytest.approx(0.5, abs=0.15)
