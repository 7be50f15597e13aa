"""`pcr design`: the page, the table and the data of a plan."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.trial import design
from pipeline.design.page import (
    again_table,
    branch_table,
    each_gate_table,
    forecast_charts,
    forecast_tables,
    gate_table,
    interaction_charts,
    interaction_table,
    looks_table,
    power_chart,
    scenario_table,
    shown,
)
from pipeline.project.files import read_json, read_yaml
from pipeline.wording import SIMULATED
from tests.statements import forbidden_statements, visible_text

PLAN = read_yaml(Path("configs/design.yaml"))
MODELS = {"sound": {"auc": 0.74}, "worthless <i>": {"auc": 0.55, "slope": 0.4}}
SMALL = {
    "trials": 200, "sizes": [400, 2000], "effects": [0.0, 0.05],
    "scenarios": {"no effect <b>": {"effect": 0.0}},
    "forecasts": PLAN["forecasts"] | {"trials": 100, "models": MODELS},
    "gates": PLAN["gates"] | {"trials": 20, "sizes": [400]},
}  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("design")
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump(PLAN | SMALL))
    (folder / "mine.txt").write_text("stays")
    done = CliRunner().invoke(app, ["design", "--plan", str(plan), "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert SIMULATED in done.output
    return folder


def test_the_page_tells_every_scenario_says_that_nobody_was_treated_and_fetches_nothing(out: Path) -> None:
    page = (out / "design.html").read_text(encoding="utf-8")
    text = visible_text(page)
    assert SIMULATED in text
    assert "no effect &lt;b&gt;" in page
    assert "worthless &lt;i&gt;" in page
    # One for the arms, one for each measure, one for each grouping.
    assert page.count("<svg") == 1 + 3 + len(PLAN["interactions"]["groups"])
    assert "_" not in text
    assert "src=" not in page
    assert not forbidden_statements(text)


def test_table_and_data_hold_the_same_numbers(out: Path) -> None:
    frame = pd.read_csv(out / "design.csv", keep_default_na=False, na_values={"value": [""], "error": [""]})
    data = pd.DataFrame(read_json(out / "design.json"))
    assert frame["value"].to_numpy() == pytest.approx(data["value"].to_numpy())
    assert set(frame["part"]) == {
        "scenario", "branch", "looks", "curve", "rerandomised", "forecasts", "interaction", "gates"
    }  # fmt: skip


def test_other_files_of_the_folder_stay(out: Path) -> None:
    assert (out / "mine.txt").read_text() == "stays"


def test_a_plan_that_does_not_exist_or_cannot_be_is_refused(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["design", "--plan", str(tmp_path / "none.yaml")])
    assert missing.exit_code == 1
    (tmp_path / "plan.yaml").write_text("trials: 5")
    wrong = CliRunner().invoke(app, ["design", "--plan", str(tmp_path / "plan.yaml"), "--out", str(tmp_path)])
    assert wrong.exit_code == 1
    assert not (tmp_path / "design.html").exists()


@pytest.fixture(scope="module")
def frame(out: Path) -> pd.DataFrame:
    kinds = {"scenario": str, "group": str, "n": "Int64"}
    empty = {name: [""] for name in ("n", "value", "error")}
    return pd.read_csv(out / "design.csv", dtype=kinds, keep_default_na=False, na_values=empty)


def test_every_scenario_is_a_row_and_every_spending_of_it_another(frame: pd.DataFrame) -> None:
    assert scenario_table(frame)["Scenario"].to_list() == ["base", "no effect <b>"]
    looks = looks_table(frame)
    assert looks["Spending"].to_list() == ["like O'Brien and Fleming", "like Pocock"] * 2
    assert looks["z at 0.5"].to_list() == ["2.963", "2.157"] * 2


def test_branches_are_told_with_the_middle_of_the_trials(frame: pd.DataFrame) -> None:
    told = branch_table(frame).set_index(["Scenario", "Branch"]).loc[("base", "R3")]
    patients = str(told["Patients (95 % of trials)"])
    n, low, high = (
        float(word) for word in patients.replace("(", "").replace(")", "").replace("to ", "").split()
    )
    assert low < n < high
    assert 100 < n < 200


def test_the_second_randomisation_is_told_by_its_difference(frame: pd.DataFrame) -> None:
    again = again_table(frame)
    assert again["True difference, points"].to_list() == ["0", "10", "20", "30"]
    assert again["Finds a difference"].str.endswith(")").all()


def test_the_curves_have_a_colour_for_every_number_of_patients(frame: pd.DataFrame) -> None:
    lines, points = power_chart(frame)["layer"]
    assert lines["encoding"]["color"]["scale"]["domain"] == ["400", "2000"]
    assert (lines["mark"]["type"], points["mark"]["type"]) == ("line", "point")


def test_model_minus_rules_has_a_table_and_a_figure_for_each_measure(frame: pd.DataFrame) -> None:
    tables = forecast_tables(frame)
    assert list(tables) == list(forecast_charts(frame)) == ["AUC", "Log loss", "Net benefit at 0.65"]
    for table in tables.values():
        assert table["Model"].to_list() == ["sound", "sound", "worthless <i>", "worthless <i>"]
        assert table["Patients"].to_list() == ["400", "2,000"] * 2
        assert table["Found"].str.contains(" % (", regex=False).all()
    assert tables["AUC"]["True difference"].str.fullmatch(r"-?0\.\d{4}").all()


def test_gates_are_told_together_and_one_by_one_in_words(frame: pd.DataFrame) -> None:
    together, each = gate_table(frame), each_gate_table(frame)
    assert list(together) == ["Model", "Patients", "Passed", "Shown bad", "Too few patients to tell"]
    assert together["Model"].to_list() == each["Model"].to_list() == ["sound", "worthless <i>"]
    assert "net benefit, model minus rules, at 0.65" in each
    assert "slope, other centres" in each


def test_interactions_have_a_column_for_each_ratio_and_the_one_found(frame: pd.DataFrame) -> None:
    table = interaction_table(frame)
    groups = list(PLAN["interactions"]["groups"])
    assert table["Group"].to_list() == [name for name in groups for _ in range(2)]
    assert [name for name in table if name.startswith("ratio")] == [
        f"ratio {ratio:g}" for ratio in PLAN["interactions"]["ratios"]
    ]
    assert list(interaction_charts(frame)) == groups
    none = interaction_table(frame.loc[frame["measure"] != "detectable"])
    assert set(none["Found with 80 %, ratio"]) == {"none"}


@pytest.mark.parametrize(
    ("measure", "text"),
    [("superiority", "14.0 % (0.3)"), ("passed", "14.0 % (0.3)"), ("found_closed_form", "14.0 %"),
     ("rejects_by_integration", "14.0 %"), ("bias", "14.00"), ("bound_0.5", "0.140"), ("patients", "0")],
)  # fmt: skip
def test_a_number_is_shown_by_what_it_is(measure: str, text: str) -> None:
    assert shown(measure, 0.14, 0.003) == text


def test_a_model_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    better = PLAN["forecasts"] | {"models": {"oracle": {"auc": 0.95}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN | SMALL | {"forecasts": better}))
    done = CliRunner().invoke(app, ["design", "--plan", str(tmp_path / "plan.yaml"), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "forecasts, oracle: auc is 0.95" in " ".join(done.output.split())
    assert not (tmp_path / "design.html").exists()


def test_a_faulty_plan_ends_with_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text("trialz: 5")
    with pytest.raises(SystemExit) as ended:
        design(tmp_path / "plan.yaml", tmp_path)
    assert ended.value.code == 1
    assert "trialz" in capsys.readouterr().err
