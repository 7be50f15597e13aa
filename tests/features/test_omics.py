"""What a landmark sees of assays: by visit, and reported by the decision."""

import numpy as np
import pandas as pd

from features.documents.feature import assay_columns
from features.documents.study import Landmark
from features.omics import Assay, adjusted_assays, known_assays

BASELINE = Landmark("baseline", ("baseline",))


def assay(visit: str = "baseline", reported: tuple[str | None, ...] = (None, None, None)) -> Assay:
    patients = ["P1", "P2", "P3"]
    frame = pd.DataFrame({"usubjid": patients, "ESR1": [1.0, 2, 3], "PGR": [4.0, np.nan, 6]})
    never = pd.Series([pd.NaT] * 3, dtype="datetime64[us]")
    dates = pd.to_datetime(pd.Series(reported)).astype("datetime64[us]")
    samples = pd.DataFrame({"usubjid": patients, "reported": dates, "performed": never, "batch": "a"})
    samples["platform"] = pd.Series([np.nan] * 3, dtype="str")
    return Assay(frame, samples, visit)


def decisions(*dates: str | None) -> pd.Series:
    index = pd.Index(["P3", "P1", "P9"][: len(dates)], name="usubjid")
    return pd.Series(pd.to_datetime(pd.Series(dates)).to_numpy(dtype="datetime64[us]"), index=index)


def test_patients_stand_in_the_order_of_their_decisions_and_without_the_assay_have_no_value() -> None:
    frame, late = known_assays({"rna": assay()}, BASELINE, decisions(None, None, None))
    assert frame["usubjid"].tolist() == ["P3", "P1", "P9"]
    assert frame["rna:ESR1"].tolist()[:2] == [3, 1]
    assert frame.drop(columns="usubjid").iloc[2].isna().all()
    assert late == []


def test_a_result_reported_after_the_decision_is_hidden_and_counted_on_the_day_it_is_known() -> None:
    table = assay(reported=("2026-03-02", None, "2026-03-01"))
    frame, late = known_assays({"rna": table}, BASELINE, decisions("2026-03-01", "2026-03-01"))
    assert frame["rna:ESR1"].tolist()[0] == 3
    assert np.isnan(frame["rna:ESR1"].tolist()[1])
    assert late == [{"table": "rna", "visit": "baseline", "reason": "reported_late", "rows": 1}]


def test_an_assay_of_a_later_visit_is_no_block_of_the_landmark() -> None:
    frame, _ = known_assays({"rna": assay(), "rna_c2": assay("c2")}, BASELINE, decisions(None))
    assert assay_columns(frame.columns) == {"rna": ["rna:ESR1", "rna:PGR"]}


def test_batches_stand_beside_the_features_of_what_was_known_and_platforms_where_recorded() -> None:
    frame, _ = known_assays(
        {"rna": assay(reported=("2026-03-02", None, None))}, BASELINE, decisions("2026-03-01", "2026-03-01")
    )
    assert frame["batch@rna"].isna().tolist() == [False, True]
    assert "platform@rna" not in frame
    assert assay_columns(frame.columns) == {"rna": ["rna:ESR1", "rna:PGR"]}


def test_what_comes_later_changes_nothing() -> None:
    table = assay(reported=("2026-03-02", None, None))
    changed = Assay(table.frame.assign(ESR1=[99.0, 2, 3]), table.samples, "baseline")
    first, second = (
        known_assays({"rna": each}, BASELINE, decisions("2026-03-01", "2026-03-01"))[0]
        for each in (table, changed)
    )
    pd.testing.assert_frame_equal(first, second)


def test_assays_that_the_study_adjusts_have_a_column_of_batches_if_any_is_recorded() -> None:
    entry = {"path": "x.csv", "visit": "baseline"}
    entries = {"rna": entry | {"adjust": "batch"}, "dna": entry, "slides": entry | {"adjust": "batch"}}
    columns = ["rna:ESR1", "batch@rna", "batch@dna", "slides:KDE"]
    assert adjusted_assays(entries, columns) == {"rna": "batch@rna"}  # type: ignore[arg-type]
