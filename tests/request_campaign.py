"""Thousands of generated requests to a real service, beside slow sockets and a client that asks for one row.

`python -m tests.request_campaign 10000` starts `pcr serve`, sends so many requests from eight clients, and
tells: answers with 5xx or a trace, whatever was sent and came back, the longest wait of a good request, the
memory of the service and its workers, and the sockets that were too slow and stayed open.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.malformed import CSV, GOOD, JSON
from tests.serving import pcr_serve, registered, send, server

SECRET = "SECRET-7431"  # noqa: S105 - no password, a patient's value
NUMBER = "98765"
TRACES = ("Traceback", "site-packages", 'File "', "serving.py", "/home/", "/root/")
NAMES = [*GOOD, SECRET, "pcr", "x_c2", "ARM", " arm", "", "\x00", "é" * 40, "a" * 5000, f"{SECRET}_c2"]
WORDS: list[Any] = [
    "A", "B", "negative", 50, 20, "50", None, True, "", SECRET, f" {SECRET} ", float(f"{NUMBER}.4321"),
    -1e308, 10**30, [SECRET], {SECRET: SECRET}, "1e400", "NaN", "<b>SECRET-7431</b>", "\u202e" + SECRET,
]  # fmt: skip
KINDS = (
    [JSON] * 12
    + [CSV] * 6
    + ["", "text/plain", f"text/{SECRET}", "application/json; charset=utf-16", "a;b;c"]
)
CLIENTS, LARGE, WIDE = 8, 0.004, 0.02


@dataclass
class Findings:
    """What went wrong, and what was measured."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    good_seconds: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    own_mb: list[float] = field(default_factory=list)
    open_sockets: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return a line for each limit that was not kept."""
        most, start, end = max(self.memory_mb), self.own_mb[0], self.own_mb[-1]
        return [
            *self.wrong[:20],
            *(f"a socket stayed open: {name}" for name in self.open_sockets),
            *(
                [f"a good request waited {max(self.good_seconds):.2f} s"]
                if max(self.good_seconds) > 2
                else []
            ),
            *([f"memory reached {most:.0f} MB"] if most > 1536 else []),
            *([f"own memory was {start:.0f} MB before and {end:.0f} after"] if end > 1.2 * start else []),
        ]

    def __str__(self) -> str:
        """Return what was measured."""
        waits, own, left = sorted(self.good_seconds), self.own_mb, len(self.open_sockets)
        return (
            f"{sum(self.statuses.values())} requests, by status {dict(sorted(self.statuses.items()))}; "
            f"{len(waits)} good requests beside them, median {1000 * waits[len(waits) // 2]:.0f} ms, longest "
            f"{waits[-1]:.2f} s; memory at most {max(self.memory_mb):.0f} MB; without shared "
            f"files {own[0]:.0f} MB before and {own[-1]:.0f} after; {left} slow sockets stayed open"
        )


def generated(draw: random.Random, *, costly: bool = True) -> tuple[bytes, str]:
    """Return body and content type of a request: seldom wide or large, mostly small and odd."""
    share = draw.random()
    if costly and share < LARGE:
        return large(draw)
    if costly and share < LARGE + WIDE:
        return wide(draw)
    body = csv_text(draw) if draw.random() < 0.3 else json_text(draw)
    content = body.encode("utf-8", "surrogatepass")
    return (mutated(draw, content) if draw.random() < 0.4 else content), draw.choice(KINDS)


def row(draw: random.Random) -> dict[str, Any]:
    """Return a good row with some cells and names exchanged."""
    odd = {draw.choice(NAMES): draw.choice(WORDS) for _ in range(draw.randrange(4))}
    return GOOD | odd if draw.random() < 0.8 else odd


def json_text(draw: random.Random) -> str:
    """Return JSON that is a request, or nearly."""
    rows: list[Any] = [row(draw) for _ in range(draw.choice([0, 1, 1, 1, 2, 5, 40]))]
    names = [draw.choice(NAMES) for _ in range(draw.randrange(6))]
    split = {
        "columns": names,
        "data": [[draw.choice(WORDS) for _ in names] for _ in range(draw.randrange(4))],
    }
    tables: list[Any] = [rows, split, *WORDS, rows[:1] + draw.sample(WORDS, 1)]
    keys = ["dataframe_records", "dataframe_split", "instances", "inputs", "params", SECRET]
    content = {"dataframe_records" if draw.random() < 0.6 else draw.choice(keys): draw.choice(tables)}
    if draw.random() < 0.7:
        content = {"dataframe_records": rows} if draw.random() < 0.7 else {"dataframe_split": split}
    if draw.random() < 0.3:
        units = {draw.choice(NAMES): draw.choice(WORDS)}
        content["params"] = draw.choice([{"explain": True}, {"units": units}, {SECRET: 1}, *WORDS])
    return json.dumps(content, ensure_ascii=draw.random() < 0.5)


def csv_text(draw: random.Random) -> str:
    """Return CSV that is a request, or nearly."""
    odd = [draw.choice(NAMES[:7]) for _ in range(draw.randrange(1, 6))]
    heading = odd if draw.random() < 0.5 else list(GOOD)
    rows = [[str(draw.choice(WORDS)) for _ in heading] for _ in range(draw.randrange(5))]
    return draw.choice(["\n", "\r\n", "\r"]).join(
        draw.choice([",", ",", ";"]).join(r) for r in [heading, *rows]
    )


def mutated(draw: random.Random, content: bytes) -> bytes:
    """Return bytes with some of them changed, cut, doubled or inserted."""
    changed = bytearray(content)
    for _ in range(draw.randrange(1, 8)):
        place, kind = draw.randrange(len(changed) + 1), draw.randrange(4)
        if kind == 0 and changed:
            changed[min(place, len(changed) - 1)] = draw.randrange(256)
        elif kind == 1:
            del changed[place : place + draw.randrange(20)]
        elif kind == 2:
            changed[place:place] = changed[place : place + draw.randrange(200)]
        else:
            changed[place:place] = draw.choice(
                [b'"', b"{", b"[" * 3000, b"\x00", b"\xff\xfe", SECRET.encode()]
            )
    return bytes(changed)


def wide(draw: random.Random) -> tuple[bytes, str]:
    """Return a request of many columns, or of long names."""
    names = [f"{SECRET}{k}" for k in range(draw.choice([400, 501, 20_000]))]
    if draw.random() < 0.5:
        rows = [GOOD | dict.fromkeys(names, 1)] * draw.choice([1, 20])
        return json.dumps({"dataframe_records": rows}).encode(), JSON
    return (",".join(names) + "\n" + ",".join("1" for _ in names)).encode(), CSV


def large(draw: random.Random) -> tuple[bytes, str]:
    """Return a request of many rows or cells: good, empty, deep, or beyond the limit of bytes."""
    kind = draw.randrange(5)
    if kind == 0:
        return json.dumps(
            {"dataframe_records": [{}] * draw.choice([20_000, 199_000, 300_000])}
        ).encode(), JSON
    if kind == 1:
        return json.dumps({"dataframe_records": [GOOD] * 150_000, "params": {"explain": True}}).encode(), JSON
    if kind == 2:
        return b"[" * draw.choice([10**5, 10**7]), JSON
    if kind == 3:
        return (",".join(GOOD) + "\n" + "A,50,20,negative\n" * 10**6).encode(), CSV
    return b'{"dataframe_records": [{"arm": "' + SECRET.encode() * 4_000_000 + b'"}]}', JSON


def looked_at(status: int, body: bytes) -> str:
    """Return what is wrong with an answer; nothing where it is as it must be."""
    text = body.decode("utf-8", "replace")
    if status >= 500:
        return f"status {status}: {text[:200]}"
    if SECRET in text or SECRET.lower() in text.lower():
        return f"what was sent came back: {text[:200]}"
    if trace := next((word for word in TRACES if word in text), ""):
        return f"a trace ({trace}): {text[:200]}"
    told = text
    if status == 200:  # a probability may hold any digits
        told = json.dumps([entry.get("reasons") for entry in json.loads(text).get("predictions", [])])
    return f"a number came back: {told[:200]}" if NUMBER in told else ""


def slow_sockets(port: int, each: int) -> list[tuple[str, socket.socket]]:
    """Open sockets that send nothing, half a heading, half a body, or read nothing of a large answer."""
    body = json.dumps({"dataframe_records": [GOOD] * 60_000}).encode()
    heading = (
        f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\ncontent-length: {len(body)}\r\n"
    )
    sent = {
        "nothing": b"",
        "half a heading": heading[:40].encode(),
        "half a body": f"{heading}\r\n".encode() + body[:1000],
    }
    if each > 1:
        sent |= {"reads nothing": f"{heading}\r\n".encode() + body}
    opened = []
    for name, content in sent.items():
        for _ in range(1 if name == "reads nothing" else each):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(content)
            opened.append((name, one))
    return opened


def drip(opened: list[tuple[str, socket.socket]], seconds: float) -> list[str]:
    """Send a byte a second to each socket until it is closed; return the names of those that stay open."""
    waiting, end = dict(enumerate(opened)), time.monotonic() + seconds
    while waiting and time.monotonic() < end:
        for key, (name, one) in list(waiting.items()):
            if _is_closed(one, name):
                one.close()
                del waiting[key]
        time.sleep(1)
    return [name for name, _ in waiting.values()]


def _is_closed(one: socket.socket, name: str) -> bool:
    """Send a byte, unless the socket is of those that send nothing; tell whether the other end is gone."""
    one.settimeout(0.01)
    try:
        if name != "nothing":
            one.sendall(b"x")
        return name != "reads nothing" and not one.recv(65536)
    except TimeoutError:
        return False
    except OSError:
        return True


def memory_mb(parent: int) -> tuple[float, float]:
    """Return the memory of a process and its descendants in MB, and that without mapped files.

    Pages that they share count once; those of files count less while other programs map the same.
    """
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    waiting, total = [parent], {"Pss:": 0, "Pss_Anon:": 0}
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        with suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
                name, value, *_ = line.split()
                if name in total:
                    total[name] += int(value)
    return total["Pss:"] / 1024, total["Pss_Anon:"] / 1024


def _server_process(port: int) -> int:
    """Return the process that listens at a port."""
    found = subprocess.run(
        ["pgrep", "-f", f"serve .*--port {port}"], capture_output=True, text=True, check=True
    )
    return min(int(line) for line in found.stdout.split())


def _watch(port: int, findings: Findings, stop: threading.Event) -> None:
    """Ask for one good row again and again, and look at the memory."""
    process, body = _server_process(port), json.dumps({"dataframe_records": [GOOD]}).encode()
    while not stop.is_set():
        begun = time.monotonic()
        status, answer = send(port, body, JSON)
        findings.good_seconds.append(time.monotonic() - begun)
        if status != 200 or json.loads(answer)["predictions"][0]["status"] != "ok":
            findings.wrong.append(f"a good request was answered with {status}")
        memory, own = memory_mb(process)
        findings.memory_mb.append(memory)
        findings.own_mb.append(own)
        stop.wait(0.1)


def campaign(home: Path, requests: int, *, costly: bool, each: int = 20, **changes: float) -> Findings:
    """Send so many requests to the service of the model registered in `home`, and return what was found.

    `each`: slow sockets of each kind. `changes`: of configs/service.yaml.
    """
    model, findings, stop = registered(home), Findings(), threading.Event()
    limits = yaml.safe_load((home / "configs/service.yaml").read_text()) | changes
    (home / "configs/service.yaml").write_text(yaml.safe_dump(limits))
    with server(pcr_serve(), home, model.uri, home / "serve.log") as port:
        for _ in range(50):
            send(port, json.dumps({"dataframe_records": [GOOD]}).encode(), JSON)
        watcher = threading.Thread(target=_watch, args=(port, findings, stop))
        watcher.start()
        while not findings.memory_mb:
            time.sleep(0.1)
        opened = slow_sockets(port, each)
        allowed = sum(limits[f"{part}_seconds"] for part in ("header", "body", "answer")) + 5
        longest = allowed + limits["answer_seconds"]  # a request waits for a worker, too
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            dripping = pool.submit(drip, opened, allowed)
            parts = [range(k, requests, CLIENTS) for k in range(CLIENTS)]
            for part in pool.map(lambda numbers: list(_sent(port, numbers, longest, costly=costly)), parts):
                for status, wrong in part:
                    findings.statuses[status] += 1
                    findings.wrong += [wrong] if wrong else []
            findings.open_sockets += dripping.result()
        time.sleep(5)
        stop.set()
        watcher.join()
        findings.wrong += [f"the log has {word}" for word in (SECRET, "Traceback") if word in _log(home)]
    return findings


def _log(home: Path) -> str:
    return (home / "serve.log").read_text(errors="replace")


def _sent(port: int, numbers: range, longest: float, *, costly: bool) -> Iterator[tuple[int, str]]:
    for number in numbers:
        body, kind = generated(random.Random(number), costly=costly)  # noqa: S311 - no secret
        try:
            status, answer = send(port, body, kind, seconds=longest)
        except OSError:
            # The service stops reading what is beyond its limits.
            yield 0, "" if len(body) > 30 * 1024 * 1024 else f"request {number}: no answer"
            continue
        wrong = looked_at(status, answer)
        yield status, f"request {number}: {wrong}" if wrong else ""


def main() -> None:
    """Run the campaign, print what was measured, and exit with 1 if a limit was not kept."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    os.environ.setdefault("PYTHONHASHSEED", "0")
    with tempfile.TemporaryDirectory() as scratch:
        findings = campaign(Path(scratch) / "home", requests, costly=True)
    print(findings)
    print("\n".join(findings.faults()) or "every limit was kept")
    sys.exit(bool(findings.faults()))


if __name__ == "__main__":
    main()
