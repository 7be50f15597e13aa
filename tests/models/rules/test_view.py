"""Raw tables as a node sees them: windows, lateness, and the first usable row."""

import pandas as pd
import pytest

from models.rules.view import View, first_reason, first_usable, of_patients
from tests.models.rule_tables import STARTS, cohort, cycles, rules, tables

PATIENTS = pd.Index(["P1", "P2"], name="usubjid")


def view(reading: str | None = None, node: str = "c2") -> View:
    table = rules(reading)
    raw = tables(exposure=cycles(dict.fromkeys(STARTS, "NAB_PHP")))
    return View(raw, cohort("P1").set_index("usubjid"), table, table.nodes[node])


@pytest.mark.parametrize(
    ("day", "reading", "outside"),
    [
        (STARTS[2], None, True),  # the day of the cycle's own dose
        ("2026-01-30", None, False),
        (STARTS[3], None, False),  # the day of the decision
        ("2026-02-20", None, True),
        ("2026-02-11", "c2_window=days", True),  # day 14
        ("2026-02-12", "c2_window=days", False),  # day 15
    ],
)
def test_a_scan_counts_within_its_cycle_or_its_days(day: str, reading: str | None, outside: bool) -> None:
    scan = pd.DataFrame({"usubjid": ["P1"], "assessment_date": [pd.Timestamp(day)]})
    assert view(reading).outside(scan, "assessment_date", "c2", 2, "c2_window").tolist() == [outside]


def test_an_unusable_row_gives_way_to_a_usable_one_and_else_gives_its_reason() -> None:
    rows = pd.DataFrame(
        {"usubjid": ["P1", "P1", "P2", "P2"], "value": ["x", "POS", "x", "x"],
         "reason": ["late", None, "late", "not_done"]}
    )  # fmt: skip
    chosen = first_usable(rows, pd.Index(["P1", "P2", "P3"], name="usubjid"))
    assert chosen["value"].fillna("").tolist() == ["POS", "", ""]
    assert chosen["reason"].fillna("").tolist() == ["", "late", "no_record"]


def test_the_first_check_that_is_true_is_the_reason() -> None:
    index = pd.Index([0, 1, 2])
    checks = {"late": pd.Series([True, False, False]), "not_done": pd.Series([True, True, None])}
    assert first_reason(index, checks).fillna("").tolist() == ["late", "not_done", ""]


def test_variants_are_kept_by_the_patient_of_their_sample() -> None:
    raw = {
        "ctdna_samples": pd.DataFrame({"usubjid": ["P1", "P9"], "sample_id": ["a", "b"]}),
        "ctdna_variants": pd.DataFrame({"sample_id": ["a", "b"], "gene": ["TP53", "PTEN"]}),
        "labs": pd.DataFrame({"usubjid": ["P1"]}),
    }
    kept = of_patients(raw, PATIENTS)
    assert list(kept) == ["ctdna_samples", "ctdna_variants"]
    assert kept["ctdna_variants"]["gene"].tolist() == ["TP53"]


def test_what_was_read_is_read_again_only_under_another_reading_that_it_asked_for() -> None:
    calls, at = [], view()

    def read(seen: View) -> pd.DataFrame:
        calls.append(seen.setting("ctdna_call"))
        return pd.DataFrame({"value": [len(calls)]})

    for reading in (None, "pam_genes=extended", "ctdna_call=derived"):
        table = rules(reading)
        seen = View(at.tables, at.cohort, table, table.nodes["c2"], at.known)
        seen.once("input", "ctdna_c1", lambda seen=seen: read(seen))
    assert calls == ["laboratory", "derived"]
