# ruff: noqa: E501 - requests, one after the other
"""Requests that no server should be upset by: a generated corpus, each with a value that must not come back."""

import gzip
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SECRET = "SECRET-7431"  # noqa: S105 - no password, a patient's value
NUMBER = 98765.4321
JSON, CSV = "application/json", "text/csv"
GOOD: dict[str, Any] = {"arm": "A", "age_years": 50, "til_pct": 20, "ctdna_state": "negative"}


@dataclass(frozen=True)
class Request:
    """A request, and whether its rows may be answered one by one (else it must be refused as a whole)."""

    name: str
    body: bytes
    content_type: str = JSON
    path: str = "/invocations"
    method: str = "POST"


def corpus() -> list[Request]:
    """Return all requests, in a fixed order."""
    parts = (_broken_json(), _wrong_shapes(), _cells(), _columns(), _csv(), _types_and_places(), _params())
    return list(itertools.chain(*parts))


def _json(name: str, content: Any) -> Request:
    return Request(name, json.dumps(content).encode())


def _records(name: str, *rows: Any, **further: Any) -> Request:
    return _json(name, {"dataframe_records": list(rows), **further})


def _broken_json() -> Iterator[Request]:
    whole = json.dumps({"dataframe_records": [GOOD | {"arm": SECRET}]})
    for cut in range(1, len(whole), 9):
        yield Request(f"cut at {cut}", whole[:cut].encode())
    for name, body in {
        "nothing": b"", "space": b"   ", "null": b"null", "number": b"98765.4321", "text": b'"SECRET-7431"',
        "no json": b"SECRET-7431", "single quotes": b"{'dataframe_records': [{'arm': 'SECRET-7431'}]}",
        "bytes": bytes(range(256)), "utf-16": whole.encode("utf-16"), "latin": "äöü SECRET-7431".encode("latin-1"),
        "byte order mark": b"\xef\xbb\xbf" + whole.encode(), "trailing": whole.encode() + b"SECRET-7431",
        "two documents": whole.encode() * 2, "NaN": b'{"dataframe_records": [{"age_years": NaN, "arm": "SECRET-7431"}]}',
        "infinity": b'{"dataframe_records": [{"age_years": Infinity, "arm": "SECRET-7431"}]}',
        "a key twice": b'{"dataframe_records": [{"arm": "SECRET-7431", "arm": "SECRET-7431"}]}',
        "lone surrogate": b'{"dataframe_records": [{"arm": "\\ud800 SECRET-7431"}]}',
        "null byte": b'{"dataframe_records": [{"arm": "\\u0000SECRET-7431"}]}',
        "huge number": b'{"dataframe_records": [{"arm": "A", "age_years": 1' + b"0" * 5000 + b"}]}",
        "huge exponent": b'{"dataframe_records": [{"arm": "A", "age_years": 1e99999}]}',
        "a key twice, escaped": b'{"dataframe_records": [{"arm": "SECRET-7431", "\\u0061rm": "SECRET-7431"}]}',
        "a comment": b'/* SECRET-7431 */{"dataframe_records": [{"arm": "A"}]}', "leading zero": b'{"a": 098765.4321}',
        "overlong": b'{"dataframe_records": [{"arm": "\xc0\x80SECRET-7431"}]}', "utf-32": whole.encode("utf-32"),
        "gzip": gzip.compress(whole.encode()), "4300 digits": b'{"dataframe_records": [{"age_years": ' + b"9" * 4300 + b"}]}",
        "deep cell": b'{"dataframe_records": [{"arm": ' + b"[" * 900 + b"]" * 900 + b"}]}",
        "deep list": b"[" * 5000 + b"]" * 5000, "deep object": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    }.items():  # fmt: skip
        yield Request(name, body)


