"""Ask the warm interpreter to run a stage, and end as the stage ends; without it, start the stage here.

Runs without site-packages, so that it costs a hundredth of a second.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def asked(
    arguments: list[str], folder: Path, environment: Mapping[str, str], streams: Sequence[int] = (0, 1, 2)
) -> int | None:
    """Return the exit code of the stage, negative for a signal; None if nobody answers.

    `streams` are the descriptors of its standard input, output and errors.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(environment["PCR_WARM_SOCKET"])
        except (KeyError, OSError):
            return None
        request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], streams)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(64):
                answer += received
        # Without an answer the process that waits for the stage was killed: so are we.
        return int(answer) if answer else -signal.SIGKILL


if __name__ == "__main__":
    words = sys.argv[1:]
    stage = words[:1] == ["-m"] and words[1].startswith("pipeline.stages.")
    code = asked(words, Path.cwd(), os.environ) if stage else None
    if code is None:
        interpreter = os.environ["PCR_WARM_PYTHON"]
        os.execv(interpreter, [interpreter, *words])  # noqa: S606 - as the shell would have
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
