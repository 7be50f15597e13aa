"""Who is analysed: at risk with an outcome; all randomised, where strategies are compared."""

import numpy as np
import pandas as pd

from models.procedure.analysis_set import analysis_rows, randomised_rows, resampling_rows

FEATURES = pd.DataFrame({"usubjid": ["P3", "P1", "P2"], "age_years": [50.0, 60.0, 70.0]})
COHORT = pd.DataFrame(
    {
        "arm": "A",
        "usubjid": ["P1", "P2", "P3", "P4"],
        "siteid": ["S1", "S1", "S2", "S2"],
        "rand_date": pd.Timestamp("2026-01-01"),
        "outcome_date": pd.Timestamp("2026-07-01"),
        "outcome": [1.0, np.nan, 0.0, 1.0],
        "outcome_status": ["known", "missing", "known", "not_due"],
    }
)


def test_patients_at_risk_with_an_outcome_are_analysed_sorted_and_the_outcome_is_no_column() -> None:
    rows, y = analysis_rows(FEATURES, COHORT)
    assert rows.to_dict("list") == {"usubjid": ["P1", "P3"], "age_years": [60.0, 50.0], "arm": ["A", "A"]}
    assert y.tolist() == [1.0, 0.0]


def test_columns_of_the_rules_and_of_resampling_stand_beside_the_features() -> None:
    rules = pd.DataFrame({"usubjid": ["P1", "P3"], "protocol_branch": ["R1", "R2"]})
    rows, y = resampling_rows(FEATURES, COHORT, rules)
    assert list(rows) == [
        "usubjid",
        "age_years",
        "arm",
        "protocol_branch",
        "siteid",
        "rand_date",
        "outcome_date",
    ]
    assert (rows["siteid"].tolist(), y.tolist()) == (["S1", "S2"], [1.0, 0.0])


def test_a_missing_outcome_stays_among_the_randomised_and_one_that_is_not_due_does_not() -> None:
    everybody = pd.concat([FEATURES, pd.DataFrame({"usubjid": ["P4"], "age_years": [40.0]})])
    rows, outcome = randomised_rows(everybody, COHORT)
    assert rows["usubjid"].tolist() == ["P1", "P2", "P3"]
    assert outcome.isna().tolist() == [False, True, False]
