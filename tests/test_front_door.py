"""What a newcomer or a platform meets first agrees with what is there."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
KEEP_A_CHANGELOG = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lint_commands() -> set[str]:
    dry = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(dry.stdout.splitlines())


def test_make_help_tells_of_every_command_of_the_makefile() -> None:
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    described = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), flags=re.MULTILINE)
    assert phony
    assert set(described) == set(phony.group(1).split())
    assert all(described.values())


def test_make_without_a_target_runs_the_pipeline() -> None:
    assert ".DEFAULT_GOAL := run\n" in text("Makefile")
    dry = subprocess.run(["make", "-n"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pcr run" in dry


def test_every_hook_of_pre_commit_is_a_check_of_make_lint() -> None:
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    commands = lint_commands()
    for hook in repository["hooks"]:
        assert any(command.startswith(hook["entry"]) for command in commands), hook["id"]
    assert repository["repo"] == "local"


def test_the_workflow_runs_what_ci_runs_and_that_runs_all_tests() -> None:
    jobs = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert text(".ci/run").rstrip().endswith("make test")


def test_the_citation_names_the_version_and_licence_of_the_package() -> None:
    citation, project = yaml.safe_load(text("CITATION.cff")), tomllib.loads(text("pyproject.toml"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_the_changelog_has_the_headings_of_keep_a_changelog_and_nothing_outside_them() -> None:
    versions = re.split(r"^## ", text("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    assert versions[0].startswith("[Unreleased]\n")
    for version in versions:
        title, *parts = re.split(r"^### ", version, flags=re.MULTILINE)
        assert re.fullmatch(r"\[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d\d-\d\d)?", title.strip())
        headings = [part.splitlines()[0] for part in parts]
        assert set(headings) <= KEEP_A_CHANGELOG
        assert len(headings) == len(set(headings)) > 0
