"""A connection whose other end is too slow is cut off; one that asks and reads in time is not.

What is no request, or has a body of two lengths, is refused as the service refuses.
"""

import asyncio
import json

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from pipeline.service.connection import BoundedConnection
from pipeline.service.server import Message, Receive, Send

ASKED = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport that only remembers whether it was cut off."""

    aborted = closed = False

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing comes that is not given."""

    def resume_reading(self) -> None:
        """Nothing waits."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take an answer."""
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted or self.closed


async def answer(_scope: object, _receive: object, _send: object) -> None:
    """Wait, as an application at work does."""
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("sent", "stalls", "cut"),
    [(b"", False, True), (ASKED[:20], False, True), (ASKED, False, False), (ASKED, True, True)],
)
def test_headers_and_readers_that_are_too_slow_end_the_connection(
    sent: bytes, stalls: bool, cut: bool
) -> None:
    async def ended() -> bool:
        config = Config(answer, timeout_keep_alive=0, timeout_graceful_shutdown=0, lifespan="off")
        connection, transport = BoundedConnection(config, ServerState(), {}), Transport()
        connection.connection_made(transport)
        if sent:
            connection.data_received(sent)
        if stalls:
            connection.pause_writing()
        await asyncio.sleep(0.05)
        connection.connection_lost(ConnectionError())
        return transport.aborted

    assert asyncio.run(ended()) == cut


def test_an_answer_that_is_taken_in_time_is_no_reason_to_end_the_connection() -> None:
    async def ended() -> bool:
        config = Config(answer, timeout_keep_alive=5, timeout_graceful_shutdown=0, lifespan="off")
        connection, transport = BoundedConnection(config, ServerState(), {}), Transport()
        connection.connection_made(transport)
        connection.data_received(ASKED)
        connection.pause_writing()
        connection.resume_writing()
        await asyncio.sleep(0.05)
        connection.connection_lost(ConnectionError())
        return transport.aborted

    assert not asyncio.run(ended())


async def refuse(_scope: Message, _receive: Receive, send: Send) -> None:
    """Answer at once that there is nothing, whatever is still sent."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def answered(*sent: bytes, app: object = answer) -> tuple[int, bytes, Transport]:
    """Return the status, 0 where there is none, and body of what one connection answers."""

    async def exchanged() -> Transport:
        config = Config(app, timeout_keep_alive=5, timeout_graceful_shutdown=5, lifespan="off")  # type: ignore[arg-type]
        connection, transport = BoundedConnection(config, ServerState(), {}), Transport()
        connection.connection_made(transport)
        for data in sent:
            connection.data_received(data)
            await asyncio.sleep(0.01)
        connection.connection_lost(ConnectionError())
        return transport

    transport = asyncio.run(exchanged())
    head, _, body = transport.written.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body, transport


def post(*headers: str, body: str = "") -> bytes:
    return "\r\n".join(["POST /invocations HTTP/1.1", "host: x", *headers, "", body]).encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("content-length: 5", "content-length: 5", body="hello"), 400),
        (post("content-length: 5", "Content-Length: 6", body="hello"), 400),
        (post("content-length: 5, 5", body="hello"), 400),
        (post("content-length: -5"), 400),
        (post("content-length: +5", body="hello"), 400),
        (post("content-length: 0x5", body="hello"), 400),
        (post("content-length: five"), 400),
        (post("content-length:"), 400),
        (post("content-length: 5.0", body="hello"), 400),
        (post(f"content-length: {10**20}"), 413),
        (post(f"content-length: {10**4000}"), 413),
        (post("transfer-encoding: gzip, chunked"), 400),
        (post("content-length: 5", body="content-length: 5\r\ncontent-length: 5\r\n")[:90], 0),
        (ASKED, 0),
        (b"\x16\x03\x01\x00SECRET\r\n\r\n", 400),
    ],
)
def test_a_length_that_is_none_or_not_the_only_one_is_refused_at_once(request_: bytes, status: int) -> None:
    found, body, transport = answered(request_)
    assert (found, transport.closed) == (status, status > 0)
    if status:
        told = json.loads(body)
        assert (told["status"], told["reasons"][0]["code"]) == (status, "not_http")
        assert "SECRET" not in body.decode()


def test_headers_that_come_in_pieces_and_requests_one_after_the_other_have_one_length_each() -> None:
    one = post("content-length: 0")
    assert answered(one + one + one, app=refuse)[2].written.count(b"404") == 3
    half = len(one) - 4
    twice = post("content-length: 5", "content-length: 5")
    written = answered(one[:half], one[half:], twice[:-20], twice[-20:], app=refuse)[2].written
    assert written.count(b"HTTP/1.1 404 ") == written.count(b"HTTP/1.1 400 Bad Request") == 1


def test_a_body_that_goes_wrong_after_the_answer_ends_the_connection_without_a_fault() -> None:
    found, _, transport = answered(post("transfer-encoding: chunked"), b"nonsense\r\n", app=refuse)
    assert (found, transport.closed, transport.written.count(b"HTTP/1.1")) == (404, True, 1)
