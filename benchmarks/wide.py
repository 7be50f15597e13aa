"""Cohort, rules and features of many patients: time and memory as patients grow, and the joins by engines.

    python -m benchmarks.wide --patients 10000 100000 1000000

Simulated patients are copied under new ids, with ten times the plasma variants of the simulation: 15 a
patient, and 12 lesions. The stages run as in a study, each in a process of its own. Time is the processor's,
of all processes; memory is at its most, pages that processes share counted once. Beside them: reading the raw
tables that features need, part by part; and the joins under the features (what was known of samples, variants
and lesions at four landmarks, summed up by patient) by pandas in the same parts, and by DuckDB and Polars on
all patients at once, where these are installed (they are no requirement of the project).
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pipeline  # noqa: F401 - settings of the numerical libraries, before they are imported

# isort: split
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from joblib.externals.loky import get_reusable_executor
from rich.table import Table

from benchmarks.million import memory_gb
from features.assemble import columns_read
from features.contract.validation import validate
from features.landmarks import visible
from pipeline.console import stdout
from pipeline.project import parts as of_patients
from pipeline.project.configs import read_contract
from pipeline.project.files import read_yaml, write_tables
from pipeline.project.parts import parts_of, read_part, read_tables_of
from pipeline.project.stage import Run
from pipeline.simulation_checks.populations import read_simulation_spec
from pipeline.sources.simulator import simulate

SIMULATED = 10_000
VARIANTS = 10
STAGES = ("cohort", "rules", "features")
ENGINES = ("pandas", "duckdb", "polars")
STUDY = "artifacts/nct07239271"


def simulated(folder: Path) -> None:
    """Write checked raw tables of simulated patients."""
    spec = read_simulation_spec(Path("configs/study.yaml"), Path("configs"))
    made = simulate(spec.simulation, n=SIMULATED, rules=spec.by.rules)
    tables, _ = validate(made.tables, spec.by.contract, spec.study.vocabulary)
    calls = tables["ctdna_variants"]
    times = pd.Series(range(VARIANTS)).astype("str")
    more = calls.loc[calls.index.repeat(VARIANTS)].reset_index(drop=True)
    suffix = pd.concat([times] * len(calls), ignore_index=True)
    tables["ctdna_variants"] = more.assign(hgvsp=more["hgvsp"].fillna("p.?") + ";" + suffix)
    write_tables(folder, tables)


def copied(source: Path, raw: Path, patients: int) -> None:
    """Write the tables of the patients again and again, until there are enough, under ids of their own."""
    raw.mkdir(parents=True)
    copies = patients // SIMULATED
    in_group = max(1, of_patients.PATIENTS // SIMULATED)
    for path in sorted(source.glob("*.parquet")):
        table = pq.read_table(path)
        keys = [key for key in (of_patients.PATIENT, of_patients.SAMPLE) if key in table.column_names]
        with pq.ParquetWriter(raw / path.name, table.schema) as writer:
            for first in range(0, copies if keys else 1, in_group):
                group = range(first, min(first + in_group, copies if keys else 1))
                writer.write_table(pa.concat_tables(_renamed(table, keys, number) for number in group))


def _renamed(table: pa.Table, keys: list[str], number: int) -> pa.Table:
    for key in keys:
        place, field = table.schema.get_field_index(key), table.schema.field(key)
        before, between = (pa.scalar(text, field.type) for text in (f"{number:04d}", "-"))
        table = table.set_column(place, field, pc.binary_join_element_wise(before, table[key], between))
    return table


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Give what the block takes: processor seconds and GB of all processes, seconds by the clock."""
    spent, ended = {"memory": 0.0}, threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            spent["memory"] = max(spent["memory"], memory_gb(os.getpid()))

    watcher = threading.Thread(target=watch, daemon=True)
    clock, before = time.perf_counter(), os.times()
    watcher.start()
    yield spent
    ended.set()
    watcher.join()
    get_reusable_executor().shutdown(wait=True)
    after = os.times()
    spent["processor"] = sum(after[:4]) - sum(before[:4])
    spent["clock"] = time.perf_counter() - clock


def reading(root: Path) -> None:
    """Read what features need of the raw tables, part by part."""
    raw, wanted = root / STUDY / "raw", columns_read(read_contract(root / "configs/contract"))
    for part in parts_of(raw):
        read_tables_of(raw, part, wanted)


