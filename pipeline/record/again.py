"""Stages run again on stored files: in a copy of the checkout, with this interpreter or another one."""

import graphlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from features.errors import UserError
from pipeline.console import stderr
from pipeline.registry.contents import require_computed
from pipeline.registry.state import Stage, Stages, State
from pipeline.workspace.warm_stages import warm_interpreter

FITTING = ("train", "resample", "package", "comparators", "domains", "refit", "explain")
"""Stages whose outputs are fits or forecasts, as stored unless `fits`: all else is made from them."""
ENDS = ("raw", "truth", "reports", "track")
"""Stages never run again: what was read or simulated is taken as stored, pages hold what others computed."""
SHARED = ("configs", "data", "docs", "features", "models", "pipeline", "requirements.lock")
"""What a stage finds in a checkout besides artifacts/."""
LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "lightgbm")
"""What computes: their versions are told."""


@dataclass(frozen=True)
class Repetition:
    """Stages that were run again.

    Attributes
    ----------
    root : Path
        The copy of the checkout, with all files that were not computed again.
    outputs : dict of str to list of str
        Files and folders that each stage writes, relative to a checkout.
    failed : list of str
        Stages that ended with an error, which they told on standard error.
    """

    root: Path
    outputs: dict[str, list[str]]
    failed: list[str]


@contextmanager
def repeated(state: State, interpreter: str | None, *, fits: bool) -> Iterator[Repetition]:
    """Run the stages of a state again in a copy of this checkout, which is removed afterwards.

    Parameters
    ----------
    interpreter : str, optional
        Another Python; by default this one.
    fits : bool
        Whether models are fitted again, too; else all is made from stored fits and predictions.

    Raises
    ------
    UserError
        If what is stored is not what was computed.
    """
    require_computed(state.stages)
    names = stages_to_repeat(state.stages, fits=fits)
    written = {name: outputs(state.stages[name]) for name in names}
    with tempfile.TemporaryDirectory(prefix="pcr-again-") as folder, warm_interpreter():
        copy = Path(folder).resolve()
        lay_out(Path.cwd(), copy, state.artifacts, [path for paths in written.values() for path in paths])
        yield Repetition(copy, written, _run(state.stages, names, copy, interpreter))


def stages_to_repeat(stages: Stages, *, fits: bool) -> list[str]:
    """Return the stages to run again, each after those that write what it reads."""
    left = {*ENDS, *(() if fits else FITTING)}
    chosen = {name: stage for name, stage in stages.items() if name.partition("@")[0] not in left}
    return list(graphlib.TopologicalSorter(dict(_predecessors(chosen))).static_order())


def _predecessors(stages: Stages) -> Iterator[tuple[str, list[str]]]:
    for name, stage in sorted(stages.items()):
        reads = [dep["path"] for dep in stage.get("deps", [])]
        yield name, [other for other in sorted(stages) if other != name and _feeds(stages[other], reads)]


def _feeds(stage: Stage, reads: Iterable[str]) -> bool:
    written = [PurePosixPath(path) for path in outputs(stage)]
    return any(
        path.is_relative_to(read) or PurePosixPath(read).is_relative_to(path)
        for path in written
        for read in reads
    )


def outputs(stage: Stage) -> list[str]:
    """Return the files and folders that a stage wrote."""
    return [out["path"] for out in stage.get("outs", [])]


def lay_out(root: Path, copy: Path, artifacts: Path, left_out: Iterable[str]) -> None:
    """Make a checkout in `copy` with the files of `root`, by symbolic links, but those `left_out`."""
    for name in SHARED:
        if (root / name).exists():
            (copy / name).symlink_to((root / name).resolve())
    absent = [PurePosixPath(path) for path in left_out]
    for path in absent:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
    for file in sorted((root / artifacts).rglob("*")):
        place = PurePosixPath(file.relative_to(root).as_posix())
        if file.is_file() and not any(place.is_relative_to(path) for path in absent):
            (copy / place).parent.mkdir(parents=True, exist_ok=True)
            (copy / place).symlink_to(file.resolve())


def _run(stages: Stages, names: list[str], copy: Path, interpreter: str | None) -> list[str]:
    """Run stages in `copy`, one after the other; return those that failed."""
    failed = []
    for count, name in enumerate(names, 1):
        stderr().print(f"[{count}/{len(names)}] {name}", markup=False, highlight=False)
        # The word python of a command is this interpreter (warm_interpreter puts it first on PATH).
        word, *words = shlex.split(stages[name]["cmd"])
        done = subprocess.run(  # noqa: S603 - the commands of dvc.lock
            [interpreter or word, *words],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            check=False,
            stdout=sys.stderr,
        )
        if done.returncode:
            failed.append(name)
    return failed


def versions(interpreter: str) -> str:
    """Return the versions of an interpreter and of what computes in it.

    Raises
    ------
    UserError
        If it is no Python with these libraries.
    """
    names = ", ".join(map(repr, LIBRARIES))
    script = (
        "import importlib.metadata as m, platform; "
        f"print('Python', platform.python_version(), *(f', {{x}} {{m.version(x)}}' for x in ({names})))"
    )
    try:
        done = subprocess.run(  # noqa: S603 - the user's interpreter
            [interpreter, "-c", script], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"{interpreter}: must be a Python with {', '.join(LIBRARIES)}; `make reproduce` makes one"
        ) from error
    return done.stdout.strip().replace(" ,", ",")
