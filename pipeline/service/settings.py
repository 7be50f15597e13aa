"""configs/service.yaml: the limits of the service."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from features.documents.parsing import Between, Count, Positive
from pipeline.project import paths
from pipeline.project.settings import read_settings

MB = 1024 * 1024


@dataclass(frozen=True)
class ServiceSettings:
    """What a request may be, what is done for it, and what is kept of it; configs/service.yaml says more."""

    max_body_mb: Count
    max_waiting_mb: Count
    max_rows: Count
    max_columns: Count
    max_cells: Count
    max_name_characters: Count
    max_answer_mb: Count
    header_seconds: Positive
    body_seconds: Positive
    answer_seconds: Positive
    max_requests: Count
    small_kb: Count
    small_seconds: Positive
    worker_max_mb: Count
    worker_keep_mb: Count
    requests_per_minute: Annotated[int, Between(0)]
    invalid_tokens_per_minute: Count
    decision_log: str
    decision_log_mb: Count
    decision_log_files: Count
    shadow_log: str
    max_shadow_mb: Count

    def with_room_for(self, columns: Sequence[str]) -> "ServiceSettings":
        """Return limits for rows that have these columns of assays beside `max_columns` others."""
        longest = max(map(len, columns), default=0)
        return replace(
            self,
            max_columns=self.max_columns + len(columns),
            max_name_characters=max(self.max_name_characters, longest),
        )


def read_service_settings() -> ServiceSettings:
    """Return configs/service.yaml. Raises UserError if it is not valid."""
    return read_settings(ServiceSettings, Path(paths.SERVICE))
