"""The whole line, run as its users run it, on a few hundred simulated patients and on real ones."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from pipeline.cli import app
from pipeline.commands import reproduce
from pipeline.commands.adam import adam
from pipeline.record.cells import Cells, compare_outputs
from pipeline.registry.cards import shortened
from tests.page_numbers import Tracer
from tests.page_traces import Run, traces
from tests.pages import (
    WIDTHS,
    check_accessible,
    check_hover,
    check_page,
    check_patient,
    check_print,
    check_saving,
    check_texts,
    check_traced,
    stored_prediction,
)
from tests.statements import forbidden_statements, visible_text
from tests.workspace import ROOT, FirstLine, Workspace, content, contents, tracked

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
LANDMARKS = ["baseline", "c2"]
VISITS = {"baseline": ["baseline"], "c2": ["baseline", "c1", "c2"]}


@pytest.fixture(scope="module")
def line(first_line: FirstLine) -> Workspace:
    """The simulated trial with 400 patients, run once."""
    return first_line.workspace


@pytest.fixture(scope="module")
def summary(first_line: FirstLine) -> str:
    return first_line.printed


@pytest.fixture(scope="module")
def artifacts(line: Workspace) -> Path:
    return line.folder / "artifacts" / "nct07239271"


def reports(artifacts: Path) -> list[Path]:
    return sorted((artifacts / "reports").glob("*.html"))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_run_ends_with_a_line_per_landmark_and_says_that_the_data_are_simulated(summary: str) -> None:
    assert "SIMULATED DATA - no patients" in summary
    assert all(f"\n{landmark} " in summary for landmark in LANDMARKS)
    assert "reports/index.html" in summary


def test_metrics_have_every_model_pooled_and_by_arm_with_intervals(artifacts: Path) -> None:
    metrics = read(artifacts / "results" / "c2.json")
    for model in ("chosen", "logistic", "lightgbm", "rules", "chosen@ADAPTIVE", "rules@CONTROL_TCBHP"):
        assert set(metrics[model]["auc"]) == {"value", "low", "high"}
    assert metrics["chosen"]["n"]["value"] == sum(
        metrics[f"chosen@{arm}"]["n"]["value"] for arm in ("ADAPTIVE", "CONTROL_TCBHP")
    )


def test_every_interval_of_every_results_file_holds_its_own_value(artifacts: Path) -> None:
    intervals = [
        (path.name, measure[f"{kind}low"], measure["value"], measure[f"{kind}high"])
        for path in sorted((artifacts / "results").glob("*.json"))
        for measure in nested(read(path))
        for kind in ("", "approximate_", "prediction_")
        if measure.get(f"{kind}low") is not None and "value" in measure
    ]
    assert len(intervals) > 500
    assert [(name, *ends) for name, *ends in intervals if ends != sorted(ends)] == []


def nested(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of a JSON document."""
    if isinstance(document, dict):
        yield document
    for part in document.values() if isinstance(document, dict) else document:
        if isinstance(part, dict | list):
            yield from nested(part)


def test_the_primary_comparison_stands_first_and_is_the_declared_one(artifacts: Path) -> None:
    comparison = read(artifacts / "metrics" / "comparison.json")
    assert next(iter(comparison)) == "primary"
    assert comparison["primary"]["result"] == comparison["c2"]["chosen-rules@ADAPTIVE"]["delta_log_loss"]


def test_shap_values_add_up_to_the_stored_predictions_of_the_served_candidate(artifacts: Path) -> None:
    shap = pd.read_parquet(artifacts / "shap" / "c2.parquet")
    model = read(artifacts / "models" / "c2" / "model.json")
    predictions = pd.read_parquet(artifacts / "predictions" / "c2.parquet")
    assert set(shap["model"]) == {model["candidate"]}
    names = [f["name"] for f in model["features"]]
    assert shap.columns[5:].tolist() == names
    stored = predictions[predictions["model"] == model["candidate"]].sort_values(["repeat", "usubjid"])
    p = 1 / (1 + np.exp(-(shap["base"] + shap[names].sum(axis=1))))
    assert p.to_numpy() == pytest.approx(stored["p"].to_numpy(), abs=1e-9)


def test_no_report_and_no_card_says_what_must_not_be_said(summary: str, artifacts: Path) -> None:
    pages = reports(artifacts)
    assert len(pages) == 3
    for page in pages:
        text = visible_text(page.read_text(encoding="utf-8"))
        assert "SIMULATED DATA - no patients" in text
        assert forbidden_statements(text, page="shap" if page.name.startswith("shap") else "") == []
    for card in (artifacts / "models").glob("*/card.md"):
        assert forbidden_statements(card.read_text(encoding="utf-8")) == []
    assert forbidden_statements(summary) == []