def _wrong_shapes() -> Iterator[Request]:
    row = GOOD | {"arm": SECRET}
    split = {"columns": list(row), "data": [list(row.values())]}
    for name, content in {
        "list of rows": [row], "one row": row, "empty": {}, "unknown key": {"rows": [row]},
        "instances": {"instances": [row]}, "inputs": {"inputs": row}, "messages": {"messages": [row]},
        "both": {"dataframe_records": [row], "dataframe_split": split},
        "pandas table": {"schema": {"fields": []}, "data": [row]}, "pandas columns": {"arm": {"0": SECRET}},
        "pandas values": [[SECRET]], "tensors": {"inputs": [{"name": "arm", "shape": [1], "data": [SECRET]}]},
        "split index of objects": {"dataframe_split": {"columns": ["arm"], "data": [["A"]], "index": [{SECRET: 1}]}},
        "records and instances": {"dataframe_records": [row], "instances": [row]},
        "records null": {"dataframe_records": None}, "records number": {"dataframe_records": NUMBER},
        "records text": {"dataframe_records": SECRET}, "records object": {"dataframe_records": row},
        "records empty": {"dataframe_records": []}, "records of lists": {"dataframe_records": [[SECRET]]},
        "records of text": {"dataframe_records": [SECRET]}, "records mixed": {"dataframe_records": [row, 1]},
        "records of null": {"dataframe_records": [None]}, "records of nothing": {"dataframe_records": [{}]},
        "split null": {"dataframe_split": None}, "split list": {"dataframe_split": [row]},
        "split empty": {"dataframe_split": {}}, "split no data": {"dataframe_split": {"columns": ["arm"]}},
        "split no columns": {"dataframe_split": {"data": [[SECRET]]}},
        "split empty data": {"dataframe_split": {"columns": ["arm"], "data": []}},
        "split ragged": {"dataframe_split": {"columns": ["arm", "til_pct"], "data": [[SECRET], [SECRET, 1, 2]]}},
        "split flat": {"dataframe_split": {"columns": ["arm"], "data": [SECRET]}},
        "split twice": {"dataframe_split": {"columns": ["arm", "arm"], "data": [[SECRET, SECRET]]}},
        "split numbers as names": {"dataframe_split": {"columns": [1, NUMBER], "data": [[SECRET, 2]]}},
        "split nested names": {"dataframe_split": {"columns": [["arm"]], "data": [[SECRET]]}},
        "split null names": {"dataframe_split": {"columns": [None], "data": [[SECRET]]}},
        "split short index": {"dataframe_split": split | {"index": []}},
        "split odd index": {"dataframe_split": split | {"index": SECRET}},
        "split nested index": {"dataframe_split": split | {"index": [[SECRET]]}},
        "split further key": {"dataframe_split": split | {"name": SECRET}},
        "split cells are rows": {"dataframe_split": {"columns": ["arm"], "data": [[row]]}},
    }.items():  # fmt: skip
        yield _json(name, content)


def _cells() -> Iterator[Request]:
    odd: list[Any] = [
        SECRET, f"  {SECRET}", NUMBER, -NUMBER, "98765.4321", "98765,4321", 10**30, 1e308, -1e308, 1e-320, True,
        [SECRET], {"a": SECRET}, [], {}, "", "nan", "1e400", "0x1F", "1_000", "١٢", f"{SECRET}\x00", "a" * 50_000,
        "'; drop table runs; --", "<script>alert('SECRET-7431')</script>", "=cmd|' /C calc'!A0", "../../etc/passwd",
        "{{7*7}}", "%s%n", "\u202eSECRET-7431", "2024-01-31", None, f"\ud800{SECRET}", f"A\u200d{SECRET}", "-nan",
        "0x1p5", "50 years", "−50", "5²", f"{SECRET}\u2028A", 10**4000, [[[[SECRET]]]], "0" * 300 + "5", -0.0,
    ]  # fmt: skip
    for k, value in enumerate(odd):
        yield _records(f"number cell {k}", GOOD | {"age_years": value}, GOOD)
        yield _records(f"level cell {k}", GOOD | {"ctdna_state": value}, GOOD)


def _columns() -> Iterator[Request]:
    for k, name in enumerate(
        [
            "",
            " ",
            "pcr",
            "PCR",
            "rcb_class",
            "x_c2",
            "presurgery_x",
            "a" * 5000,
            "\x00",
            "é",
            "__class__",
            "0",
            "__proto__",
            "a\u0301rm",
            "ｐｃｒ",
            "\u202epcr",
            "\ud800",
            " pcr ",
        ]
    ):
        yield _records(f"column {k}", GOOD | {name: SECRET}, GOOD)
    yield _records("a thousand columns", GOOD | {f"x{k}": SECRET for k in range(1000)})
    yield _records("rows of different columns", GOOD, {SECRET[:6]: NUMBER}, {"arm": SECRET})
    yield _records("only outcomes", {"pcr": SECRET})


