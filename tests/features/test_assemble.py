"""The property everything rests on: what was recorded later does not change a landmark's features."""

from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.assemble import Assembled, LeakageError, assemble
from features.cohort import build_cohort
from features.documents.study import parse_study
from features.eligibility import Criterion
from features.feature import FeatureError
from tests.features.tables import CONTRACT, SETTINGS, STUDY, shuffled, table, trial

LANDMARKS = parse_study(STUDY).landmarks
TRIAL = trial(11, 90)
NO_CRITERIA: tuple[Criterion, ...] = ()


def at(landmark: str, tables: dict[str, pd.DataFrame], study: dict[str, Any] = STUDY) -> Assembled:
    cohort = build_cohort(tables, parse_study(study), NO_CRITERIA).frame
    return assemble(
        tables, cohort, parse_study(study).landmarks[landmark], parse_study(study), SETTINGS, CONTRACT
    )


def study_with(**features: Any) -> dict[str, Any]:
    study = deepcopy(STUDY)
    study["features"] |= features
    return study


def recorded_later(
    tables: dict[str, pd.DataFrame], landmark: str, decisions: pd.Series
) -> dict[str, pd.Series]:
    """Tell, without the gate, which rows were recorded after each patient's decision."""
    schedule = STUDY["schedule"][landmark]
    later = {}
    for name, frame in tables.items():
        timing = CONTRACT[name].timing
        days = frame.reindex(columns=[c for c in (timing.reported, timing.performed) if c])
        after = days.bfill(axis=1).iloc[:, 0] > frame["usubjid"].map(decisions) if days.shape[1] else None
        if timing.visit:
            later[name] = ~frame["visit"].isin(schedule["visits"]) | after
        elif timing.cycle:
            later[name] = frame["cycle"] > schedule["cycles"]
        elif after is not None:
            later[name] = after
    hidden = tables["ctdna_samples"].loc[later["ctdna_samples"], "sample_id"]
    return later | {"ctdna_variants": tables["ctdna_variants"]["sample_id"].isin(hidden)}


def rewritten(tables: dict[str, pd.DataFrame], landmark: str, seed: int) -> dict[str, pd.DataFrame]:
    """Return the tables with everything recorded later permuted, postponed or dropped."""
    rng = np.random.default_rng(seed)
    cohort = build_cohort(tables, parse_study(STUDY), NO_CRITERIA).frame.set_index("usubjid")
    later = recorded_later(tables, landmark, cohort[f"decision_{landmark}"])
    decisive = STUDY["schedule"][landmark]["cycles"] + 1
    changed = dict(tables)
    for name, rows in later.items():
        spec, frame = CONTRACT[name], tables[name].copy()
        for column in frame.columns.difference(list(spec.key)):
            if spec.columns[column].type == "date" and name != "exposure":
                frame.loc[rows, column] += pd.to_timedelta(rng.integers(0, 60, rows.sum()), unit="D")
            elif (column != "sample_id" and name != "exposure") or column == "regimen":
                frame.loc[rows, column] = rng.permutation(frame.loc[rows, column].to_numpy(copy=True))
        keep = ~rows | (rng.random(len(frame)) < 0.7)
        keep |= (frame["cycle"] == decisive) if name == "exposure" else False
        changed[name] = frame.loc[keep].reset_index(drop=True)
    known = changed["ctdna_samples"]["sample_id"]
    variants = changed["ctdna_variants"]
    return changed | {
        "ctdna_variants": variants.loc[variants["sample_id"].isin(known)].reset_index(drop=True)
    }


@pytest.mark.parametrize("landmark", STUDY["landmarks"])
@pytest.mark.parametrize("seed", range(2))
def test_rewriting_everything_recorded_later_leaves_the_features_bit_identical(
    landmark: str, seed: int
) -> None:
    tables = trial(100 + seed, 80)
    before, after = at(landmark, tables), at(landmark, rewritten(tables, landmark, seed))
    pd.testing.assert_frame_equal(before.frame, after.frame, check_exact=True)
    assert before.features == after.features


