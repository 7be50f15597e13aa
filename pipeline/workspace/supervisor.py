"""Between `pcr run` and DVC: when `pcr run` is killed, DVC and its stages end and former results come back.

The supervisor is in a session of its own, so that neither Ctrl-C nor the end of a terminal reaches it; it
learns through a pipe that `pcr run` is gone. Were it killed as well, DVC would learn the same way that the
supervisor is gone, and the next `pcr run` would bring the former results back.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import stderr
from pipeline.workspace.former_results import restored
from pipeline.workspace.lifeline import watch
from pipeline.workspace.stage_lines import VERBOSE

MODULE = "pipeline.workspace.supervisor"
SECONDS_TO_END = 20
"""What DVC has for its own end, once its stages were ended; then it is killed."""


@dataclass(frozen=True)
class Failure:
    """Why DVC failed: its own text, the stage and its exit status, or what is wrong with the disk."""

    text: str
    stage: str | None = None
    status: int | None = None
    storage: str | None = None


class SupervisedDvc:
    """DVC at work for `pcr run`, in processes that end with this one.

    Parameters
    ----------
    lock : int
        Descriptor of the run lock; it stays held until the last of the processes has ended.
    arguments : list of str
        What to run: the words after `dvc`.
    verbose : bool
        Whether DVC shows all that it says, instead of a line for each stage.
    """

    def __init__(self, lock: int, arguments: list[str], *, verbose: bool = False) -> None:
        lifeline, self._lifeline = os.pipe()
        self._report, report = os.pipe()
        # Stages call `python`: the one that runs this, whether its environment is activated or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", MODULE, str(lifeline), str(report), str(lock), *arguments],
            env=os.environ | {"PATH": path} | ({VERBOSE: "1"} if verbose else {}),
            stdin=subprocess.DEVNULL,
            pass_fds=(lifeline, report, lock),
            start_new_session=True,
        )
        os.close(lifeline)
        os.close(report)

    def stop(self) -> None:
        """End the stages, and DVC as on Ctrl-C."""
        with suppress(BrokenPipeError):
            os.write(self._lifeline, b"x")

    def wait(self) -> Failure | None:
        """Wait for the end, and return why DVC failed, or None if it did not."""
        with os.fdopen(self._report) as told:
            report = told.read()
        code = self._process.wait()
        if code == 0:
            return None
        if not report:
            return Failure(f"DVC ended with exit code {code}")
        said = json.loads(report)
        return Failure(
            said["text"], said["stage"], int(said["status"]) if said["status"] else None, said["storage"]
        )

    def close(self) -> None:
        """Forget the processes, which have ended."""
        os.close(self._lifeline)


def main(arguments: list[str]) -> int:
    """Run DVC until its end or that of `pcr run`, and return its exit code."""
    lifeline, report, lock = (int(word) for word in arguments[:3])
    held, hold = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pipeline.workspace.dvc_process", str(held), str(report), *arguments[3:]],
        pass_fds=(held, report, lock),
        process_group=0,
    )
    os.close(held)
    os.close(report)
    orphaned = False

    def end() -> None:
        process.terminate()  # it does nothing to a process that has ended
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()

    def gone() -> None:
        nonlocal orphaned
        orphaned = True
        end()

    watch(lifeline, said=end, gone=gone)
    code = process.wait()
    # A stage may outlive a DVC that was killed. (macOS denies a signal to a group that is just ending.)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    os.close(hold)
    if orphaned:
        stderr().print(f"The run was killed. {restored()}", highlight=False)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