def _csv() -> Iterator[Request]:
    heading = ",".join(GOOD)
    for name, text in {
        "csv nothing": "", "csv heading only": heading, "csv no heading": f"{SECRET},50,20,negative\nA,51,21,negative",
        "csv ragged": f"{heading}\nA,50\nA,50,20,negative,{SECRET}\nA,50,20,{SECRET},1,2,3",
        "csv open quote": f'{heading}\n"A,50,20,{SECRET}', "csv binary": f"{heading}\n\x00\x01{SECRET},50,20,negative",
        "csv semicolons": f"arm;age_years\n{SECRET};50", "csv tabs": f"arm\tage_years\n{SECRET}\t50",
        "csv twice": f"arm,arm,age_years\n{SECRET},{SECRET},50", "csv blank lines": f"\n\n{heading}\n\n{SECRET},50,20,\n\n",
        "csv level": f"{heading}\n{SECRET},50,20,negative\nA,50,20,negative",
        "csv number": f"{heading}\nA,{NUMBER},20,negative\nA,50,20,negative",
        "csv text for a number": f"{heading}\nA,{SECRET},20,negative\nA,50,20,negative",
        "csv is json": json.dumps([GOOD | {"arm": SECRET}]), "csv one column": f"arm\n{SECRET}",
        "csv long line": f"{heading}\nA,50,20,{SECRET * 20000}", "csv only commas": ",,,\n,,,\n",
        "csv sep": f"sep=,\n{heading}\n{SECRET},50,20,negative", "csv formula": f"{heading}\n=cmd|'{SECRET}'!A0,50,20,x",
        "csv line breaks": f'{heading}\n"{SECRET}\n",50,20,negative', "csv backslash": f'{heading}\n"{SECRET}\\"",50,20,x',
        "csv mark amid": f"{heading}\n\ufeff{SECRET},50,20,x", "csv blanks": heading + "\n" * 50_000 + f"{SECRET},50,20,x",
        "csv carriage returns": f"{heading}\rA,50,20,{SECRET}\r", "csv empty names": f",,,\n{SECRET},50,20,negative",
        "csv outcome": f"{heading},pcr\nA,50,20,negative,{SECRET}\nA,50,20,negative,",
    }.items():  # fmt: skip
        yield Request(name, text.encode(), CSV)
    yield Request("csv utf-16", f"{heading}\n{SECRET},1,2,3".encode("utf-16"), CSV)
    yield Request("csv not utf-8", f"{heading}\nA,50,20,".encode() + b"\xff\xfe", CSV)


def _types_and_places() -> Iterator[Request]:
    body = json.dumps({"dataframe_records": [GOOD | {"arm": SECRET}]}).encode()
    for kind in [
        "", "text/plain", "application/xml", "application/octet-stream", "application/x-parquet", "SECRET-7431",
        "application/json; charset=latin-1", "application/json; charset=utf-16", "application/json; x=SECRET-7431",
        "application/json, text/csv", "text/csv; header=absent", "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded", ";;;", "application/json;",
    ]:  # fmt: skip
        yield Request(f"type {kind!r}", body, kind)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        yield Request(f"method {method}", body, method=method)
    for path in (
        "/", "/invocations/", "/docs", "/openapi.json", "/redoc", f"/{SECRET}", "/invocations/../../etc/passwd",
        "/%00", "/invocations?x=SECRET-7431", "//invocations",
    ):  # fmt: skip
        yield Request(f"path {path}", body, path=path)


def _params() -> Iterator[Request]:
    for k, params in enumerate(
        [None, SECRET, [SECRET], NUMBER, {"explain": SECRET}, {"explain": 1}, {"explain": None}, {"explain": [True]},
         {"other": SECRET}, {"explain": True, "other": 1}, {SECRET: True}]
    ):  # fmt: skip
        yield _records(f"params {k}", GOOD, params=params)
