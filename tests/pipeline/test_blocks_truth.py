"""Known truth of the verdicts on blocks: trials as configured, an oracle, a run that goes on, its page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.errors import UserError
from models.blocks.names import CLINICAL
from models.procedure.configuration.plan import validation_plan
from pipeline.project import checkpoints
from pipeline.project.files import read_yaml
from pipeline.simulation_checks.blocks_truth import (
    ASSAY,
    BlockTruth,
    Shared,
    Task,
    draw_trial,
    judged,
    oracle_size,
    simulated,
    summary,
)
from pipeline.simulation_checks.blocks_truth_page import Row, page

SETTINGS = BlockTruth.model_validate(read_yaml(Path("configs/simulation_blocks.yaml")))
FEW = SETTINGS.assays["radiomics"].model_copy(update={"features": 20, "modules": 2, "effect": 2.0})
SMALL = SETTINGS.model_copy(update={"oracle_trials": 40, "new_patients": 200, "assays": {"few": FEW}})
PLAN = validation_plan(
    {"folds": 3, "repeats": 2, "inner_folds": 3, "seed": 1, "level": 0.95, "bootstrap": 20, "min_events": 10}
)
SHARED = Shared(SMALL, PLAN, (1.0, 0.1, 0.01), (4.0,))


def test_the_log_odds_are_those_of_the_clinical_block_and_the_signal() -> None:
    trial = draw_trial(SETTINGS, SMALL.assays["few"], 3000, 5)
    clinical = trial.blocks[CLINICAL].sum(axis=1) * 0.8 / np.sqrt(5) - 0.5
    assert trial.clinical_margin == pytest.approx(clinical)
    assert (trial.margin - trial.clinical_margin).std() == pytest.approx(2.0, abs=0.1)
    assert trial.y.mean() == pytest.approx(0.42, abs=0.04)
    assert trial.blocks[ASSAY].shape == (3000, 20)


def test_the_size_is_the_least_at_which_the_oracle_has_the_power() -> None:
    n, power = oracle_size(SMALL, "few", 0.95)
    assert power >= 0.9
    smaller = SMALL.model_copy(update={"patients": [20]})
    with pytest.raises(UserError, match=r"the oracle has a power below 0.9"):
        oracle_size(smaller, "few", 0.95)
    assert n <= 120


def test_a_trial_with_a_strong_signal_is_found_and_what_missing_patients_do_is_measured() -> None:
    found = judged(SHARED, Task("few", 150, signal=True, seed=3)).document
    assert found["verdicts"]["blocks-clinical"] == "better"
    assert set(found["missing"]) == {"all with", "all without", "complete with", "complete without"}
    assert found["missing"]["all with"] < found["missing"]["all without"]
    low, high, true = found["price"]
    assert low < high
    assert 0 < true < 0.5
    assert found["chosen"] in {"blocks", "late_fusion"}
    assert found["gained"] > 0.05
    alike = judged(replace(SHARED, cuts=()), Task("few", 150, signal=True, seed=3)).document
    assert alike["weighed"] == 0
    assert found["weighed"] != 0


def test_trials_that_were_done_are_not_done_again_and_more_can_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    first = simulated(SHARED, {"few": 60}, 1)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    second = simulated(SHARED, {"few": 60}, 2)
    assert len(kept) == 2
    assert [result.document for _, result in second[:2]] == [result.document for _, result in first]
    assert all(path.stat().st_mtime_ns == kept[path] for path in kept)
    [row] = summary(second, {"few": (60, 0.9)})
    assert (row.trials, row.patients) == (2, 60)


def test_the_page_has_shares_with_their_monte_carlo_errors() -> None:
    row = Row(
        "few", 60, 0.91, 100, (0.8, 0.04), (0.05, 0.022), (0.01, 0.002), (-0.001, 0.001), (0.9, 0.03),
        (0.7, 0.05), (0.1, 0.03), (0.02, 0.004), (-0.0005, 0.0001), (0.03, 0.002), (-0.0001, 0.0002),
    )  # fmt: skip
    text = page([row], {"few": 1000}, 0.9, 0.3)
    assert "| few | 1,000 | 60 | 91.0% | 100 | 80.0% (4.0) | 5.0% (2.2) |" in text
    assert "| few | +0.0100 (0.0020) | -0.0010 (0.0010) | 90.0% (3.0) |" in text
    assert "| few | 70.0% (5.0) | +0.0200 (0.0040) | 10.0% (3.0) | -0.0005 (0.0001) |" in text
    assert "| few | +0.0300 (0.0020) | -0.0001 (0.0002) |" in text