def test_every_number_of_every_page_is_in_the_record_and_most_altered_ones_are_not(
    line: Workspace, artifacts: Path
) -> None:
    tracer = Tracer(artifacts, line.folder / "configs")
    pages = {path.stem.removeprefix("shap-"): path.read_text(encoding="utf-8") for path in reports(artifacts)}
    traced = {name: tracer.untraced(page, name) for name, page in pages.items()}
    assert [str(number) for found, _ in traced.values() for number in found] == []
    assert sum(count for _, count in traced.values()) > 1000
    # A page on which numbers pass whatever they are would pass, too.
    tried = [tracer.unnoticed(page, name, step=9) for name, page in pages.items()]
    assert sum(len(missed) for missed, _ in tried) < 0.35 * sum(count for _, count in tried)


def test_on_request_the_branches_stand_side_by_side_with_what_every_reading_changes(
    line: Workspace, summary: str
) -> None:
    assert "pcr summary --readings" in summary
    told = line.pcr_here("summary", "--readings").stdout
    assert "readings in force" in told
    assert "r4_ctdna_time: c1" in told
    readings = line.read("configs/rules/nct07239271.yaml")["readings"]
    assert all(name in told for name in readings)


def test_the_truth_is_beside_the_estimates_and_within_reach(artifacts: Path) -> None:
    truth = read(artifacts / "results" / "truth.json")
    for landmark in LANDMARKS:
        assert {"chosen", "rules", "prevalence", "rule_inputs"} <= set(truth[landmark])
        best = truth[landmark]["attainable_auc"]
        if "error" in best:
            assert "belongs to other settings of the simulation" in best["error"]
        else:
            assert truth[landmark]["chosen"]["auc"]["value"] < best["value"] + 0.05
    values = truth["strategies"]["ADAPTIVE-CONTROL_TCBHP"]
    estimated = read(artifacts / "results" / "strategy-ADAPTIVE.json")["ADAPTIVE-CONTROL_TCBHP"]
    for name in ("reference", "treated"):
        assert estimated[name]["low"] - 0.05 < values[name]["value"] < estimated[name]["high"] + 0.05


def test_every_sensitivity_run_stands_in_one_table(artifacts: Path) -> None:
    table = read(artifacts / "results" / "sensitivity.json")
    kinds = (
        "as in the run",
        "reference",
        "outcome",
        "missing outcomes",
        "eligible",
        "evaluable",
        "r4_ctdna_time",
    )
    assert all(any(name.startswith(kind) for name in table) for kind in kinds)
    assert "missing predictors: multiple imputation" in table
    assert all("delta_log_loss" in each for each in table.values())