def stage(name: str, root: Path) -> None:
    """Run a stage."""
    module = importlib.import_module(f"pipeline.stages.{name}")
    module.main(Run(module.STAGE, {}, root))


NUMBERS = ("samples", "variants", "highest", "targets", "millimetres")


def landmarks(root: Path) -> dict[str, Any]:
    """Return visits of each landmark."""
    return {name: one["visits"] for name, one in read_yaml(root / "configs/study.yaml")["schedule"].items()}


def by_pandas(root: Path) -> dict[str, list[float]]:
    """Join in parts of the patients: through the gate of the features."""
    raw, contract = root / STUDY / "raw", read_contract(root / "configs/contract")
    study = read_simulation_spec(root / "configs/study.yaml", root / "configs").study
    names = dict.fromkeys(["ctdna_samples", "ctdna_variants", "lesions"])
    sums = {name: [0.0] * len(NUMBERS) for name in study.landmarks}
    for part in parts_of(raw):
        tables = read_tables_of(raw, part, names)
        cohort = read_part(root / STUDY / "cohort/cohort.parquet", part)
        for name, landmark in study.landmarks.items():
            at_risk = cohort.loc[cohort[f"at_risk_{name}"]].set_index("usubjid")
            seen = visible(tables, landmark, at_risk[f"decision_{name}"], contract).tables
            samples, lesions = seen["ctdna_samples"], seen["lesions"]
            calls = seen["ctdna_variants"].query("origin == 'tumor'").groupby("sample_id")["vaf"]
            by_sample = samples.set_index("sample_id").join(calls.agg(n="count", top="max"))
            by_patient = by_sample.groupby("usubjid").agg(n=("n", "sum"), top=("top", "max"))
            sized = lesions.query("target == 'target' and status == 'done'").groupby("usubjid")["diameter_mm"]
            of_patient = sized.agg(["count", "sum"])
            found = (len(samples), by_patient["n"].sum(), by_patient["top"].sum(), *of_patient.sum())
            sums[name] = [a + float(b) for a, b in zip(sums[name], found, strict=True)]
    return sums


def by_duckdb(root: Path) -> dict[str, list[float]]:
    """Join all patients by DuckDB, from the files."""
    duckdb: Any = importlib.import_module("duckdb")
    database = duckdb.connect()
    database.execute(f"SET threads = {len(os.sched_getaffinity(0))}; SET memory_limit = '6GB'")
    here, sums = root / STUDY, {}
    for name, visits in landmarks(root).items():
        listed = ", ".join(f"'{visit}'" for visit in visits)
        known = f"""visit IN ({listed})
            AND coalesce(NOT coalesce(t.report_date, t.{{}}) > c.decision_{name}, true)"""
        at_risk = f"(SELECT * FROM '{here}/cohort/cohort.parquet' WHERE at_risk_{name}) c"  # noqa: S608 - own names
        query = f"""
            WITH s AS (SELECT t.usubjid, t.sample_id FROM '{here}/raw/ctdna_samples.parquet' t
                JOIN {at_risk} USING (usubjid) WHERE {known.format("draw_date")}),
            v AS (SELECT sample_id, count(vaf) n, max(vaf) top FROM '{here}/raw/ctdna_variants.parquet'
                SEMI JOIN s USING (sample_id) WHERE origin = 'tumor' GROUP BY sample_id),
            p AS (SELECT usubjid, count(*) samples, sum(n) n, max(top) top FROM s LEFT JOIN v
                USING (sample_id) GROUP BY usubjid),
            l AS (SELECT usubjid, count(diameter_mm) targets, sum(diameter_mm) mm
                FROM '{here}/raw/lesions.parquet' t JOIN {at_risk} USING (usubjid)
                WHERE {known.format("scan_date")} AND target = 'target' AND status = 'done' GROUP BY usubjid)
            SELECT sum(samples), sum(n), sum(top), sum(targets), sum(mm) FROM p FULL JOIN l USING (usubjid)
            """  # noqa: S608 - own names
        sums[name] = [float(number or 0) for number in database.execute(query).fetchone()]
    return sums


