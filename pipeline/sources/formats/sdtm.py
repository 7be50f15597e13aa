"""SDTM datasets: SAS transport files (XPT versions 5 and 8), and what domains have in common.

Sources of the formats: SAS technical papers "Record Layout of a SAS Version 5 or 6 Data Set in SAS Transport
Format" (TS-140) and "... Version 8 or 9 ..."; `pipeline.sources.formats.dataset_json` for Dataset-JSON.
"""

import codecs
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat

from features.contract.cells import as_text
from pipeline.sources.formats.errors import SourceError

RECORD = 80
DESCRIPTOR = 140
NUMERIC = 1
LONGEST_TEXT = 200
LIBRARIES = tuple(f"HEADER RECORD*******{name}HEADER RECORD".encode() for name in ("LIBRARY ", "LIBV8   "))
VERSION_8 = {"MEMBV8": "MEMBER", "NAMSTV8": "NAMESTR", "OBSV8": "OBS"}
"""Header records of version 8, and what they are called in version 5."""
COMPRESSED = b"**COMPRESSED**"
NOT_DONE = "NOT DONE"


def read_xpt(path: Path, encoding: str) -> pd.DataFrame:
    """Return the one dataset of a SAS transport file.

    Raises
    ------
    ValueError
        If the file is no transport file of version 5 or 8, has several datasets, ends within a row, or has a
        text that goes on after a NUL.
    """
    _require_whole(path.read_bytes())
    name = codecs.lookup(encoding).name  # the library does not know latin-1
    frame: pd.DataFrame = pyreadstat.read_xport(path, encoding=name)[0]
    return frame


def _require_whole(content: bytes) -> None:
    """Refuse a transport file that ends within a row: readers would return the rows before in silence."""
    if content.startswith(COMPRESSED):
        raise ValueError("it is written by PROC CPORT; write a transport file by the XPORT engine")
    if not content.startswith(LIBRARIES):
        raise ValueError("it is no SAS transport file of version 5 or 8")
    marks = list(_header_records(content))
    kinds = [content[i + 20 : i + 28].decode("ascii", "replace").strip() for i in marks]
    kinds = [VERSION_8.get(kind, kind) for kind in kinds]
    if kinds.count("MEMBER") != 1:
        raise ValueError(f"it has {kinds.count('MEMBER')} datasets, not one")
    if "NAMESTR" not in kinds or "OBS" not in kinds:
        raise ValueError("it ends within its header: the file is truncated")
    header, data = marks[kinds.index("NAMESTR")], marks[kinds.index("OBS")] + RECORD
    count = int(content[header + 53 : header + 58])
    descriptors = [content[header + RECORD + i * DESCRIPTOR :][:DESCRIPTOR] for i in range(count)]
    lengths = [struct.unpack(">h", descriptor[4:6])[0] for descriptor in descriptors]
    if count < 1 or min(lengths) < 1:
        raise ValueError("it has no variables, or one of no length: the header is damaged")
    rest = (len(content) - data) % sum(lengths)
    if len(content) % RECORD or rest >= RECORD or content[len(content) - rest :].strip(b" "):
        raise ValueError("it ends within a row: the file is truncated")
    _require_texts_to_their_end(content, data, descriptors)


