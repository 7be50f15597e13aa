"""`pcr serve`: an ASGI application that reads nothing beyond its limits and repeats nothing of a request.

Every request is bounded in size and time and answered by a worker process, so that none can hold up or bring
down the service; what goes wrong is one sentence that the status chose.
"""

import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.service.admission import Admission
from pipeline.service.fhir import MEDIA_TYPE
from pipeline.service.observation import Handled, Observer
from pipeline.service.refusals import reason_of, told
from pipeline.service.settings import MB, ServiceSettings
from pipeline.service.shadow import Shadow
from pipeline.service.tables import RefusedError
from pipeline.service.tls import CIPHERS, Certificate
from pipeline.service.turns import Turns
from pipeline.service.worker import Answer, Worker, give_back_memory

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
KINDS = {False: b"application/json", True: MEDIA_TYPE.encode()}
"""The content type of an answer, and that of one in FHIR."""
ENCODINGS = {"utf-8", "utf8", "us-ascii"}
"""Names of UTF-8, and of what is the same in it."""
NOT_WANTED = re.compile(rb";\s*q\s*=\s*0(\.0*)?\s*(;|$)")
OPEN = {"/ping", "/health", "/ready"}
CLOSING = {400, 401, 408, 413, 429}
"""Refusals after which a connection is closed."""


@dataclass(eq=False)
class _Held:
    """How much of a request is held, in bytes."""

    size: int = 0


class _Body:
    """What a client sends of a request, part by part, and whether that was all."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.ended = not message.get("more_body")
        return message


class Service:
    """The application: who may ask, how much, and what is kept of it."""

    def __init__(
        self,
        workers: tuple[Worker, Worker],
        settings: ServiceSettings,
        version: str,
        pages: Mapping[str, bytes],
        token: str = "",
        shadow: Shadow | None = None,
    ) -> None:
        self.small, self.large = workers
        self.settings = settings
        self.version = version
        self.pages = dict(pages)
        self.shadow = shadow
        self.observer = Observer(settings)
        self._admission = Admission(token, settings)
        self._turns = {id(worker): Turns() for worker in workers}
        self._in_progress = 0
        self._ready = False
        self._held: list[_Held] = []
        self._took_large = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._handle(scope, receive, send)
            if self._took_large:
                # Only here is nothing of the request held any more, whether answered or refused.
                self._took_large = False
                give_back_memory()

    async def _live(self, receive: Receive, send: Send) -> None:
        comparing: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                workers = [self.small, self.large, *([self.shadow.worker] if self.shadow else [])]
                await asyncio.gather(*(asyncio.to_thread(worker.start) for worker in workers))
                comparing = asyncio.create_task(self.shadow.compare()) if self.shadow else None
                self._ready = True
                await send({"type": "lifespan.startup.complete"})
            else:
                self._ready = False
                self.small.close()
                self.large.close()
                self.observer.close()
                if self.shadow is not None and comparing is not None:
                    comparing.cancel()
                    self.shadow.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _handle(self, scope: Message, receive: Receive, send: Send) -> None:
        request_id, begun = uuid.uuid4().hex, time.perf_counter()
        kind = b"application/json"
        body_of = _Body(receive)
        try:
            answer, kind = await self._answer(scope, body_of, request_id)
        except RefusedError as error:
            answer = Answer(error.status, refusal=error.reason)
        refusal = None if answer.status == 200 else answer.refusal or reason_of(answer.status)
        if scope["path"] == "/invocations":
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            taken = round(1000 * (time.perf_counter() - begun), 3)
            reasons = {refusal["code"]: 1} if refusal else answer.reasons
            handled = Handled(
                now, request_id, self.version, answer.status, answer.rows, answer.statuses, reasons, taken
            )
            self.observer.keep(handled)
        body = answer.body if refusal is None else told(answer.status, refusal)
        headers = [
            (b"content-type", kind if answer.status == 200 else b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        if answer.status == 429:
            headers.append((b"retry-after", b"1"))
        if answer.status == 405:
            headers.append((b"allow", b"POST" if scope["path"] == "/invocations" else b"GET, HEAD"))
        if answer.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if answer.status in CLOSING:
            # What is left of a request that was not read to its end is no request.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.status in CLOSING - {408} and not _values(scope, b"expect"):
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await self._pass_over(body_of)
            body = b""
        await send({"type": "http.response.body", "body": body})

    async def _pass_over(self, body_of: "_Body") -> None:
        """Let a client send on for a while: one that is cut off as it sends does not see the answer."""
        left = self.settings.max_waiting_mb * MB
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.header_seconds):
                while left > 0 and not body_of.ended:
                    left -= len((await body_of()).get("body", b""))

    async def _answer(self, scope: Message, receive: Receive, request_id: str) -> tuple[Answer, bytes]:
        path, method = scope["path"], scope["method"]
        if _values(scope, b"content-length") and _values(scope, b"transfer-encoding"):
            # A proxy may see the end of the request where this server does not (RFC 9112, section 6.1).
            raise RefusedError(400, "two_lengths", "content-length or transfer-encoding: one of the two")
        if path not in OPEN:
            client = str((scope.get("client") or ("",))[0]).encode()
            self._admission.admit(_values(scope, b"authorization"), client)
        if path == "/invocations":
            if method != "POST":
                raise RefusedError(405)
            fhir = _accepts_fhir(scope)
            return await self._invocation(scope, receive, request_id, fhir=fhir), KINDS[fhir]
        if path not in {*OPEN, "/metrics", *self.pages}:
            raise RefusedError(404)
        if method not in {"GET", "HEAD"}:
            raise RefusedError(405)
        if path == "/ready" and not (self._ready and not (self.small.is_lost or self.large.is_lost)):
            raise RefusedError(503)
        if path == "/metrics":
            restarts = max(self.small.restarts, 0) + max(self.large.restarts, 0)
            text = self.observer.exposition(restarts, self._in_progress)
            return Answer(200, text.encode()), b"text/plain; version=0.0.4"
        page = self.pages.get(path) or json.dumps({"status": "ok", "model_version": self.version}).encode()
        return Answer(200, page), b"application/json"

    async def _invocation(self, scope: Message, receive: Receive, request_id: str, *, fhir: bool) -> Answer:
        kind = _content_type(scope)
        if {value.strip().lower() for value in _values(scope, b"content-encoding")} - {b"identity"}:
            raise RefusedError(415, "content_encoding", "the body as it is, not compressed")
        if any(int(size) > self.settings.max_body_mb * MB for size in _values(scope, b"content-length")):
            raise self._too_large()
        async with self._place() as held:
            try:
                # Not `wait_for`: its task and what a refusal raises would hold each other, and the body.
                async with asyncio.timeout(self.settings.body_seconds):
                    body = await self._body(receive, held)
            except TimeoutError:
                seconds = f"a body within {self.settings.body_seconds:g} s"
                raise RefusedError(408, "too_slow", seconds) from None
            worker = self.small if len(body) <= self.settings.small_kb * 1024 else self.large
            answer = await self._asked(worker, kind, body, receive, fhir=fhir)
        if self.shadow is not None and answer.status == 200:
            self.shadow.offer(request_id, kind, body, answer)
        return answer

    async def _asked(self, worker: Worker, kind: str, body: bytes, receive: Receive, *, fhir: bool) -> Answer:
        """Ask a worker when it is the request's turn."""

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async with self._turns[id(worker)].turn(len(body), self.settings.answer_seconds, left):
            return await asyncio.to_thread(worker.ask, kind, body, fhir=fhir)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator["_Held"]:
        if self._in_progress >= self.settings.max_requests:
            raise RefusedError(429)
        self._in_progress += 1
        held = _Held()
        self._held.append(held)
        try:
            yield held
        finally:
            self._held.remove(held)
            self._in_progress -= 1

    def _too_large(self) -> RefusedError:
        return RefusedError(413, "body_too_large", f"at most {self.settings.max_body_mb} MB")

    async def _body(self, receive: Receive, held: "_Held") -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.settings.max_body_mb * MB:
                raise self._too_large()
            held.size = size
            # Small requests are bounded by their number.
            if size > self.settings.small_kb * 1024:
                self._took_large = True
                if sum(each.size for each in self._held) > self.settings.max_waiting_mb * MB:
                    raise RefusedError(429)
            if not message.get("more_body"):
                return b"".join(parts)


