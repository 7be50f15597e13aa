"""Files of every tabular format with habits at random, and the same files damaged: read right, or refused.

``python -m tests.pipeline.reader_campaign 2000`` writes 2,000 valid and 2,000 damaged files, seeds from 0 or
from ``--first``, and prints what became of them. A valid file gives the cells that were meant, or is refused
by line, cell or column. A damaged one gives what a second reader reads, or is refused; any other error, and
any reading that takes more than 10 seconds, is a fault of the reader.
"""

import argparse
import csv
import gzip
import io
import json
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.utils.datetime import MAC_EPOCH

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.sdtm import write_dataset
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader

MAX_SECONDS = 10.0
COLUMNS = ["id", "number", "text", "day"]
SHOWN = ["", "per cent", "zeros", "text", "hidden", "empty"]
REFUSED = ["formula", "error", "merged"]
"""Habits of workbooks: what is read as it is shown, and what has no value of its own."""
WORDS = ["pos", "neg", "Zürich", "p.R175H", "not done", "a;b", "12 mm", "c.1#2", "NA", "0"]


@dataclass
class Made:
    """A file, how a study file describes it, and the cells that were meant ("" for empty)."""

    path: Path
    file: SourceFile
    cells: list[list[str]]
    habits: list[str] = field(default_factory=list)


def table(rng: random.Random) -> list[list[str]]:
    """Return the cells of a small table as text."""
    rows = []
    for i in range(rng.randint(1, 12)):
        number = rng.choice(
            [str(rng.randint(0, 400)), repr(round(rng.uniform(0, 90), 3)).removesuffix(".0"), ""]
        )
        day = (date(2025, 1, 1) + timedelta(rng.randint(0, 500))).isoformat()
        rows.append([f"{i:04d}", number, rng.choice(WORDS), rng.choice([day, day, ""])])
    return rows


