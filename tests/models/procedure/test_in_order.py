"""Items computed side by side, each in a process of its own: in their order, and as one process would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import UserError
from models.procedure.backends import in_order

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


def with_process(item: int) -> tuple[int, int]:
    """Return an item and who computed it; the first ones take the longest."""
    time.sleep(max(0.0, 0.2 - 0.1 * item))
    return item, os.getpid()


def refused(item: int) -> int:
    if item == 2:
        raise UserError("two is refused")
    return item


def killed(item: int) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@linux
def test_results_come_in_order_from_processes_of_their_own() -> None:
    found = [*in_order(with_process, iter(range(6)), 3)]
    assert [item for item, _ in found] == [*range(6)]
    assert len({process for _, process in found} - {os.getpid()}) == 6


@pytest.mark.parametrize(("items", "several"), [(5, 1), (1, 4), (0, 4)])
def test_one_process_or_a_single_item_needs_no_other(items: int, several: int) -> None:
    assert [*in_order(with_process, range(items), several)] == [(k, os.getpid()) for k in range(items)]


@linux
def test_no_more_is_taken_than_is_soon_computed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(20):
            taken.append(k)
            yield k

    results = in_order(with_process, items(), 2)
    assert next(results)[0] == 0
    assert len(taken) == 4
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 4


@pytest.mark.parametrize("several", [1, 2])
def test_what_is_refused_is_refused_here_after_what_came_before(several: int) -> None:
    results = in_order(refused, range(9), several)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(UserError, match="two is refused"):
        next(results)


@linux
def test_a_process_that_is_killed_is_told_with_what_to_do() -> None:
    with pytest.raises(
        UserError, match="was killed, as happens where memory does not suffice; PCR_WORKERS=1"
    ):
        [*in_order(killed, range(5), 2)]


@linux
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_forked_them(tmp_path: Path, ending: signal.Signals) -> None:
    program = f"""
import os, pathlib, time
from models.procedure.backends import in_order

def sleep(item):
    pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()
    time.sleep(60)

try:
    list(in_order(sleep, range(4), 2))
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while len([*tmp_path.iterdir()]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    # As Ctrl-C does: to every process of the terminal.
    os.killpg(process.pid, ending)
    said = process.communicate(timeout=30)
    assert said == ("interrupted\n" if ending == signal.SIGINT else "", "")
    while any(Path("/proc", file.name).exists() for file in tmp_path.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)


@linux
def test_a_ctrl_c_in_the_moment_of_a_fork_is_not_lost() -> None:
    program = """
import os, signal
from models.procedure.backends import in_order

os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    print(list(in_order(abs, range(4), 2)))
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
