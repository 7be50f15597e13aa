"""The house rules that a reader relies on: layers, one place for MLflow, no file access, an honest graph."""

import ast
import re
from pathlib import Path

import pytest
import yaml

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


# serving.py reads the model's own folder, and the registry hands files to MLflow.
PURE = [
    file
    for file in SOURCES
    if file.relative_to(ROOT).parts[0] != "pipeline" and file.name not in {"serving.py", "registry.py"}
]


@pytest.mark.parametrize("file", PURE, ids=name_of)
def test_features_and_models_touch_no_files(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert not re.search(
        r"\bopen\(|\.read_(text|bytes|csv|parquet|excel)\(|\.to_(csv|parquet)\(|\.write_", source
    )


def stage_module(stage: dict[str, object]) -> str:
    found = re.search(r"python -m ([\w.]+)", str(stage["cmd"]))
    assert found, "a stage is a module of the project"
    return found.group(1)


@pytest.mark.parametrize("name", STAGES)
def test_the_dependencies_of_a_stage_cover_all_code_that_it_imports(name: str) -> None:
    declared = {str(dep) for dep in STAGES[name]["deps"]}
    imported = first_party_closure(ROOT, stage_module(STAGES[name]))
    missing = {f for f in imported if not any(f == d or f.startswith(f"{d}/") for d in declared)}
    assert not missing


@pytest.mark.parametrize("name", STAGES)
def test_every_path_in_a_command_is_declared(name: str) -> None:
    stage = STAGES[name]
    outs = [
        out if isinstance(out, str) else next(iter(out))
        for key in ("outs", "metrics", "plots")
        for out in stage.get(key, [])
    ]
    params = [next(iter(p)) for p in stage.get("params", [])]
    declared = {*map(str, stage["deps"]), *outs, *params}
    # The leaf reads the graph and its state themselves, which DVC cannot track.
    declared |= {"dvc.yaml", "dvc.lock"} if name == "track" else set()
    paths = re.findall(r"--\w+ (\S*/\S*|\S*\.lock|\S*\.yaml|\$\{source\})", str(stage["cmd"]))
    assert paths
    covered = [p for p in paths if any(p == d or d.startswith(f"{p}/") for d in declared)]
    assert covered == paths


@pytest.mark.parametrize("name", STAGES)
def test_outputs_go_under_artifacts_and_never_into_a_source_folder(name: str) -> None:
    for key in ("outs", "metrics", "plots"):
        for out in STAGES[name].get(key, []):
            path = out if isinstance(out, str) else next(iter(out))
            assert path.startswith("artifacts/${study}/")


def test_compute_stages_depend_on_the_pinned_environment() -> None:
    assert all("requirements.lock" in stage["deps"] for name, stage in STAGES.items() if name != "track")