def _require_texts_to_their_end(content: bytes, start: int, descriptors: list[bytes]) -> None:
    """Refuse texts with a NUL before their end: the library reads them up to it, in silence."""
    kinds = [struct.unpack(">hhh", each[:6]) + struct.unpack(">i", each[84:88]) for each in descriptors]
    width = sum(length for _, _, length, _ in kinds)
    rows = np.frombuffer(content, np.uint8, (len(content) - start) // width * width, start).reshape(-1, width)
    for descriptor, (kind, _, length, position) in zip(descriptors, kinds, strict=True):
        cells = rows[:, position : position + length]
        nul = cells == 0
        if kind == NUMERIC or not nul.any():
            continue
        lost = (np.logical_or.accumulate(nul, axis=1) & ~nul & (cells != ord(" "))).any(axis=1)
        if lost.any():
            name = descriptor[8:16].decode("ascii", "replace").strip()
            raise ValueError(
                f"{int(lost.sum())} texts of {name} go on after a NUL; write them anew without it"
            )


def _header_records(content: bytes) -> Iterator[int]:
    """Yield where header records begin; one search over the file, which may be large."""
    at = content.find(b"HEADER RECORD*******")
    while at >= 0:
        if at % RECORD == 0:
            yield at
        at = content.find(b"HEADER RECORD*******", at + 1)


def reasons_filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Give rows with --STAT NOT DONE and no reason (--REASND) the reason NOT DONE: one column tells all."""
    frame = frame.copy()
    for status in [str(c) for c in frame.columns if str(c).endswith("STAT") and len(str(c)) == 6]:
        reason = f"{status[:2]}REASND"
        undone = as_text(frame[status]) == NOT_DONE
        given = as_text(frame[reason]) if reason in frame else pd.Series(np.nan, frame.index, dtype="str")
        frame[reason] = given.mask(undone & given.isna(), NOT_DONE)
    return frame


def continued(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the frame with texts that go on in NAME1, NAME2 put together."""
    frame = frame.copy()
    for name in (c for c in columns if c in frame):
        parts = [name, *(f"{name}{i}" for i in range(1, 10) if f"{name}{i}" in frame)]
        whole = as_text(frame[name]).fillna("")
        for part in parts[1:]:
            whole = whole + as_text(frame[part]).fillna("")
        frame = frame.drop(columns=parts[1:]).assign(**{name: whole})
    return frame


def with_supplement(frame: pd.DataFrame, extra: pd.DataFrame, domain: str, where: str) -> pd.DataFrame:
    """Return a domain with its supplemental qualifiers as columns.

    Raises
    ------
    SourceError
        If a qualifier stands twice for a record, or refers to a record that is not there.
    """
    needed = ["RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QVAL"]
    absent = [name for name in needed if name not in extra]
    if absent:
        raise SourceError(f"{where}: no column {', '.join(absent)}; it is no supplemental qualifier dataset")
    extra = extra[needed].apply(as_text)
    extra = extra[extra["RDOMAIN"] == domain].fillna({"IDVAR": "", "IDVARVAL": ""})
    for variable in sorted(extra["IDVAR"].unique()):
        part = extra[extra["IDVAR"] == variable]
        key = ["USUBJID", "IDVARVAL"]
        twice = part.duplicated([*key, "QNAM"])
        if twice.any():
            raise SourceError(
                f"{where}: {int(twice.sum())} qualifiers stand twice for one record "
                f"({_named(part.loc[twice, 'USUBJID'])}); keep one"
            )
        if variable and variable not in frame:
            raise SourceError(f"{where}: IDVAR names {variable}, a column that {domain} does not have")
        wide = part.pivot(index=key, columns="QNAM", values="QVAL")  # noqa: PD010 - none stands twice
        wide = wide.reset_index()
        own = as_text(frame[variable]).fillna("") if variable else pd.Series("", frame.index, dtype="str")
        at = pd.MultiIndex.from_frame(wide[key]).get_indexer(
            pd.MultiIndex.from_arrays([as_text(frame["USUBJID"]), own])
        )
        lost = ~np.isin(np.arange(len(wide)), at)
        if lost.any():
            raise SourceError(
                f"{where}: qualifiers of {int(lost.sum())} records that {domain} does not have "
                f"({_named(wide.loc[lost, 'USUBJID'])}); add the records, or leave the qualifiers out"
            )
        for name in wide.columns.drop(key):
            value = wide[name].reindex(at).set_axis(frame.index)
            frame = frame.assign(**{name: value if name not in frame else frame[name].fillna(value)})
    return frame


def _named(ids: pd.Series) -> str:
    return "; ".join(sorted(ids.dropna().unique())[:3])


def write_dataset(frame: pd.DataFrame, path: Path, study: str) -> None:
    """Write a dataset as SAS transport file or, by the name's ending, as Dataset-JSON 1.1."""
    name = path.stem.upper()
    frame = _split_long(frame)
    if path.suffix == ".xpt":
        text = frame.select_dtypes(exclude="number").columns
        pyreadstat.write_xport(
            frame.assign(**{c: frame[c].fillna("") for c in text}),
            path,
            table_name=name,
            file_format_version=5,
        )
        without_time(path)
        return
    types = {c: "double" if pd.api.types.is_numeric_dtype(frame[c]) else "string" for c in frame}
    rows = frame.astype("object").where(frame.notna(), None).to_numpy().tolist()
    content: dict[str, Any] = {
        "datasetJSONCreationDateTime": "1970-01-01T00:00:00",
        "datasetJSONVersion": "1.1.0",
        "studyOID": study,
        "itemGroupOID": f"IG.{name}",
        "records": len(rows),
        "name": name,
        "label": name,
        "columns": [
            {"itemOID": f"IT.{name}.{c}", "name": c, "label": c, "dataType": kind}
            for c, kind in types.items()
        ],
        "rows": rows,
    }
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def without_time(path: Path) -> None:
    """Replace the time of writing in a transport file's headers, so that equal content gives equal bytes."""
    content = bytearray(path.read_bytes())
    fixed = b"01JAN70:00:00:00"
    second = content.index(b"HEADER RECORD*******MEMBER")
    for start in (RECORD, second + 2 * RECORD):
        content[start + 64 : start + 80] = fixed
        content[start + RECORD : start + RECORD + 16] = fixed
    path.write_bytes(bytes(content))


def _split_long(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with texts above 200 characters continued in columns NAME1, NAME2."""
    for name in frame.select_dtypes(exclude="number").columns:
        rest, number = frame[name], 0
        while (rest.str.len() > LONGEST_TEXT).any():
            number += 1
            head = rest.str.slice(stop=LONGEST_TEXT)
            frame = frame.assign(**{name if number == 1 else f"{name}{number - 1}": head})
            rest = rest.str.slice(start=LONGEST_TEXT).replace("", np.nan)
            frame = frame.assign(**{f"{name}{number}": rest})
    return frame
