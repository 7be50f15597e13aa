"""One interpreter with the libraries loaded, from which the commands of a process's tests are forked.

Importing pandas, scikit-learn and MLflow costs a command more than most of what it does. What is loaded is
of others: the command's own code is read from its folder (`pipeline.workspace.warm_stages`).
"""

import atexit
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.workspace.warm.ask import asked
from pipeline.workspace.warm_stages import MODULE, warm_environment

LIBRARIES = (
    "mlflow.pyfunc",
    "mlflow.artifacts",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "dvc.cli",
    "dvc.repo",
    "typer",
    "jinja2",
    "altair",
)
PROGRAM = """#!{python} -IS
import os, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from ask import asked
code = asked(["-m", {module!r}, *sys.argv[1:]], Path.cwd(), {{**os.environ, **{warm!r}}})
assert code is not None, "the warm interpreter is gone"
sys.exit(code if code >= 0 else 128 - code)
"""


def write_programs(folder: Path, modules: Mapping[str, str], path: str) -> None:
    """Write programs into a folder, each a module that is forked from the warm interpreter.

    `path` are the folders of programs that it finds.
    """
    warm = warm_environment(_socket(), path)
    for name, module in modules.items():
        text = PROGRAM.format(
            python=sys.executable, folder=warm["PATH"].split(os.pathsep)[0], module=module, warm=warm
        )
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ...`` in a folder; return exit code, standard output and errors.

    An interpreter of its own has a command whose environment names another warm one, or none.
    """
    words = ["-m", *arguments]
    if sys.platform != "linux" or "PCR_WARM_SOCKET" in environment:
        return subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    with (
        Path(os.devnull).open() as nothing,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        streams = [stream.fileno() for stream in (nothing, out, err)]
        warm = warm_environment(_socket(), environment["PATH"])
        code = asked(words, folder, {**environment, **warm}, streams)
        assert code is not None, "the warm interpreter is gone"
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


@functools.cache
def _socket() -> str:
    """Start the interpreter; return its socket."""
    folder = tempfile.TemporaryDirectory(prefix="pcr-tests-")
    path = Path(folder.name) / "commands"
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, str(path), *LIBRARIES],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    atexit.register(folder.cleanup)
    atexit.register(process.kill)
    while not path.exists():
        assert process.poll() is None, "the warm interpreter did not start"
        time.sleep(0.02)
    return str(path)
