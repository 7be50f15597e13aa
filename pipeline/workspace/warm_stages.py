"""One interpreter that has the libraries loaded, from which the stages of a run are forked.

A stage spends most of its first two seconds importing numpy, pandas, scikit-learn and LightGBM. Under
`pcr run` the word `python` of a stage's command is the script beside this module (see `warm_interpreter`): it
hands command, environment and standard streams to this process, which forks. What was loaded here is then
loaded there; the project's own modules are not among it, so that every stage runs the code that is on disk.
Where that cannot be done, and for `dvc repro` typed by hand, the stage starts as it stands in dvc.yaml.

`python -m pipeline.workspace.warm_stages SOCKET` waits for stages until the group of processes ends.
"""

import array
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.linear_model",
    "lightgbm",
    "joblib",
)
MODULE = "pipeline.workspace.warm_stages"
STREAMS = 3
LONGEST_REQUEST = 2**20


class _Request(TypedDict):
    """What a stage is started with: ``-m``, the module and its words; folder and environment."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


@contextmanager
def warm_interpreter() -> Iterator[None]:
    """Have a warm interpreter beside this process, and let the stages that it starts find it.

    On Linux only: elsewhere libraries that were loaded before a fork may fail after it.
    """
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pcr-") as folder:
        path = str(Path(folder) / "stages")
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", MODULE, path], stdin=subprocess.DEVNULL
        )
        shim = str(Path(__file__).parent / "warm")
        os.environ["PATH"] = os.pathsep.join([shim, os.environ.get("PATH", os.defpath)])
        os.environ |= {"PCR_WARM_SOCKET": path, "PCR_WARM_PYTHON": sys.executable}
        try:
            yield
        finally:
            process.kill()
            process.wait()


def serve(listener: socket.socket) -> int:
    """Fork a stage for every request; return, in the stage's process only, its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    loaded = False
    while True:
        connection, _ = listener.accept()
        if not loaded:
            for library in LIBRARIES:
                importlib.import_module(library)
            gc.freeze()
            loaded = True
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _stage(connection)
        connection.close()


def _stage(connection: socket.socket) -> int:
    """Fork once more: one process is the stage, the other tells how it ended."""
    request, descriptors = _received(connection)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    _, module, *words = request["arguments"]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _received(connection: socket.socket) -> tuple[_Request, list[int]]:
    """Return a request and the three standard streams that came with its first bytes.

    Raises
    ------
    ConnectionAbortedError
        If the command ended in the middle of its request.
    """
    passed = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(LONGEST_REQUEST, socket.CMSG_SPACE(STREAMS * passed.itemsize))
    for _, _, content in ancillary:
        passed.frombytes(content)
    while not data.endswith(b"\n"):
        more = connection.recv(LONGEST_REQUEST)
        if not more:
            raise ConnectionAbortedError("the command ended before its request was whole")
        data += more
    request: _Request = json.loads(data)
    return request, passed.tolist()


def main(path: str) -> int:
    """Listen on the socket at `path`."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        return serve(listener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
