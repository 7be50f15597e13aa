"""What library.json, the report of a study without outcome, holds: as written, and as its page reads it."""

from typing import NotRequired, TypedDict

from models.description.documents import Proportion


class MutationShare(Proportion):
    """Patients of a hormone receptor group whose genes are known (n) and mutated (events)."""

    genes: str
    group: str
    patients: int


class GenesCovered(TypedDict):
    """Patients by the widest panel that any of their samples had."""

    genes: str
    all: int
    some: int
    none: int
    not_listed: int


class Range(TypedDict):
    """Median, lowest and highest of the values that are known."""

    median: float
    low: float
    high: float


class AssayLimits(TypedDict):
    """An assay: its samples by quality and result, its limit of detection, reads and genes."""

    assay: str
    kind: str
    patients: int
    samples: int
    failed: int
    not_done: int
    detected: int
    negative: int
    lod_vaf: Range | None
    plasma_ml: Range | None
    depth: Range | None
    alt_reads: Range | None
    white_cells: int
    genes: int | None
    panel_not_listed: int


class MonthlyChange(TypedDict):
    """The change of log10 VAF in a month; only the counts where there are too few pairs."""

    pairs: int
    censored: int
    mean: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]
    sd: NotRequired[float]


class Kinetics(TypedDict):
    """What the first pair of dated draws of each patient shows, and the counts of all pairs."""

    patients: int
    pairs: int
    days: float | None
    courses: dict[str, int]
    all_courses: dict[str, int]
    cleared: Proportion
    change: MonthlyChange


class LibraryFigures(TypedDict):
    """library.json; `files`: path -> start of its SHA-256."""

    study: str
    title: str
    level: float
    month_days: float
    patients: int
    by_hr: dict[str, int]
    samples: int
    sampled: int
    dated: int
    gene_sets: dict[str, list[str]]
    mutations: list[MutationShare]
    coverage: list[GenesCovered]
    haematopoietic_gene: str
    haematopoiesis: dict[str, Proportion]
    kinetics: Kinetics
    assays: list[AssayLimits]
    files: dict[str, str]
