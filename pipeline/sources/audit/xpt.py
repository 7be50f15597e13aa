"""A SAS transport file (XPT versions 5 and 8) read byte by byte, by SAS technical note TS-140 and its sequel.

A file is a series of records of 80 bytes. A descriptor (NAMESTR, 140 bytes) for each variable says its type,
length, name, format and position in a row (in version 8 a long name besides); rows follow each other without
regard to records, and the last record is padded with blanks. Numbers are IBM floating point: sign, exponent
to base 16 (excess 64), fraction.
"""

import datetime as dt
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

RECORD = 80
MARK = b"HEADER RECORD*******"
DATES = re.compile(
    "(?:WEEKDAT[EX]|DATE|DTDATE|(?:MMDDYY|DDMMYY|YYMMDD)[BCDNPS]?|(?:IS8601|E8601|B8601)DA)[0-9.]*"
)
MOMENTS = re.compile("(?:DATETIME|DATEAMPM|MDYAMPM|(?:IS8601|E8601|B8601)DT|B8601DN)[0-9.]*")
TIMES = re.compile("(?:TIME|HHMM|TOD|TIMEAMPM|(?:IS8601|E8601|B8601)TM)[0-9.]*")
"""Formats of numbers that are days, seconds since `SAS_EPOCH`, and seconds of a day."""
SAS_EPOCH = dt.datetime(1960, 1, 1)  # noqa: DTZ001 - times of a file have no zone


class Variable(NamedTuple):
    """A variable's place in a row."""

    name: str
    is_number: bool
    length: int
    position: int
    format: str


def xpt_rows(content: bytes, encoding: str) -> Iterator[list[object]]:
    """Yield the names of the variables, then every row: texts without padding, numbers, None if missing."""
    has_long_names = content[len(MARK) :].startswith(b"LIBV8")
    header = _record(content, b"NAMSTV8" if has_long_names else b"NAMESTR", 0)
    count = int(content[header + 53 : header + 58])
    starts = range(header + RECORD, header + RECORD + 140 * count, 140)
    variables = [_variable(content[start : start + 140], has_long_names) for start in starts]
    width = sum(variable.length for variable in variables)
    start = _record(content, b"OBS", header) + RECORD
    yield [variable.name for variable in variables]
    for at in range(start, len(content) - width + 1, width):
        row = content[at : at + width]
        if len(content) - at < RECORD and not content[at:].strip(b" "):
            return
        yield [_cell(row[v.position : v.position + v.length], v, encoding) for v in variables]


def _record(content: bytes, kind: bytes, start: int) -> int:
    for at in range(start - start % RECORD, len(content), RECORD):
        if content[at : at + len(MARK) + len(kind)] == MARK + kind:
            return at
    raise ValueError(f"no {kind.decode()} record")


def _variable(descriptor: bytes, has_long_name: bool) -> Variable:
    kind, _, length = struct.unpack(">hhh", descriptor[:6])
    (position,) = struct.unpack(">i", descriptor[84:88])
    name, form = descriptor[8:16].decode("ascii").strip(), descriptor[56:64].decode("ascii").strip()
    long_name = descriptor[88:120].rstrip(b"\0 ").decode("ascii") if has_long_name else ""
    return Variable(long_name or name, kind == 1, length, position, form)


def _cell(content: bytes, variable: Variable, encoding: str) -> object:
    if not variable.is_number:
        return content.rstrip(b"\0 ").decode(encoding).strip()  # some programs pad with NUL, not with blanks
    number = ibm_number(content)
    if number is None:
        return None
    if DATES.fullmatch(variable.format):
        return (SAS_EPOCH + dt.timedelta(days=int(number))).date().isoformat()
    if MOMENTS.fullmatch(variable.format):
        return SAS_EPOCH + dt.timedelta(seconds=number)
    if TIMES.fullmatch(variable.format):
        return (SAS_EPOCH + dt.timedelta(seconds=number)).time()
    return number


def ibm_number(content: bytes) -> float | None:
    """Return an IBM floating point number of 2 to 8 bytes; None for a missing value (., ._, .A to .Z)."""
    content = content.ljust(8, b"\0")
    if content[0] in b"._ABCDEFGHIJKLMNOPQRSTUVWXYZ" and not any(content[1:]):
        return None
    sign, exponent = content[0] & 0x80, (content[0] & 0x7F) - 64
    fraction = int.from_bytes(content[1:], "big")
    value = fraction * 16.0 ** (exponent - 14)
    return -value if sign else value
