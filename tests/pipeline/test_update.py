"""`pcr update` on a made-up registered model: what becomes a candidate, and what the plan refuses."""

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.documents.parsing import parsed
from features.errors import UserError
from models.monitoring.recalibration import Calibration, UpdateError, recalibrated
from models.packaging.reference import reference
from models.serving.champions import UPDATED_TAG, aliases_of
from models.serving.registry import ensure_version, version_of
from models.serving.serving import PcrModel, read_model
from pipeline.commands.update import update, update_on
from pipeline.project.files import read_json, write_json
from pipeline.registry.change_plan import Change, ChangePlan, ChangePlanError
from pipeline.registry.promotion import PromotionError, promote_model
from pipeline.registry.relocation import relocate
from pipeline.registry.runs import track_state, tracking_store
from pipeline.registry.state import workspace_state
from pipeline.registry.stored_models import checked_model, open_model
from pipeline.registry.updates import read_updates, stored_release, updated_release
from pipeline.registry.verify import problems, repair_registry
from tests.patients import patients
from tests.registered_study import NAME, ROOT, enter, lock_outputs, write_study

# MLflow's own code meets deprecations of its dependencies.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
CANDIDATE = f"models:/{NAME}@candidate"
PLAN = {
    "agreed": "2020-01-01", "decided_by": ["Board"], "methods": ["intercept", "slope"], "min_outcomes": 100,
    "min_days_between": 90, "after_alarm_only": True, "max_intercept": 1.5, "min_slope": 0.5,
    "max_slope": 2.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracked study whose model knows its training patients, with a change plan."""
    home = tmp_path_factory.mktemp("update") / "home"
    home.mkdir()
    write_study(home)
    for name in ("monitoring", "measures"):
        shutil.copy(ROOT / f"configs/{name}.yaml", home / "configs")
    write_plan(home)
    path = home / "artifacts/made-up/models/c1/model.json"
    document, frame = read_json(path), patients(300)[0]
    document["serving"]["reference"] = reference(document["features"], frame)
    write_json(path, document)
    lock_outputs(home)
    with pytest.MonkeyPatch.context() as patch:
        enter(home, patch)
        track_state(workspace_state("made-up"))
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder; the store's files are found beside it after `relocate`."""
    folder = tmp_path / "home"
    shutil.copytree(template, folder)
    enter(folder, monkeypatch)
    relocate(tracking_store("made-up"))
    return folder


def write_plan(home: Path, **changes: object) -> None:
    (home / "configs/change_plan.yaml").write_text(yaml.safe_dump(PLAN | changes))


def update_with(shift: float, n: int = 400, decided_by: str = "Board", first: str = "2024-01-01") -> None:
    """Update the candidate on later patients whose outcomes have log-odds shifted from the model's."""
    rows, _ = patients(n, seed=21, missing=0.0)
    model = open_model(CANDIDATE)
    p = 1 / (1 + np.exp(-(model.log_odds(rows) + shift)))
    days = pd.date_range(first, periods=n)
    y = (np.random.default_rng(3).random(n) < p).astype(float)
    outcomes = pd.DataFrame({"outcome": y, "outcome_date": days})
    update_on(CANDIDATE, "later", "c1", rows, outcomes, decided_by)


def test_rarer_events_make_a_candidate_with_its_parent_that_sync_and_verify_know(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_model(CANDIDATE)
    update_with(-1.0)
    assert f"{NAME} version 2 is the candidate now, from version 1" in capsys.readouterr().out
    state, after = workspace_state("made-up"), open_model(CANDIDATE)
    with tracking_store("made-up").locked() as client:
        version = version_of(client, CANDIDATE)
    with checked_model(CANDIDATE) as folder:
        (step,) = read_updates(folder).steps
    assert (version.tags["update.parent"], version.tags["update.method"]) == ("1", "intercept")
    assert (step.patients, step.decided_by, step.first) == (400, "Board", "2024-01-01")
    rows, _ = patients(50, seed=2)
    assert np.allclose(after.log_odds(rows), before.log_odds(rows) + step.intercept)
    assert (track_state(state).versions, repair_registry(state), problems(state)) == (0, [], [])
    assert open_model(CANDIDATE).version == after.version
    assert home.exists()


def test_an_update_is_judged_by_the_same_gates_with_its_own_calibration_in_later_patients(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update_with(-1.0, n=1500)
    assert promote_model(NAME)
    told = capsys.readouterr().out
    assert "temporal.o_e" in told
    with tracking_store("made-up").locked() as client:
        version = version_of(client, f"models:/{NAME}@champion")
    with checked_model(CANDIDATE) as folder:
        evidence = read_updates(folder).steps[-1].evidence
    assert version.version == 2
    assert f"{evidence['o_e']['value']:.3f}" in version.tags["gate.temporal.o_e"]
    assert problems(workspace_state("made-up")) == []
    assert home.exists()


def test_the_same_update_again_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update_with(-1.0)
    with tracking_store("made-up").locked() as client:
        client.set_registered_model_alias(NAME, "candidate", 1)
    update_with(-1.0)
    assert "version 2 was registered before, and is the candidate" in capsys.readouterr().out
    assert problems(workspace_state("made-up")) == []
    assert home.exists()


def test_outcomes_as_predicted_make_no_candidate(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update_with(0.0)
    assert "No candidate was made." in capsys.readouterr().out
    with tracking_store("made-up").locked() as client:
        assert aliases_of(client, NAME)["candidate"] == "1"
    assert home.exists()


ASKED = Change("intercept", -0.9, 1.0, 400, date(2024, 1, 1), date(2025, 1, 1), None, 1, "Board")


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"agreed": ""}, "agreed is empty"),
        ({"agreed": "soon"}, "agreed is not a day"),
        ({"agreed": date(2024, 1, 1)}, "agreed on 2024-01-01, and the first outcome is of 2024-01-01"),
        ({"decided_by": ["Others"]}, "Board may not decide on an update; must be one of Others"),
        ({"methods": ["slope"]}, r"intercept is not among methods \(slope\)"),
        ({"min_outcomes": 401}, "400 outcomes, min_outcomes is 401"),
        ({"max_intercept": 0.1}, "max_intercept is 0.1"),
        ({"methods": ["all"]}, "methods"),
    ],
)
def test_what_the_plan_does_not_allow_is_refused_by_name(plan: dict[str, object], told: str) -> None:
    parsed(ChangePlan, PLAN, "plan").require(ASKED)
    with pytest.raises(UserError, match=told):
        parsed(ChangePlan, PLAN | plan, "plan").require(ASKED)


