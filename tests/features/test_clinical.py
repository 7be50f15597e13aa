"""The patient at randomisation, and the regimen she has been given by a late landmark."""

from typing import Any

import pandas as pd
import pytest

from features.clinical import build
from features.feature import FeatureError, contract_columns
from tests.features.tables import CONTRACT, SETTINGS, STUDY, domain_settings, table

PATIENTS = pd.Index(["P1", "P2"], name="usubjid")


def columns(wanted: dict[str, list[str]] | None = None) -> Any:
    return contract_columns(CONTRACT, wanted or SETTINGS.clinical.columns, "clinical", "baseline", STUDY)


def test_columns_stand_as_they_are_with_the_units_levels_and_limits_of_the_contract() -> None:
    rows = [{"usubjid": "P2", "age_years": 61.5, "ecog": 1, "ct": "T3", "arm": "ADAPTIVE"}, {"usubjid": "P1"}]
    tables = {"subjects": table("subjects", rows)}
    frame, features = build(tables, PATIENTS, *domain_settings("clinical", columns=columns()))
    assert frame.loc["P2", ["age_years", "ecog", "ct"]].tolist() == [61.5, 1.0, "T3"]
    assert frame.loc["P1"].isna().all()
    assert frame.dtypes[["age_years", "ecog", "ct"]].astype(str).tolist() == ["float64", "float64", "str"]
    by_name = {feature.name: feature for feature in features}
    assert by_name["arm"].levels == ("CONTROL_TCBHP", "ADAPTIVE")
    age = by_name["age_years"]
    assert (age.unit, age.low, age.high, age.known_at, age.kind) == ("years", 18, 100, "baseline", "numeric")


@pytest.mark.parametrize(
    ("landmark", "expected"), [("baseline", None), ("c2", None), ("c4", ["EVEROHT", None])]
)
def test_the_regimen_received_is_that_of_the_last_cycle_from_the_third_on(
    landmark: str, expected: list[str | None] | None
) -> None:
    given = [(4, "EVEROHT"), (1, "NAB_PHP"), (3, "PYROHT")]
    exposure = table("exposure", [{"usubjid": "P1", "cycle": c, "regimen": r} for c, r in given])
    frame, _ = build({"exposure": exposure}, PATIENTS, *domain_settings("clinical", landmark))
    found = frame.get("regimen_received")
    assert (None if found is None else [None if pd.isna(v) else v for v in found]) == expected


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ({"subjects": ["height"]}, "the contract has no column subjects.height"),
        ({"subjects": ["country"]}, "subjects.country is text without levels"),
        ({"surgery": ["pcr"]}, "surgery.pcr is not known at baseline"),
    ],
)
def test_a_column_that_cannot_stand_as_a_feature_is_refused(wanted: dict[str, list[str]], fault: str) -> None:
    with pytest.raises(FeatureError, match=fault):
        columns(wanted)
