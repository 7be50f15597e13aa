import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.workspace import warm_stages
from pipeline.workspace.warm.ask import asked
from pipeline.workspace.warm_stages import warm_interpreter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stages are forked on Linux only")
# With this environment no interpreter can start that looks for its library there.
NOT_ANEW = {"PYTHONHOME": "/nowhere"}
SHIM = str(Path(warm_stages.__file__).parent / "warm" / "python")


def typed(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as DVC does: by the shell."""
    words = ["/bin/sh", "-c", command]
    return subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(name="_warm", scope="module")
def warm() -> Iterator[None]:
    before = dict(os.environ)
    assert "PCR_WARM_SOCKET" not in before, "a test before left its interpreter in the environment"
    with warm_interpreter():
        socket_file = Path(os.environ["PCR_WARM_SOCKET"])
        while not socket_file.exists():
            time.sleep(0.05)
        yield
    assert dict(os.environ) == before
    assert not socket_file.exists()


@pytest.mark.usefixtures("_warm")
def test_a_stage_is_forked_from_the_warm_interpreter_with_its_output_and_exit_code() -> None:
    done = typed("python -m pipeline.stages.train --help", **NOT_ANEW)
    assert (done.returncode, done.stderr) == (0, "")
    assert "landmark" in done.stdout
    wrong = typed("python -m pipeline.stages.train", **NOT_ANEW)
    assert wrong.returncode == 2
    assert "landmark" in wrong.stderr


@pytest.mark.usefixtures("_warm")
def test_a_stage_sees_folder_environment_and_streams_of_its_command(tmp_path: Path) -> None:
    command = "python -m pipeline.stages.cohort"
    missing = typed(f"cd {shlex.quote(str(tmp_path))} && {command} 2>errors", **NOT_ANEW)
    assert missing.returncode == 1
    assert missing.stderr == ""
    assert "configs/study.yaml" in (tmp_path / "errors").read_text()


@pytest.mark.usefixtures("_warm")
def test_any_other_command_is_the_interpreters_own() -> None:
    assert typed("python -c 'print(6 * 7); raise SystemExit(3)'").stdout == "42\n"
    assert typed("python -c 'raise SystemExit(3)'").returncode == 3


def test_nobody_answers_where_there_is_no_socket(tmp_path: Path) -> None:
    stage = ["-m", "pipeline.stages.train"]
    assert asked(stage, tmp_path, {}) is None
    assert asked(stage, tmp_path, {"PCR_WARM_SOCKET": str(tmp_path / "nobody")}) is None


def test_a_stage_starts_as_it_stands_in_the_graph_where_nobody_answers(tmp_path: Path) -> None:
    done = typed(
        f"{shlex.quote(SHIM)} -m pipeline.stages.train --help",
        PCR_WARM_SOCKET=str(tmp_path / "nobody"), PCR_WARM_PYTHON=sys.executable,
    )  # fmt: skip
    assert done.returncode == 0
    assert "landmark" in done.stdout


@pytest.mark.usefixtures("_warm")
def test_half_a_request_runs_nothing_and_the_next_stage_is_run() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["PCR_WARM_SOCKET"])
        connection.sendall(b'{"arguments": ["-m"')
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert typed("python -m pipeline.stages.train --help", **NOT_ANEW).returncode == 0


def test_a_stage_that_was_killed_ends_its_command_by_the_same_signal(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "stages"))
        listener.listen()
        words = [SHIM, "-m", "pipeline.stages.train", "c2"]
        environment = {"PCR_WARM_SOCKET": str(tmp_path / "stages"), "PCR_WARM_PYTHON": sys.executable}
        with subprocess.Popen(words, env={**os.environ, **environment}) as command:
            connection, _ = listener.accept()
            while not connection.recv(2**20).endswith(b"\n"):
                pass
            connection.sendall(b"-15\n")
            connection.close()
        assert command.returncode == -15
