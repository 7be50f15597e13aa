"""Small cohorts with the habits of real ones: read as meant, counted, or refused with what to change."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.documents.study import DEFAULTS, parse_study, with_defaults
from features.errors import UserError
from pipeline.intake.pages import advice_on
from pipeline.intake.preflight import checked
from pipeline.project.files import read_yaml, write_text
from pipeline.project.yaml_text import parse_yaml
from pipeline.sources.ingest import Ingested
from pipeline.sources.mapped import check_study_file
from pipeline.sources.mapping.study_file import Study
from pipeline.sources.prepare import prepare, read_preparation
from pipeline.workspace.study import activate
from tests.pipeline.formats import ROOT, taken_in

COHORTS = ROOT / ".." / "shared" / "cases" / "cohorts"


def document(case: str) -> dict[str, Any]:
    """Return a case's study file."""
    if not COHORTS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{COHORTS} is missing: the cases are part of the checks")
        pytest.skip("the cases are not here")
    (path,) = (COHORTS / case).glob("*.yaml")
    content: dict[str, Any] = read_yaml(path)
    return content


def read(case: str) -> Ingested:
    """Read a case's files by its study file."""
    return taken_in(with_defaults(document(case)), COHORTS / case / "files")


@pytest.mark.parametrize("name", ["week 3", "w3;id", "$(id)", "-v", "c2/c4", ""])
def test_a_landmark_that_no_file_and_no_command_could_be_named_after_is_refused(name: str) -> None:
    study = document("optional-keys")
    (landmark,) = study["landmarks"]
    plan = study["schedule"][landmark]
    renamed = study | {"landmarks": [name], "schedule": {name: plan}, "primary": {"landmark": name}}
    with pytest.raises(
        UserError, match=r"landmarks: .* is part of names of files: it must consist of letters"
    ):
        check_study_file(renamed)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the configurations, in which a check can be made."""
    document("optional-keys")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_a_study_file_leaves_out_is_filled_in_behind_it_when_it_becomes_the_active_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document("optional-keys")
    text = (COHORTS / "optional-keys" / "optkeys.yaml").read_bytes()
    (tmp_path / "configs" / "studies").mkdir(parents=True)
    (tmp_path / "configs/studies/optkeys.yaml").write_bytes(text)
    (tmp_path / "configs/study.yaml").write_text("study: other\n", encoding="utf-8")
    (tmp_path / "configs/studies/other.yaml").write_text("study: other\n", encoding="utf-8")
    (tmp_path / ".pcr").mkdir()
    monkeypatch.chdir(tmp_path)
    assert activate("optkeys")
    active = tmp_path / "configs/study.yaml"
    assert parse_yaml(text.decode()).items() <= read_yaml(active).items()
    assert set(DEFAULTS) <= set(read_yaml(active))
    assert read_yaml(active)["response_counts"] == "recorded"
    assert not activate("optkeys")


def test_a_copied_study_file_that_still_has_the_name_or_the_folder_of_the_other_is_refused(
    project: Path,
) -> None:
    text = (COHORTS / "optional-keys" / "optkeys.yaml").read_text(encoding="utf-8")
    mine = project / "configs/studies/mine.yaml"
    for copied, fault in (
        (text, "study: optkeys.*write `study: mine`"),
        (text.replace("study: optkeys", "study: mine"), "write `source: data/mine`"),
    ):
        mine.write_text(copied, encoding="utf-8")
        with pytest.raises(UserError, match=fault):
            checked("mine", COHORTS / "optional-keys" / "files")
    mine.write_text(text.replace("optkeys", "mine"), encoding="utf-8")
    assert checked("mine", COHORTS / "optional-keys" / "files").tables


def test_an_edit_of_the_study_file_is_used_by_the_next_run(project: Path) -> None:
    (project / ".pcr").mkdir()
    shutil.copy(COHORTS / "stale-study-file" / "stale.yaml", project / "configs/studies")
    assert activate("stale")
    text = (project / "configs/studies/stale.yaml").read_text(encoding="utf-8")
    write_text(project / "configs/studies/stale.yaml", text.replace("title: ", "title: edited, "))
    activate("stale")
    assert read_yaml(project / "configs/study.yaml")["title"].startswith("edited, ")


def test_the_defaults_of_the_stages_are_those_of_the_documented_study_file() -> None:
    fields = Study.model_fields
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    assert {name: field.get_default() for name, field in optional.items()} == DEFAULTS
    short = parse_study({"primary": {"landmark": "t0"}, "outcome": {"definition": "recorded"}})
    primary = fields["primary"].annotation
    assert vars(short.primary) == primary(landmark="t0").model_dump()  # type: ignore[misc]
    assert short.outcome.counted_as_failure == ()


def test_a_study_file_with_optional_keys_left_out_is_sound() -> None:
    assert read("optional-keys").tables["subjects"].shape[0] == 80


def test_yes_and_no_without_quotation_marks_are_the_texts_that_they_look_like() -> None:
    check_study_file(document("yes-no-unquoted"))


def test_texts_that_took_otherwise_are_counted_by_rows_and_by_distinct_texts() -> None:
    told = read("otherwise-uncounted").problems[["rule", "severity", "rows"]].to_numpy().tolist()
    assert told == [
        ["recode_otherwise: 3 texts not listed, read as N", "repair", 7],
        ["otherwise_like_listed: texts that hold a listed one, read as N", "warning", 2],
        ["missing_as_level: texts that often mean missing, read as N", "warning", 2],
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"not_planned": {"imaging": ["B"]}}, "features.not_planned, imaging: B"),
        ({"after_baseline": "adaptive_arm"}, "no `adaptive_arm`"),
    ],
)
def test_where_features_are_of_some_arms_only_the_arms_must_be_there(
    change: dict[str, Any], words: str
) -> None:
    study = document("optional-keys")
    study["features"] |= change
    with pytest.raises(UserError, match=words):
        check_study_file(study)
    study["arms"].append("B")
    study |= {"adaptive_arm": "B", "rules": "ispy2"}
    assert check_study_file(study).study == "optkeys"


def test_equal_names_under_two_header_rows_are_told_apart_by_the_row_above() -> None:
    study = with_defaults(document("two-header-rows"))
    study["mapping"]["files"]["pat"] |= {"skip_rows": 0, "header_rows": 2}
    # The id stands under no group, the others under clinical, stroma and tumor.
    columns = study["mapping"]["tables"]
    columns["subjects"][0]["columns"]["age_years"] = "clinical age"
    columns["surgery"][0]["columns"]["pcr"]["from"] = "clinical pcr"
    columns["biomarkers"][0]["columns"]["value"] = "stroma CD8"
    raw = taken_in(study, COHORTS / "two-header-rows" / "files")
    assert raw.tables["biomarkers"]["value"].tolist() == [0.1, 0.2]
    assert raw.reading["differences"].sum() == 0
    assert raw.reading["compared"].sum() > 0


def test_a_value_out_of_range_names_its_feature_and_a_study_can_widen_the_range_of_that_one() -> None:
    study, folder = (
        with_defaults(document("which-of-the-columns")),
        COHORTS / "which-of-the-columns" / "files",
    )
    with pytest.raises(UserError) as error:
        taken_in(study, folder)
    assert "range: -1000000 to 1000000, of f17 in 10 rows" in str(error.value)
    assert "f00, f01, f02, f03 and 26 more" in str(error.value)
    study["mapping"]["ranges"] = {"f17": [0, 1e12]}
    assert taken_in(study, folder).tables["imaging_features"]["value"].max() == 4e9


def test_a_column_of_the_outcome_that_is_mapped_to_a_feature_is_refused_with_both_places() -> None:
    with pytest.raises(UserError) as error:
        read("outcome-column-as-feature")
    assert "column 'rcbi': of the outcome (surgery.rcb_index), and mapped to biomarkers.value" in str(
        error.value
    )


def test_names_that_differ_in_case_only_are_refused_before_a_run(project: Path) -> None:
    del project
    case = ROOT / ".." / "shared" / "cases" / "files" / "29-check-passes-run-refuses"
    shutil.copy(case / "twounits.yaml", "configs/studies")
    with pytest.raises(UserError, match="differ only in punctuation or case: ftv"):
        checked("twounits", case / "files")


@pytest.mark.parametrize("key", ["eligibility", "rules"])
def test_criteria_or_rules_that_do_not_exist_are_refused_with_those_that_do(project: Path, key: str) -> None:
    del project
    study = document("optional-keys") | {key: "nct0723927"}
    write_text(Path("configs/studies/optkeys.yaml"), yaml.safe_dump(study))
    with pytest.raises(UserError, match=f"{key}: nct0723927 is unknown, did you mean nct07239271"):
        checked("optkeys", COHORTS / "optional-keys" / "files")


def test_a_study_counts_the_criteria_that_its_file_names_and_none_by_itself(project: Path) -> None:
    criterion = {"id": "old", "text": "Old", "excluding": True, "rule": {
        "table": "subjects", "column": "age_years", "low": 50,
    }}  # fmt: skip
    write_text(project / "configs/eligibility/own.yaml", yaml.safe_dump({"criteria": [criterion]}))
    study, folder = with_defaults(document("optional-keys")), COHORTS / "optional-keys" / "files"
    tables = taken_in(study, folder).tables
    flows = []
    for name in (study["eligibility"], "own"):
        by = read_preparation(parse_study(study | {"eligibility": name}), project / "configs")
        flows.append(prepare(tables, by).cohort.flow)
    assert [len(flow["criteria"]) for flow in flows] == [0, 1]
    assert flows[0]["eligible"] == 80
    assert flows[1]["eligible"] == (tables["subjects"]["age_years"] >= 50).sum() < 80


def test_what_a_small_cohort_will_meet_is_said_by_the_check(project: Path) -> None:
    del project
    shutil.copy(next((COHORTS / "domains-without-clinical").glob("*.yaml")), "configs/studies")
    started = time.monotonic()
    problems = checked("noclin", COHORTS / "domains-without-clinical" / "files").problems
    assert time.monotonic() - started < 20
    assert {"too_small"} <= set(problems["rule"].str.partition(":")[0])
    assert [advice_on(rule) for rule in problems["rule"]]
