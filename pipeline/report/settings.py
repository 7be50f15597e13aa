"""What the pages show, as typed settings: configs/report_pages.yaml and configs/reporting_checklists.yaml."""

from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.project.settings import Settings

Count = Annotated[int, Field(ge=1)]


class PrivacySettings(Settings):
    """Which counts are hidden, and whether single patients are shown."""

    min_cell_count: Count
    suppress_small_cells: bool
    patient_view: bool


class DrawingSettings(Settings):
    """How many features and patients are drawn."""

    ranked: Count
    swarmed: Count
    max_patients_drawn: Annotated[int, Field(ge=2)]


class PageSettings(Settings):
    """configs/report_pages.yaml.

    `trials`: a file in configs/eligibility -> the trial that it is of. `limits`: measure ->
    the largest absolute value that is shown.
    """

    moved: ClassVar[dict[str, str]] = dict.fromkeys(
        ("explanation", "biology", "allocated_at", "expected"), "configs/explanation.yaml"
    ) | dict.fromkeys(("over_time", "toxicity"), "configs/description.yaml")

    privacy: PrivacySettings
    trials: dict[str, str]
    limits: dict[str, Annotated[float, Field(gt=0)]]
    domains: list[str]
    drawing: DrawingSettings


class ChecklistItem(Settings):
    """A reporting item; `answer` is a template filled from the run, `where` a section of the study report."""

    item: str
    topic: str
    asks: str
    answer: str = ""
    where: str = ""


class Checklists(Settings):
    """configs/reporting_checklists.yaml."""

    tripod: list[ChecklistItem]
    probast: list[ChecklistItem]
