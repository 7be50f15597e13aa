"""`pcr serve`: MLflow's scoring server behind a layer that refuses what it cannot read and repeats nothing.

MLflow's server answers bad requests with the request itself, stack traces and paths. Here a request is read
before the server sees it, and whatever the server says other than an answer is replaced by a sentence.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pipeline.console import stderr

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST = 64 * 1024 * 1024
TABLES = ("dataframe_split", "dataframe_records")
HOW = (
    'send application/json {"dataframe_records": [{"input": value, ...}, ...]} or {"dataframe_split": '
    '{"columns": [...], "data": [[...], ...]}}, or text/csv with a heading; "params": {"explain": true} is '
    "the only parameter"
)
MESSAGES = {
    400: f"The request is not a table of rows: {HOW}.",
    404: "This address does not exist: POST rows to /invocations, GET /ping.",
    405: "This address does not take this method: POST rows to /invocations, GET /ping.",
    413: f"The request is larger than {LARGEST // 1024 // 1024} MB: send fewer rows at once.",
    415: f"The content type is not supported: {HOW}.",
    500: "The server failed, not the request: please tell its operator.",
    504: "The answer took too long: send fewer rows at once.",
}
FAILED = b"unexpected error while evaluating the model"


class RefusedError(Exception):
    """A request that is answered with a status and that status's sentence."""

    def __init__(self, status: int) -> None:
        self.status = status


class Scrubbed:
    """An ASGI application around MLflow's scoring server whose answers never repeat a request."""

    def __init__(self, app: App, largest: int = LARGEST) -> None:
        self.app = app
        self.largest = largest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request; other kinds of messages (start, stop) are passed on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._checked(scope, receive)
            status, answer = await self._inner(scope, body)
        except RefusedError as refusal:
            status, answer = refusal.status, b""
        if status >= 400:
            known = status if status in MESSAGES else (500 if status >= 500 else 400)
            status, answer = known, json.dumps({"error": MESSAGES[known]}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _checked(self, scope: Message, receive: Receive) -> bytes:
        """Return the body of a request that may be passed on."""
        body = await self._body(receive)
        if scope["path"] != "/invocations":
            return body
        if scope["method"] != "POST":
            raise RefusedError(405)
        kinds = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"]
        kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
        if kind not in {"application/json", "text/csv"}:
            raise RefusedError(415)
        check = _check_json if kind == "application/json" else _check_csv
        check(body)
        return body

    async def _body(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.largest:
                raise RefusedError(413)
            if not message.get("more_body"):
                return b"".join(parts)

    async def _inner(self, scope: Message, body: bytes) -> tuple[int, bytes]:
        """Return status and body of MLflow's answer."""
        status, parts, given = 500, [], False

        async def receive() -> Message:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the request
            # The model answers every table (`serving.RowScorer` raises on no row): what fails is reading it.
            stderr().print(f"refused a request: {type(error).__name__}")
            raise RefusedError(400) from None
        answer = b"".join(parts)
        return (500 if status == 400 and FAILED in answer else status), answer


def _check_json(body: bytes) -> None:
    """Refuse JSON that is not one table and, at most, the parameter ``explain``."""
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(400) from None
    if not isinstance(content, dict) or not set(content) <= {*TABLES, "params"}:
        raise RefusedError(400)
    tables = [content[name] for name in TABLES if name in content]
    params = content.get("params", {})
    if len(tables) != 1 or not isinstance(params, dict) or not set(params) <= {"explain"}:
        raise RefusedError(400)
    if not isinstance(params.get("explain", False), bool):
        raise RefusedError(400)
    if not (_is_split(tables[0]) if "dataframe_split" in content else _is_records(tables[0])):
        raise RefusedError(400)


def _is_records(table: Any) -> bool:
    return isinstance(table, list) and bool(table) and all(isinstance(row, dict) for row in table)


def _is_split(table: Any) -> bool:
    if not isinstance(table, dict) or not set(table) <= {"columns", "data", "index"}:
        return False
    columns, data = table.get("columns"), table.get("data")
    if not isinstance(columns, list) or not isinstance(data, list) or not data:
        return False
    if not columns or not all(isinstance(name, str) for name in columns):
        return False
    index = table.get("index", list(range(len(data))))
    return (
        isinstance(index, list)
        and len(index) == len(data)
        and all(isinstance(row, list) and len(row) == len(columns) for row in data)
    )


def _check_csv(body: bytes) -> None:
    """Refuse CSV that is not text, or has no row below its heading."""
    try:
        lines = body.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise RefusedError(400) from None
    if len([line for line in lines if line.strip()]) < 2 or "\x00" in lines[0]:
        raise RefusedError(400)


def serve(application: App, host: str, port: int) -> None:
    """Answer requests until stopped."""
    import uvicorn  # noqa: PLC0415 - comes with MLflow

    uvicorn.run(Scrubbed(application), host=host, port=port, log_level="warning", access_log=False)
