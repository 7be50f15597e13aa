"""Drugs and the regimen that they make, falls of the ejection fraction, and contradictions in safety data."""

from typing import Any

import pandas as pd
import pytest

from features.checks.across_tables import cross_problems
from features.contract.validation import validate
from features.errors import UserError
from features.exposure import derived_exposure, parse_regimens, regimens_of_cycles
from features.safety import EjectionFractionFall, ejection_fraction_falls
from pipeline.project.configs import read_regimens
from tests.features.tables import CONTRACT, ROOT, STUDY, table

REGIMENS = read_regimens(ROOT / "configs/regimens.yaml")
NAMES = STUDY["regimens"]
EVENT = {"usubjid": "P1", "ae_id": "1", "term": "Diarrhoea", "grade": 3}
DOSE = {
    "usubjid": "P1", "cycle": 1, "drug": "docetaxel", "dose_planned": 75.0, "dose_given": 75.0,
    "start_date": "2026-02-01", "modification": "none",
}  # fmt: skip
LVEF = {"usubjid": "P1", "testcd": "LVEF", "measured_date": "2026-01-20", "value": 60.0}
LATER = LVEF | {"measured_date": "2026-03-01", "value": 49.0}
EF_TERM = {"term": "Ejection fraction decreased", "grade": 1}


@pytest.mark.parametrize(
    ("drugs", "regimen"),
    [
        ("nab-paclitaxel trastuzumab pertuzumab", "NAB_PHP"),
        ("Nab-Paclitaxel trastuzumab", "NAB_PHP"),
        ("docetaxel carboplatin trastuzumab pertuzumab", "TCBHP"),
        ("pyrotinib trastuzumab docetaxel", "PYROHT"),
        ("everolimus trastuzumab docetaxel", "EVEROHT"),
        ("epirubicin cyclophosphamide trastuzumab", "ACH"),
        ("trastuzumab rezetecan".replace(" ", "_"), "ADC"),
        ("docetaxel trastuzumab pertuzumab", None),
        ("pyrotinib everolimus trastuzumab", None),
        ("trastuzumab pertuzumab", None),
        ("pyrotinib trastuzumab docetaxel carboplatin", None),
    ],
)
def test_the_regimen_of_a_cycle_is_the_one_whose_drugs_were_given(drugs: str, regimen: str | None) -> None:
    given = [drug.replace("_", " ") for drug in drugs.split()]
    assert REGIMENS.regimen_of(given, NAMES) == regimen


def test_exposure_follows_from_drugs_with_dates_doses_and_which_conjugate() -> None:
    conjugate = DOSE | {"cycle": 5, "drug": "Trastuzumab deruxtecan", "dose_planned": 5.4, "dose_given": 4.4}
    weekly = [DOSE | {"drug": "nab-paclitaxel", "start_date": f"2026-02-{day:02}"} for day in (8, 1, 15)]
    left_out = DOSE | {"drug": "pertuzumab", "dose_given": 0.0, "delay_days": 2}
    drugs = table("drug_exposure", [conjugate, *weekly, left_out, DOSE | {"usubjid": "P2"}])
    exposure = derived_exposure(drugs, REGIMENS, NAMES)
    assert exposure[["usubjid", "cycle", "regimen"]].to_numpy().tolist() == [
        ["P1", 1, "NAB_PHP"], ["P1", 5, "ADC"],
    ]  # fmt: skip
    assert exposure["start_date"].dt.day.tolist() == [1, 1]
    assert exposure["dose_pct"].round(1).tolist() == [75.0, 81.5]
    assert exposure["drug"].fillna("").tolist() == ["", "trastuzumab deruxtecan"]
    checked, problems = validate({"exposure": exposure}, CONTRACT, STUDY)
    pd.testing.assert_frame_equal(checked["exposure"], exposure)
    assert set(problems["rule"]) == {"required_table"}


def test_a_regimen_without_drugs_is_refused_only_where_it_must_be_known() -> None:
    drugs = table("drug_exposure", [DOSE])
    with pytest.raises(UserError, match=r"regimens\.yaml: regimen TCHP .*TCBHP"):
        derived_exposure(drugs, REGIMENS, ["TCHP"])
    assert regimens_of_cycles(drugs, REGIMENS, ["TCHP"])["regimen"].isna().all()
    with pytest.raises(UserError, match=r"ADC\.needs is empty"):
        parse_regimens({"classes": {}, "regimens": {"ADC": {"needs": []}}})


