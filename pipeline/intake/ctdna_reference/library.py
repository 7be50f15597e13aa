"""A study without outcome, as its report reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from features.documents.parsing import Between, Count, InnerShare, Positive
from features.gene_rules import GeneRules
from features.settings import CtdnaSettings
from pipeline.sources.ingest import Ingested


@dataclass(frozen=True)
class LibrarySettings:
    """configs/library.yaml.

    Intervals are at `level`. A share of at least `min_patients` is handed to the simulator, with so many
    `decimals`. Changes of the allele fraction are given per month of `month_days`. The share of
    `haematopoietic_gene` that comes from blood is reported on its own.
    """

    level: InnerShare
    min_patients: Count
    month_days: Positive
    haematopoietic_gene: str
    decimals: Annotated[int, Between(0)]


@dataclass(frozen=True)
class Library:
    """A library as read: tables, samples in order of time, settings, and the gene sets looked at."""

    raw: Ingested
    samples: pd.DataFrame
    settings: LibrarySettings
    ctdna: CtdnaSettings
    sets: Mapping[str, GeneRules]

    @property
    def variants(self) -> pd.DataFrame | None:
        """The variants in plasma; None where the library has no such table."""
        return self.raw.tables.get("ctdna_variants")
