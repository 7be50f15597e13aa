"""The commands for a study of one's own: check, init-study, dictionary, export."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from features.checks.across_tables import cross_problems
from features.contract.validation import data_dictionary, validate
from features.documents.study import parse_study
from pipeline.cli import app
from pipeline.intake import preflight
from pipeline.intake.new_study import NewStudyError, new_study
from pipeline.intake.pages import problem_rows, write_problems
from pipeline.intake.rehearsal import REHEARSAL_ADVICE
from pipeline.intake.study_reference import reference
from pipeline.project.files import read_yaml, write_tables
from pipeline.sources.mapped import check_study_file
from pipeline.workspace import study
from tests.pipeline.formats import CONFIGS, CONTRACT, ROOT, STUDY, study_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's configuration, to run commands in."""
    (tmp_path / "configs").symlink_to(CONFIGS)
    monkeypatch.chdir(tmp_path)
    studies = tmp_path / "studies"
    studies.mkdir()
    monkeypatch.setattr(study, "STUDIES", studies)
    return tmp_path


def run(*arguments: str, expect: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == expect, done.output
    return done.output


@pytest.mark.parametrize("standards", [[], ["sdtm", "variants-vcf"], ["redcap"]])
def test_a_new_study_file_is_sound_as_it_is_written(standards: list[str], project: Path) -> None:
    run("init-study", "mytrial", *(word for s in standards for word in ("--standard", s)))
    content = read_yaml(project / "studies" / "mytrial.yaml")
    assert check_study_file(content).study == "mytrial"
    assert content["standards"] == standards


def test_the_template_tables_have_the_columns_that_the_new_study_file_reads(project: Path) -> None:
    run("init-study", "mytrial")
    content = read_yaml(project / "studies" / "mytrial.yaml")
    for table, blocks in content["mapping"]["tables"].items():
        header = list(pd.read_csv(project / "mytrial-tables" / f"{table}.csv").columns)
        assert header == list(CONTRACT[table].columns)
        assert set(blocks[0]["columns"]) == set(header) - {"usubjid"}


def test_filled_template_tables_pass_the_check(project: Path, trial: dict[str, pd.DataFrame]) -> None:
    run("init-study", "mytrial")
    path = project / "studies" / "mytrial.yaml"
    content = read_yaml(path)
    lists = {k: STUDY[k] for k in ("arms", "regimens", "visits", "landmarks", "schedule")}
    path.write_text(yaml.safe_dump(content | lists), encoding="utf-8")
    assert set(content["mapping"]["tables"]) == set(CONTRACT)
    for table, frame in trial.items():
        frame.to_csv(project / "mytrial-tables" / f"{table}.csv", index=False)
    said = run("check", "mytrial-tables", "--study", "mytrial", "--page", "problems.html")
    assert "mytrial: no errors" in said
    rows = pd.read_csv(project / "problems.csv")
    assert set(rows["severity"]) <= {"warning"}
    assert set(rows["rule"].str.partition(":")[0]) <= {
        *REHEARSAL_ADVICE,
        "target_too_small",
        "foci_differ_in_her2",
    }


def test_a_check_that_refuses_writes_the_page_too(project: Path, trial: dict[str, pd.DataFrame]) -> None:
    run("init-study", "mytrial")
    path = project / "studies" / "mytrial.yaml"
    lists = {k: STUDY[k] for k in ("arms", "regimens", "visits", "landmarks", "schedule")}
    path.write_text(yaml.safe_dump(read_yaml(path) | lists), encoding="utf-8")
    for table, frame in trial.items():
        frame.to_csv(project / "mytrial-tables" / f"{table}.csv", index=False)
    trial["subjects"].assign(age_years=500).to_csv(project / "mytrial-tables/subjects.csv", index=False)
    run("check", "mytrial-tables", "--study", "mytrial", "--page", "problems.html", expect=1)
    rows = pd.read_csv(project / "problems.csv")
    assert rows.loc[0, ["where", "column", "severity"]].tolist() == ["subjects", "age_years", "error"]
    assert rows.loc[0, "rows"] == len(trial["subjects"])


def test_a_study_that_is_there_is_not_overwritten_and_odd_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("study: a\n")
    with pytest.raises(NewStudyError, match="is there already"):
        new_study("a", [], tmp_path, tmp_path / "t", CONTRACT)
    with pytest.raises(NewStudyError, match="cannot name a study"):
        new_study("../a", [], tmp_path, tmp_path / "t", CONTRACT)
    with pytest.raises(NewStudyError, match="no ready mapping nosuch"):
        new_study("b", ["nosuch"], tmp_path, tmp_path / "t", CONTRACT)


def test_the_page_of_study_files_is_that_of_the_models_that_check_them() -> None:
    assert (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8") == reference()


def test_the_dictionary_page_has_every_column_of_the_contract(project: Path) -> None:
    run("dictionary", "--out", "dictionary.html")
    page = (project / "dictionary.html").read_text(encoding="utf-8")
    assert all(f"<td>{column}</td>" in page for spec in CONTRACT.values() for column in spec.columns)
    assert len(pd.read_csv(project / "dictionary.csv")) == len(data_dictionary(CONTRACT))


def test_the_problems_page_groups_by_table_and_escapes_what_it_shows(tmp_path: Path, trial) -> None:
    tables = {**trial, "labs": trial["labs"].assign(**{"<b>x": 1})}
    _, problems = validate(tables, CONTRACT, parse_study(STUDY).vocabulary)
    dropped = pd.DataFrame(
        [("a.csv", "", "x not 1", 3, 4)], columns=["file", "table", "reason", "rows", "left"]
    )
    write_problems(tmp_path / "p.html", "trial", problems, dropped)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;x" in page
    assert "<b>x" not in page
    rows = problem_rows(problems, dropped)
    assert rows["severity"].tolist() == ["warning", "rows left out"]


def test_the_problems_page_groups_by_centre_with_all_ids(tmp_path: Path, trial) -> None:
    centre = trial["subjects"].set_index("usubjid")["siteid"]
    wrong = sorted(centre.index)[:8]
    subjects = trial["subjects"].assign(age_years=trial["subjects"]["age_years"].astype("object"))
    subjects.loc[subjects["usubjid"].isin(wrong), "age_years"] = 4000
    variants = trial["ctdna_variants"].head(1).assign(t_alt_count=9, t_depth=3)
    sampled = trial["ctdna_samples"].set_index("sample_id")["usubjid"][variants["sample_id"]]
    tables = {**trial, "subjects": subjects, "ctdna_variants": variants}
    clean, problems = validate(tables, CONTRACT, parse_study(STUDY).vocabulary)
    crossed = cross_problems(clean, CONTRACT, STUDY["visits"])
    nothing = pd.DataFrame(columns=["file", "table", "reason", "rows", "left"])
    write_problems(tmp_path / "p.html", "trial", pd.concat([problems, crossed]), nothing)
    rows = pd.read_csv(tmp_path / "p-by-centre.csv", dtype=str).set_index("column")
    ages = rows.loc[["age_years"]].set_index("centre")
    expected = {c: "; ".join(sorted(centre.index[centre == c].intersection(wrong))) for c in centre[wrong]}
    assert ages["ids"].to_dict() == expected
    assert ages["rows"].astype(int).sum() == len(wrong)
    assert rows.loc[["t_alt_count"], "centre"].tolist() == centre[sampled].tolist(), "by the sample's patient"
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<h2 id="By centre">' in page
    centreless = validate(
        {**tables, "subjects": subjects.assign(siteid=None)}, CONTRACT, parse_study(STUDY).vocabulary
    )[1]
    assert centreless["by_centre"].map(len).sum() == 0


def test_an_exported_study_passes_the_check(project: Path, trial, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "studies" / "nct07239271.yaml").symlink_to(CONFIGS / "studies" / "nct07239271.yaml")
    write_tables(project / "artifacts" / "nct07239271" / "raw", trial)
    run("export", "files", "--standard", "sdtm", "--standard", "variants-vcf")
    copy = study_of(["sdtm", "variants-vcf"], study="copy", source="data/copy")
    (project / "studies" / "copy.yaml").write_text(yaml.safe_dump(copy), encoding="utf-8")
    assert "copy: no errors" in run("check", "files", "--study", "copy")
    assert "is there already" in run("export", "files", "--standard", "sdtm", expect=1)
    assert Path("artifacts") == preflight.ARTIFACTS
    assert not (ROOT / "files").exists()