def test_the_rewriting_is_thorough_it_changes_the_outcome_and_the_features_of_a_later_landmark() -> None:
    changed = rewritten(TRIAL, "c1", 0)
    assert not at("c2", TRIAL).frame.equals(at("c2", changed).frame)
    outcomes = [build_cohort(t, parse_study(STUDY), NO_CRITERIA).frame["outcome"] for t in (TRIAL, changed)]
    assert not outcomes[0].equals(outcomes[1])
    assert len(changed["lesions"]) < len(TRIAL["lesions"])


@pytest.mark.parametrize("landmark", ["baseline", "c4"])
def test_the_order_of_the_rows_does_not_matter_and_inputs_stay_as_they_are(landmark: str) -> None:
    copies = {name: frame.copy() for name, frame in TRIAL.items()}
    mixed = {name: shuffled(frame, np.random.default_rng(5)) for name, frame in reversed(TRIAL.items())}
    pd.testing.assert_frame_equal(at(landmark, TRIAL).frame, at(landmark, mixed).frame, check_exact=True)
    for name, frame in TRIAL.items():
        pd.testing.assert_frame_equal(frame, copies[name])


@pytest.mark.parametrize("landmark", STUDY["landmarks"])
def test_the_frame_is_what_the_metadata_say(landmark: str) -> None:
    assembled = at(landmark, TRIAL)
    frame, features = assembled.frame, assembled.features
    assert frame.columns.tolist() == ["usubjid", *(f.name for f in features)]
    assert frame["usubjid"].is_monotonic_increasing
    assert {f.known_at for f in features} <= set(STUDY["schedule"][landmark]["visits"])
    domains = [f.domain for f in features]
    assert domains == sorted(domains, key=STUDY["features"]["domains"].index)
    for f in features:
        assert frame[f.name].dtype == ("float64" if f.kind == "numeric" else "str")
        assert f.kind == "numeric" or set(frame[f.name].dropna()) <= set(f.levels)
        assert not f.name.endswith("_state") or frame[f.name].notna().all()
        assert f.kind == "categorical" or frame[f.name].min() >= (-np.inf if f.low is None else f.low)
        assert f.kind == "categorical" or frame[f.name].max() <= (np.inf if f.high is None else f.high)


def test_only_patients_at_risk_are_in_the_frame_and_no_outcome_is() -> None:
    cohort = build_cohort(TRIAL, parse_study(STUDY), NO_CRITERIA).frame
    frame = at("c4", TRIAL).frame
    assert frame["usubjid"].tolist() == cohort.loc[cohort["at_risk_c4"], "usubjid"].tolist()
    assert len(frame) < len(cohort)
    outcomes = {*cohort.columns, *CONTRACT["surgery"].columns, *CONTRACT["disposition"].columns}
    assert set(frame) & outcomes == {"usubjid", "arm"}


def test_rows_reported_late_are_counted() -> None:
    late = at("c1", TRIAL).columns.counts.late
    assert {"ctdna_samples", "ctdna_variants", "lesions", "response"} <= {table for table, _, _ in late}
    assert min(late.values()) > 0


def test_domains_and_features_without_any_value_are_named_and_left_out() -> None:
    tables = {name: frame for name, frame in TRIAL.items() if not name.startswith("ctdna")}
    assembled = at("c2", tables)
    assert assembled.absent_domains == ("ctdna",)
    assert {"bmi", "her2_copies"} <= set(assembled.absent)
    assert not set(assembled.absent) & set(assembled.frame)
    assert not assembled.frame.isna().all().any()


def without_control_samples(visit: str = "c1") -> dict[str, pd.DataFrame]:
    control = TRIAL["subjects"].loc[TRIAL["subjects"]["arm"] == "CONTROL_TCBHP", "usubjid"]
    samples = TRIAL["ctdna_samples"].copy()
    rows = samples["usubjid"].isin(control) & (samples["visit"] == visit)
    samples.loc[rows, ["qc", "planned"]] = ["not_done", "N"]
    samples.loc[rows, ["draw_date", "report_date"]] = pd.NaT
    return TRIAL | {"ctdna_samples": samples}


def test_a_state_that_stands_for_the_arm_is_refused() -> None:
    tables = without_control_samples()
    with pytest.raises(LeakageError, match=r"ctdna_c1_state: .* any patient of CONTROL_TCBHP, but for"):
        at("c1", tables)
    assert at("baseline", tables).frame["arm"].nunique() == 2


