"""The layer before MLflow's server: what it refuses, and that no answer repeats a request or an error."""

import asyncio
import json
from typing import Any

import pytest

from pipeline.registry.server import MESSAGES, Message, Scrubbed

ROWS = json.dumps({"dataframe_records": [{"hr": "pos"}]}).encode()


def answered(body: bytes, inner: Any, largest: int = 1000, **scope: Any) -> tuple[int, dict[str, Any]]:
    """Return status and content of the answer to a POST of JSON, in front of an application."""
    sent: list[Message] = []
    request = {"type": "http", "path": "/invocations", "method": "POST"}
    headers = [(b"content-type", scope.pop("kind", b"application/json"))]

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Scrubbed(inner, largest)(request | {"headers": headers} | scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def says(status: int, content: object) -> Any:
    async def inner(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    return inner


async def breaks(scope: Message, receive: Any, send: Any) -> None:
    raise RuntimeError("SECRET")


def test_an_answer_is_passed_on_as_it_is() -> None:
    assert answered(ROWS, says(200, {"predictions": []})) == (200, {"predictions": []})


@pytest.mark.parametrize(
    ("body", "scope", "status"),
    [
        (b"{", {}, 400),
        (json.dumps({"dataframe_records": []}).encode(), {}, 400),
        (json.dumps({"inputs": [1]}).encode(), {}, 400),
        (json.dumps({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}).encode(), {}, 400),
        (ROWS[:-1] + b', "params": {"explain": "yes"}}', {}, 400),
        (b"hr", {"kind": b"text/csv"}, 400),
        (ROWS, {"kind": b"text/html"}, 415),
        (ROWS, {"method": "GET"}, 405),
        (b" " * 1001, {}, 413),
    ],
)
def test_what_cannot_be_read_never_reaches_the_server(
    body: bytes, scope: dict[str, Any], status: int
) -> None:
    assert answered(body, breaks, **scope) == (status, {"error": MESSAGES[status]})


def test_an_error_of_the_server_is_replaced_by_a_sentence() -> None:
    assert answered(ROWS, says(500, "SECRET")) == (500, {"error": MESSAGES[500]})
    assert answered(ROWS, says(418, "SECRET")) == (400, {"error": MESSAGES[400]})
    assert answered(ROWS, breaks) == (400, {"error": MESSAGES[400]})
    failed = says(400, "unexpected error while evaluating the model: SECRET")
    assert answered(ROWS, failed) == (500, {"error": MESSAGES[500]})