def test_a_second_update_uses_later_outcomes_only_and_not_before_its_time(home: Path) -> None:
    update_with(-1.0)
    with pytest.raises(UpdateError, match="no dated outcome after 2025-02-03"):
        update_with(-1.0)
    write_plan(home, min_days_between=500)
    with pytest.raises(ChangePlanError, match="outcomes until 2025-02-03, min_days_between is 500"):
        update_with(-1.0, first="2025-02-04")
    with tracking_store("made-up").locked() as client:
        assert aliases_of(client, NAME)["candidate"] == "2"
    write_plan(home)
    update_with(-1.0, first="2025-02-04")
    with checked_model(CANDIDATE) as folder:
        assert [step.parent for step in read_updates(folder).steps] == ["1", "2"]
    shutil.rmtree(home / "mlartifacts")
    state = workspace_state("made-up")
    assert any("not to be repaired" in line for line in repair_registry(state))


def test_lost_files_of_an_update_come_back_where_its_own_record_is_left(home: Path) -> None:
    update_with(-1.0)
    (file,) = (path for path in home.glob("mlartifacts/**/artifacts/model.json") if is_update(path))
    file.unlink()
    state = workspace_state("made-up")
    told = f"altered: the files of {NAME} version 2 are not those that were registered"
    assert problems(state) == [f"{told}: artifacts/model.json is missing"]
    assert repair_registry(state) == [f"repaired, from the workspace: {NAME} version 2"]
    assert problems(state) == []


def is_update(path: Path) -> bool:
    return (path.parents[1] / "update.json").exists()


def test_a_model_that_only_says_it_is_an_update_is_not_promoted(home: Path, tmp_path: Path) -> None:
    update_with(-1.0)
    with checked_model(CANDIDATE) as folder:
        updates, parent = read_updates(folder), stored_release(folder)
        release = updated_release(parent, updates, "", tmp_path / "other")
        with tracking_store("made-up").locked() as client:
            run = version_of(client, CANDIDATE).run_id
            assert release.tags[UPDATED_TAG] == updates.learned
            ensure_version(client, run, release)
    with pytest.raises(PromotionError, match="is not the candidate"):
        promote_model(NAME)
    assert home.exists()


def test_only_a_registered_model_is_updated_and_not_on_its_own_patients(home: Path) -> None:
    with pytest.raises(UpdateError, match="is no registered model"):
        update("artifacts/made-up/models/c1", "later", "c1", None, "Board")
    rows, _ = patients(20)
    none = pd.DataFrame({"outcome": [], "outcome_date": []})
    with pytest.raises(UpdateError, match="learned from the patients of made-up"):
        update_on(CANDIDATE, "made-up", "c1", rows, none, "Board")
    with pytest.raises(UpdateError, match="answers at landmark c1, not c2"):
        update_on(CANDIDATE, "later", "c2", rows, none, "Board")
    assert home.exists()


def test_a_recalibration_moves_the_log_odds_and_widens_the_interval(home: Path) -> None:
    model = read_model(home / "artifacts/made-up/models/c1")
    changed = recalibrated(model.document, Calibration(0.3, 1.2, 0.25))
    booster = (home / "artifacts/made-up/models/c1/booster.txt").read_text()
    rows, _ = patients(40, seed=5)
    after = PcrModel(json.loads(json.dumps(changed)), booster)
    assert np.allclose(after.log_odds(rows), 0.3 + 1.2 * model.log_odds(rows))
    before, now = (half_widths(m.predict(rows.drop(columns="usubjid"))) for m in (model, after))
    assert (now > 1.2 * before).all()


def half_widths(answers: pd.DataFrame) -> np.ndarray:
    bounds = answers[["lower", "upper"]].to_numpy(dtype=float)
    return np.ptp(np.log(bounds / (1 - bounds)), axis=1) / 2


def test_an_alarm_is_needed_where_the_plan_says_so_and_a_slope_has_limits() -> None:
    plan = ChangePlan("2020-01-01", ("B",), ("slope",), 10, 0, True, 1.0, 0.5, 2.0)
    day = date(2024, 1, 1)
    with pytest.raises(ChangePlanError, match=r"there was no alarm; a slope of 0\.40, it may be 0\.5 to 2"):
        plan.require(Change("slope", 0.0, 0.4, 20, day, day, None, 0, "B"))
    plan.require(Change("slope", 0.0, 0.6, 20, day, day, None, 1, "B"))
