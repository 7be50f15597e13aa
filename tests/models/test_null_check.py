"""The null check: two standard errors over the permutations, and permutations that keep each arm's rate."""

from typing import Any

import numpy as np
import pytest

from models.evaluation import null_check as module
from models.evaluation.null_check import null_check, permuted_aucs
from models.procedure.backends import Backend
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import ProcedureSettings
from models.procedure.resampling import TaskResult
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
        permuted_aucs(rows, y, FEATURES, RIDGE, validation_plan(PLAN), Backend(workers=count))
        for count in (1, 2)
    )
    assert np.array_equal(one, two)
    assert one.mean() == pytest.approx(0.5, abs=0.12)


def test_permutations_of_an_interrupted_check_are_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, y = patients(120)
    check = rows, y, FEATURES, RIDGE, validation_plan(PLAN), Backend()
    store: dict[str, TaskResult] = {}
    whole = permuted_aucs(*check, store=store)
    assert len(store) == 3
    store.pop(next(iter(store)))
    fitted = []
    monkeypatch.setattr(module, "permuted_auc", lambda *task: fitted.append(task) or 0.25)
    again = permuted_aucs(*check, store=store)
    assert len(fitted) == 1
    assert again.tolist() == [0.25, *whole[1:]]
