"""A candidate that answers the same rows beside the model that is asked: counted and kept, never told."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pipeline.service.observation import KeptLog
from pipeline.service.settings import MB, ServiceSettings
from pipeline.service.worker import Answer, Worker


@dataclass(frozen=True)
class Shadowed:
    """A request that the candidate was asked, too, as it is kept.

    `http_status` is the candidate's, 429 where too much waited for it. `statuses` counts rows by the status
    of the model and that of the candidate, `differences` by how much higher the candidate's probability is.
    """

    time: str
    request_id: str
    model_version: str
    shadow_version: str
    http_status: int
    rows: int
    statuses: dict[str, int]
    differences: dict[str, int]


@dataclass(frozen=True)
class _Waiting:
    request_id: str
    kind: str
    body: bytes
    answer: Answer

    @property
    def size(self) -> int:
        return len(self.body) + len(self.answer.body)


class Shadow:
    """Asks the candidate when there is time; nobody waits for it, and nothing fails of it."""

    def __init__(self, worker: Worker, settings: ServiceSettings, model_version: str, version: str) -> None:
        self.worker = worker
        self.versions = model_version, version
        self._log = KeptLog(settings.shadow_log, settings)
        self._limit = settings.max_shadow_mb * MB
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(settings.max_requests)
        self._size = 0

    def offer(self, request_id: str, kind: str, body: bytes, answer: Answer) -> None:
        """Take a request that was answered, to be compared later, or skip it where too much waits."""
        waiting = _Waiting(request_id, kind, body, answer)
        if self._waiting.full() or self._size + waiting.size > self._limit:
            self._keep(waiting, Answer(429))
            return
        self._size += waiting.size
        self._waiting.put_nowait(waiting)

    async def compare(self) -> None:
        """Compare the requests that wait, one after the other, until cancelled."""
        while True:
            waiting = await self._waiting.get()
            try:
                compared = await asyncio.to_thread(
                    self.worker.ask, waiting.kind, waiting.body, other=waiting.answer.body
                )
            except (RuntimeError, EOFError, OSError):  # it does not start; the next request tries again
                compared = Answer(500)
            self._size -= waiting.size
            self._keep(waiting, compared)

    def _keep(self, waiting: _Waiting, compared: Answer) -> None:
        shadowed = Shadowed(
            datetime.now(UTC).isoformat(timespec="milliseconds"), waiting.request_id, *self.versions,
            compared.status, waiting.answer.rows, compared.statuses, compared.differences,
        )  # fmt: skip
        self._log.add(asdict(shadowed))

    def stop(self) -> None:
        """End the candidate's process, and close the log; what still waits is not compared."""
        self.worker.close()
        self._log.close()
