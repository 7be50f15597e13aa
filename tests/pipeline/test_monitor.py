"""`pcr monitor` on made-up patients: what its page and lines say, and what is refused."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.monitoring.operating import Characteristics
from models.monitoring.settings import MonitoringSettings
from models.packaging.reference import reference
from models.procedure.response_model import ResponseModel
from models.serving.serving import PcrModel
from pipeline.commands.monitor import MonitoringError, alarm_lines, monitored, update_line, written
from pipeline.commands.watched_cohort import CohortError, WatchedCohort, cohort_remarks, require_landmark
from pipeline.intake.pages import page
from pipeline.project.settings import read_settings
from pipeline.service.kept_logs import read_log
from pipeline.simulation_checks.monitoring import table
from tests.patients import FEATURES, NAMES, SETTINGS, patients

WATCH = read_settings(MonitoringSettings, Path(__file__).parents[2] / "configs/monitoring.yaml")


@pytest.fixture(scope="module")
def model() -> PcrModel:
    frame, y = patients(1500, seed=3)
    fitted = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y)
    document = fitted.documents_["logistic"] | {"model": "pcr-made-up-c1"}
    document["training"] = {"patients": len(y), "events": int(y.sum()), "by_arm": {}}
    document["serving"] = {"reference": reference(document["features"], frame)}
    return PcrModel(document, version="abc")


def test_patients_like_those_of_training_raise_no_alarm(model: PcrModel) -> None:
    frame, y = patients(300, seed=12)
    found = monitored(model, frame, y, WATCH, read_log(None))
    assert alarm_lines(found, WATCH)[1] == "No alarm: calibration and inputs are as in training."
    assert update_line(found.update) == "Update by the closed test: none; the model still holds."
    assert [window.last for window in found.windows] == [50, 100, 150, 200, 250, 300]
    assert sum(window.observed for window in found.arms.values()) == y.sum()


def test_an_outcome_that_has_become_rare_and_an_input_that_is_gone_are_told(model: PcrModel) -> None:
    frame, y = patients(300, seed=12)
    rng = np.random.default_rng(1)
    fewer = y * (rng.random(300) < 0.5)
    found = monitored(model, frame.assign(til_pct=np.nan), fewer, WATCH, read_log(None))
    lines = alarm_lines(found, WATCH)
    assert any("cusum: fewer events than predicted" in line for line in lines)
    assert "ALARM after 100, 200, 300 outcomes, drift: til_pct" in lines
    text = page(*written(found, model, WATCH))
    assert '<th class="number">O:E</th>' in text
    assert "Candidate beside the model" not in text
    beside = {"b beside a: http": Counter({"200": 7})}
    assert "b beside a: http" in page(*written(replace(found, shadow=beside), model, WATCH))
    assert "ALARM" in text
    assert "fewer events" in text
    assert "Calibration by window" in text


def test_too_few_events_and_models_without_a_reference_are_told(model: PcrModel) -> None:
    frame, y = patients(30, seed=12)
    assert "too few events" in update_line(monitored(model, frame, y, WATCH, read_log(None)).update)
    with pytest.raises(MonitoringError, match="no reference of its training patients"):
        monitored(PcrModel({**model.document, "serving": {}}), frame, y, WATCH, read_log(None))
    with pytest.raises(MonitoringError, match="no patient has an outcome yet"):
        monitored(model, frame.head(0), y[:0], WATCH, read_log(None))


def test_the_figures_of_the_simulation_are_a_table() -> None:
    row = Characteristics("no drift", 500, 300, 0.04, 168.0, {"cusum": 0.016}, {"none": 0.92, "refit": 0.0})
    assert table([(1500, row)]).splitlines()[-1] == (
        "| 1,500 | no drift | 4.0 % of 500 | 168 of 300 | 1.6 % | none 92 % |"
    )


def cohort(study: str, absent: int = 0, undated: int = 0, **unknown: int) -> WatchedCohort:
    return WatchedCohort(study, NAMES[:absent], unknown, np.arange(4) < undated)


def test_what_makes_figures_other_than_they_look_is_told_before_them(model: PcrModel) -> None:
    learned = PcrModel({**model.document, "study": "made-up", "landmark": "c1"})
    assert [*cohort_remarks(learned, cohort("later"))] == []
    (told,) = cohort_remarks(learned, cohort("made-up"))
    assert "was learned from patients of made-up: those are no later ones" in told
    (told,) = cohort_remarks(learned, cohort("later", undated=3))
    assert told == "3 of 4 outcomes have no date, and stand last"
    (told,) = cohort_remarks(learned, cohort("later", undated=4))
    assert "nothing here is said of time" in told
    absent, unknown = cohort_remarks(learned, cohort("later", absent=2, ctdna_state=3))
    assert absent == "2 of 4 inputs are absent, and imputed: arm, age_years"
    assert unknown.endswith("ctdna_state (3 rows)")
    with pytest.raises(CohortError, match="later has none of the 4 inputs that pcr-made-up-c1 uses"):
        [*cohort_remarks(learned, cohort("later", absent=4))]
    frame, y = patients(60, seed=12)
    found = replace(monitored(model, frame, y, WATCH, read_log(None)), remarks=("4 of 60 are odd",))
    assert "4 of 60 are odd. 60 outcomes" in written(found, model, WATCH)[1]


def test_another_landmark_of_a_study_that_has_the_models_is_refused(model: PcrModel) -> None:
    learned = PcrModel({**model.document, "study": "made-up", "landmark": "c1"})
    require_landmark(learned, ["c1", "c2"], "c1")
    require_landmark(learned, ["t0"], "t0")
    with pytest.raises(CohortError, match="answers at landmark c1, not c2: give --landmark c1"):
        require_landmark(learned, ["c1", "c2"], "c2")
