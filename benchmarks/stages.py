"""How far costly stages stand above the bare fits in them, and how many processors they keep busy.

    python -m benchmarks.stages

Every stage runs on the results of the last `make run`, copied, twice. By one worker: its processor time is
set beside that inside `lightgbm.train` (binning included) and the ridge fits of the same run, the floor under
it. By all workers: processor time over wall time is how many processors were busy (on an idle machine;
libraries are loaded before). What it writes must be the same bits both times and in what was copied.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pipeline  # noqa: F401 - settings of the numerical libraries, before they are imported

# isort: split
import lightgbm

from models.procedure import candidates
from models.procedure.backends import workers
from models.procedure.ridge import ridge_path
from pipeline.project.files import read_yaml
from pipeline.project.stage import Run, Stage

STAGES = (
    "train", "resample", "comparators", "domains", "refit", "sensitivity", "judge", "compare", "explain",
)  # fmt: skip


class FitClock:
    """Sums the processor time inside bare fits, of one thread."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._train = lightgbm.train
        lightgbm.train = self._timed_train
        candidates.ridge_path = self._timed_path

    def _timed_train(self, *arguments: Any, **named: Any) -> Any:
        start = time.thread_time()
        booster = self._train(*arguments, **named)
        self.spent += time.thread_time() - start
        return booster

    def _timed_path(self, *arguments: Any) -> Iterator[Any]:
        path = ridge_path(*arguments)
        while True:
            start = time.thread_time()
            fit = next(path, path)
            self.spent += time.thread_time() - start
            if fit is path:
                return
            yield fit


def measure(root: Path, stage: str, landmark: str) -> dict[str, Any]:
    """Run a stage in this process; return its times, and the digests of what was there and what it wrote."""
    module = importlib.import_module(f"pipeline.stages.{stage}")
    run = Run(module.STAGE, {"landmark": landmark}, root)
    former = digest(run, module.STAGE)
    clock, before, wall = FitClock(), os.times(), time.perf_counter()
    module.main(run)
    wall, after = time.perf_counter() - wall, os.times()
    return {
        "wall": wall, "processor": sum(after[:4]) - sum(before[:4]), "fits": clock.spent,
        "former": former, "written": digest(run, module.STAGE),
    }  # fmt: skip


def digest(run: Run, stage: Stage) -> str:
    """Return the sha256 of all that a stage writes."""
    found = sha256()
    for place in map(run.path, stage.writes):
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()


def in_a_process(root: Path, stage: str, landmark: str, count: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.stages", "--measure", str(root), stage, landmark]
    environment = os.environ | {"PCR_WORKERS": str(count)}
    told = subprocess.check_output(words, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    found: dict[str, Any] = json.loads(told)
    return found


def main() -> None:
    """Measure, print a line a stage, and exit with 1 where bits differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--landmark", default="c2", help="of the stages that have one")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("stages", nargs="*", default=STAGES)
    args = parser.parse_args()
    if args.measure:
        folder, stage, landmark = args.measure
        print(json.dumps(measure(Path(folder), stage, landmark)))
        return
    line = "{:<12} {:>11} {:>11} {:>6} {:>7} {:>5} {:>5}"
    print(line.format("stage", "processor s", "bare fits s", "times", "wall s", "busy", "same"))
    same = True
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for place in ("configs", "docs", f"artifacts/{read_yaml(Path('configs/study.yaml'))['study']}"):
            shutil.copytree(place, root / place)
        for stage in args.stages:
            alone, together = (in_a_process(root, stage, args.landmark, n) for n in (1, workers()))
            equal = len({alone["former"], alone["written"], together["written"]}) == 1
            same &= equal
            fits, spent, wall = alone["fits"], alone["processor"], together["wall"]
            floor = [f"{fits:.1f}", f"{spent / fits:.2f}"] if fits else ["", ""]
            busy = f"{together['processor'] / wall:.2f}"
            told = line.format(stage, f"{spent:.1f}", *floor, f"{wall:.1f}", busy, "yes" if equal else "NO")
            print(told, flush=True)
    sys.exit(int(not same))


if __name__ == "__main__":
    main()
