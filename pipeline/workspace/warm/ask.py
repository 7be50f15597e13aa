"""Ask the warm interpreter to run a stage, and end as the stage ends; without it, start the stage here.

Runs without site-packages, so that it costs a hundredth of a second.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path


def asked(arguments: list[str]) -> int | None:
    """Return the exit code of the stage, negative for a signal; None if nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.environ["PCR_WARM_SOCKET"])
        except (KeyError, OSError):
            return None
        request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(64):
                answer += received
        # Without an answer the process that waits for the stage was killed: so are we.
        return int(answer) if answer else -signal.SIGKILL


if __name__ == "__main__":
    words = sys.argv[1:]
    code = asked(words) if words[:1] == ["-m"] and words[1].startswith("pipeline.stages.") else None
    if code is None:
        interpreter = os.environ["PCR_WARM_PYTHON"]
        os.execv(interpreter, [interpreter, *words])  # noqa: S606 - as the shell would have
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
