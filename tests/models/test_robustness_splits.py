"""Which patients the resampled models learn from: by scheme, where the trial's data and the plan allow it."""

from dataclasses import replace

import pandas as pd

from models.procedure.configuration.plan import ResamplingPlan
from models.procedure.robustness_splits import schemes

PLAN = ResamplingPlan(bootstrap=3, leave_centres_out=True, origins=(0.5, 0.75))
ROWS = pd.DataFrame(
    {
        "arm": "A",
        "siteid": ["S1", "S2"] * 4,
        "rand_date": pd.date_range("2024-01-01", periods=8),
        "outcome_date": pd.date_range("2024-01-03", periods=8),
    }
)


def test_every_scheme_has_its_splits() -> None:
    splits = schemes(ROWS, PLAN, 1)
    assert {name: len(some) for name, some in splits.items()} == {
        "apparent": 1, "bootstrap": 3, "temporal": 2, "centre": 2,
    }  # fmt: skip
    assert [split.test.tolist() for split in splits["temporal"]] == [[4, 5], [6, 7]]


def test_a_trial_without_dates_or_with_one_centre_has_no_such_scheme() -> None:
    undated = ROWS.assign(rand_date=pd.NaT, siteid="S1")
    assert list(schemes(undated, PLAN, 1)) == ["apparent", "bootstrap"]
    assert "centre" not in schemes(ROWS, replace(PLAN, leave_centres_out=False), 1)
