"""The service without a socket: what it takes on, whom it answers, and what it keeps."""

import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from features.errors import UserError
from models.serving.serving import PcrModel, read_model
from pipeline.project import paths
from pipeline.project.settings import read_settings
from pipeline.service import admission
from pipeline.service.admission import require_strong
from pipeline.service.observation import Handled, Observer
from pipeline.service.refusals import MESSAGES
from pipeline.service.schema import pages
from pipeline.service.server import Message, Service, serve
from pipeline.service.settings import ServiceSettings
from pipeline.service.tables import CSV, JSON, RefusedError, read_table
from pipeline.service.worker import Answer, answer_request
from tests.malformed import GOOD
from tests.serving import write_served_model

ROOT = Path(__file__).parents[2]
SETTINGS = read_settings(ServiceSettings, ROOT / paths.SERVICE)
LIMITS = replace(SETTINGS, max_rows=5, max_columns=4, max_cells=16)
TOKEN = "t0ken-of-the-test"  # noqa: S105 - of the test


class Desk:
    """A worker without a process."""

    restarts = 0
    is_lost = False

    def __init__(self, model: PcrModel | None, limits: ServiceSettings) -> None:
        self.model, self.limits = model, limits

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to stop."""

    def ask(self, kind: str, body: bytes, *, other: bytes = b"", fhir: bool = False) -> Answer:
        return answer_request(self.model, kind, body, self.limits, other=other, fhir=fhir)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PcrModel:
    folder = tmp_path_factory.mktemp("served") / "model"
    write_served_model(folder, "logistic")
    return read_model(folder)


def service(model: PcrModel | None, limits: ServiceSettings = LIMITS, token: str = "") -> Service:
    desk: Any = Desk(model, limits)
    return Service((desk, desk), limits, "abc", {"/schema.json": b"{}"}, token)


def asked(
    of: Service,
    body: bytes = b"",
    path: str = "/invocations",
    method: str = "POST",
    client: str = "127.0.0.1",
    pairs: Sequence[tuple[str, str]] = (),
    **headers: str,
) -> tuple[int, str]:
    """Return status and body of the answer to one request, with headers by name or as pairs."""
    sent: list[Message] = []
    every = [*pairs, *((name.replace("_", "-"), value) for name, value in headers.items())]

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in every]
    scope = {"type": "http", "path": path, "method": method, "headers": encoded, "client": (client, 1)}
    asyncio.run(of(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def records(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"dataframe_records": rows}).encode()


def split(columns: list[str], *rows: list[Any]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode()


def test_records_split_and_csv_are_one_table() -> None:
    csv = read_table(CSV, b"a,b\n1,x\n2,\n", LIMITS)
    assert (csv.columns, csv.rows) == ({"a": ["1", "2"], "b": ["x", ""]}, 2)
    row = {"a": [1, 2], "b": ["x", None]}
    assert read_table(JSON, split(["a", "b"], [1, "x"], [2, None]), LIMITS).columns == row
    assert read_table(JSON, records({"a": 1, "b": "x"}, {"a": 2}), LIMITS).columns == row


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        (JSON, b'{"dataframe_records": [{"a": 1, "a": 2}]}', 400, "duplicate_name"),
        (JSON, split(["a", "a"], [1, 2]), 400, "duplicate_name"),
        (CSV, b"a,a\n1,2\n", 400, "duplicate_name"),
        (CSV, b"a, a\n1,2\n", 400, "duplicate_name"),
        (CSV, b"a,b\n1\n", 400, "not_a_table"),
        (JSON, b"{", 400, "not_a_table"),
        (JSON, records(), 400, "not_a_table"),
        (JSON, b"[" * 5000, 400, "not_a_table"),
        (JSON, b'{"dataframe_records": [{"a": 1}], "params": {"explain": 1}}', 400, "parameter"),
        (JSON, b'{"dataframe_records": [{"a": 1}], "params": {"units": {"a": 1}}}', 400, "parameter"),
        (JSON, b'{"dataframe_records": [{"a": 1}], "params": {"x": 1}}', 400, "unknown_parameter"),
        (JSON, records(*[{"a": 1}] * 6), 413, "too_many_rows"),
        (JSON, records(*[{f"a{k}": 1} for k in range(5)]), 413, "too_many_columns"),
        (JSON, split(list("abcd"), *[[1, 2, 3, 4]] * 5), 413, "too_many_cells"),
        (CSV, b"a" * 101 + b",b\n1,2\n", 413, "name_too_long"),
        ("text/html", b"a", 415, "content_type"),
    ],
)
def test_what_is_no_table_names_a_column_twice_or_is_too_large_is_refused_with_the_rule(
    kind: str, body: bytes, status: int, code: str
) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_table(kind, body, LIMITS)
    assert refusal.value.status == status
    assert refusal.value.reason is not None
    assert (refusal.value.reason["code"], bool(refusal.value.reason["rule"])) == (code, True)


def test_a_sender_who_has_an_input_in_another_unit_is_refused(model: PcrModel) -> None:
    def sent(**units: str) -> Answer:
        body = {"dataframe_records": [GOOD], "params": {"units": units}}
        return answer_request(model, JSON, json.dumps(body).encode(), LIMITS)

    assert sent(age_years="years", til_pct=" % ").status == 200
    wrong = sent(age_years="months")
    assert (wrong.status, wrong.refusal) == (
        400,
        {"code": "wrong_unit", "input": "age_years", "rule": "years"},
    )
    unknown = sent(SMITH="years").refusal
    assert unknown is not None
    assert (unknown["code"], unknown["input"]) == ("unknown_input", None)


def test_one_row_and_many_have_the_same_answer_and_nothing_of_a_name_comes_back(model: PcrModel) -> None:
    limits = replace(LIMITS, max_columns=10, max_cells=100)
    row = GOOD | {"SMITH_c2": "secret", "JONES": 1, "pcr": None}
    one, two = (
        json.loads(answer_request(model, JSON, records(*[row] * n), limits).body)["predictions"]
        for n in (1, 2)
    )
    assert one[0] == two[0] == two[1]
    assert one[0]["reasons"] == [
        {"code": "later_visit", "input": "c2", "rule": ""},
        {"code": "not_used", "input": None, "rule": "1 column"},
    ]


def test_an_answer_beyond_its_limit_is_not_sent(model: PcrModel) -> None:
    answer = answer_request(model, JSON, records(GOOD), replace(LIMITS, max_answer_mb=0))
    assert (answer.status, answer.body) == (413, b"")


def test_who_has_no_token_is_answered_with_401_but_may_ask_for_health(model: PcrModel) -> None:
    of = service(model, token=TOKEN)
    kind = {"content_type": JSON}
    assert asked(of, records(GOOD), **kind)[0] == 401
    assert asked(of, records(GOOD), **kind, authorization="Bearer wrong")[0] == 401
    assert asked(of, records(GOOD), **kind, authorization=f"Bearer {TOKEN}")[0] == 200
    pairs = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")]
    assert asked(of, records(GOOD), pairs=[("content-type", JSON), *pairs])[0] == 401
    assert asked(of, path="/metrics", method="GET")[0] == 401
    assert asked(of, path="/health", method="GET")[0] == 200


def test_wrong_tokens_are_told_to_come_back_and_the_valid_one_is_answered_at_any_time(
    model: PcrModel,
) -> None:
    of = service(model, replace(LIMITS, invalid_tokens_per_minute=2, requests_per_minute=2), TOKEN)

    def guess(token: str, client: str = "10.0.0.1") -> int:
        return asked(of, path="/schema.json", method="GET", client=client, authorization=f"Bearer {token}")[0]

    assert [guess(f"guess-{k}") for k in range(4)] == [401, 401, 429, 429]
    assert [guess("wrong", "10.0.0.2"), guess(TOKEN), guess(TOKEN), guess(TOKEN)] == [401, 200, 200, 429]
    assert asked(of, path="/schema.json", method="GET", client="10.0.0.1")[0] == 429


@pytest.mark.parametrize("token", ["short", "with a space in it", "täglich-ein-anderes", "x" * 15])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(UserError, match="PCR_SERVE_TOKEN must have at least 16 characters"):
        require_strong(token, "PCR_SERVE_TOKEN")
    require_strong("", "PCR_SERVE_TOKEN")
    require_strong("x" * 16, "PCR_SERVE_TOKEN")


def test_a_client_that_asks_too_often_is_told_to_come_back(model: PcrModel) -> None:
    of = service(model, replace(LIMITS, requests_per_minute=2))
    found = [asked(of, records(GOOD), content_type=JSON) for _ in range(3)]
    assert [status for status, _ in found] == [200, 200, 429]
    reason = {"code": "too_many_requests", "input": None, "rule": ""}
    assert json.loads(found[2][1]) == {"error": MESSAGES[429], "status": 429, "reasons": [reason]}


def test_many_clients_do_not_give_one_its_allowance_back(
    model: PcrModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BUCKETS_KEPT", 3)
    of = service(model, replace(LIMITS, requests_per_minute=1))
    busy = [
        asked(of, path="/schema.json", method="GET", client=f"10.0.0.{k}") for k in (1, 1, 2, 1, 3, 1, 4, 1)
    ]
    assert [status for status, _ in busy] == [200, 429, 200, 429, 200, 429, 200, 429]


def test_a_header_with_another_address_makes_no_other_client(
    model: PcrModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: started.update(options, app=app))
    serve(service(model, replace(LIMITS, requests_per_minute=1)), "127.0.0.1", 1)
    config = uvicorn.Config(**started)
    config.load()
    posing = [
        asked(
            config.loaded_app, path="/schema.json", method="GET", pairs=[("x-forwarded-for", f"10.0.0.{k}")]
        )
        for k in range(2)
    ]
    assert [status for status, _ in posing] == [200, 429]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([("content-length", "5"), ("transfer-encoding", "chunked")], 400, "two_lengths"),
        ([("content-encoding", "gzip")], 415, "content_encoding"),
        ([("content-encoding", "identity")], 200, ""),
    ],
)
def test_a_body_that_a_proxy_may_read_in_another_way_is_refused(
    model: PcrModel, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    found, body = asked(service(model), records(GOOD), content_type=JSON, pairs=headers)
    assert (found, code in body) == (status, True)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=UTF-8", 200), ('APPLICATION/JSON ;charset="utf-8"', 200),
        ("application/json; charset=utf-7", 415), ("application/json;charset=iso-8859-1", 415),
        ("application/json; x=y; charset=utf-16", 415), ("application/vnd.api+json", 415), ("text/json", 415),
    ],
)  # fmt: skip
def test_a_body_that_says_it_is_in_another_encoding_is_not_read_as_utf_8(
    model: PcrModel, kind: str, status: int
) -> None:
    assert asked(service(model), records(GOOD), content_type=kind)[0] == status


@pytest.mark.parametrize(
    ("accept", "fhir"),
    [
        ("application/fhir+json", True), ("text/html, Application/FHIR+JSON;q=0.5", True),
        ("application/fhir+json;q=0", False), ("application/fhir+json; q=0.000, application/json", False),
        ("*/*", False), ("application/fhir+jsonx", False),
    ],
)  # fmt: skip
def test_fhir_is_answered_to_who_wants_it(model: PcrModel, accept: str, fhir: bool) -> None:
    body = asked(service(model), records(GOOD), content_type=JSON, accept=accept)[1]
    assert ("resourceType" in body) == fhir


def test_a_line_of_unicode_within_a_cell_begins_no_row() -> None:
    assert read_table(CSV, "a,b\n1,x\u2028y\x85z\n".encode(), LIMITS).columns == {
        "a": ["1"],
        "b": ["x\u2028y\x85z"],
    }


def test_two_services_do_not_write_one_log(tmp_path: Path) -> None:
    settings = replace(LIMITS, decision_log=str(tmp_path / "decisions.log"))
    observer = Observer(settings)
    with pytest.raises(UserError, match="is written by another service"):
        Observer(settings)
    observer.close()
    Observer(settings).close()


def test_requests_beyond_the_limit_are_refused_while_others_wait(model: PcrModel) -> None:
    assert asked(service(model, replace(LIMITS, max_requests=0)), records(GOOD), content_type=JSON)[0] == 429


def test_nothing_of_a_refused_body_is_held_until_garbage_is_collected() -> None:
    of, body = service(None, replace(LIMITS, max_body_mb=1)), b"x" * 2 * 1024 * 1024
    gc.disable()
    try:
        before = sys.getrefcount(body)
        assert asked(of, body, content_type=JSON)[0] == 413
        assert sys.getrefcount(body) == before
    finally:
        gc.enable()


def test_a_request_that_trickles_in_is_given_up(model: PcrModel) -> None:
    of, sent = service(model, replace(LIMITS, body_seconds=0.01)), []

    async def receive() -> Message:
        await asyncio.sleep(5)
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(of({"type": "http", "path": "/invocations", "method": "POST", "headers": []}, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 404), ("/invocations", "GET", 405), ("/health", "POST", 405), ("/ready", "GET", 503)],
)
def test_other_addresses_and_methods_are_refused_with_what_there_is(
    path: str, method: str, status: int
) -> None:
    found, body = asked(service(None), path=path, method=method)
    assert (found, json.loads(body)["error"]) == (status, MESSAGES[status])


def headers_of(
    of: Service, path: str, method: str, *pairs: tuple[bytes, bytes]
) -> tuple[int, dict[bytes, bytes]]:
    """Return status and headers of the answer to a request whose body never comes."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("something of the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(of({"type": "http", "path": path, "method": method, "headers": [*pairs]}, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(("path", "taken"), [("/invocations", b"POST"), ("/health", b"GET, HEAD")])
def test_a_method_that_an_address_does_not_take_is_answered_with_those_it_takes(
    path: str, taken: bytes
) -> None:
    status, headers = headers_of(service(None), path, "OPTIONS")
    assert (status, headers[b"allow"]) == (405, taken)


@pytest.mark.parametrize("size", [LIMITS.max_body_mb * 1024 * 1024 + 1, 10**20 - 1])
def test_who_waits_to_be_asked_for_a_body_that_is_too_large_is_refused_at_once(size: int) -> None:
    sent = (
        (b"content-type", b"application/json"),
        (b"content-length", str(size).encode()),
        (b"expect", b"100-continue"),
    )
    status, headers = headers_of(service(None), "/invocations", "POST", *sent)
    assert (status, headers[b"connection"]) == (413, b"close")


def test_who_announces_too_large_a_body_is_refused_before_it_comes_and_may_send_on() -> None:
    limits = replace(LIMITS, max_body_mb=1, max_waiting_mb=2)
    of, order = service(None, limits), []

    async def receive() -> Message:
        order.append("received")
        return {"type": "http.request", "body": b"x" * 700_000, "more_body": True}

    async def send(message: Message) -> None:
        order.append(str(message.get("status", len(message.get("body", b"")))))

    headers = [(b"content-length", b"3000000")]
    asyncio.run(
        of({"type": "http", "path": "/invocations", "method": "POST", "headers": headers}, receive, send)
    )
    assert order[0] == "413"
    assert order[2:] == ["received", "received", "received", "0"]
    assert int(order[1]) > 0


def test_what_is_kept_has_counts_and_no_value(model: PcrModel, tmp_path: Path) -> None:
    limits = replace(LIMITS, decision_log=str(tmp_path / "decisions.log"))
    of = service(model, limits)
    asked(of, records(GOOD, GOOD | {"age_years": -5}, GOOD | {"arm": "SECRET"}), content_type=JSON)
    asked(of, b"SECRET", content_type=JSON)
    first, second = map(json.loads, (tmp_path / "decisions.log").read_text().splitlines())
    assert (first["http_status"], first["rows"], first["statuses"]) == (200, 3, {"ok": 1, "rejected": 2})
    assert first["reasons"] == {"out_of_range age_years": 1, "unknown_level arm": 1}
    assert (second["http_status"], second["rows"], second["reasons"]) == (400, 0, {"not_a_table": 1})
    assert set(first) == set(Handled.__annotations__)
    of.observer.close()
    text = asked(of, path="/metrics", method="GET")[1]
    assert 'pcr_requests_total{status="400"} 1' in text
    assert 'pcr_rows_total{status="rejected"} 2' in text
    assert 'pcr_request_seconds_bucket{le="+Inf"} 2' in text


def test_the_decision_log_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "decisions.log"
    observer = Observer(replace(LIMITS, decision_log=str(log), decision_log_mb=1, decision_log_files=2))
    for _ in range(10_000):
        observer.keep(Handled("t" * 200, "i" * 32, "v", 200, 1, {"ok": 1}, {}, 1.0))
    observer.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "decisions.log",
        "decisions.log.1",
        "decisions.log.2",
        "decisions.log.lock",
    ]
    assert log.stat().st_size <= 1024 * 1024


def test_the_schema_has_range_unit_and_levels_of_every_input_and_the_version(model: PcrModel) -> None:
    document = dict(model.document) | {"model": "pcr-made-up-c1"}
    schema = json.loads(pages(document, "abc", LIMITS, [413])["/schema.json"])
    assert schema["$id"] == "urn:pcr:pcr-made-up-c1:abc"
    assert schema["required"] == ["arm"]
    assert schema["properties"]["age_years"]["minimum"] == 18
    assert schema["properties"]["arm"]["enum"] == ["A", "B"]
    assert schema["x-limits"]["max_rows"] == LIMITS.max_rows
    described = json.loads(pages(document, "abc", LIMITS, [413])["/openapi.json"])
    assert described["paths"]["/invocations"]["post"]["responses"].keys() == {"200", "413"}
    assert all({"minimum", "maximum"} <= p.keys() for p in schema["properties"].values() if "enum" not in p)
