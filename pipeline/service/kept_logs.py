"""What `pcr monitor` counts in the logs that `pcr serve` keeps: of decisions, and of a candidate beside."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features.errors import UserError

Counts = dict[str, Counter[str]]
OTHERS, REPEATED = "http, other versions", "repeated"
"""Kinds that are told apart: requests that another version answered, and lines that are there twice."""


class LogError(UserError):
    """A log that is none of `pcr serve`, and what to do."""


def read_log(path: Path | None, version: str = "") -> Counts:
    """Return how many rows had which status and reason in a decision log, rotated files too.

    Each request counts once. Of a model's `version` only what it answered counts; requests to others are
    counted by theirs.

    Raises
    ------
    LogError
        If there is no such file, or a line is not of a decision log.
    """
    counts: Counts = {"statuses": Counter(), "reasons": Counter(), "http": Counter()}
    for entry in _entries(path, "decision", ("statuses", "reasons"), ("model_version",), counts):
        if version and entry["model_version"] != version:
            counts.setdefault(OTHERS, Counter())[entry["model_version"]] += 1
            continue
        counts["http"][str(entry["http_status"])] += 1
        counts["statuses"].update(entry["statuses"])
        counts["reasons"].update(entry["reasons"])
    return counts


def read_shadow_log(path: Path | None) -> Counts:
    """Return what the log of `pcr serve --shadow` counts, by the two versions and the kind of count.

    Raises
    ------
    LogError
        If there is no such file, or a line is not of a shadow log.
    """
    counts: Counts = defaultdict(Counter)
    versions = ("shadow_version", "model_version")
    for entry in _entries(path, "shadow", ("statuses", "differences"), versions, counts):
        pair = f"{entry['shadow_version']} beside {entry['model_version']}"
        counts[f"{pair}: http"][str(entry["http_status"])] += 1
        counts[f"{pair}: statuses, model / candidate"].update(entry["statuses"])
        counts[f"{pair}: probability, candidate minus model"].update(entry["differences"])
    return dict(counts)


def told_of_others(counts: Counts, version: str) -> list[str]:
    """Return what in a log is not of the model that is watched, a sentence each."""
    others = counts.get(OTHERS, Counter())
    if not others:
        return []
    every, names = counts["http"].total() + others.total(), sorted(name[:12] for name in others)
    told = f"{others.total()} of {every} requests in the decision log were answered by other versions"
    return [f"{told} than {version} ({', '.join(names[:3])}): they are not counted"]


def _entries(
    path: Path | None, kind: str, counted: tuple[str, ...], named: tuple[str, ...], counts: Counts
) -> Iterator[Any]:
    """Yield what each line of a log and of its rotated files says of a request, once."""
    seen: set[str] = set()
    for file in _files(path, kind) if path is not None else ():
        for number, line in _lines(file, kind):
            entry = _parsed(line)
            if entry is None or not _is_of_log(entry, counted, ("request_id", *named)):
                raise LogError(
                    f"{file}, line {number} is not of a {kind} log: take that line out, or give another file"
                )
            if entry["request_id"] in seen:
                counts.setdefault(REPEATED, Counter())["lines"] += 1
                continue
            seen.add(entry["request_id"])
            yield entry


def _files(path: Path, kind: str) -> list[Path]:
    """Return a log and its rotated files (NAME.1, NAME.2 ...), and none that only begins like them."""
    own = re.compile(re.escape(path.name) + r"(\.[0-9]+)?")
    there = path.parent.iterdir() if path.parent.is_dir() else ()
    files = sorted(file for file in there if own.fullmatch(file.name) and file.is_file())
    if not files:
        raise LogError(f"{path} does not exist: configs/service.yaml, {kind}_log, names it")
    return files


def _lines(file: Path, kind: str) -> Iterator[tuple[int, bytes]]:
    try:
        with file.open("rb") as lines:
            yield from enumerate(lines, start=1)
    except OSError as error:
        raise LogError(f"{file}, the {kind} log, cannot be read ({error.strerror})") from None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_of_log(entry: Any, counted: tuple[str, ...], named: tuple[str, ...]) -> bool:
    """Tell whether a line has counts and names where a log has them."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("http_status"), int)
        and all(isinstance(entry.get(name), str) for name in named)
        and all(_are_counts(entry.get(name)) for name in counted)
    )


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(n, int) and n >= 0 for n in value.values())
