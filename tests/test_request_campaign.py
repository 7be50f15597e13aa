"""A short form of the campaign of generated requests (`make request-campaign` has the long one)."""

import random
from pathlib import Path

import pytest

from tests.request_campaign import NUMBER, SECRET, Findings, campaign, generated, looked_at

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


def test_what_is_wrong_with_an_answer_is_seen() -> None:
    assert looked_at(200, b'{"predictions": [{"reasons": []}]}') == ""
    assert "status 500" in looked_at(500, b"{}")
    assert "came back" in looked_at(400, SECRET.lower().encode())
    assert "a trace" in looked_at(400, b"Traceback (most recent call last)")
    assert "a number" in looked_at(400, NUMBER.encode())
    found = Findings(
        good_seconds=[2.5], memory_mb=[100, 1600], own_mb=[100, 130], open_sockets=["half a body"]
    )
    assert found.faults() == [
        "a socket stayed open: half a body", "a good request waited 2.50 s", "memory reached 1600 MB",
        "own memory was 100 MB before and 130 after",
    ]  # fmt: skip


def test_requests_are_generated_of_many_kinds_and_the_same_again() -> None:
    bodies = [generated(random.Random(k), costly=False) for k in range(300)]  # noqa: S311 - no secret
    assert bodies == [generated(random.Random(k), costly=False) for k in range(300)]  # noqa: S311
    assert len(set(bodies)) > 250
    assert sum(SECRET.encode() in body for body, _ in bodies) > 100


def test_generated_requests_upset_nobody_and_slow_sockets_are_closed(tmp_path: Path) -> None:
    quick = {"header_seconds": 2, "body_seconds": 3, "answer_seconds": 5}
    found = campaign(tmp_path / "home", 300, costly=False, each=5, **quick)
    assert found.statuses[200] > 20
    assert found.faults() == []
