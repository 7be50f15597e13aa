"""A connection whose other end is too slow is cut off; one that asks and reads in time is not."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from pipeline.service.connection import BoundedConnection

ASKED = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport that only remembers whether it was cut off."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take an answer."""

    def is_closing(self) -> bool:
        return self.aborted


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
