"""The promotion history of a real registry: what was decided stays, and what was changed is named."""

from pathlib import Path
from typing import Any

import pytest

from models.serving.history import COPY_TAG, ENTRY_TAG, Decision, HistoryError, append, read_history
from models.serving.registry import Store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NAME = "pcr-test-c2"
FIRST, LAST = f"{ENTRY_TAG}00001", f"{ENTRY_TAG}00003"


def decision(action: Any, version: str, former: str = "", reason: str = "") -> Decision:
    return Decision(action, version, "m" * 64, former, "all passed", {"o_e": "pass: 1"}, reason, "somebody")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A registry in which 1 was promoted, 2 was promoted by override, and 1 was gone back to."""
    folder: Path = tmp_path_factory.mktemp("history")
    with Store(f"sqlite:///{folder / 'mlflow.db'}", "pcr-test", folder / "mlartifacts").locked() as found:
        found.create_registered_model(NAME)
        for _ in range(2):
            found.create_model_version(NAME, source="s3://made-up/model")
        append(found, NAME, decision("promoted", "1"))
        append(found, NAME, decision("promoted by override", "2", "1", "the board decided"))
        append(found, NAME, decision("rolled back", "1", "2"))
        return found


def test_the_history_tells_who_is_champion_and_why(client: Any) -> None:
    history = read_history(client, NAME)
    assert [entry.version for entry in history.entries] == ["1", "2", "1"]
    assert (history.champion, history.previous) == ("1", "")
    newest = history.newest("2")
    assert newest is not None
    assert (newest.override, newest.user) == ("the board decided", "somebody")
    assert history.entries[2].before == history.entries[1].digest


@pytest.mark.parametrize("tag", [FIRST, f"{ENTRY_TAG}00002", LAST])
def test_a_rewritten_entry_is_named(client: Any, tag: str) -> None:
    text = client.get_registered_model(NAME).tags[tag]
    client.set_registered_model_tag(NAME, tag, text.replace("somebody", "somebodY"))
    with pytest.raises(HistoryError, match=r"altered: (pcr\.history|its newest entry)"):
        read_history(client, NAME)
    with pytest.raises(HistoryError):
        append(client, NAME, decision("promoted", "2"))
    client.set_registered_model_tag(NAME, tag, text)


def test_an_entry_that_was_taken_out_is_named_and_the_last_is_written_again(client: Any) -> None:
    texts = client.get_registered_model(NAME).tags
    client.delete_registered_model_tag(NAME, FIRST)
    with pytest.raises(HistoryError, match="00002 does not follow"):
        read_history(client, NAME)
    client.set_registered_model_tag(NAME, FIRST, texts[FIRST])
    client.delete_registered_model_tag(NAME, LAST)
    pending = read_history(client, NAME).pending
    assert pending is not None
    assert pending.text == texts[LAST]
    append(client, NAME, decision("promoted", "2", "1"))
    assert client.get_registered_model(NAME).tags[LAST] == texts[LAST]
    assert read_history(client, NAME).champion == "2"


def test_a_version_without_its_copy_is_named(client: Any) -> None:
    copy = client.get_model_version(NAME, "1").tags[COPY_TAG]
    client.delete_model_version_tag(NAME, "1", COPY_TAG)
    with pytest.raises(HistoryError, match="version 1"):
        read_history(client, NAME)
    client.set_model_version_tag(NAME, "1", COPY_TAG, copy)


def test_a_reason_that_cannot_be_stored_is_refused(client: Any) -> None:
    with pytest.raises(ValueError, match="shorter reason"):
        append(client, NAME, decision("promoted by override", "2", reason="x" * 5000))
