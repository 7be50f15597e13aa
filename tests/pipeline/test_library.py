"""Studies without an outcome: the documented study file, its report, the priors, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from models.description.kinetics import monthly_change
from pipeline.cli import app
from pipeline.project.files import read_yaml
from pipeline.sources.mapped import check_study_file
from pipeline.sources.mapping.study_file import StudyFileError
from pipeline.sources.simulation.settings import read_settings
from pipeline.sources.simulator import simulate
from pipeline.workspace import study
from tests.pipeline.formats import CONFIGS, ROOT

Tables = dict[str, pd.DataFrame]


def documented() -> dict[str, Any]:
    """Return the study file of docs/libraries.md."""
    blocks = re.findall(
        r"```yaml\n(study:.*?)```", (ROOT / "docs" / "libraries.md").read_text(), flags=re.DOTALL
    )
    assert len(blocks) == 1
    found: dict[str, Any] = yaml.safe_load(blocks[0])
    return found


def run(*arguments: str, expect: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == expect, done.output
    return " ".join(done.output.split())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: Tables) -> Path:
    """A folder with the configuration, the documented study, and its three files."""
    (tmp_path / "configs").symlink_to(CONFIGS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    monkeypatch.setattr(study, "STUDIES", tmp_path / "studies")
    (tmp_path / "studies" / "ctdna430.yaml").write_text(yaml.safe_dump(documented()), encoding="utf-8")
    files = tmp_path / "files"
    files.mkdir()
    people = trial["subjects"].merge(trial["pathology"][["usubjid", "hr"]], on="usubjid")
    people[["usubjid", "age_years", "hr"]].to_csv(files / "patients.csv", index=False)
    taken = trial["ctdna_samples"].query("draw_date.notna()")
    taken.drop(columns="visit").to_csv(files / "samples.csv", index=False)
    called = trial["ctdna_variants"]
    called[called["sample_id"].isin(taken["sample_id"])].to_csv(files / "variants.csv", index=False)
    return tmp_path


def test_the_documented_library_gives_its_report(project: Path, trial: Tables) -> None:
    run("library", "ctdna430", "--source", "files", "--out", "report")
    found = json.loads((project / "report" / "library.json").read_text())
    shares = {(r["genes"], r["group"]): r for r in found["mutations"]}
    both = [shares["TP53", group] for group in ("HR+", "HR-")]
    assert sum(r["events"] for r in both) == shares["TP53", "all"]["events"] > 0
    assert all(0 < r["low"] < r["value"] < r["high"] < 1 for r in both)
    assert (
        shares["PAM pathway", "all"]["n"] < shares["PAM pathway", "all"]["patients"] == len(trial["subjects"])
    )
    assert 0 < found["haematopoiesis"]["any"]["value"] < 1
    assert found["kinetics"]["change"]["high"] < 0, "ctDNA falls under treatment"
    assert found["kinetics"]["courses"]["cleared"] == found["kinetics"]["cleared"]["events"] > 0
    assert {a["kind"] for a in found["assays"]} == {"fixed_panel", "tumor_informed"}
    frame = pd.read_parquet(project / "report" / "features.parquet")
    assert {"ctdna_draw1_state", "ctdna_course_draw2"} <= set(frame)
    assert len(frame) == len(trial["subjects"])
    page = (project / "report" / "library.html").read_text()
    assert "not covered" not in page
    assert "Clonal haematopoiesis" in page


def test_a_gene_that_no_panel_covers_is_unknown_and_not_wild_type(project: Path) -> None:
    path = project / "files" / "samples.csv"
    samples = pd.read_csv(path, dtype=str)
    genes = (
        samples["panel_genes"].str.split(";").map(lambda g: ";".join(set(g) - {"TP53"}), na_action="ignore")
    )
    samples.assign(panel_genes=genes).to_csv(path, index=False)
    refused = run("library", "ctdna430", "--source", "files", "--out", "report", expect=1)
    assert "gene_not_on_panel" in refused, "what the panel does not list it cannot have called"
    calls = pd.read_csv(path.with_name("variants.csv"), dtype=str)
    calls[calls["gene"] != "TP53"].to_csv(path.with_name("variants.csv"), index=False)
    run("library", "ctdna430", "--source", "files", "--out", "report")
    shares = pd.read_csv(project / "report" / "mutations.csv").set_index(["genes", "group"])
    tp53 = shares.loc[("TP53", "all")]
    assert tp53["n"] == tp53["events"], "nobody is free of a mutation in a gene that was not looked at"


def test_priors_go_into_a_copy_of_the_settings_that_the_simulator_takes(project: Path) -> None:
    run("library", "ctdna430", "--source", "files", "--out", "report")
    piece = read_yaml(project / "report" / "priors.yaml")
    said = run("priors", "report/priors.yaml", "--out", "mine.yaml", "--kinetics")
    assert "genome.tumor.TP53.share_hr_positive: 0.5 ->" in said
    mine = read_yaml(project / "mine.yaml")
    assert (
        mine["genome"]["tumor"]["TP53"]["share_hr_positive"]
        == piece["genome"]["tumor"]["TP53"]["share_hr_positive"]
    )
    fall = piece["ctdna"]["clearance"]["log10_fall_by_cycle"]
    assert mine["ctdna"]["clearance"]["log10_fall_by_cycle"] == fall
    assert mine["cohort"] == read_yaml(CONFIGS / "simulation.yaml")["cohort"]
    settings = read_settings(project / "mine.yaml", CONFIGS / "simulation")
    assert len(simulate(settings, n=20).tables["subjects"]) == 20
    assert "already exists" in run("priors", "report/priors.yaml", "--out", "mine.yaml", expect=1)
    (project / "wrong.yaml").write_text("genome: {tumor: {TP53: {share_hr_positive: 5}}}\n")
    assert "between 0 and 1" in run("priors", "wrong.yaml", "--out", "other.yaml", expect=1)
    (project / "wrong.yaml").write_text("genome: {tumour: {}}\n")
    assert "not a setting of the simulator" in run("priors", "wrong.yaml", "--out", "other.yaml", expect=1)


def test_a_study_without_outcome_is_checked_and_never_run(project: Path) -> None:
    assert "ctdna430: no errors" in run("check", "files", "--study", "ctdna430")
    said = run("run", "--study", "ctdna430", "--source", "files", expect=1)
    assert "has no outcome" in said
    assert "pcr library ctdna430 --source FOLDER --out DIR" in said
    assert not (project / "data").exists()
    model = ("--model", str(project), "--study", "ctdna430", "--landmark", "c1")
    (project / "model.json").write_text("{}")
    assert "has no outcome" in run("validate", *model, "--source", "files", expect=1)


def test_an_outcome_or_a_visit_where_there_is_none_is_a_fault_of_the_study_file() -> None:
    content = documented()
    content["mapping"]["tables"]["surgery"] = [
        {"file": "patients", "columns": {"performed": {"constant": "Y"}}}
    ]
    content["mapping"]["tables"]["ctdna_samples"][0]["columns"]["visit"] = "visit"
    with pytest.raises(StudyFileError, match=r"surgery holds an outcome.*maps `visit`"):
        check_study_file(content)


def test_the_monthly_change_is_found_although_low_values_are_censored() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(-0.8, 0.5, 4000)
    limit = rng.uniform(-1.5, -0.5, 4000)
    hidden = true < limit
    pairs = pd.DataFrame({"per_month": np.where(hidden, limit, true), "censored": hidden})
    found = monthly_change(pairs, 0.95)
    assert found["low"] < -0.8 < found["high"]
    assert found["sd"] == pytest.approx(0.5, abs=0.03)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(4000), rel=0.5)
    assert monthly_change(pairs.head(3), 0.95) == {"pairs": 3, "censored": int(hidden[:3].sum())}
