"""Turns at a worker: of those that wait the smallest request is next, and none waits for ever."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pipeline.service.tables import RefusedError

Waiting = asyncio.Future[None]


class Turns:
    """Lets one request after the other at a worker: a small one does not wait for the tables before it."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[int, int, Waiting]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def turn(
        self, size: int, seconds: float, left: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Parameters
        ----------
        size : int
            Of the request; the smallest is next, and of the same size the first.
        seconds : float
            How long it may wait.
        left : callable
            Returns when its client is gone, and nobody needs an answer any more.

        Raises
        ------
        RefusedError
            429 if it waited too long, 400 if its client left.
        """
        if self._taken:
            await self._wait(size, seconds, left)
        self._taken = True
        try:
            yield
        finally:
            self._give()

    async def _wait(self, size: int, seconds: float, left: Callable[[], Awaitable[None]]) -> None:
        mine: Waiting = asyncio.get_running_loop().create_future()
        entry = (size, next(self._order), mine)
        self._waiting.append(entry)
        gone = asyncio.ensure_future(left())
        try:
            await asyncio.wait({mine, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if mine.done():
                self._give()  # the turn came as the request was given up
            else:
                self._waiting.remove(entry)
            raise
        finally:
            gone.cancel()
        if mine.done():
            return
        self._waiting.remove(entry)
        if gone.done():
            raise RefusedError(400, "left", "the client waits for its answer")
        raise RefusedError(429)

    def _give(self) -> None:
        """Give the turn to the next that waits."""
        if self._waiting:
            entry = min(self._waiting)
            self._waiting.remove(entry)
            entry[2].set_result(None)
        else:
            self._taken = False
