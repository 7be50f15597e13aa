"""The record has the intervals that the gates judge by, at their own level, beside those of the results."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.project.files import write_json
from pipeline.project.settings import read_settings
from pipeline.record.gate_intervals import METHOD, gate_rows
from pipeline.record.rows import record
from pipeline.report.gates import Criteria

CRITERIA = read_settings(Criteria, Path(__file__).parents[3] / "configs/gates.yaml")
RESULTS = {
    "temporal": {
        "calibration_slope": {"value": 0.9, "low": 0.6, "high": 1.2, "scaled": 0.9, "scaled_se": 0.2},
        "o_e": {"error": "too few events"},
    },
    "left_out_centres": {
        "pooled": {
            "slope": {"value": 1.1, "low": 0.5, "high": 1.7, "scaled": 1.1, "scaled_se": 0.2, "pooled": 5}
        }
    },
}


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    write_json(tmp_path / "results/robustness-c2.json", RESULTS)
    return tmp_path


def test_slopes_in_other_patients_have_the_interval_of_the_gates(artifacts: Path) -> None:
    rows = {row["group"]: row for _, row in gate_rows(artifacts, ["c2", "c4"], CRITERIA)}
    assert {row["level"] for row in rows.values()} == {CRITERIA.level} == {0.9}
    # By z, and by t with as many degrees of freedom as there are centres less one: 1.6449, 2.1318.
    later, centres = rows["temporal"], rows["left_out_centres"]
    assert [later["low"], later["high"]] == pytest.approx(
        [0.9 - 1.64485 * 0.2, 0.9 + 1.64485 * 0.2], abs=1e-5
    )
    assert [centres["low"], centres["high"]] == pytest.approx(
        [1.1 - 2.13185 * 0.2, 1.1 + 2.13185 * 0.2], abs=1e-5
    )


def test_they_stand_beside_those_of_the_results_and_follow_the_level_asked(artifacts: Path) -> None:
    whole = record(artifacts, "toy", ["c2"], 0.95, {}, "", replace(CRITERIA, level=0.8))
    found = whole.query("measure == 'calibration_slope' and group == 'temporal'")
    assert dict(zip(found["method"], found["level"], strict=True)) == {"": 0.95, METHOD: 0.8}
    assert METHOD not in set(record(artifacts, "toy", ["c2"], 0.95, {}, "")["method"])
