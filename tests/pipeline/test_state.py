from typing import Any

import pytest

from features.errors import UserError
from pipeline.registry.state import (
    Declared,
    current_stages,
    data_digests,
    parameter_changes,
    parameters,
    state_key,
    upstream,
    with_settings,
)

LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "raw": {
            "cmd": "r",
            "deps": [{"path": "sim.yaml", "md5": "1"}],
            "outs": [{"path": "a/raw", "md5": "2"}],
        },
        "train@c1": {
            "cmd": "t",
            "deps": [{"path": "a/raw", "md5": "2"}],
            "params": {"configs/models.yaml": {"seed": 1, "grid": {"C": [1, 2]}}},
            "outs": [{"path": "a/predictions/c1.parquet", "md5": "3"}],
        },
        "train@c9": {"cmd": "t", "deps": [], "outs": [{"path": "a/predictions/c9.parquet", "md5": "4"}]},
        "strategy@A": {"cmd": "s", "deps": [], "outs": []},
        "strategy@B": {"cmd": "s", "deps": [], "outs": []},
        "compare": {"cmd": "c", "deps": [{"path": "a/predictions", "md5": "5"}], "outs": []},
    },
}


DECLARED: dict[str, Declared] = {
    "raw": {},
    "train": {"matrix": {"landmark": "${landmarks}"}},
    "strategy": {"matrix": {"strategy": "${strategies}"}},
    "compare": {},
}
STUDY = {"landmarks": ["c1"], "strategies": ["B"]}


def stages() -> dict[str, Any]:
    return current_stages(LOCK["stages"], DECLARED, STUDY)


def test_entries_of_former_landmarks_and_stages_are_stale() -> None:
    assert set(stages()) == {"raw", "train@c1", "strategy@B", "compare"}
    assert set(current_stages(LOCK["stages"], {"raw": {}}, STUDY)) == {"raw"}


def test_entries_of_a_stage_that_is_one_for_all_landmarks_now_are_stale() -> None:
    together = DECLARED | {"train": {}}
    assert set(current_stages(LOCK["stages"], together, STUDY)) == {"raw", "strategy@B", "compare"}


def test_a_study_without_the_items_of_a_matrix_has_no_such_stage() -> None:
    without = {"landmarks": ["c1"], "strategies": None}
    assert "strategy@B" not in current_stages(LOCK["stages"], DECLARED, without)


def test_upstream_follows_files_and_the_folders_that_hold_them() -> None:
    assert upstream(stages(), ["compare"]) == ["compare", "raw", "train@c1"]


def test_a_stage_that_has_not_run_is_named() -> None:
    with pytest.raises(UserError, match="no stage judge@c1"):
        upstream(stages(), ["judge@c1"])


def test_the_key_follows_content_and_not_the_order_of_the_lock_file() -> None:
    names = ["raw", "train@c1"]
    shuffled = dict(reversed(stages().items()))
    assert state_key(stages(), names) == state_key(shuffled, names[::-1])
    changed = stages() | {"raw": stages()["raw"] | {"cmd": "other"}}
    assert state_key(changed, names) != state_key(stages(), names)


def test_parameters_are_flat_and_digests_are_by_path() -> None:
    assert parameters(stages(), ["train@c1"]) == {"models.seed": "1", "models.grid.C": "[1, 2]"}
    assert data_digests(stages(), ["raw"]) == {"a/raw": "2"}


def fitted(c: float | None) -> dict[str, Any]:
    """Return a state whose stage reads a settings file as a whole; None where the file is not known."""
    lock = {"fit": {"cmd": "f", "deps": [{"path": "configs/models.yaml", "md5": "6"}], "outs": []}}
    return with_settings(lock, {} if c is None else {"configs/models.yaml": {"grid": {"C": c}}})


def test_settings_that_a_stage_reads_as_a_whole_are_parameters_of_that_stage_alone() -> None:
    both = with_settings(fitted(None) | stages(), {"configs/models.yaml": {"grid": {"C": 2}}})
    assert parameters(both, ["fit"]) == {"models.grid.C": "2"}
    assert parameters(both, ["train@c1"]) == {"models.seed": "1", "models.grid.C": "[1, 2]"}


def test_a_changed_setting_is_named_and_where_the_file_is_not_known_nothing_is() -> None:
    assert parameter_changes(fitted(1), fitted(2)) == {"models.grid.C": ("1", "2")}
    assert parameter_changes(fitted(1), fitted(1)) == {}
    assert parameter_changes(fitted(None), fitted(2)) == parameter_changes(fitted(2), fitted(None)) == {}
