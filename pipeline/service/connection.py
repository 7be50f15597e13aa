"""One connection to the service, closed where its other end is too slow to be a client."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


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
