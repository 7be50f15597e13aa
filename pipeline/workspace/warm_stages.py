"""One interpreter that has the libraries loaded, from which the stages of a run are forked.

A stage spends most of its first two seconds importing numpy, pandas, scikit-learn and LightGBM. Under
`pcr run` the word `python` of a stage's command is the script beside this module (see `warm_interpreter`): it
hands command, environment and standard streams to this process, which forks. What was loaded here is then
loaded there; the project's own modules are not among it, so that every stage runs the code that is on disk.
Where that cannot be done, and for `dvc repro` typed by hand, the stage starts as it stands in dvc.yaml.

It loads while DVC starts and looks what has changed. `python -m pipeline.workspace.warm_stages SOCKET
[LIBRARY...]` waits for stages until the group of processes ends, with further libraries loaded; a command
that finds it in its environment starts no other.
"""

import array
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
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
LATER = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "altair")
"""What few stages need: loaded while no stage waits."""
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
    if sys.platform != "linux" or "PCR_WARM_SOCKET" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pcr-") as folder:
        path = str(Path(folder) / "stages")
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", MODULE, path], stdin=subprocess.DEVNULL
        )
        before = dict(os.environ)
        os.environ |= warm_environment(path, os.environ.get("PATH", os.defpath))
        try:
            yield
        finally:
            # Who starts a stage later must not look for an interpreter that is gone.
            os.environ.clear()
            os.environ.update(before)
            process.kill()
            process.wait()


def warm_environment(path: str, programs: str) -> dict[str, str]:
    """Return the environment in which the word `python` asks the interpreter at the socket `path`.

    `programs` are the folders of programs so far.
    """
    shim = str(Path(__file__).parent / "warm")
    return {
        "PATH": os.pathsep.join([shim, programs]),
        "PCR_WARM_SOCKET": path,
        "PCR_WARM_PYTHON": sys.executable,
    }


def serve(listener: socket.socket, further: Sequence[str] = ()) -> int:
    """Fork a stage for every request; return, in the stage's process only, its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for library in LIBRARIES:
        importlib.import_module(library)
    later = [*further, *LATER]
    while True:
        while later and not _is_asked(listener):
            importlib.import_module(later.pop(0))
        gc.freeze()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _stage(connection)
        connection.close()


def _is_asked(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


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
    # Not even the packages of this module: the command's folder may hold others.
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[loaded]
    sys.path[0] = request["folder"]
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


def main(path: str, *libraries: str) -> int:
    """Listen on the socket at `path`, with further libraries loaded."""
    with socket.socket(socket.AF_UNIX) as listener:
        # Who finds the socket by its name is not refused.
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        return serve(listener, libraries)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