def text(rng: random.Random, folder: Path) -> Made:
    """Write a CSV or tab-separated file."""
    cells, habits, settings = table(rng), [], {}
    tabs = rng.random() < 0.4
    separator = "\t" if tabs else rng.choice([",", ";", "|"])
    encoding = rng.choice(["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
    if not tabs and rng.random() < 0.5:
        habits.append("line ends, marks and separators within cells")
        cells[0][2] = rng.choice(["one\ntwo", 'a "b" c', f"a{separator} b", '5" wide'])
    if tabs and rng.random() < 0.5:
        habits.append("quotation marks without quoting")
        cells[0][2], cells[-1][2] = '"begins', 'ends"'
    stream = io.StringIO()
    if tabs:
        stream.writelines(separator.join(row) + "\n" for row in [COLUMNS, *cells])
    else:
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(
            [COLUMNS, *cells]
        )
    content = stream.getvalue()
    if tabs and rng.random() < 0.5:
        habits.append("comments")
        content = "#version 2.4\n#\tx\n" + content
    elif rng.random() < 0.3:
        habits.append("lines above the header")
        content, settings["skip_rows"] = 'A title, "quoted"\n' + content, 1
    if rng.random() < 0.3:
        habits.append("blank lines")
        content += "\n  \n"
    if rng.random() < 0.2:
        habits.append("no final line end")
        content, settings["final_newline"] = content.rstrip("\n "), rng.random() < 0.5
    if "\n" not in cells[0][2]:
        content = content.replace("\n", rng.choice(["\n", "\r\n", "\r"]))
    data = content.encode(encoding)
    name = "a.tsv" if tabs else "a.csv"
    if rng.random() < 0.3:
        habits.append("gzip")
        name, data = f"{name}.gz", gzip.compress(data)
    path = folder / name
    path.write_bytes(data)
    used = encoding.removesuffix("-sig")
    return Made(path, SourceFile(path=name, separator=separator, encoding=used, **settings), cells, habits)


def _shown(value: Any, form: str, meant: str) -> Callable[[Any, int, list[str]], None]:
    """Return the habit of a number that is shown otherwise than stored."""

    def habit(sheet: Any, at: int, row: list[str]) -> None:
        cell = sheet.cell(at, 2)
        cell.number_format, cell.value = form, value
        row[1] = meant

    return habit


def _number_as_text(sheet: Any, at: int, row: list[str]) -> None:
    if row[1]:
        sheet.cell(at, 2).value = row[1]


def _empty_rows(sheet: Any, at: int, row: list[str]) -> None:
    del row
    sheet.append([None])
    sheet.cell(at + 1, 1).number_format = "0.0"
    sheet.append([])


HABITS: dict[str, Callable[[Any, int, list[str]], None]] = {
    "": lambda *_: None,
    "per cent": _shown(0.125, "0.0%", "12.5%"),
    "zeros": _shown(7, "0000", "0007"),
    "text": _number_as_text,
    "hidden": lambda sheet, at, _: setattr(sheet.row_dimensions[at], "hidden", True),
    "empty": _empty_rows,
    "formula": _shown("=1+1", "General", ""),
    "error": _shown("#DIV/0!", "General", ""),
    "merged": lambda sheet, at, _: sheet.merge_cells(f"B{at}:C{at}"),
}


def workbook(rng: random.Random, folder: Path) -> Made:
    """Write a workbook; some of its habits must be refused."""
    cells, habits, settings = table(rng), [], {}
    book = openpyxl.Workbook()
    sheet = book.active
    if rng.random() < 0.3:
        habits.append("days from 1904")
        book.epoch = MAC_EPOCH
    if rng.random() < 0.3:
        habits.append("a title above the header")
        sheet.append(["A title"])
        settings["skip_rows"] = 1
    sheet.append(COLUMNS)
    for row in cells:
        number: Any = float(row[1]) if row[1] else None
        day = date.fromisoformat(row[3]) if row[3] else None
        sheet.append([row[0], number, row[2], day])
        at = sheet.max_row
        if row[1]:
            row[1] = str(int(number)) if number.is_integer() else row[1]
        habit = rng.choice(SHOWN if rng.random() < 0.95 else REFUSED)
        habits.append(habit)
        HABITS[habit](sheet, at, row)
    path = folder / "a.xlsx"
    book.save(path)
    return Made(path, SourceFile(path=path.name, sheet=sheet.title, **settings), cells, habits)


def domain(rng: random.Random, folder: Path) -> Made:
    """Write a SAS transport file or a Dataset-JSON."""
    cells = table(rng)
    frame = pd.DataFrame(cells, columns=[c.upper() for c in COLUMNS])
    numbers = pd.to_numeric(frame["NUMBER"].replace("", None)).astype("float64")
    if numbers.notna().any() and rng.random() < 0.8:
        frame["NUMBER"] = numbers
    path = folder / rng.choice(["a.xpt", "a.json"])
    write_dataset(frame.astype({"TEXT": object, "DAY": object, "ID": object}), path, "trial")
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        ascii_only, indent = rng.random() < 0.5, rng.choice([None, 2])
        bom = rng.choice(["", "\ufeff"])
        path.write_text(bom + json.dumps(content, ensure_ascii=ascii_only, indent=indent), encoding="utf-8")
    return Made(path, SourceFile(path=path.name), cells)


def redcap(rng: random.Random, folder: Path) -> Made:
    """Write a REDCap export with codes, its own columns and a dictionary of any form."""
    cells = table(rng)
    labels = list(dict.fromkeys(row[2] for row in cells))
    separator, own = rng.choice([",", ";"]), rng.random() < 0.5
    header = ["id", "number", "text", "day"] + ["redcap_data_access_group", "f_complete"] * own
    rows = [
        [row[0], row[1], str(labels.index(row[2])), row[3], *(["site", "2"] if own else [])] for row in cells
    ]
    with (folder / "r.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=separator).writerows([header, *rows])
    choices = " | ".join(f"{code}, {label}" for code, label in enumerate(labels))
    names = ["field_name", "form_name", "field_type", "select_choices_or_calculations"]
    fields = [[n, "f", "radio" if n == "text" else "text", choices if n == "text" else ""] for n in COLUMNS]
    if rng.random() < 0.3:
        dictionary = "d.json"
        (folder / dictionary).write_text(json.dumps([dict(zip(names, f, strict=True)) for f in fields]))
    else:
        dictionary = "d.csv"
        with (folder / dictionary).open(
            "w", newline="", encoding=rng.choice(["utf-8", "utf-8-sig"])
        ) as stream:
            csv.writer(stream, delimiter=rng.choice([",", ";", "\t"])).writerows([names, *fields])
    return Made(folder / "r.csv", SourceFile(path="r.csv", separator=separator, dictionary=dictionary), cells)


def parquet(rng: random.Random, folder: Path) -> Made:
    """Write a Parquet file: texts, numbers, whole numbers with gaps, dates, packed in any way."""
    cells = table(rng)
    frame = pd.DataFrame(cells, columns=COLUMNS).replace("", None)
    habits = []
    numbers = pd.to_numeric(frame["number"])
    if rng.random() < 0.5:
        habits.append("numbers")
        frame["number"] = numbers.astype("float64")
    elif (numbers.dropna() % 1 == 0).all():
        habits.append("whole numbers with gaps")
        frame["number"] = numbers.astype("Int64")
    if rng.random() < 0.5:
        habits.append("dates")
        frame["day"] = pd.to_datetime(frame["day"])
    if rng.random() < 0.3:
        habits.append("categories")
        frame["text"] = frame["text"].astype("category")
    path = folder / "a.parquet"
    frame.to_parquet(path, index=False, compression=rng.choice(["snappy", "gzip", "zstd", None]))
    return Made(path, SourceFile(path=path.name), cells, habits)


def qualified(rng: random.Random, folder: Path) -> Made:
    """Write a domain in any encoding, one of its columns as supplemental qualifiers."""
    cells = table(rng)
    names = ["USUBJID", "NUMBER", "TEXT", "DAY"]
    frame = pd.DataFrame(cells, columns=names).astype(object)
    by_number = rng.random() < 0.5
    frame["AESEQ"] = [float(i + 1) for i in range(len(frame))]
    encoding = rng.choice(["utf-8", "cp1252", "latin-1"])
    filled = frame[frame["TEXT"] != ""]
    extra = pd.DataFrame(
        {
            "RDOMAIN": "AE", "USUBJID": filled["USUBJID"], "IDVAR": "AESEQ" if by_number else "",
            "IDVARVAL": [f"{seq:.0f}" if by_number else "" for seq in filled["AESEQ"]],
            "QNAM": "TEXT", "QVAL": filled["TEXT"],
        }
    ).astype(object)  # fmt: skip
    for name, part in (("ae.xpt", frame.drop(columns="TEXT")), ("suppae.xpt", extra)):
        write_dataset(part, folder / name, "trial")
        _reencoded(folder / name, encoding)
    supplement = {"path": "suppae.xpt", "columns": ["TEXT"]}
    file = SourceFile(path="ae.xpt", encoding=encoding, supplement=supplement)
    return Made(folder / "ae.xpt", file, cells, [encoding])


def _reencoded(path: Path, encoding: str) -> None:
    """Write the letter that is not ASCII in another encoding, its cell as wide as before."""
    letter = "\u00fc"
    wide = f"Z{letter}rich".encode()
    narrow = f"Z{letter}rich".encode(encoding)
    path.write_bytes(path.read_bytes().replace(wide, narrow.ljust(len(wide))))


MAKERS: dict[str, Callable[[random.Random, Path], Made]] = {
    "text": text, "workbook": workbook, "SDTM": domain, "REDCap": redcap, "Parquet": parquet,
    "qualifiers": qualified,
}  # fmt: skip


def result(made: Made) -> list[list[str]] | str:
    """Return the cells that are read, or the refusal."""
    names = [name.upper() if made.path.suffix in {".xpt", ".json"} else name for name in COLUMNS]
    if made.file.supplement is not None:
        names[0] = "USUBJID"
    reader = Reader(made.path.parent)
    try:
        frame = reader.read(made.file, names)
    except SourceError as error:
        return str(error)
    assert frame is not None
    assert not any(audit.differences for audit in reader.audits.values())
    supplied = set(made.file.supplement.columns) if made.file.supplement else set()
    assert {audit.column for audit in reader.audits.values()} >= set(names) - supplied
    return frame[names].fillna("").to_numpy().tolist()


def damaged(made: Made, rng: random.Random) -> None:
    """Change one byte, cell or header of a file; of packed files, of what is inside."""
    content = made.path.read_bytes()
    if made.path.suffix == ".gz" and rng.random() < 0.7:
        made.path.write_bytes(gzip.compress(_mutated(gzip.decompress(content), rng)))
    elif made.path.suffix == ".xlsx" and rng.random() < 0.8:
        _mutate_part(made.path, rng)
    else:
        made.path.write_bytes(_mutated(content, rng))


def _mutated(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    kind = rng.choice(["byte", "flip", "delete", "insert", "cut", "line", "header"])
    if kind == "byte":
        return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    if kind == "delete":
        return content[:at] + content[at + 1 :]
    if kind == "insert":
        return (
            content[:at]
            + rng.choice([b'"', b",", b"\t", b"\n", b"\r", b"0", b"#", b"\0", b";"])
            + content[at:]
        )
    if kind == "cut":
        return content[:at]
    lines = content.split(b"\n")
    i = 0 if kind == "header" else rng.randrange(len(lines))
    cells = lines[i].split(b",")
    cells[rng.randrange(len(cells))] = rng.choice([b"", b'"', b"1.5", b"zz", b'"x', b"#N/A"])
    lines[i] = b",".join(cells)
    return b"\n".join(lines)


def _mutate_part(path: Path, rng: random.Random) -> None:
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    name = rng.choice(sorted(parts))
    parts[name] = _mutated(parts[name], rng)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for part, content in parts.items():
            book.writestr(part, content)


def names_its_place(refusal: str) -> bool:
    """Tell whether a refusal names the file and a line, a cell or a column."""
    return any(word in refusal for word in ("line ", "lines ", "column ")) and (
        "a." in refusal or "r." in refusal or "ae." in refusal
    )


def run(kind: str, seed: int, *, damage: bool) -> str:
    """Make, perhaps damage, and read a file; return what became of it, or raise what is a fault."""
    rng = random.Random(f"{kind} {seed} {damage}")  # noqa: S311 - not for secrets
    with tempfile.TemporaryDirectory() as name:
        made = MAKERS[kind](rng, Path(name))
        if damage:
            damaged(made, rng)
        start = time.perf_counter()
        answer = result(made)
        seconds = time.perf_counter() - start
        assert seconds < MAX_SECONDS, f"{kind} {seed}: {seconds:.1f} s"
        if isinstance(answer, str):
            assert damage or names_its_place(answer), f"{kind} {seed}: {answer}"
            return "refused"
        if not damage:
            assert answer == made.cells, f"{kind} {seed} {made.habits}: {answer} is not {made.cells}"
            return "read as meant"
        return "read as meant" if answer == made.cells else "read by both readers alike"


def campaign(seeds: range) -> int:
    """Read a valid and a damaged file for each seed; print what became of them, and return the faults."""
    counts: Counter[tuple[str, str, str]] = Counter()
    faults = []
    for damage in (False, True):
        for seed in seeds:
            kind = list(MAKERS)[seed % len(MAKERS)]
            try:
                answer = run(kind, seed, damage=damage)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is to be told with its seed
                answer = "fault"
                faults.append(f"{kind}, seed {seed}, damaged {damage}: {type(error).__name__}: {error}"[:400])
            counts["damaged" if damage else "valid", kind, answer] += 1
    for key, number in sorted(counts.items()):
        print(*key, number, sep="\t")
    print(*faults[:40], sep="\n")
    return len(faults)


def seeds_of_a_part() -> range:
    """Return the seeds that the command line asks for: a campaign can be run in parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=int)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    chosen = parser.parse_args()
    return range(chosen.first, chosen.first + chosen.files)


if __name__ == "__main__":
    sys.exit(campaign(seeds_of_a_part()) > 0)