@pytest.mark.parametrize(
    ("later", "fell"),
    [((49.9,), True), ((50.0,), False), ((49.0, 70.0), True), ((), None), ((51.0,), False)],
)
def test_a_fall_is_ten_points_to_below_fifty_per_cent_after_the_first_dose(
    later: tuple[float, ...], fell: bool | None
) -> None:
    rows = [LVEF | {"measured_date": f"2026-0{3 + i}-01", "value": value} for i, value in enumerate(later)]
    tables = {
        "safety_measurements": table("safety_measurements", [LVEF, *rows, LVEF | {"usubjid": "P2"}]),
        "exposure": table("exposure", [{"usubjid": "P1", "cycle": 1, "start_date": "2026-02-01"}]),
    }
    found = ejection_fraction_falls(tables, EjectionFractionFall("LVEF", 10, 50))
    assert found.to_dict() == ({} if fell is None else {"P1": fell})


def test_the_last_value_before_the_first_dose_counts_and_may_stand_among_the_values_at_entry() -> None:
    entry = {"usubjid": "P1", "visit": "baseline", "testcd": "LVEF", "lab_date": "2026-01-02", "value": 58.0}
    tables = {
        "labs": table("labs", [entry]),
        "safety_measurements": table("safety_measurements", [LATER]),
        "exposure": table("exposure", [{"usubjid": "P1", "cycle": 1, "start_date": "2026-02-01"}]),
    }
    assert not ejection_fraction_falls(tables, EjectionFractionFall("LVEF", 10, 50)).any()
    tables["safety_measurements"] = table("safety_measurements", [LVEF, LATER])
    assert ejection_fraction_falls(tables, EjectionFractionFall("LVEF", 10, 50)).tolist() == [True]


@pytest.mark.parametrize(
    ("name", "row", "rule"),
    [
        ("adverse_events", EVENT | {"term": "nausea", "grade": 4}, "error range_by_name"),
        (
            "adverse_events",
            EVENT | EF_TERM,
            "error range_by_name",
        ),
        ("adverse_events", EVENT | {"term": "Nausea"}, None),
        ("adverse_events", EVENT | {"grade": 5}, None),
        ("safety_measurements", LVEF | {"value": 0.6}, "warning range_by_name"),
        ("safety_measurements", LVEF | {"testcd": "UNHEARD", "value": 0.6}, None),
    ],
)
def test_values_are_held_against_the_range_of_what_they_are_of(
    name: str, row: dict[str, Any], rule: str | None
) -> None:
    _, problems = validate({name: pd.DataFrame([row])}, CONTRACT, STUDY)
    found = problems.loc[problems["table"] == name]
    told = [f"{s} {r.partition(':')[0]}" for s, r in zip(found["severity"], found["rule"], strict=True)]
    assert told == ([] if rule is None else [rule])


@pytest.mark.parametrize(
    ("tables", "rule"),
    [
        ({"adverse_events": [EVENT | {"grade": 5}], "disposition": []}, "fatal_event_without_death"),
        (
            {"adverse_events": [EVENT | {"grade": 5}], "disposition": [{"usubjid": "P1", "reason": "death"}]},
            None,
        ),
        (
            {"adverse_events": [EVENT | {"start_date": "2026-02-02", "end_date": "2026-02-01"}]},
            "event_ends_before_it_starts",
        ),
        ({"adverse_events": [EVENT | {"action": "stop_drug"}]}, "action_without_drug"),
        ({"drug_exposure": [DOSE | {"dose_given": 60.0}]}, "dose_contradicts_modification"),
        ({"drug_exposure": [DOSE | {"modification": "omitted"}]}, "dose_contradicts_modification"),
        ({"drug_exposure": [DOSE, DOSE | {"drug": "carboplatin"}]}, None),
        ({"drug_exposure": [DOSE]}, "drugs_of_no_regimen"),
        (
            {
                "drug_exposure": [DOSE, DOSE | {"drug": "carboplatin"}],
                "exposure": [{"usubjid": "P1", "cycle": 1, "regimen": "NAB_PHP"}],
            },
            "regimen_contradicts_drugs",
        ),
        (
            {"drug_exposure": [DOSE, DOSE | {"drug": "carboplatin"}], "exposure": []},
            "drug_given_without_cycle",
        ),
        (
            {
                "safety_measurements": [
                    LVEF | {"testcd": "SYSBP", "value": 70.0}, LVEF | {"testcd": "DIABP", "value": 110.0},
                ]
            },
            "systolic_below_diastolic",
        ),
    ],
)  # fmt: skip
def test_contradictions_in_safety_data_are_named(
    tables: dict[str, list[dict[str, Any]]], rule: str | None
) -> None:
    typed = {name: table(name, rows) for name, rows in tables.items()}
    if rule == "dose_contradicts_modification":
        problems = cross_problems(typed, CONTRACT, STUDY["visits"])
    else:
        problems = cross_problems(typed, CONTRACT, STUDY["visits"], REGIMENS, NAMES)
    assert [r.partition(":")[0] for r in problems["rule"]] == ([] if rule is None else [rule])