PAGES = ["index.html", *(f"shap-{landmark}.html" for landmark in LANDMARKS)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk_without_network_on_wide_and_narrow_screens(
    browser: Any, artifacts: Path, name: str
) -> None:
    for width in WIDTHS:
        check_page(browser, artifacts / "reports" / name, width)
        check_texts(browser, artifacts / "reports" / name, width)


@pytest.mark.parametrize("name", ["index.html", "shap-c2.html"])
def test_no_page_has_a_serious_violation_of_accessibility(browser: Any, artifacts: Path, name: str) -> None:
    check_accessible(browser, artifacts / "reports" / name)


def test_the_study_report_is_printed_on_fifteen_sheets_with_its_folds_closed(
    browser: Any, artifacts: Path
) -> None:
    check_print(browser, artifacts / "reports" / "index.html", 15)


def test_the_waterfall_of_a_searched_patient_adds_up_to_the_stored_probability(
    browser: Any, artifacts: Path
) -> None:
    patients = sorted(pd.read_parquet(artifacts / "shap" / "c2.parquet")["usubjid"].unique())
    for patient in (patients[0], patients[len(patients) // 2], patients[-1]):
        check_patient(browser, artifacts, "c2", patient)


def test_descriptions_show_on_hover_and_figures_are_saved_with_their_data(
    browser: Any, artifacts: Path
) -> None:
    check_hover(browser, artifacts, "c2")
    check_saving(browser, artifacts, "c2")


def test_figures_of_the_report_are_traced_to_the_artifacts(artifacts: Path) -> None:
    assert check_traced(artifacts, "c2") >= 10


def test_figures_and_statements_come_out_the_same_when_they_are_computed_by_other_code(
    line: Workspace, artifacts: Path
) -> None:
    run = Run(artifacts, line.folder / "configs")
    found = list(traces(run))
    assert [trace for trace in found if not trace.holds] == []
    assert len({trace.name for trace in found}) >= 60
    # One patient with another outcome, and what counts patients no longer agrees.
    run.cohort.iloc[0, run.cohort.columns.get_loc("outcome")] = 1 - run.cohort["outcome"].iloc[0]
    wrong = {trace.name.partition(":")[0] for trace in traces(run) if not trace.holds}
    assert {"at a glance", "flow", "pCR by arm"} <= wrong


def test_one_patient_is_explained_in_the_terminal_and_strangers_are_refused(
    line: Workspace, artifacts: Path
) -> None:
    patient = sorted(pd.read_parquet(artifacts / "shap" / "c2.parquet")["usubjid"].unique())[3]
    shown = line.pcr("report", "--landmark", "c2", "--patient", patient).stdout
    assert f"c2 {stored_prediction(artifacts, 'c2', patient):.3f}" in shown
    assert "SIMULATED DATA - no patients" in shown
    assert forbidden_statements(shown, page="shap") == []
    for wrong in (["--landmark", "c2", "--patient", "nobody"], ["--landmark", "c9", "--patient", patient]):
        done = line.pcr_here("report", *wrong, expect=1)
        assert "Error:" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_result_comes_out_the_same_when_it_is_computed_again(
    line: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = line.state()
    differing: set[str] = set()

    def compared(stored: Path, again: Path) -> Cells:
        pair = contents(stored.parent, stored), contents(again.parent, again)
        differing.update(name for name in pair[0].keys() | pair[1] if pair[0].get(name) != pair[1].get(name))
        return compare_outputs(stored, again)

    monkeypatch.setattr(reproduce, "compare_outputs", compared)
    monkeypatch.setenv("PCR_WORKERS", "1")
    monkeypatch.chdir(line.folder)
    app(["reproduce", "--out", str(tmp_path)], standalone_mode=False)
    assert "Record of results: 0 of" in capfd.readouterr().out
    page = (tmp_path / "nct07239271.md").read_text(encoding="utf-8")
    assert re.search(r"\| all \| ([\d,]+) \| \1 \| 0 \| 0 \|", page)
    assert differing == set(), "by one worker, to the byte"
    assert line.state() == before


def test_analysis_datasets_hold_every_patient_and_the_outcomes_of_the_cohort(
    line: Workspace, artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(line.folder)
    adam(tmp_path)
    cohort = pd.read_parquet(artifacts / "cohort/cohort.parquet")
    subjects, _ = pyreadstat.read_xport(tmp_path / "adsl.xpt")
    responses, _ = pyreadstat.read_xport(tmp_path / "adeff.xpt")
    assert subjects["USUBJID"].to_list() == sorted(cohort["usubjid"])
    known = responses.query("PARAMCD == 'PCR' and ANL02FL == 'Y'").set_index("USUBJID")["AVAL"]
    pd.testing.assert_series_equal(
        known, cohort.set_index("usubjid")["outcome"].dropna().sort_index(), check_names=False
    )


def test_dvc_shows_metrics_and_plots(line: Workspace) -> None:
    shown = line.call("dvc", "metrics", "show", "artifacts/nct07239271/metrics/c2.json").stdout
    assert "chosen.auc.value" in shown
    line.call("dvc", "plots", "show", "--out", "plots")
    page = (line.folder / "plots" / "index.html").read_text(encoding="utf-8")
    for title in (
        "Calibration out of fold c2",
        "Decision curves c2",
        "ROC out of fold c2",
        "Prediction instability c2",
    ):
        assert title in page
    shutil.rmtree(line.folder / "plots")


def test_later_landmarks_hold_no_result_of_later_visits(artifacts: Path) -> None:
    for landmark in LANDMARKS:
        described = read(artifacts / "features" / f"{landmark}.json")["features"]
        assert {f["known_at"] for f in described} <= set(VISITS[landmark])


def test_nothing_but_the_truth_holds_the_truth(artifacts: Path) -> None:
    truth = set(pd.read_parquet(artifacts / "truth" / "truth.parquet").columns) - {"usubjid"}
    assert truth
    others = [p for p in artifacts.rglob("*.parquet") if p.parent.name != "truth"]
    assert len(others) > 15
    for path in others:
        assert not truth & set(pd.read_parquet(path).columns), path


def test_the_state_has_one_run_and_every_landmark_one_below_it_and_one_version(line: Workspace) -> None:
    found = tracked(line)
    assert len(found["runs"]) == len(set(found["runs"])) == 3
    assert len(found["versions"]) == 2
    with sqlite3.connect(line.folder / "mlflow.db") as database:
        nested = database.execute("select value from tags where key = 'mlflow.parentRunId'").fetchall()
    database.close()
    assert len(nested) == 2
    assert len(set(nested)) == 1


SAID_ON_A_CARD = (
    "SIMULATED DATA",
    "Estimates the probability of pCR under care as delivered",
    "**Intended use:**",
    "not a treatment recommendation",
    "Content key",
    "git checkout",
    "dvc repro",
    "randomised",
    "| measure | model | rules |",
    "Model minus rules: log loss",
    "later patients",
    "## Limits",
    "`out_of_support`",
    "`ineligible`",
    "## Subgroups",
    "| name | domain | unit or levels | known at |",
)


def test_every_version_has_a_card_that_says_what_a_consumer_must_know(
    line: Workspace, artifacts: Path
) -> None:
    cards = [path.read_text(encoding="utf-8") for path in (line.folder / "mlartifacts").rglob("card/card.md")]
    assert len(cards) == 2
    for card in cards:
        landmark = card.split("\n")[0].rpartition("-")[2]
        inputs = read(artifacts / "models" / landmark / "model.json")["features"]
        said = [*SAID_ON_A_CARD, *(f"| {feature['name']} | {feature['domain']} |" for feature in inputs)]
        assert [text for text in said if text not in card] == []
        described = shortened(card, 3000)
        assert len(described) <= 3000
        assert set(described.split("\n")[:-3]) <= set(card.split("\n")), "whole lines"
        assert shortened(card, len(card)) == card


def test_a_model_that_fails_a_gate_is_not_promoted_and_the_reasons_are_on_its_version(
    line: Workspace,
) -> None:
    name = "pcr-nct07239271-c2"
    done = line.pcr_here("promote", name, expect=1)
    assert "Not promoted" in done.stdout
    with sqlite3.connect(line.folder / "mlflow.db") as database:
        tags = dict(database.execute("select key, value from model_version_tags where name = ?", (name,)))
        aliases = database.execute(
            "select alias from registered_model_aliases where name = ?", (name,)
        ).fetchall()
    database.close()
    assert tags["gates"].startswith("failed: ")
    assert "null_check" in tags["gates"]
    assert tags["gate.null_check"].startswith("FAIL: not evaluated")
    assert tags["gate.leakage"].startswith("pass: ")
    assert aliases == [("candidate",)]


def test_an_override_promotes_and_there_is_nothing_to_go_back_to(line: Workspace) -> None:
    name = "pcr-nct07239271-baseline"
    assert "by override" in line.pcr_here("promote", name, "--override", "first model").stdout
    assert "no previous champion" in " ".join(line.pcr_here("rollback", name, expect=1).stderr.split())
    assert "champion already" in line.pcr_here("promote", name, "--override", "first model").stdout


def test_artifacts_that_were_changed_are_not_judged(line: Workspace, artifacts: Path) -> None:
    metrics = artifacts / "metrics" / "comparison.json"
    with content(metrics, metrics.read_text().replace("-0.", "-1.")):
        done = line.pcr_here("promote", "pcr-nct07239271-c2", expect=1)
    assert f"corrupt: {metrics.relative_to(line.folder)}" in " ".join(done.stderr.split())


def test_raw_tables_are_scored_as_the_pipeline_predicts(
    line: Workspace, artifacts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    tables = tmp_path / "tables"
    shutil.copytree(artifacts / "raw", tables)
    (tables / "surgery.parquet").unlink()
    options = ["--model", str(artifacts / "models" / "c2"), "--out", str(out)]
    line.pcr_here("score", *options, "--tables", str(artifacts / "raw"), "--landmark", "c2")
    from models.serving.serving import read_model  # noqa: PLC0415

    features = pd.read_parquet(artifacts / "features" / "c2.parquet")
    answers = pd.read_parquet(out)
    assert answers["usubjid"].tolist() == features["usubjid"].tolist()
    expected = read_model(artifacts / "models" / "c2").probability(features)
    withheld = (answers["status"] == "ineligible").to_numpy()
    assert 0 < withheld.mean() < 0.1, "the simulated trial randomised some who violate an exclusion"
    assert answers["pcr_probability"].isna().tolist() == withheld.tolist()
    assert answers["pcr_probability"][~withheld].to_numpy() == pytest.approx(expected[~withheld], abs=1e-9)
    rules = pd.read_parquet(artifacts / "rules" / "c2.parquet").set_index("usubjid")
    branches = rules["protocol_branch"][answers["usubjid"]]
    assert answers["protocol_branch"][~withheld].tolist() == branches[~withheld].tolist()
    line.pcr_here("score", *options, "--tables", str(tables))
    without_surgery = pd.read_parquet(out).set_index("usubjid")["pcr_probability"]
    assert np.array_equal(
        without_surgery[answers["usubjid"]].to_numpy(), answers["pcr_probability"].to_numpy(), equal_nan=True
    )
    assert "choose its model" in line.pcr_here(
        "score", *options, "--tables", str(tables), "--landmark", "baseline", expect=1
    ).stderr.replace("\n", " ")


def test_mlflow_holds_the_state_once_and_verify_finds_what_was_altered(line: Workspace) -> None:
    assert "unaltered" in line.pcr_here("verify").stdout
    stored = next((line.folder / "mlartifacts").glob("**/artifacts/model.json"))
    with content(stored, stored.read_text() + " "):
        assert "altered: the files of" in line.pcr_here("verify", expect=1).stdout


def test_a_second_run_computes_nothing_and_adds_nothing(line: Workspace) -> None:
    before, lock = tracked(line), (line.folder / "dvc.lock").read_bytes()
    done = line.pcr("run")
    assert re.findall(r"\] (\w+) \.\.\. \d+ s", done.stdout) == ["track"], "only track runs always"
    assert "0 runs and 0 model versions added" in done.stdout
    assert tracked(line) == before
    assert (line.folder / "dvc.lock").read_bytes() == lock
    assert line.call("git", "status", "--porcelain").stdout == ""


def test_a_registered_model_predicts_like_the_pipeline_without_the_project_and_without_pickle(
    line: Workspace, artifacts: Path, tmp_path: Path
) -> None:
    features = artifacts / "features" / "c2.parquet"
    script = tmp_path / "consumer.py"
    script.write_text(
        "import sys, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/pcr-nct07239271-c2@candidate')\n"
        "assert not any(name.split('.')[0] in {'features', 'models', 'pipeline'} for name in sys.modules)\n"
        "answer = model.predict(pd.read_parquet(sys.argv[2]))\n"
        "answer['pcr_probability'] = answer['pcr_probability'].astype(float)\n"
        "answer.to_csv(sys.argv[3], index=False)\n"
    )
    uri = f"sqlite:///{line.folder / 'mlflow.db'}"
    out = tmp_path / "answer.csv"
    command = [sys.executable, "-I", str(script), uri, str(features), str(out)]
    subprocess.run(
        command, check=True, cwd=tmp_path, env={"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PATH": ""}
    )
    from models.serving.serving import read_model  # noqa: PLC0415 - the pipeline's own reading of the same files

    expected = read_model(artifacts / "models" / "c2").probability(pd.read_parquet(features))
    answer = pd.read_csv(out)
    assert set(answer["status"]) <= {"ok", "missing_inputs", "out_of_support", "ineligible"}, (
        "every patient is answered"
    )
    inside = (answer["status"] != "ineligible").to_numpy()
    assert inside.mean() > 0.9
    assert answer["pcr_probability"].isna().to_numpy().tolist() == (~inside).tolist()
    assert answer.loc[inside, "pcr_probability"].to_numpy() == pytest.approx(expected[inside], abs=1e-9)


def readme_commands() -> list[str]:
    """Return the lines of the README's command blocks, without their comments."""
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] in {"make", "dvc", "mlflow", "pcr"}]


def test_the_commands_of_the_readme_work(line: Workspace) -> None:
    elsewhere = {
        "make run", "make test", "make null-check",  # `pcr run` is what the other tests run
        "make run PROFILE=full",
        next(command for command in readme_commands() if "validate" in command),  # test_external.py
        "make run STUDY=ispy2 SOURCE=../shared/data/ispy2", "make run STUDY=nct07239271",
        "dvc exp run -S configs/validation.yaml:branch_shrinkage=40",
        "mlflow ui --backend-store-uri sqlite:///mlflow.db",
    }  # fmt: skip
    commands = readme_commands()
    assert elsewhere <= set(commands)
    for command in sorted(set(commands) - elsewhere):
        line.call(*command.split())
    for command in sorted(c for c in elsewhere if c.startswith("make")):
        subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


def test_the_python_of_the_readme_works(line: Workspace) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    line.call(
        "python", "-c", "\n".join([*code, "assert answer['status'].tolist() == ['missing_inputs'], answer"])
    )
