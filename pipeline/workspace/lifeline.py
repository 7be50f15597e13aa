"""A pipe that tells a process that the one above it is gone, however it ended; on every Unix alike."""

import os
import threading
from collections.abc import Callable


def watch(descriptor: int, said: Callable[[], None], gone: Callable[[], None]) -> None:
    """Call `said` for each byte that comes through a pipe and `gone` at its end, in a thread of its own.

    The writing end is open in the process above only. The system closes it when that process ends, also when
    it was killed and could not say so.
    """

    def listen() -> None:
        while os.read(descriptor, 1):
            said()
        gone()

    threading.Thread(target=listen, daemon=True).start()
