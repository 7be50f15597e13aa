"""A stored model on another cohort: scored as it is, absences named, nothing fitted unless asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import UserError
from models.evaluation.external import (
    ExternalError,
    Recalibration,
    model_inputs,
    recalibrated,
    validate_externally,
)
from models.measures.evaluate import evaluate
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import EncodingSettings, LogisticCandidate, ProcedureSettings
from models.procedure.response_model import ResponseModel
from models.serving.serving import read_model
from pipeline.commands.validate import print_validation, remarks
from pipeline.project.files import write_json
from pipeline.registry.external_validation import cohort_rows
from pipeline.registry.stored_models import open_model
from tests.patients import feature

ROOT = Path(__file__).parents[2]
PLAN = validation_plan({"min_events": 10, "bootstrap": 50, "loess_bootstrap": 10, "level": 0.95, "seed": 1})
KINDS: tuple[Recalibration, ...] = ("none", "intercept", "logistic")
ISPY2 = ROOT / "configs/studies/ispy2.yaml"
FEATURES = [feature("hr", ["pos", "neg"]), feature("age_years"), feature("tumour_size_mm")]
SETTINGS = ProcedureSettings(
    EncodingSettings(1, 0.99, 0.2), {"logistic": LogisticCandidate("logistic", (0.005,))}
)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model learned from made-up patients of a simulated study."""
    rng = np.random.default_rng(1)
    n = 300
    rows = pd.DataFrame({"hr": rng.choice(["pos", "neg"], n), "age_years": rng.normal(50, 9, n)}).astype(
        {"hr": "str"}
    )
    rows["tumour_size_mm"] = rng.normal(30, 8, n)
    y = (rng.random(n) < np.where(rows["hr"] == "neg", 0.75, 0.5)).astype(float)
    fitted = ResponseModel(FEATURES, SETTINGS, 3, 1).fit(rows, y)
    told = {"model": "pcr-made-up-baseline", "simulated": True, "landmark": "baseline"}
    write_json(tmp_path / "model" / "model.json", fitted.documents_["logistic"] | told)
    return tmp_path / "model"


def test_the_measures_are_those_of_the_models_own_predictions(folder: Path, ispy2_files: Path) -> None:
    rows, y = cohort_rows(ISPY2, ispy2_files, "t0")
    model = read_model(folder)
    validation = validate_externally(model, rows, y, PLAN, "none")
    assert (validation.patients, validation.absent, validation.recalibration) == (
        len(y), ["tumour_size_mm"], {},
    )  # fmt: skip
    p = model.probability(model_inputs(rows, model)[0])
    again = evaluate(y, p, ["auc"], bootstrap=50, rng=np.random.default_rng(PLAN.seed))
    assert validation.measures["auc"] == again["auc"].as_dict()
    assert 0.55 < float(validation.measures["auc"]["value"]) < 0.8
    assert "ici" in validation.measures


def test_recalibration_happens_only_by_name_and_is_said(folder: Path, ispy2_files: Path) -> None:
    rows, y = cohort_rows(ISPY2, ispy2_files, "t0")
    as_it_is, moved, both = (validate_externally(read_model(folder), rows, y, PLAN, kind) for kind in KINDS)
    assert float(as_it_is.measures["o_e"]["value"]) < 0.9
    assert moved.measures["calibration_intercept"]["value"] == pytest.approx(0, abs=1e-6)
    assert both.measures["calibration_slope"]["value"] == pytest.approx(1, abs=1e-6)
    assert moved.measures["auc"] == as_it_is.measures["auc"]
    assert any("no longer external" in line for line in remarks(moved))
    assert not any("Recalibrated" in line for line in remarks(as_it_is))


def test_levels_that_the_model_does_not_know_count_as_missing_and_are_named(folder: Path) -> None:
    model = read_model(folder)
    rows = pd.DataFrame({"hr": ["pos", "other", None], "age_years": [50.0, 51, 52]})
    frame, absent, unknown = model_inputs(rows, model)
    assert (absent, unknown) == (["tumour_size_mm"], {"hr": 1})
    assert frame["hr"].isna().tolist() == [False, True, True]
    with_none = frame.assign(hr=pd.Series([None, None, None], dtype="object"))
    assert model.probability(frame)[1] == model.probability(with_none)[1]


def test_what_cannot_be_scored_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame({"bmi": np.arange(40.0)})
    with pytest.raises(ExternalError, match="none of the 3 features"):
        validate_externally(read_model(folder), rows, np.arange(40) % 2.0, PLAN, "none")
    with pytest.raises(ExternalError, match="5 of 12 patients have pCR: a validation needs at least 10"):
        validate_externally(read_model(folder), rows.head(12), np.array([1.0] * 5 + [0.0] * 7), PLAN, "none")
    with pytest.raises(UserError, match=r"has no model\.json"):
        open_model(str(tmp_path / "nothing"))
    with pytest.raises(ExternalError, match="isotonic is unknown; must be one of none, intercept, logistic"):
        print_validation(str(folder), "ispy2", "t0", None, "isotonic", None)
    p, coefficients = recalibrated(np.array([0.2, 0.8]), np.array([0.0, 1.0]), "none")
    assert (p.tolist(), coefficients) == ([0.2, 0.8], {})


def test_the_table_says_that_the_model_was_learned_from_simulated_patients(
    folder: Path, ispy2_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_validation(str(folder), "ispy2", "t0", ispy2_files, "none", tmp_path / "out.json")
    shown = " ".join(capsys.readouterr().out.split())
    assert "SIMULATED DATA - no patients (the model was learned from them)" in shown
    assert "Absent, and imputed by the model's own rule: tumour_size_mm." in shown
    assert (tmp_path / "out.json").is_file()
