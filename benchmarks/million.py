"""A million rows through `pcr score`: processor time and memory, beside reading them and the bare prediction.

Needs the artifacts of a run. Patients are drawn with replacement and lose further cells. Bare is the model's
own arithmetic on a finished matrix, every value known: what is predicted when nothing is read, checked,
imputed, compared with the training patients, given an interval or a reason, or written.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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
# The peak is the process's own: `ru_maxrss` would count what its parent held, too.
SCORE = """
import re, resource, sys
from pathlib import Path
from pipeline.commands.score import score

folder, rows, out = sys.argv[1:]
score(folder, None, Path(rows), None, Path(out))
used = resource.getrusage(resource.RUSAGE_SELF)
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(used.ru_utime + used.ru_stime, peak[1])
"""


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of a call, and what it returns."""
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


def bare(model: PcrModel, part: pd.DataFrame) -> float:
    """Return the processor time of predicting a part whose matrix is finished."""
    texts = part.select_dtypes("category").columns
    finished = model.complete(model.encode(part.astype(dict.fromkeys(texts, object))))
    batches = [finished[row : row + BATCH] for row in range(0, len(finished), BATCH)]
    return seconds(lambda: [1.0 / (1.0 + np.exp(-model.log_odds_of(batch))) for batch in batches])[0]


def command(folder: Path, rows: Path, out: Path) -> tuple[float, float]:
    """Return processor seconds and peak memory in GB of `pcr score` in a process of its own."""
    words = [sys.executable, "-c", SCORE, str(folder), str(rows), str(out)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout  # noqa: S603 - own code
    spent, kilobytes = said.split()[-2:]
    return float(spent), float(kilobytes) / 1024**2


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
        whole, memory = command(folder, rows, out)
        reading = predicting = answering = writing = 0.0
        parts = read_parts(rows)
        while part := next_part(parts):
            reading += part[0]
            predicting += bare(model, part[1])
            begun = time.process_time()
            answers = answered(model, part[1])
            answering += time.process_time() - begun
            writing += seconds(partial(write_parts, out, [answers]))[0]
    print(f"{args.landmark}, {model.document['candidate']}, {len(names)} inputs, {ROWS:,} rows")
    print(f"pcr score: {whole:.1f} s of processor, {memory:.2f} GB; of it reading {reading:.2f} s,")
    print(f"answering {answering:.2f} s, writing {writing:.2f} s, the rest its start")
    print(f"bare prediction {predicting:.2f} s; with reading, ratio {whole / (reading + predicting):.1f}")


def next_part(parts: Iterator[pd.DataFrame]) -> tuple[float, pd.DataFrame] | None:
    """Return the next part and the processor time of reading it; None after the last."""
    taken, part = seconds(lambda: next(parts, None))
    return None if part is None else (taken, part)


if __name__ == "__main__":
    main()
