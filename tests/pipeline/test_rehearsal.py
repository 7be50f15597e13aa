"""What `pcr check` says of features, joins, visits and size before a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.assemble import LeakageError
from features.cohort import build_cohort
from features.contract.validation import validate
from features.documents.study import parse_study
from features.errors import UserError
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.single_features import LeakageAlarmError
from pipeline.intake.rehearsal import CheckSettings, Preparations, rehearse, single_aucs
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from tests.patients import feature
from tests.pipeline.formats import CONFIGS, CONTRACT, SETTINGS, STUDY

N = 60
VISITS = ("t0", "t1")
BY = Preparations(
    parse_study(
        STUDY
        | {
            "arms": ["A"], "visits": list(VISITS), "landmarks": ["t0"],
            "schedule": {"t0": {"visits": ["t0"]}},
            "adaptive_arm": None, "rules": "none", "leakage_acknowledged": "",
            "outcome": {"definition": "recorded"},
            "features": {"domains": ["clinical", "pathology"]},
        }
    ),
    CONTRACT,
    SETTINGS,
    model_settings(read_yaml(CONFIGS / "models.yaml")),
    validation_plan(read_yaml(CONFIGS / "validation.yaml")),
    read_settings(CheckSettings, Path(CONFIGS / "check.yaml")),
)  # fmt: skip


def tables(**changes: Any) -> dict[str, pd.DataFrame]:
    """Return checked tables of N patients, half with pCR; `changes` are columns of subjects, or tables."""
    rng = np.random.default_rng(1)
    ids = [f"P{i:02d}" for i in range(N)]
    columns = {name: value for name, value in changes.items() if not isinstance(value, pd.DataFrame)}
    subjects = pd.DataFrame(
        {"usubjid": ids, "arm": "A", "age_years": rng.uniform(30, 70, N), "bmi": rng.uniform(20, 30, N)}
        | columns
    )
    surgery = pd.DataFrame({"usubjid": ids, "performed": "Y", "pcr": ["Y", "N"] * (N // 2)})
    more = {name: value for name, value in changes.items() if isinstance(value, pd.DataFrame)}
    return validate({"subjects": subjects, "surgery": surgery} | more, CONTRACT, BY.study.vocabulary)[0]


def told(**changes: Any) -> dict[str, str]:
    """Return rule -> its text of what the rehearsal says."""
    raw = tables(**changes)
    problems = rehearse(raw, build_cohort(raw, BY.study, []).frame, BY)
    return {str(rule).partition(":")[0]: str(rule) for rule in problems["rule"]}


def test_a_feature_that_alone_separates_the_outcome_is_refused_by_name() -> None:
    with pytest.raises(LeakageError, match=r"bmi \(AUC 1\.000\)"):
        told(bmi=[20.0, 30.0] * (N // 2))


def test_a_level_or_a_gap_that_separates_the_outcome_is_refused_too() -> None:
    with pytest.raises(LeakageError, match="menopause"):
        told(menopause=["pre", "post"] * (N // 2))
    with pytest.raises(LeakageError, match="ecog"):
        told(ecog=[1, None] * (N // 2))


def test_what_would_raise_the_alarm_of_a_run_is_refused_by_the_check() -> None:
    bmi = np.array([20.0, 30.0] * (N // 2)) + np.arange(N) / 100
    bmi[:4] = [30, 20, 30, 20]
    with pytest.raises(LeakageAlarmError, match=r"AUC above 0.9 by a single feature: bmi \(0\.9"):
        told(bmi=bmi)
    few = np.zeros(N)
    few[:5] = 1
    ids = [f"P{i:02d}" for i in range(N)]
    surgery = {"usubjid": ids, "performed": "Y", "pcr": np.where(few == 1, "Y", "N")}
    near = 20 + 5.4 * few + np.arange(N) / 10
    # From five nothing is learned, so there is no alarm.
    assert "separates_outcome" in told(bmi=near, surgery=pd.DataFrame(surgery))


def test_a_feature_that_nearly_separates_is_named_and_goes_on() -> None:
    bmi = np.array([20.0, 30.0] * (N // 2))
    bmi[:6] = [30, 20, 30, 20, 30, 20]
    assert "separates_outcome" in told(bmi=bmi)
    assert "separates_outcome" not in told()


def test_a_reason_in_the_study_file_lets_a_separating_feature_pass() -> None:
    raw = tables(bmi=[20.0, 30.0] * (N // 2))
    by = BY._replace(
        study=replace(BY.study, document={**BY.study.document, "leakage_acknowledged": "made up"})
    )
    assert "bmi" in set(rehearse(raw, build_cohort(raw, BY.study, []).frame, by)["column"])


def test_more_features_than_a_run_can_learn_from_in_time_are_named_with_their_number() -> None:
    by = BY._replace(check=replace(BY.check, max_features=1))
    raw = tables()
    rules = rehearse(raw, build_cohort(raw, BY.study, []).frame, by)["rule"]
    assert any("many_features: every model that is fitted holds 2 by 2 numbers" in rule for rule in rules)
    assert "many_features" not in told()


def test_features_that_no_run_would_get_through_are_refused_and_belong_into_an_assay() -> None:
    by = BY._replace(check=replace(BY.check, refused_features=2))
    raw = tables()
    with pytest.raises(UserError, match=r"2 features of single columns; a run takes fewer than 2 .*`omics`"):
        rehearse(raw, build_cohort(raw, BY.study, []).frame, by)


def test_constant_features_and_a_study_that_is_too_small_are_named() -> None:
    rules = told(ecog=1)
    assert "ecog" in rules["constant"]
    assert "60 patients support no candidate parameter (the overall risk alone needs" in rules["too_small"]
    assert "leaves of 30 patients cannot split the 38 of a fold" in rules["cannot_learn"]


def test_too_few_events_to_learn_a_model_are_said() -> None:
    ids = [f"P{i:02d}" for i in range(N)]
    surgery = pd.DataFrame({"usubjid": ids, "performed": "Y", "pcr": ["Y"] * 9 + ["N"] * (N - 9)})
    assert told(surgery=surgery)["too_few_events"].startswith("too_few_events: 9, and 10")
    assert "too_few_events" not in told()


def test_a_definition_of_pcr_without_events_is_said_to_be_counted_only() -> None:
    ids = [f"P{i:02d}" for i in range(N)]
    surgery = {"usubjid": ids, "performed": "Y", "pcr": ["Y", "N"] * (N // 2), "yp_t": "ypT1", "yp_n": "ypN0"}
    by = BY._replace(
        study=replace(
            BY.study,
            document=BY.study.document
            | {"outcome": {"definition": "recorded", "sensitivity": ["ypT0_ypN0", "recorded"]}},
        )
    )
    raw = tables(surgery=pd.DataFrame(surgery))
    rules = rehearse(raw, build_cohort(raw, by.study, []).frame, by)["rule"]
    (rule,) = [rule for rule in rules if rule.startswith("definition_not_judged")]
    assert rule == "definition_not_judged: ypT0_ypN0 gives 0 pCR of 60 known outcomes"


def test_a_cohort_in_which_nothing_varies_is_said_to_teach_nothing() -> None:
    assert told(age_years=40, bmi=25)["nothing_to_learn"] == "nothing_to_learn: no feature varies"


def test_tables_in_which_many_patients_have_no_row_are_named() -> None:
    some = pd.DataFrame({"usubjid": [f"P{i:02d}" for i in range(30)], "grade": [2, 2, 3] * 10})
    assert told(pathology=some)["patients_without_row"] == "patients_without_row: 30 of 60 patients"
    most = pd.DataFrame({"usubjid": [f"P{i:02d}" for i in range(55)], "grade": 2})
    assert "patients_without_row" not in told(pathology=most)


def test_two_ids_with_the_same_values_are_named() -> None:
    rng = np.random.default_rng(2)
    numbers = {name: rng.uniform(10, 90, N).round(1) for name in ("er_pct", "pr_pct", "ki67_pct", "til_pct")}
    for values in numbers.values():
        values[7] = values[3]
    pathology = pd.DataFrame({"usubjid": [f"P{i:02d}" for i in range(N)]} | numbers)
    subjects = {name: rng.uniform(20, 60, N).round(1) for name in ("age_years", "bmi")}
    assert "twins" not in told(pathology=pathology, **subjects)
    for values in subjects.values():
        values[7] = values[3]
    assert "twins" in told(pathology=pathology, **subjects)


@pytest.mark.parametrize(("factor", "suspect"), [(0.5, False), (1.5, True)])
def test_sizes_that_grow_under_treatment_make_visits_suspect(factor: float, *, suspect: bool) -> None:
    rows = [(f"P{i:02d}", visit, 20 * factor**at) for i in range(N) for at, visit in enumerate(VISITS)]
    scans = pd.DataFrame(rows, columns=["usubjid", "visit", "value"])
    scans = scans.assign(method="MRI", feature="FTV", status="done")
    assert ("visits_swapped" in told(imaging_features=scans)) is suspect


def test_single_features_are_judged_in_both_directions_and_only_with_enough_patients() -> None:
    y = np.array([0, 0, 0, 1, 1, 1])
    rows = pd.DataFrame({"a": [3.0, 2, 1, 0, 0, 0], "b": [1.0, None, None, None, 2, None], "c": ["x"] * 6})
    features = [feature("a"), feature("b"), feature("c", ["x"])]
    assert single_aucs(rows, y, features, 3) == {"a": 1.0}
    assert single_aucs(rows, y, features, 1) == {"a": 1.0, "b": 1.0}


def test_many_patients_without_an_outcome_are_named() -> None:
    ids = [f"P{i:02d}" for i in range(N)]
    surgery = {"usubjid": ids, "performed": ["N"] * 36 + ["Y"] * 24, "pcr": [None] * 36 + ["Y", "N"] * 12}
    assert told(surgery=pd.DataFrame(surgery))["no_outcome"] == "no_outcome: 36 of 60 patients"
    surgery["performed"] = ["not_due"] * 36 + ["Y"] * 24
    assert "no_outcome" not in told(surgery=pd.DataFrame(surgery)), (
        "surgery not yet due is no missing outcome"
    )


def test_an_entry_that_a_spreadsheet_made_of_an_empty_cell_is_named() -> None:
    entries = ["1900-01-01"] + [f"2019-03-{1 + i % 28:02d}" for i in range(N - 1)]
    raw = tables(rand_date=entries)
    problems = rehearse(raw, build_cohort(raw, BY.study, []).frame, BY).set_index("rule")
    assert problems.loc["entry_far_apart: more than 20 years from the median", "ids"] == "P00"


def test_a_measured_feature_that_is_named_like_survival_or_response_is_named() -> None:
    ids = [f"P{i:02d}" for i in range(N)]
    names = ("RFS_months", "resp.pCR", "oestrogen", "Danaher.Mast.cells")
    scores = pd.concat(
        pd.DataFrame({"usubjid": ids, "visit": "t0", "assay": "x", "biomarker": name, "value": range(N)})
        for name in names
    )
    raw = tables(biomarkers=scores)
    rules = rehearse(raw, build_cohort(raw, BY.study, []).frame, BY)["rule"]
    assert rules[rules.str.startswith("named_as_later")].tolist() == ["named_as_later: RFS_months, resp.pCR"]
