"""A study file as it stands in YAML: its keys, before any of them is checked.

What each key means, and which values it may have, is said where a study file is checked as a whole
(`pipeline.sources.mapping.study_file`) and where its parts are read with types (`features.documents.study`).
"""

from typing import Literal, Required, TypedDict


class LandmarkEntry(TypedDict, total=False):
    """An entry of `schedule`."""

    visits: Required[list[str]]
    cycles: int | None
    planned_day: int | None
    window_days: int | None


class OutcomeEntry(TypedDict, total=False):
    """`outcome` of a study that predicts pCR."""

    definition: Required[str]
    sensitivity: list[str]
    counted_as_failure: list[str]


class FeaturesEntry(TypedDict, total=False):
    """`features`."""

    domains: Required[list[str]]
    state_indicators: dict[str, bool]
    after_baseline: str | None
    not_planned: dict[str, list[str]]
    receptors: list[str]


class PrimaryEntry(TypedDict, total=False):
    """`primary`."""

    landmark: Required[str]
    arm: str | None
    metric: str
    model: str
    against: str


class ArmComparisonEntry(TypedDict, total=False):
    """`arm_comparison`."""

    reference: Required[str]
    hypothesis: str
    margin: float
    strata: list[str]
    interactions: list[str]
    regimens: dict[str, list[str]]
    assumed: bool


class ThresholdEntry(TypedDict):
    """The thresholds of a decision curve."""

    min: float
    max: float
    step: float
    shown: list[float]


class ThresholdsEntry(TypedDict):
    """`thresholds`."""

    de_escalation: ThresholdEntry
    escalation: ThresholdEntry


class WaiverEntry(TypedDict):
    """An item of `waivers`."""

    table: str
    column: str
    rule: str
    rows: int
    reason: str
    who: str


class SupplementEntry(TypedDict):
    """`supplement` of a file."""

    path: str
    columns: list[str]


class VisitsEntry(TypedDict):
    """`visits` of a file."""

    path: str
    dates: list[str]


class FileEntry(TypedDict, total=False):
    """A file of a mapping; of its many keys, those that ready mappings are renamed by."""

    path: Required[str]
    supplement: SupplementEntry | None
    visits: VisitsEntry | None


class BlockEntry(TypedDict, total=False):
    """Rows of a contract table from one file; `columns`: contract column -> source column."""

    file: Required[str]
    columns: Required[dict[str, str]]
    repeat: str
    drop_empty: list[str]
    leave_out: list[str]


class MappingEntry(TypedDict, total=False):
    """`mapping`, or a ready mapping that a study's own lies on."""

    patients: str | list[str]
    files: dict[str, FileEntry]
    tables: dict[str, list[BlockEntry]]
    ranges: dict[str, list[float]]
    file_suffix: dict[str, str]


class AssayFile(TypedDict, total=False):
    """What an assay takes from another file: gene sets, or how repeatable features are."""

    path: Required[str]
    beside_features: bool


class AssayEntry(TypedDict, total=False):
    """An entry of `omics`; of its keys, those that name files or say when its features are known."""

    path: Required[str]
    visit: Required[str]
    panel: str | None
    samples: dict[str, str] | None
    transform: str | None
    adjust: str | None
    gene_sets: AssayFile | None
    repeatability: AssayFile | None


class ChallengerEntry(TypedDict, total=False):
    """An entry of `challengers`."""

    path: Required[str]
    landmark: Required[str]
    fixed: bool


class StudyDocument(TypedDict, total=False):
    """A study file, or those of its keys that a stage has declared."""

    study: str
    title: str
    simulated: bool
    source: str
    simulations: list[str]
    response_counts: str
    single_patients_in_mlflow: bool
    waivers: list[WaiverEntry]
    standards: list[str]
    mapping: MappingEntry | None
    arms: list[str]
    adaptive_arm: str | None
    strategies: list[str]
    allocation: dict[str, float] | None
    randomised: bool
    arm_comparison: ArmComparisonEntry | None
    regimens: list[str]
    visits: list[str] | Literal["dates"]
    landmarks: list[str]
    schedule: dict[str, LandmarkEntry]
    outcome: OutcomeEntry | Literal["none"]
    rules: str
    eligibility: str
    de_escalated_branches: list[str]
    features: FeaturesEntry
    primary: PrimaryEntry
    leakage_acknowledged: str
    thresholds: ThresholdsEntry | None
    omics: dict[str, AssayEntry] | None
    challengers: dict[str, ChallengerEntry] | None
