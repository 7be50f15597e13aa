"""Aliases of a real registry: promotion, what an interruption leaves, and the way back."""

from pathlib import Path
from typing import Any

import pytest

from features.errors import UserError
from models.serving.champions import champion, gate_tags, promote, rollback, write_gates
from models.serving.registry import Store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NAME = "pcr-test-c2"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("champions")
    with Store(f"sqlite:///{folder / 'mlflow.db'}", "pcr-test", folder / "mlartifacts").locked() as found:
        found.create_registered_model(NAME)
        for _ in range(3):
            found.create_model_version(NAME, source="s3://made-up/model")
        return found


def aliases(client: Any) -> dict[str, str]:
    return {name: str(version) for name, version in client.get_registered_model(NAME).aliases.items()}


def test_the_former_champion_is_kept_and_comes_back_once(client: Any) -> None:
    assert promote(client, NAME, "1") is None
    assert promote(client, NAME, "2") == "1"
    assert promote(client, NAME, "2") == "2", "again changes nothing"
    assert aliases(client) == {"champion": "2", "previous": "1"}
    assert rollback(client, NAME) == ("2", "1")
    assert aliases(client) == {"champion": "1"}
    with pytest.raises(ValueError, match="no previous champion"):
        rollback(client, NAME)
    assert champion(client, NAME) == "1"


def test_a_model_that_nobody_registered_has_no_champion_to_go_back_to(client: Any) -> None:
    with pytest.raises(UserError, match="pcr-test-c9 is not registered: run `pcr run`"):
        rollback(client, "pcr-test-c9")


def test_gates_are_tags_and_those_no_longer_asked_for_go(client: Any) -> None:
    first = {"o_e": "pass: 1", "net@0.65": "FAIL: 0"}
    write_gates(client, NAME, "3", gate_tags(first, "failed: net@0.65", "the board decided"))
    shown = client.get_model_version(NAME, "3").tags
    assert (shown["gate.net.at.0.65"], shown["gates.override"]) == ("FAIL: 0", "the board decided")
    write_gates(client, NAME, "3", gate_tags({"o_e": "FAIL: 2"}, "failed: o_e"))
    tags = client.get_model_version(NAME, "3").tags
    assert tags == {"gate.o_e": "FAIL: 2", "gates": "failed: o_e"}
