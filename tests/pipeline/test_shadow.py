"""A candidate beside the model that answers: the answer stays the model's, counts of differences are kept."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.errors import UserError
from models.serving.serving import PcrModel, read_model
from pipeline.service.application import serve_model, shadow_of
from pipeline.service.kept_logs import LogError, read_shadow_log
from pipeline.service.server import Service
from pipeline.service.shadow import Shadow, Shadowed
from pipeline.service.tables import JSON
from pipeline.service.worker import EDGES, Answer
from tests.malformed import GOOD
from tests.pipeline.test_service import LIMITS, ROOT, Desk, asked, records, service
from tests.serving import write_served_model

ROWS = records(GOOD, GOOD | {"age_years": 30.0}, GOOD | {"arm": "SECRET"})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions, as they are in the folders that MLflow loads; the second differs by its intercept."""
    home = tmp_path_factory.mktemp("shadow")
    both = home / "one", home / "two"
    for folder in both:
        folder.mkdir()
        write_served_model(folder / "artifacts", "logistic")
    path = both[1] / "artifacts/model.json"
    document = json.loads(path.read_text())
    document["linear"]["intercept"] += 1.0
    path.write_text(json.dumps(document))
    return both


def shadow(folders: tuple[Path, Path], log: Path, worker: Any = None, **limits: Any) -> Shadow:
    settings = replace(LIMITS, shadow_log=str(log), **limits)
    return Shadow(worker or Desk(read_model(folders[1] / "artifacts"), settings), settings, "abc", "def")


def compared(of: Shadow) -> list[dict[str, Any]]:
    """Return the lines that the shadow keeps of what waits for it."""

    async def until_nothing_waits() -> None:
        task = asyncio.create_task(of.compare())
        while of._size:
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(until_nothing_waits(), 20))
    of.stop()
    return [json.loads(line) for line in Path(of._log._handler.baseFilename).read_text().splitlines()]


def served(folders: tuple[Path, Path], beside: Shadow) -> Service:
    of = service(read_model(folders[0] / "artifacts"))
    of.shadow = beside
    return of


def test_the_answer_is_the_models_and_the_log_has_no_value(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    beside = shadow(folders, tmp_path / "s.log")
    answer = asked(served(folders, beside), ROWS, content_type=JSON)
    assert answer == asked(service(read_model(folders[0] / "artifacts")), ROWS, content_type=JSON)
    (line,) = compared(beside)
    assert set(line) == set(Shadowed.__annotations__)
    assert (line["model_version"], line["shadow_version"], line["rows"]) == ("abc", "def", 3)
    assert line["statuses"] == {"ok / ok": 2, "rejected / rejected": 1}
    assert sum(line["differences"].values()) == 2
    assert all(low.startswith("0.") for low in line["differences"]), "the candidate predicts more"
    assert "SECRET" not in json.dumps(line)


def test_differences_fall_between_their_edges(folders: tuple[Path, Path], tmp_path: Path) -> None:
    theirs, ours = (
        json.loads(asked(service(PcrModel(read_model(f / "artifacts").document)), ROWS, content_type=JSON)[1])
        for f in folders
    )
    beside = shadow(folders, tmp_path / "s.log")
    asked(served(folders, beside), ROWS, content_type=JSON)
    (line,) = compared(beside)
    for label, count in line["differences"].items():
        low, high = map(float, label.split(" to "))
        found = [
            b["pcr_probability"] - a["pcr_probability"]
            for a, b in zip(theirs["predictions"], ours["predictions"], strict=True)
            if a["pcr_probability"] is not None
        ]
        assert sum(low <= difference < high for difference in found) == count
        assert {low, high} <= {-1.0, *EDGES, 1.0}


class Broken(Desk):
    """A worker that does not start."""

    def ask(self, kind: str, body: bytes, *, other: bytes = b"", fhir: bool = False) -> Answer:  # noqa: ARG002
        raise RuntimeError


def test_a_candidate_that_fails_or_that_too_much_waits_for_is_told_in_the_log_alone(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    broken = shadow(folders, tmp_path / "a.log", Broken(None, LIMITS))
    assert asked(served(folders, broken), ROWS, content_type=JSON)[0] == 200
    assert compared(broken)[0]["http_status"] == 500
    busy = shadow(folders, tmp_path / "b.log", max_requests=1)
    of = served(folders, busy)
    assert [asked(of, ROWS, content_type=JSON)[0] for _ in range(3)] == [200] * 3
    assert [line["http_status"] for line in compared(busy)] == [429, 429, 200]
    refused = shadow(folders, tmp_path / "c.log")
    assert asked(served(folders, refused), b"{", content_type=JSON)[0] == 400
    assert compared(refused) == []


def test_a_shadow_is_another_version_for_the_same_patients_and_has_a_log(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(LIMITS, shadow_log=str(tmp_path / "s.log"))
    beside = shadow_of(*folders, settings)
    assert len(set(beside.versions)) == 2
    beside.stop()
    with pytest.raises(UserError, match=r"no-folder/s\.log cannot be written"):
        shadow_of(*folders, replace(settings, shadow_log=str(tmp_path / "no-folder/s.log")))
    with pytest.raises(UserError, match="is the model that answers"):
        shadow_of(folders[0], folders[0], settings)
    later = tmp_path / "later/artifacts"
    later.mkdir(parents=True)
    document = json.loads((folders[0] / "artifacts/model.json").read_text()) | {"landmark": "c2"}
    (later / "model.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="landmark is c2; must be c1"):
        shadow_of(folders[0], later.parent, settings)
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match="shadow_log, names no file"):
        serve_model("models:/a@champion", "127.0.0.1", 5001, "models:/a@candidate")


def test_a_shadow_log_is_counted_by_versions(tmp_path: Path) -> None:
    line = {"model_version": "a", "shadow_version": "b", "http_status": 200, "statuses": {"ok / ok": 2},
            "differences": {"-0.02 to 0.02": 2}}  # fmt: skip
    two = [json.dumps(line | {"request_id": request}) for request in ("1", "2")]
    (tmp_path / "s.log").write_text("\n".join([*two, two[0]]))
    skipped = line | {"request_id": "3", "http_status": 429, "statuses": {}}
    (tmp_path / "s.log.1").write_text(f"{json.dumps(skipped)}\n")
    counts = read_shadow_log(tmp_path / "s.log")
    assert counts["b beside a: http"] == {"200": 2, "429": 1}
    assert counts["b beside a: statuses, model / candidate"] == {"ok / ok": 4}
    assert counts["b beside a: probability, candidate minus model"] == {"-0.02 to 0.02": 6}
    (tmp_path / "s.log").write_text('{"http_status": 200, "statuses": {}}\n')
    with pytest.raises(LogError, match=r"s\.log, line 1 is not of a shadow log"):
        read_shadow_log(tmp_path / "s.log")
    with pytest.raises(LogError, match="does not exist"):
        read_shadow_log(tmp_path / "none.log")