def by_polars(root: Path) -> dict[str, list[float]]:
    """Join all patients by Polars, from the files, streaming."""
    pl: Any = importlib.import_module("polars")
    here, sums = root / STUDY, {}
    scan = {
        name: pl.scan_parquet(here / "raw" / f"{name}.parquet")
        for name in ("ctdna_samples", "ctdna_variants", "lesions")
    }
    for name, visits in landmarks(root).items():
        cohort = pl.scan_parquet(here / "cohort/cohort.parquet").filter(pl.col(f"at_risk_{name}"))
        cohort = cohort.select("usubjid", decision=f"decision_{name}")

        def known(table: Any, performed: str, cohort: Any = cohort, visits: Any = visits) -> Any:
            day = pl.coalesce("report_date", performed)
            late = (day > pl.col("decision")).fill_null(value=False)
            return table.filter(pl.col("visit").is_in(visits)).join(cohort, on="usubjid").filter(~late)

        samples = known(scan["ctdna_samples"], "draw_date").select("usubjid", "sample_id")
        calls = scan["ctdna_variants"].filter(pl.col("origin") == "tumor").group_by("sample_id")
        calls = calls.agg(n=pl.col("vaf").count(), top=pl.col("vaf").max())
        by_patient = samples.join(calls, on="sample_id", how="left").group_by("usubjid")
        by_patient = by_patient.agg(samples=pl.len(), n=pl.col("n").sum(), top=pl.col("top").max())
        targets = (pl.col("target") == "target") & (pl.col("status") == "done")
        sized = known(scan["lesions"].filter(targets), "scan_date").group_by("usubjid")
        sized = sized.agg(targets=pl.col("diameter_mm").count(), mm=pl.col("diameter_mm").sum())
        whole = by_patient.join(sized, on="usubjid", how="full", coalesce=True)
        total = whole.select(pl.col("samples", "n", "top", "targets", "mm").sum())
        sums[name] = [float(number) for number in total.collect(engine="streaming").row(0)]
    return sums


JOINS: dict[str, Callable[[Path], dict[str, list[float]]]] = {
    "pandas": by_pandas,
    "duckdb": by_duckdb,
    "polars": by_polars,
}


def apart(task: str, root: Path) -> dict[str, Any]:
    """Do one task in a process of its own, and return what it took."""
    words = [sys.executable, "-m", "benchmarks.wide", "--task", task, "--root", str(root)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - own code
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def do(task: str, root: Path) -> None:
    """Do one task in this process, and print what it took."""
    with measured() as spent:
        if task == "reading":
            reading(root)
        found = JOINS[task](root) if task in JOINS else None
        if task in STAGES:
            stage(task, root)
    print(json.dumps(spent | {"found": found}))


def same(first: dict[str, list[float]], second: dict[str, list[float]]) -> bool:
    """Tell whether two engines found the same sums."""
    pairs = [(a, b) for name in first for a, b in zip(first[name], second[name], strict=True)]
    return all(abs(a - b) <= 1e-9 * max(abs(a), 1) for a, b in pairs)


def main() -> None:
    """Copy patients, run stages and engines, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[SIMULATED, 3 * SIMULATED])
    parser.add_argument("--task", choices=("reading", *STAGES, *ENGINES))
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    if args.task:
        do(args.task, args.root)
        return
    engines = [name for name in ENGINES if find_spec(name)]
    columns = ("patients", "what", "processor (s)", "us a patient", "by the clock (s)", "GB at most")
    table = Table(*columns, title="many patients")
    with tempfile.TemporaryDirectory() as scratch:
        simulated(Path(scratch) / "simulated")
        for patients in args.patients:
            root = Path(scratch) / str(patients)
            shutil.copytree("configs", root / "configs")
            copied(Path(scratch) / "simulated", root / STUDY / "raw", patients)
            first: dict[str, list[float]] | None = None
            for task in (*STAGES, "reading", *engines):
                told = apart(task, root)
                first = first or told["found"]
                if told["found"] and not same(first or {}, told["found"]):
                    raise SystemExit(f"{task} finds other sums than {engines[0]}")
                table.add_row(
                    f"{patients:,}", f"joins by {task}" if task in engines else task,
                    f"{told['processor']:.1f}", f"{told['processor'] / patients * 1e6:.0f}",
                    f"{told['clock']:.1f}", f"{told['memory']:.2f}",
                )  # fmt: skip
            shutil.rmtree(root)
    stdout().print(table)
    for name in (name for name in ENGINES if name not in engines):
        stdout().print(f"{name} is not installed: its joins are not measured")


if __name__ == "__main__":
    main()
