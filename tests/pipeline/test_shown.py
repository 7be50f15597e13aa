"""What a landmark's run shows in MLflow, and the figures that lie in it."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.project.files import read_json
from pipeline.registry.shown import data_inputs, headline_metrics, model_params, run_note
from pipeline.report.study.figures import roc_chart, svg
from tests.registered_study import write_study


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("shown") / "home"
    home.mkdir()
    write_study(home)
    return home / "artifacts/made-up"


def test_a_dozen_figures_are_named_for_people_and_none_without_a_value_is_shown(artifacts: Path) -> None:
    assert headline_metrics(artifacts, "c1") == {
        "patients": 40.0, "patients with pCR": 20.0, "AUC": 0.7, "log loss minus rules": -0.05,
        "slope in later patients": 1.0, "O to E in later patients": 1.0, "instability of predictions": 0.03,
        "net benefit minus rules at 0.65": 0.1,
    }  # fmt: skip


def test_a_run_names_model_tuned_values_plan_and_data(artifacts: Path) -> None:
    document = read_json(artifacts / "models/c1/model.json")
    shown = model_params(document, {"validation.folds": "5", "reports.title": "x"}, "c1")
    assert (shown["model"], shown["tuned"], shown["folds"]) == ("lightgbm", "3 leaves", "5")
    assert "x" not in shown.values()
    assert model_params(None, {}, "c1") == {"landmark": "c1", "model": "none"}
    folder = (artifacts / "features").as_posix()
    (data,) = data_inputs(artifacts, "c1", {folder: "abc.dir", "else/where": "d"})
    assert (data.name, data.digest, data.rows) == ("features at c1", "abc.dir", 3)


def test_the_note_of_a_run_on_simulated_patients_says_so_first(artifacts: Path) -> None:
    document = read_json(artifacts / "models/c1/model.json")
    assert run_note(document | {"simulated": True}, {"AUC": 0.7}).startswith("**SIMULATED")
    assert "AUC 0.700, rules 0.600" in run_note(document, {"AUC": 0.7, "AUC of the rules": 0.6})
    assert "card/card.md says why" in run_note(None, {})


def test_a_figure_is_the_same_text_however_many_were_drawn_before() -> None:
    curve = pd.DataFrame(
        {"model": "model", "false_positive_rate": [0.0, 1.0], "true_positive_rate": [0.0, 1.0]}
    )
    spec = roc_chart(curve, "ROC", {"n": 2, "events": 1, "scale": "probability", "sampling": "none"})
    first, again = svg(spec), svg(spec)
    assert first == again
    assert "Patients with pCR above it" in first
