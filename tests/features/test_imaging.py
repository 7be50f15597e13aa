"""One method per patient, sums by RECIST, and quantitative features on the scale that suits them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.feature import FeatureError
from features.imaging import build
from features.settings import Scale
from tests.features.tables import SETTINGS, domain_settings, spec_rows, table

PATIENTS = pd.Index(["P1"], name="usubjid")
STATUS = {"nd": "not_done", "ne": "not_evaluable"}
MRI = {"usubjid": "P1", "method": "MRI", "reader": "INVESTIGATOR", "status": "done"}
LESION = MRI | {"lesion_id": "L1", "target": "target", "site": "breast", "axis": "longest"}


def features(
    patients: pd.Index = PATIENTS, not_planned: bool = False, scales: Any = None, **rows: list[dict[str, Any]]
) -> pd.DataFrame:
    chosen = {**SETTINGS.imaging.scales, **{name: Scale(**entry) for name, entry in (scales or {}).items()}}
    about = domain_settings("imaging", not_planned=patients if not_planned else (), scales=chosen)
    return build({name: table(name, given) for name, given in rows.items()}, patients, *about)[0]


def lesion(cell: str | None, visit: str, **more: str) -> list[dict[str, Any]]:
    """Read a cell of the specification: nothing, a status, or `diameter axis/method`."""
    if cell is None:
        return []
    row = LESION | {"visit": visit} | more
    if cell in STATUS:
        return [row | {"status": STATUS[cell]}]
    diameter, axis, method = cell.replace("/", " ").split()
    return [row | {"diameter_mm": float(diameter), "axis": axis, "method": method}]


@pytest.mark.parametrize(
    "row", spec_rows("features_imaging_state.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_states_and_sums_follow_the_specification(row: dict[str, str]) -> None:
    node = {"lesion_id": "L2", "site": "axillary"}
    rows = [
        r
        for v in ("baseline", "c2")
        for r in lesion(row[f"breast_{v}"], v) + lesion(row[f"node_{v}"], v, **node)
    ]
    found = features(lesions=rows).iloc[0]
    for visit in ("baseline", "c2"):
        assert found[f"imaging_{visit}_state"] == row[f"state_{visit}"]
        total = row[f"sum_{visit}"]
        assert found[f"imaging_{visit}_sum_mm"] == pytest.approx(float(total or "nan"), nan_ok=True)
    assert found["imaging_c2_sum_change"] == pytest.approx(float(row["change_c2"] or "nan"), nan_ok=True)


def test_the_first_method_by_priority_at_baseline_is_followed() -> None:
    rows = [
        LESION | {"visit": v, "method": m, "diameter_mm": d}
        for v, m, d in (("baseline", "US", 30), ("baseline", "MRI", 40), ("c2", "US", 10), ("c2", "MRI", 20))
    ]
    found = features(lesions=rows).iloc[0]
    assert (found["imaging_baseline_sum_mm"], found["imaging_c2_sum_mm"]) == (40, 20)


def test_only_target_lesions_of_the_configured_reader_are_summed() -> None:
    rows = [
        LESION | {"visit": "baseline", "diameter_mm": 40},
        LESION | {"visit": "baseline", "diameter_mm": 15, "lesion_id": "L2", "target": "nontarget"},
        LESION | {"visit": "baseline", "diameter_mm": 99, "reader": "INDEPENDENT"},
    ]
    assert features(lesions=rows)["imaging_baseline_sum_mm"].tolist() == [40]


def test_without_a_row_the_state_is_not_done_or_not_planned_by_the_arm_and_baseline_is_always_planned() -> (
    None
):
    patients = pd.Index(["P1", "P2"], name="usubjid")
    rows = [LESION | {"visit": v, "diameter_mm": 40} for v in ("baseline", "c2")]
    planned = features(patients, lesions=rows).loc["P2"]
    assert (planned["imaging_baseline_state"], planned["imaging_c2_state"]) == ("not_done", "not_done")
    unplanned = features(patients, not_planned=True, lesions=rows).loc["P2"]
    assert (unplanned["imaging_baseline_state"], unplanned["imaging_c2_state"]) == ("not_done", "not_planned")


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([("MRI", "PR")], "PR"),
        ([("US", "CR"), ("MRI", "SD")], "SD"),
        ([("US", "PR")], "NE"),
        ([("MRI", "NE")], "NE"),
        ([("MRI", "ND")], "ND"),
        ([], "ND"),
    ],
)
def test_the_response_is_the_one_by_the_method_followed(
    recorded: list[tuple[str, str]], expected: str
) -> None:
    patients = pd.Index(["P1", "P2"], name="usubjid")
    given = [MRI | {"visit": "c2", "method": m, "overall": o} for m, o in recorded]
    other = MRI | {"visit": "c2", "usubjid": "P2", "overall": "PR"}
    found = features(
        patients, lesions=[LESION | {"visit": "baseline", "diameter_mm": 40}], response=[*given, other]
    )
    assert found["imaging_c2_response"].tolist() == [expected, "PR"]


def test_responses_alone_are_followed_by_their_own_first_method() -> None:
    rows = [MRI | {"visit": v, "method": m, "overall": "PR"} for v, m in (("c1", "US"), ("c2", "MRI"))]
    found = features(response=rows).iloc[0]
    assert found.to_dict() == {"imaging_c1_response": "PR", "imaging_c2_response": "NE"}


def scan(visit: str, value: float, **more: Any) -> dict[str, Any]:
    return (
        {k: v for k, v in MRI.items() if k != "reader"}
        | {"visit": visit, "feature": "LD", "value": value}
        | more
    )


def test_a_quantitative_feature_changes_relative_to_its_first_value() -> None:
    found = features(imaging_features=[scan("baseline", 4.0), scan("c1", 3.0), scan("c2", 0.0)]).iloc[0]
    assert found[["imaging_ld_baseline", "imaging_ld_c1", "imaging_ld_c2"]].tolist() == [4, 3, 0]
    assert found[["imaging_ld_c1_change", "imaging_ld_c2_change"]].tolist() == [-0.25, -1]


def test_tumour_volume_stands_and_changes_on_the_log1p_scale_as_configured() -> None:
    found = features(
        imaging_features=[scan("baseline", 9.0, feature="FTV"), scan("c1", 0.0, feature="FTV")]
    ).iloc[0]
    assert found["imaging_ftv_baseline"] == pytest.approx(np.log(10))
    assert found["imaging_ftv_c1_change"] == pytest.approx(-np.log(10))


def test_a_tumour_volume_below_nothing_is_out_of_its_range_and_a_change_may_be() -> None:
    scans = [scan("baseline", 9.0, feature="FTV"), scan("c1", 0.0, feature="FTV")]
    tables = {"imaging_features": table("imaging_features", scans)}
    described = {one.name: one for one in build(tables, PATIENTS, *domain_settings("imaging"))[1]}
    assert described["imaging_ftv_c1"].low == 0.0
    assert described["imaging_ftv_c1_change"].low is None


def test_a_difference_of_logarithms_is_the_logarithm_of_a_ratio() -> None:
    scans = [scan("baseline", 9.0, feature="FTV"), scan("c1", 4.0, feature="FTV")]
    tables = {"imaging_features": table("imaging_features", scans)}
    units = {one.name: one.unit for one in build(tables, PATIENTS, *domain_settings("imaging"))[1]}
    assert units["imaging_ftv_c1"].startswith("log1p")
    assert units["imaging_ftv_c1_change"] == "log1p ratio"


def test_a_change_from_nothing_and_a_logarithm_of_nothing_are_missing() -> None:
    found = features(imaging_features=[scan("baseline", 0.0), scan("c1", 3.0)]).iloc[0]
    assert np.isnan(found["imaging_ld_c1_change"])
    log10 = {"ld": {"scale": "log10", "change": "difference"}}
    found = features(imaging_features=[scan("baseline", 100.0), scan("c1", 0.0)], scales=log10).iloc[0]
    assert found["imaging_ld_baseline"] == 2
    assert np.isnan(found["imaging_ld_c1"])


def test_values_not_done_or_by_another_method_than_the_first_are_missing() -> None:
    patients = pd.Index(["P1", "P2"], name="usubjid")
    complete = [scan(visit, 4.0, usubjid="P2") for visit in ("baseline", "c1", "c2")]
    rows = [scan("baseline", 4.0), scan("c1", 3.0, method="PET"), scan("c2", 9.0, status="not_evaluable")]
    found = features(patients, imaging_features=[*complete, *rows])
    assert found[["imaging_ld_c1", "imaging_ld_c2"]].isna().all(axis=1).tolist() == [True, False]
    assert features(imaging_features=[scan("baseline", 4.0, method="PET")])[
        "imaging_ld_baseline"
    ].tolist() == [4]


def test_a_feature_has_no_column_at_a_visit_without_it_and_no_change_without_a_first_value() -> None:
    found = features(imaging_features=[scan("c2", 3.0)])
    assert found.columns.tolist() == ["imaging_c2_state", "imaging_ld_c2"]


def test_without_lesions_the_state_is_that_of_the_quantitative_features() -> None:
    rows = [
        scan("baseline", 4.0),
        scan("c1", 0.0, status="not_done"),
        scan("c2", 0.0, status="not_evaluable"),
    ]
    found = features(imaging_features=rows).filter(like="state").iloc[0]
    assert found.tolist() == ["done", "not_done", "not_evaluable"]


def test_a_feature_in_two_units_is_refused() -> None:
    rows = [scan("baseline", 4.0, unit="cm"), scan("c1", 40.0, unit="mm")]
    with pytest.raises(FeatureError, match=r"LD is recorded in 2 units \(cm, mm\)"):
        features(imaging_features=rows)


def test_names_that_become_the_same_are_refused() -> None:
    with pytest.raises(FeatureError, match="names that differ only in punctuation or case: ftv"):
        features(imaging_features=[scan("baseline", 4.0, feature="FTV"), scan("c1", 4.0, feature="ftv.")])


def test_a_study_without_imaging_gives_no_columns() -> None:
    assert features().empty
    assert features(lesions=[], response=[], imaging_features=[]).empty


def test_the_sum_of_diameters_has_the_same_bits_in_any_order_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    rows = [
        LESION | {"visit": "baseline", "lesion_id": f"L{i}", "diameter_mm": rng.uniform(1, 90)}
        for i in range(12)
    ]
    orders = [rng.permutation(12) for _ in range(12)]
    sums = {features(lesions=[rows[i] for i in order])["imaging_baseline_sum_mm"].iloc[0] for order in orders}
    assert len(sums) == 1
