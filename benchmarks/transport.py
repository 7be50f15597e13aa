"""A SAS transport file of 100 MB (a laboratory's results): checked, read, and its cells made text."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader

MEGABYTES = 100
MAX_SECONDS = 10.0
COLUMNS = ("USUBJID", "LBTESTCD", "LBSTRESN", "LBSTRESU", "VISIT", "LBDTC")


def write_file(path: Path) -> int:
    """Write a domain LB of at least `MEGABYTES`, and return its rows."""
    rng = np.random.default_rng(1)
    rows = 600_000
    frame = pd.DataFrame(
        {
            "STUDYID": "TRIAL-2026-001", "DOMAIN": "LB",
            "USUBJID": np.char.add("TRIAL-2026-001-", np.char.zfill((np.arange(rows) // 200).astype(str), 5)),
            "LBSEQ": np.arange(rows, dtype="float64"),
            "LBTESTCD": rng.choice(["ALT", "AST", "BILI", "CREAT", "HGB"], rows),
            "LBTEST": rng.choice(["Alanine Aminotransferase", "Hemoglobin"], rows),
            "LBCAT": "CHEMISTRY", "LBORRES": rng.integers(1, 400, rows).astype(str),
            "LBSTRESN": rng.uniform(1, 400, rows).round(1), "LBSTRESU": rng.choice(["U/L", "umol/L"], rows),
            "VISIT": rng.choice(["BASELINE", "CYCLE 1 DAY 21", "CYCLE 2 DAY 21"], rows),
            "LBDTC": "2026-03-04T08:15", "LBNAM": "CENTRAL LABORATORY OF THE TRIAL, ADDRESS AND CITY",
        }
    )  # fmt: skip
    pyreadstat.write_xport(frame, path, table_name="LB", file_format_version=5)
    return rows


def main() -> int:
    """Time the check of the file and its reading; 1 where it takes longer than it may."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lb.xpt"
        rows = write_file(path)
        size = path.stat().st_size / 1e6
        start = time.process_time()
        cells = Reader(Path(folder)).read(SourceFile(path=path.name), COLUMNS)
        seconds = time.process_time() - start
    assert cells is not None and len(cells) == rows and size >= MEGABYTES  # noqa: S101
    sys.stdout.write(f"{size:.0f} MB, {rows} rows: checked and read in {seconds:.1f} s of processor\n")
    return int(seconds > MAX_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