def test_a_state_that_by_chance_an_arm_lacks_and_the_other_mostly_lacks_is_not_refused() -> None:
    tables = without_control_samples()
    samples = tables["ctdna_samples"]
    rows = (samples["visit"] == "c1") & ~samples["usubjid"].str.endswith("7")
    tables["ctdna_samples"] = samples.assign(
        qc=samples["qc"].mask(rows, "not_done"),
        planned=samples["planned"].mask(samples["visit"] == "c1", "Y"),
    )
    assert set(at("c1", tables).frame["ctdna_c1_state"]) > {"not_done"}


def test_the_study_may_restrict_models_after_baseline_to_the_adaptive_arm() -> None:
    study = study_with(after_baseline="adaptive_arm")
    tables = without_control_samples()
    assert set(at("c1", tables, study).frame["arm"]) == {"ADAPTIVE"}
    baseline = at("baseline", tables, study)
    assert set(baseline.frame["arm"]) == {"ADAPTIVE", "CONTROL_TCBHP"}
    assert baseline.absent_domains == ()


def test_at_baseline_a_domain_that_only_the_adaptive_arm_has_is_then_left_out() -> None:
    study = study_with(after_baseline="adaptive_arm")
    baseline = at("baseline", without_control_samples("baseline"), study)
    assert baseline.absent_domains == ("ctdna",)
    assert not baseline.frame.filter(like="ctdna").columns.tolist()


def test_without_state_indicators_missing_is_nan_and_nothing_else() -> None:
    assembled = at("c2", TRIAL, study_with(state_indicators={"ctdna": False, "imaging": False}))
    telling = {"not_planned", "not_done", "not_evaluable", "unknown", "NE", "ND"}
    ours = [f for f in assembled.features if f.domain in {"ctdna", "imaging"}]
    assert not [f.name for f in ours if f.name.endswith("_state") or telling & set(f.levels)]
    assert not assembled.frame[[f.name for f in ours]].isin(telling).any(axis=None)
    assert assembled.frame["imaging_c2_response"].isna().any()


def test_imaging_not_planned_in_an_arm_is_refused_like_ctdna_whether_the_study_says_so_or_not() -> None:
    control = TRIAL["subjects"].loc[TRIAL["subjects"]["arm"] == "CONTROL_TCBHP", "usubjid"]
    lesions = TRIAL["lesions"]
    kept = ~lesions["usubjid"].isin(control) | (lesions["visit"] == "baseline")
    tables = TRIAL | {"lesions": lesions.loc[kept]}
    for study in (STUDY, study_with(not_planned={"imaging": ["CONTROL_TCBHP"]})):
        with pytest.raises(LeakageError, match="imaging_c1_state"):
            at("c1", tables, study)


def test_a_study_without_dates_with_long_scores_and_a_subset_scanned_goes_through_the_same_code() -> None:
    visits = ["t0", "t1", "t2"]
    schedule = {v: {"visits": visits[: i + 1]} for i, v in enumerate(visits)}
    study = {"visits": visits, "landmarks": visits, "schedule": schedule, "arms": ["A", "B", "C"]}
    study["outcome"] = {"definition": "recorded", "counted_as_failure": []}
    study["features"] = {"domains": STUDY["features"]["domains"], "state_indicators": {"imaging": False}}
    ids = [f"{i}" for i in range(6)]
    patients = [{"usubjid": u, "arm": a, "age_years": 50.0} for u, a in zip(ids, "AABBCC", strict=True)]
    scans = [
        {
            "usubjid": u,
            "visit": v,
            "method": "MRI",
            "feature": "FTV",
            "value": 2.0,
            "unit": "cc",
            "status": "done",
        }
        for u in ids[:3]
        for v in visits
    ]
    scores = [{"usubjid": u, "visit": "t0", "assay": "x", "biomarker": "Mod7", "value": 1.0} for u in ids]
    tables = {
        "subjects": table("subjects", patients),
        "pathology": table("pathology", [{"usubjid": u, "hr": "pos"} for u in ids]),
        "biomarkers": table("biomarkers", scores),
        "imaging_features": table("imaging_features", scans),
        "surgery": table("surgery", [{"usubjid": u, "performed": "Y", "pcr": "YN"[int(u) % 2]} for u in ids]),
    }
    assembled = at("t1", tables, study)
    expected = ["arm", "age_years", "hr", "biomarker_mod7", "imaging_ftv_t0", "imaging_ftv_t1"]
    assert assembled.frame.columns.tolist() == ["usubjid", *expected, "imaging_ftv_t1_change"]
    assert assembled.frame["imaging_ftv_t1"].isna().tolist() == [False] * 3 + [True] * 3
    assert assembled.absent_domains == ("ctdna",)
    assert not assembled.columns.counts.late


