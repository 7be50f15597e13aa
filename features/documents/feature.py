"""What a feature is: its name, domain, unit, levels and range, as code and as its JSON has it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

ASSAY_SEPARATOR = ":"
"""Between the name of an assay and that of a feature, in the name of a column."""
STATE_SUFFIX = "_state"
"""Ends the name of every feature that says how far a domain was observed at a visit."""
ORIGINS = ("batch", "platform")
"""What is known of an assay's samples beside dates: ``batch@rna`` is the column of assay rna."""


def origin_column(kind: str, assay: str) -> str:
    """Return the column that holds the batch or platform of an assay's samples."""
    return f"{kind}@{assay}"


def assay_columns(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns of every assay, among the names of all columns.

    Examples
    --------
    >>> assay_columns(["usubjid", "rna:ESR1", "dna:TMB", "rna:PGR"])
    {'rna': ['rna:ESR1', 'rna:PGR'], 'dna': ['dna:TMB']}
    """
    blocks: dict[str, list[str]] = {}
    for column in names:
        name, separator, _ = column.partition(ASSAY_SEPARATOR)
        if separator:
            blocks.setdefault(name, []).append(column)
    return blocks


class FeatureEntry(TypedDict):
    """A feature as JSON has it."""

    name: str
    domain: str
    kind: str
    unit: str
    known_at: str
    levels: list[str]
    low: float | None
    high: float | None
    description: str


@dataclass(frozen=True)
class Feature:
    """One column of the assembled frame.

    `kind` is ``numeric`` (float64) or ``categorical`` (str, one of `levels`); `known_at` is the visit from
    which the value can be known; `low` and `high` are in `unit`, None where there is no limit.
    """

    name: str
    domain: str
    kind: str
    unit: str
    known_at: str
    levels: tuple[str, ...]
    low: float | None
    high: float | None
    description: str

    @property
    def is_numeric(self) -> bool:
        """Whether the feature is a number; else it is one of its levels."""
        return self.kind == "numeric"

    @property
    def entry(self) -> FeatureEntry:
        """The feature as JSON has it."""
        return {
            "name": self.name,
            "domain": self.domain,
            "kind": self.kind,
            "unit": self.unit,
            "known_at": self.known_at,
            "levels": list(self.levels),
            "low": self.low,
            "high": self.high,
            "description": self.description,
        }


class ModelledFeatureEntry(FeatureEntry):
    """A feature as a model document has it: with the share without a value in training, if known."""

    share_missing: float | None


class LandmarkFeatureEntry(FeatureEntry):
    """A feature at a landmark, and the share of the patients at risk without a value."""

    share_missing: float


class HiddenRows(TypedDict):
    """Rows of a table that a landmark does not see, or judges by another date, and why."""

    table: str
    visit: str
    reason: str
    rows: int


class FeatureList(TypedDict):
    """features/<landmark>.json; `adjusted`: the column with the batch, by assay that is adjusted for it."""

    landmark: str
    patients: int
    features: list[LandmarkFeatureEntry]
    absent_domains: list[str]
    absent_features: NotRequired[list[str]]
    late: NotRequired[list[HiddenRows]]
    adjusted: NotRequired[dict[str, str]]
