"""What the pages show, as typed settings: configs/report_pages.yaml and configs/reporting_checklists.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from features.documents.parsing import Between, Count, Positive
from pipeline.report.labels import LabelSettings


@dataclass(frozen=True)
class PrivacySettings:
    """Which counts are hidden, and whether single patients are shown."""

    min_cell_count: Count
    suppress_small_cells: bool
    patient_view: bool


@dataclass(frozen=True)
class DrawingSettings:
    """How many features and patients are drawn; `lines`, `rows`: patients with a line, a row.

    `max_values`: patients times features of a landmark's page.
    """

    ranked: Count
    swarmed: Count
    max_patients_drawn: Annotated[int, Between(2)]
    max_values: Count
    lines: Count
    rows: Count

    def patients(self, features: int) -> int:
        """Return how many patients of so many features a page holds."""
        return max(2, min(self.max_patients_drawn, self.max_values // features))


@dataclass(frozen=True)
class SinglePatientFeatures:
    """What the figures of single patients draw: features by template, `genes` beside PAM and TP53.

    `fraction`: of several, the first that a sample has.
    """

    change: str
    response: str
    ctdna_state: str
    fraction: tuple[str, ...]
    receptors: str
    genes: tuple[str, ...]


@dataclass(frozen=True)
class PageSettings:
    """configs/report_pages.yaml.

    `process`: patterns of features on assay and process.
    `trials`: a file in configs/eligibility -> the trial that it is of. `limits`: measure ->
    the largest absolute value that is shown.
    """

    renamed: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("explanation", "biology", "allocated_at", "expected"), "in configs/explanation.yaml now"
    ) | dict.fromkeys(("over_time", "toxicity"), "in configs/description.yaml now")

    privacy: PrivacySettings
    trials: dict[str, str]
    limits: dict[str, Positive]
    domains: tuple[str, ...]
    drawing: DrawingSettings
    single_patients: SinglePatientFeatures
    process: tuple[str, ...]
    labels: LabelSettings


@dataclass(frozen=True)
class ChecklistItem:
    """A reporting item; `answer` is a template filled from the run, `where` a section of the study report."""

    item: str
    topic: str
    asks: str
    answer: str = ""
    where: str = ""


@dataclass(frozen=True)
class Checklists:
    """configs/reporting_checklists.yaml."""

    tripod: tuple[ChecklistItem, ...]
    probast: tuple[ChecklistItem, ...]
