"""A million rows through `pcr score`: time and memory, beside reading them and the bare prediction.

Needs the artifacts of a run. Patients are drawn with replacement and lose further cells. Bare is the model's
own arithmetic on a finished matrix, every value known: what is predicted when nothing is read, checked,
imputed, compared with the training patients, given an interval or a reason, or written. The command runs with
one worker and with two, which compute side by side; processor time and memory are those of all its processes.
LightGBM's own prediction of the same matrix, by one thread and by two, stands beside a boosted model.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Before numpy: libraries read how many threads to take when they are imported, and threads that wait count.
from pipeline.project import numerics  # noqa: F401

# isort: split
import numpy as np
import pandas as pd

from benchmarks.serving import many
from models.serving.serving import PcrModel, read_model
from pipeline.commands.score import answered, read_parts, write_parts

ROWS = 1_000_000
BATCH = 1024
WORKERS = (1, 2)
SCORE = """
import resource, sys
from pathlib import Path
from pipeline.commands.score import score

folder, rows, out = sys.argv[1:]
score(folder, None, Path(rows), None, Path(out))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(each.ru_utime + each.ru_stime for each in used))
"""


@dataclass
class Spent:
    """Seconds of processor and by the clock; memory of all processes at their most, in GB."""

    processor: float = 0.0
    clock: float = 0.0
    memory: float = 0.0


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of a call, and what it returns."""
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


def bare(model: PcrModel, part: pd.DataFrame) -> float:
    """Return the processor time of predicting a part whose matrix is finished."""
    finished = matrix(model, part)
    batches = [finished[row : row + BATCH] for row in range(0, len(finished), BATCH)]
    return seconds(lambda: [1.0 / (1.0 + np.exp(-model.log_odds_of(batch))) for batch in batches])[0]


def matrix(model: PcrModel, part: pd.DataFrame) -> np.ndarray:
    """Return the completed columns of a part."""
    texts = part.select_dtypes("category").columns
    return model.complete(model.encode(part.astype(dict.fromkeys(texts, object))))


def own(model: PcrModel, part: pd.DataFrame, threads: int, spent: Spent) -> None:
    """Add what a boosted model's LightGBM itself takes to predict a part whose matrix is finished."""
    finished, booster = matrix(model, part), model.booster
    if booster is None:
        return
    begun = time.perf_counter()
    predict = partial(booster.predict, finished, raw_score=True, num_threads=threads)
    spent.processor += seconds(predict)[0]
    spent.clock += time.perf_counter() - begun


def command(folder: Path, rows: Path, out: Path, workers: int) -> Spent:
    """Return what `pcr score` takes, in a process of its own and those that it forks."""
    words = [sys.executable, "-c", SCORE, str(folder), str(rows), str(out)]
    environment = os.environ | {"PCR_WORKERS": str(workers)}
    begun, memory = time.perf_counter(), 0.0
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - own code
        while process.poll() is None:
            memory = max(memory, memory_gb(process.pid))
            time.sleep(0.05)
        clock, said = time.perf_counter() - begun, process.communicate()[0]
    if process.returncode:
        raise SystemExit(process.returncode)
    return Spent(float(said.split()[-1]), clock, memory)


def memory_gb(process: int) -> float:
    """Return the memory of a process and of those that it forked; pages that they share count once."""
    with suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        (line,) = (
            line for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )  # fmt: skip
        return int(line.split()[1]) / 1024**2 + sum(memory_gb(int(child)) for child in children)
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/nct07239271"))
    parser.add_argument("--landmark", default="c2")
    args = parser.parse_args()
    folder = args.artifacts / "models" / args.landmark
    model = read_model(folder)
    names = [feature["name"] for feature in model.document["features"]]
    patients = pd.read_parquet(args.artifacts / "features" / f"{args.landmark}.parquet")[names]
    with tempfile.TemporaryDirectory() as scratch:
        rows, out = Path(scratch) / "rows.parquet", Path(scratch) / "answers.parquet"
        many(patients, ROWS).assign(usubjid=[f"P-{k:07d}" for k in range(ROWS)]).to_parquet(rows)
        commands = {workers: command(folder, rows, out, workers) for workers in WORKERS}
        reading = predicting = answering = writing = 0.0
        owns = {threads: Spent() for threads in WORKERS if model.booster is not None}
        parts = read_parts(rows)
        while part := next_part(parts):
            reading += part[0]
            predicting += bare(model, part[1])
            for threads, spent in owns.items():
                own(model, part[1], threads, spent)
            taken, answers = seconds(partial(answered, model, part[1]))
            answering += taken
            writing += seconds(partial(write_parts, out, [answers]))[0]
    print(f"{args.landmark}, {model.document['candidate']}, {len(names)} inputs, {ROWS:,} rows")
    for workers, spent in commands.items():
        ratio = spent.processor / (reading + predicting)
        print(
            f"pcr score, {workers} at once: {spent.processor:.1f} s of processor, {spent.clock:.1f} s by the "
            f"clock, {spent.memory:.2f} GB; {ratio:.1f} times bare prediction and reading"
        )
    print(
        f"reading {reading:.2f} s, answering {answering:.2f} s, writing {writing:.2f} s, the rest its start"
    )
    print(f"bare prediction {predicting:.2f} s")
    for threads, spent in owns.items():
        print(
            f"LightGBM's own, {threads} at once: {spent.processor:.2f} s of processor, {spent.clock:.2f} s "
            "by the clock"
        )


def next_part(parts: Iterator[pd.DataFrame]) -> tuple[float, pd.DataFrame] | None:
    """Return the next part and the processor time of reading it; None after the last."""
    taken, part = seconds(lambda: next(parts, None))
    return None if part is None else (taken, part)


if __name__ == "__main__":
    main()
