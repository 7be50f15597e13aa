"""The house rules that a reader relies on: layers, one place for MLflow, no file access, an honest graph."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.project import paths
from pipeline.project.stage import Stage
from tests.imports import PACKAGES, first_party_closure, imported_names

ROOT = Path(__file__).parents[1]
SOURCES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = GRAPH["stages"]
ALLOWED = {"features": {"features"}, "models": {"features", "models"}, "pipeline": set(PACKAGES)}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_a_layer_imports_only_itself_and_the_layers_below(file: Path) -> None:
    package = file.relative_to(ROOT).parts[0]
    used = {name.split(".")[0] for name in imported_names(file)} & set(PACKAGES)
    assert used <= ALLOWED[package]


def test_only_the_registry_imports_mlflow_and_serving_does_so_only_when_mlflow_runs_it() -> None:
    users = {
        name_of(file) for file in SOURCES if any(n.split(".")[0] == "mlflow" for n in imported_names(file))
    }
    assert users == {"models/serving/registry.py", "models/serving/serving.py"}
    top = [
        node
        for node in ast.parse((ROOT / "models/serving/serving.py").read_text()).body
        if isinstance(node, ast.Import)
    ]
    assert all(alias.name != "mlflow" for node in top for alias in node.names)


# serving.py reads the model's own folder, the manifest hashes it, and the registry hands files to MLflow.
PURE = [
    file
    for file in SOURCES
    if file.relative_to(ROOT).parts[0] != "pipeline"
    and file.name not in {"serving.py", "manifest.py", "registry.py"}
]


@pytest.mark.parametrize("file", PURE, ids=name_of)
def test_features_and_models_touch_no_files(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert not re.search(
        r"\bopen\(|\.read_(text|bytes|csv|parquet|excel)\(|\.to_(csv|parquet)\(|\.write_", source
    )


# Words and the way they are shown decide no number, so no stage depends on them.
WORDS = {"pipeline/console.py"}
# How an error is named and worded, and types of documents that only a type checker reads; a folder may hold
# them, but they are no dependency of their own.
MESSAGES = {
    "features/errors.py",
    "features/keys.py",
    "features/documents/flow.py",
    "features/documents/study_entries.py",
    "models/description/documents.py",
    "models/explanation/documents.py",
    "models/sample_size/documents.py",
}
# Declared placeholders, and the expressions of dvc.yaml that fill them.
FILLED_BY = {
    "study": ("${study}",),
    "source": ("${source}",),
    "rules": ("${rules}",),
    "eligibility": ("${eligibility}",),
    "landmark": ("${item.landmark}", "${landmarks[0]}", "${primary.landmark}"),
    "strategy": ("${item.strategy}",),
}


def declaration(name: str) -> Stage:
    return importlib.import_module(f"pipeline.stages.{name}").STAGE


def as_declared(path: str) -> str:
    for name, expressions in FILLED_BY.items():
        for expression in expressions:
            path = path.replace(expression, f"{{{name}}}")
    return path


def listed(stage: dict[str, Any], *parts: str) -> set[str]:
    entries = [entry for part in parts for entry in stage.get(part, [])]
    return {as_declared(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries}


def is_code(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] in PACKAGES


def only_opens_a_package(file: str) -> bool:
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return file.endswith("/__init__.py") and all(isinstance(n, ast.Expr | ast.ImportFrom) for n in body)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_the_module_of_its_name(name: str) -> None:
    words = str(STAGES[name]["cmd"]).split()
    assert words[:3] == ["python", "-m", f"pipeline.stages.{name}"]
    assert len(words[3:]) == len(declaration(name).items)


@pytest.mark.parametrize("name", STAGES)
def test_the_graph_has_exactly_the_files_that_the_stage_declares(name: str) -> None:
    stage = STAGES[name]
    read = {path for path in listed(stage, "deps") if not is_code(path)}
    assert read - {paths.ENVIRONMENT} == set(declaration(name).reads) - {paths.ENVIRONMENT}
    assert listed(stage, "outs", "metrics", "plots") == set(declaration(name).writes)


@pytest.mark.parametrize("name", STAGES)
def test_the_graph_has_exactly_the_parameters_that_the_stage_declares(name: str) -> None:
    in_graph = {file: tuple(keys) for entry in STAGES[name].get("params", []) for file, keys in entry.items()}
    assert in_graph == declaration(name).params


@pytest.mark.parametrize("name", [name for name in STAGES if name != "track"])
def test_the_dependencies_of_a_stage_cover_all_code_that_decides_its_numbers(name: str) -> None:
    declared = {str(path) for path in STAGES[name]["deps"]}
    imported = first_party_closure(ROOT, f"pipeline.stages.{name}") - WORDS - MESSAGES
    missing = {
        file
        for file in imported
        if not any(file == one or file.startswith(f"{one}/") for one in declared)
        and not only_opens_a_package(file)
    }
    assert not missing


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_depends_on_words_or_on_where_its_tasks_run(name: str) -> None:
    declared = {str(path) for path in STAGES[name]["deps"]} | {
        file for entry in STAGES[name].get("params", []) for file in entry
    }
    unwanted = WORDS | {paths.RUNTIME}
    assert not {file for file in unwanted for one in declared if file == one or file.startswith(f"{one}/")}


@pytest.mark.parametrize("name", STAGES)
def test_outputs_go_under_artifacts_and_never_into_a_source_folder(name: str) -> None:
    assert all(path.startswith("artifacts/{study}/") for path in declaration(name).writes)


def test_compute_stages_depend_on_the_pinned_environment() -> None:
    assert all(paths.ENVIRONMENT in stage["deps"] for name, stage in STAGES.items() if name != "track")