def _values(scope: Message, header: bytes) -> list[bytes]:
    """Return what a request has under a header, each as often as it was sent."""
    return [value for name, value in scope["headers"] if name == header]


def _content_type(scope: Message) -> str:
    """Return the kind of a request's body, without parameters; empty if it is told twice.

    Raises
    ------
    RefusedError
        415 if its text is in another encoding than UTF-8, in which it would be read.
    """
    kinds = _values(scope, b"content-type")
    kind, *parameters = kinds[0].decode("latin-1").lower().split(";") if len(kinds) == 1 else [""]
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "charset" and value.strip().strip('"') not in ENCODINGS:
            raise RefusedError(415, "charset", "UTF-8")
    return kind.strip()


def _accepts_fhir(scope: Message) -> bool:
    """Tell whether a request asks for FHIR; a weight of 0 says what is not wanted."""
    accepted = b",".join(_values(scope, b"accept")).lower().split(b",")
    return any(NOT_WANTED.search(kind) is None for kind in accepted if _is_fhir(kind))


def _is_fhir(kind: bytes) -> bool:
    return kind.partition(b";")[0].strip() == MEDIA_TYPE.encode()


def serve(service: Service, host: str, port: int, certificate: Certificate | None = None) -> None:
    """Answer requests until stopped, by TLS with a certificate; those at work are finished first."""
    import uvicorn  # noqa: PLC0415 - comes with MLflow

    from pipeline.service.connection import BoundedConnection  # noqa: PLC0415

    uvicorn.run(
        service, host=host, port=port, log_level="error", access_log=False, server_header=False,
        http=BoundedConnection, ws="none", timeout_keep_alive=math.ceil(service.settings.header_seconds),
        timeout_graceful_shutdown=int(service.settings.answer_seconds),
        h11_max_incomplete_event_size=16 * 1024,
        # A client is the other end of its connection, whatever a header says: who asks from this computer
        # could otherwise pose as any number of clients.
        proxy_headers=False, ssl_certfile=certificate.chain if certificate else None,
        ssl_keyfile=certificate.key if certificate else None, ssl_ciphers=CIPHERS,
    )  # fmt: skip
