"""What the pages show, as typed settings: configs/report_pages.yaml and configs/reporting_checklists.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from features.parsing import Between, Count, Positive
from pipeline.report.labels import LabelSettings


@dataclass(frozen=True)
class PrivacySettings:
    """Which counts are hidden, and whether single patients are shown."""

    min_cell_count: Count
    suppress_small_cells: bool
    patient_view: bool


@dataclass(frozen=True)
class DrawingSettings:
    """How many features and patients are drawn."""

    ranked: Count
    swarmed: Count
    max_patients_drawn: Annotated[int, Between(2)]


@dataclass(frozen=True)
class PageSettings:
    """configs/report_pages.yaml.

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
