"""What `pcr monitor` counts in logs of the service: each request once, of the version that is watched."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.service.kept_logs import OTHERS, LogError, read_log, read_shadow_log, told_of_others
from pipeline.service.observation import Handled

DEEP = "[" * 100_000


def line(request: str, version: str = "abc") -> str:
    """Return a line as the service writes it."""
    handled = Handled(
        "2026-01-31T00:00:00.000+00:00", request, version, 200, 2, {"ok": 2}, {"missing til_pct": 1}, 1.5
    )
    return json.dumps(asdict(handled)) + "\n"


def test_a_decision_log_is_counted_with_its_rotated_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "d[1].log").write_text(line("a"))
    (tmp_path / "d[1].log.1").write_text(line("b") + line("c"))
    for other in ("d[1].log.lock", "d[1].log.bak", "d[1].log2", "d1.log"):
        (tmp_path / other).write_text("none of it\n")
    (tmp_path / "d[1].log.2").mkdir()
    counts = read_log(tmp_path / "d[1].log")
    assert (counts["statuses"]["ok"], counts["reasons"]["missing til_pct"], counts["http"]["200"]) == (
        6,
        3,
        3,
    )
    with pytest.raises(LogError, match=r"none\.log does not exist: .* decision_log"):
        read_log(tmp_path / "none.log")
    with pytest.raises(LogError, match="does not exist"):
        read_log(tmp_path / "no folder" / "d.log")


def test_a_request_counts_once_however_often_its_line_is_there(tmp_path: Path) -> None:
    (tmp_path / "d.log").write_text(line("a") + line("b") + line("a"))
    (tmp_path / "d.log.1").write_text(line("b"))
    counts = read_log(tmp_path / "d.log")
    assert (counts["http"]["200"], counts["repeated"]["lines"]) == (2, 2)


def test_what_other_versions_answered_is_not_counted_as_the_models_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "d.log").write_text(line("a") + line("b", "former") + line("c", "former"))
    counts = read_log(tmp_path / "d.log", "abc")
    assert (counts["statuses"]["ok"], dict(counts[OTHERS])) == (2, {"former": 2})
    (told,) = told_of_others(counts, "abc")
    assert told.startswith(
        "2 of 3 requests in the decision log were answered by other versions than abc (former)"
    )
    assert told_of_others(read_log(None), "abc") == []


@pytest.mark.parametrize(
    "text",
    [
        "secret\n", "7\n", "[]\n", "\n", DEEP, line("a")[:-20], line("a") + line("b")[:30] + line("c"),
        line("a").replace('{"ok": 2}', '{"ok": "secret"}'), line("a").replace('{"ok": 2}', '{"ok": -2}'),
        line("a").replace('{"ok": 2}', '"secret"'), line("a").replace("200", '"200"'),
        line("a").replace('"a"', "7"), line("a").replace("request_id", "id"),
        line("a").replace('"abc"', "null"),
    ],
)  # fmt: skip
def test_a_line_that_is_none_of_a_log_is_refused_by_its_place_and_not_repeated(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "d.log").write_text(text)
    with pytest.raises(
        LogError, match=r"d\.log, line \d is not of a decision log: take that line out"
    ) as told:
        read_log(tmp_path / "d.log")
    assert "secret" not in str(told.value)


def test_bytes_that_are_no_text_are_refused_so_too(tmp_path: Path) -> None:
    for name, read in {"d.log": read_log, "s.log": read_shadow_log}.items():
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(LogError, match=r"line 1 is not of a (decision|shadow) log"):
            read(tmp_path / name)
