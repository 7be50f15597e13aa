"""What re-runs after which change: the table of docs/runs.md is what dvc.yaml says."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
FILLED = {"${study}": "nct07239271", "${source}": "configs/simulation.yaml", "${rules}": "nct07239271"}
FITTING = {"train", "resample", "domains", "refit"}
"""The stages that fit candidates, which takes most of a run's time."""


class Row(NamedTuple):
    """A row of the table: files, or keys as ``file:key``, and the stages that re-run, at once and then."""

    changes: tuple[str, ...]
    at_once: frozenset[str]
    then: frozenset[str]


def table() -> list[Row]:
    page = (ROOT / "docs/runs.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", page, flags=re.MULTILINE)
    return [
        Row(tuple(re.findall(r"`([\w/.:-]+)`", change)), stages(at_once), stages(then))
        for change, at_once, then in lines
        if "`" in change
    ]


def stages(cell: str) -> frozenset[str]:
    return frozenset(name.strip() for name in cell.split(",")) - {"nothing"}


def filled(path: str) -> str:
    for expression, value in FILLED.items():
        path = path.replace(expression, value)
    return re.sub(r"\$\{[^}]+\}", "*", path)


def overlap(one: str, other: str) -> bool:
    """Tell whether one path is the other or holds it; the items of a matrix are all alike."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def listed(stage: dict[str, Any], *parts: str) -> list[str]:
    entries = [entry for part in parts for entry in stage.get(part, [])]
    return [filled(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def depends(stage: dict[str, Any], change: str) -> bool:
    file, _, key = change.partition(":")
    if any(f"{file}/".startswith(f"{path}/") for path in listed(stage, "deps")):
        return True
    declared = {name: keys for entry in stage.get("params", []) for name, keys in entry.items()}
    return file in declared and (not key or key in declared[file])


def direct(change: str) -> set[str]:
    """Return the stages that a changed file or key makes stale; `track` runs whatever changes."""
    return {name for name, stage in STAGES.items() if name != "track" and depends(stage, change)}


def following(names: set[str]) -> set[str]:
    """Return the stages that read what these write, through any number of stages, without these."""
    reached, waiting = set(names), list(names)
    while waiting:
        written = listed(STAGES[waiting.pop()], "outs", "metrics", "plots")
        readers = {
            name
            for name, stage in STAGES.items()
            if name != "track" and any(overlap(a, b) for a in written for b in listed(stage, "deps"))
        }
        waiting += sorted(readers - reached)
        reached |= readers
    return reached - names


TABLE = table()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: ", ".join(row.changes))
def test_the_page_says_what_re_runs_after_a_change(row: Row) -> None:
    at_once = set().union(*(direct(change) for change in row.changes))
    assert row.at_once == at_once
    assert row.then == following(at_once)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: ", ".join(row.changes))
def test_what_the_page_names_exists(row: Row) -> None:
    for change in row.changes:
        file, _, key = change.partition(":")
        assert (ROOT / file).exists()
        assert not key or key in yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "change",
    [
        "pipeline/console.py",
        "pipeline/wording.py",
        "pipeline/registry/cards.py",
        "configs/runtime.yaml",
        "models/measures/definitions.py",
        "configs/validation.yaml:branch_shrinkage",
        "configs/comparators.yaml",
        "configs/measures.yaml",
        "configs/serving.yaml",
    ],
)
def test_no_candidate_is_fitted_again_for_words_measures_or_comparators(change: str) -> None:
    at_once = direct(change)
    assert not (at_once | following(at_once)) & FITTING


def test_neither_the_console_nor_the_back_end_re_runs_anything_and_a_gate_its_pages() -> None:
    for change in ("pipeline/console.py", "configs/runtime.yaml"):
        assert direct(change) == set()
    assert direct("configs/gates.yaml") == {"reports"}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("configs/comparators.yaml", set()),
        ("configs/serving.yaml", set()),
        ("configs/validation.yaml", {"reports"}),
        ("configs/study.yaml", {"package", "truth_check", "reports"}),
    ],
)
def test_a_comment_re_runs_only_the_stages_that_read_the_file_as_a_whole(file: str, stages: set[str]) -> None:
    whole = {name for name, stage in STAGES.items() if name != "track" and file in listed(stage, "deps")}
    assert whole == stages


def test_a_grid_of_the_candidates_re_runs_all_that_fits_them() -> None:
    assert direct("configs/models.yaml:candidates") >= FITTING


@pytest.mark.parametrize("name", ["comparators", "serving"])
def test_every_key_of_what_is_learned_is_a_parameter_of_a_stage_and_so_in_mlflow(name: str) -> None:
    file = f"configs/{name}.yaml"
    entries = [entry for stage in STAGES.values() for entry in stage.get("params", []) if file in entry]
    keys = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    assert set(keys) == {key for entry in entries for key in entry[file]}


def test_the_keys_of_the_candidates_are_kept_as_they_were_read_and_named_by_dvc() -> None:
    # MLflow and `pcr diff` take them from there (pipeline.registry.state), DVC from the list of the graph.
    assert "artifacts/nct07239271/settings.json" in listed(STAGES["size"], "outs")
    assert "configs/models.yaml" in listed(STAGES["size"], "deps")
    assert yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["params"] == [
        "configs/models.yaml"
    ]