def test_hundreds_of_scores_are_bound_in_one_piece_without_those_that_nobody_has() -> None:
    plan = {"visits": ["t0"], "landmarks": ["t0"], "schedule": {"t0": {"visits": ["t0"]}}, "arms": ["A"]}
    outcome = {"definition": "recorded", "counted_as_failure": []}
    study = {**plan, "outcome": outcome, "features": {"domains": ["clinical", "pathology"]}}
    ids, names = ["1", "2"], [f"g{i}" for i in range(150)]
    scores = [
        {"usubjid": u, "visit": "t0", "assay": "x", "biomarker": g, "value": None if g == "g7" else 1.0}
        for u in ids
        for g in names
    ]
    tables = {
        "subjects": table("subjects", [{"usubjid": u, "arm": "A", "age_years": 50.0} for u in ids]),
        "biomarkers": table("biomarkers", scores),
        "surgery": table("surgery", [{"usubjid": u, "performed": "Y", "pcr": "YN"[u == "2"]} for u in ids]),
    }
    assembled = at("t0", tables, study)
    assert "biomarker_g7" in assembled.absent
    assert assembled.frame.filter(like="biomarker_").shape == (2, 149)


def test_an_unknown_domain_and_a_landmark_with_nobody_at_risk_are_refused() -> None:
    with pytest.raises(
        FeatureError, match="radiomics is unknown; must be one of clinical, pathology, tissue, ctdna, imaging"
    ):
        at("c1", TRIAL, study_with(domains=["radiomics"]))
    cohort = build_cohort(TRIAL, parse_study(STUDY), NO_CRITERIA).frame.assign(at_risk_c1=False)
    with pytest.raises(FeatureError, match="landmark c1: none of 90 patients is at risk"):
        assemble(TRIAL, cohort, LANDMARKS["c1"], parse_study(STUDY), SETTINGS, CONTRACT)


def test_ctdna_before_surgery_is_a_feature_of_a_landmark_there_and_of_none_before_it() -> None:
    study = study_with(domains=[*STUDY["features"]["domains"], "tissue"])
    study["landmarks"] = [*study["landmarks"], "presurgery"]
    last = {"visits": study["visits"], "cycles": 6, "planned_day": 126, "window_days": 14}
    study["schedule"]["presurgery"] = last
    tables = TRIAL | {
        "tissue_samples": table("tissue_samples", []),
        "tissue_variants": table("tissue_variants", []),
    }
    found = at("presurgery", tables, study)
    seen = {f.known_at for f in found.features if f.domain == "ctdna"}
    assert seen == set(study["visits"])
    assert not any("presurgery" in name for name in at("c4", tables, study).frame)
    decisions = build_cohort(tables, parse_study(study), NO_CRITERIA).frame.set_index("usubjid")
    samples = tables["ctdna_samples"].copy()
    before = samples["visit"] == "presurgery"
    late = samples["usubjid"].map(decisions["decision_presurgery"]) + pd.Timedelta(days=1)
    samples["report_date"] = samples["report_date"].mask(before, late)
    hidden = at("presurgery", tables | {"ctdna_samples": samples}, study).frame
    gone = [f.name for f in found.features if f.domain == "ctdna" and f.known_at == "presurgery"]
    assert {name for name in gone if name in hidden} <= {"ctdna_presurgery_state"}
    kept = found.frame.columns.difference(gone)
    pd.testing.assert_frame_equal(hidden[kept], found.frame[kept], check_exact=True)
