"""A problem names rows, at most three patients, and centres; never what may not be named."""

import pandas as pd

from features.contract.affected_rows import AffectedRows, AtCentre
from tests.features.tables import CONTRACT

SUBJECTS = pd.DataFrame({"usubjid": ["P4", "P3", "P2", "P1"], "siteid": ["S2", "S1", "S1", None]})
SAMPLES = pd.DataFrame({"sample_id": ["a", "b"], "usubjid": ["P4", "P2"]})
VARIANTS = pd.DataFrame({"sample_id": ["a", "a", "x"], "gene": ["TP53", "PTEN", "PTEN"]})
TABLES = {"subjects": SUBJECTS, "ctdna_samples": SAMPLES, "ctdna_variants": VARIANTS}


def test_rows_are_counted_and_at_most_three_patients_named_in_order() -> None:
    count, ids, at_centres = AffectedRows(TABLES, CONTRACT).by("subjects", SUBJECTS["usubjid"] != "")
    assert (count, ids) == (4, "P1; P2; P3")
    assert at_centres == [AtCentre("S1", 2, "P2; P3"), AtCentre("S2", 1, "P4"), AtCentre("unknown", 1, "P1")]


def test_rows_of_variants_are_at_the_centre_of_the_patient_who_gave_the_sample() -> None:
    at_centres = AffectedRows(TABLES, CONTRACT).by("ctdna_variants", VARIANTS["gene"] == "PTEN")[2]
    assert [(at.centre, at.rows) for at in at_centres] == [("S2", 1), ("unknown", 1)]


def test_ids_and_centres_that_may_identify_people_are_not_named() -> None:
    at_first = SUBJECTS["siteid"] == "S1"
    without_ids = AffectedRows(TABLES, CONTRACT, {("subjects", "usubjid")}).by("subjects", at_first)
    assert without_ids == (2, "", [AtCentre("S1", 2, "")])
    assert AffectedRows(TABLES, CONTRACT, {("subjects", "siteid")}).by("subjects", at_first)[2] == []


def test_no_row_and_an_unknown_table_name_nobody() -> None:
    affected = AffectedRows(TABLES, CONTRACT)
    assert affected.by("subjects", SUBJECTS["usubjid"] == "P9") == (0, "", [])
    assert affected.by("letters", SUBJECTS["usubjid"] == "P1") == (1, "", [])
