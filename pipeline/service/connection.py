"""One connection to the service, closed where its other end is too slow to be a client, or speaks no HTTP."""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.service.refusals import told

LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
END_OF_HEADERS = re.compile(rb"(?<=\n)\r?\n")
MOST_DIGITS = 20
"""Of a length, by h11."""


class StrictConnection(h11.Connection):
    """Refuses a body of more than one length, which h11 takes where all are alike, as of a faulty client."""

    refusal = 400
    """The status of what `next_event` refuses."""

    def next_event(self) -> Any:
        """Return the next event; of a request, if its body has one length at most."""
        if self.their_state is h11.IDLE:
            headers = END_OF_HEADERS.split(self.trailing_data[0], maxsplit=1)[0]
            lengths = LENGTH.findall(headers)
            if len(lengths) > 1 or any(b"," in length for length in lengths):
                raise h11.RemoteProtocolError("more than one Content-Length")
            if any(length.isdigit() and len(length) > MOST_DIGITS for length in lengths):
                self.refusal = 413
                raise h11.RemoteProtocolError("no body is that long")
        return super().next_event()


class BoundedConnection(H11Protocol):
    """Closes what sends its headers, or reads its answer, too slowly; bodies are the service's to time.

    Headers must be there within uvicorn's `timeout_keep_alive`, an answer must be taken within its
    `timeout_graceful_shutdown`, in seconds.
    """

    _headers: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first headers."""
        super().connection_made(transport)
        self.conn = StrictConnection(h11.SERVER, self.config.h11_max_incomplete_event_size or 16 * 1024)
        self._headers = self.loop.call_later(self.timeout_keep_alive, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take what came; headers that are begun must be complete in time."""
        super().data_received(data)
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not begun and self._headers is not None:
            self._headers.cancel()
            self._headers = None
        elif begun and self._headers is None:
            self._headers = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's, which may quote the request
        """Refuse what is no request, in the words of the service, and close the connection.

        What goes wrong in a body whose request is answered already has no answer of its own.
        """
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        status = self.conn.refusal if isinstance(self.conn, StrictConnection) else 400
        rule = "a request by HTTP/1.1, with one Content-Length or none"
        body = told(status, {"code": "not_http", "input": None, "rule": rule})
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def pause_writing(self) -> None:
        """Wait for the reader, who does not keep up."""
        super().pause_writing()
        if self._reader is None:
            seconds = float(self.config.timeout_graceful_shutdown or self.timeout_keep_alive)
            self._reader = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, as the answer was taken."""
        super().resume_writing()
        self._stop_waiting_for_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._headers is not None:
            self._headers.cancel()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def _stop_waiting_for_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
