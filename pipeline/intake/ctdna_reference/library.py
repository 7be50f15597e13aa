"""A study without outcome, as its report reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.settings import CtdnaSettings
from pipeline.sources.ingest import Ingested


@dataclass(frozen=True)
class Library:
    """A library as read: tables, samples in order of time, settings, and the gene sets looked at."""

    raw: Ingested
    samples: pd.DataFrame
    settings: Mapping[str, Any]
    ctdna: CtdnaSettings
    sets: Mapping[str, Sequence[str]]

    @property
    def variants(self) -> pd.DataFrame | None:
        """The variants in plasma; None where the library has no such table."""
        return self.raw.tables.get("ctdna_variants")
