"""What the pages show, as typed settings: configs/report_pages.yaml and configs/reporting_checklists.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.project.settings import Settings

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


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


class ExplanationSettings(Settings):
    """How contributions are summarised."""

    resamples: Count
    top: Count
    few_values: Count
    spline_knots: Annotated[int, Field(ge=3)]
    curve_points: Annotated[int, Field(ge=2)]
    split_by: str
    clustered_from: Share
    interactions: Annotated[int, Field(ge=0)]
    interaction_patients: Count
    min_centre_patients: Count


class Theme(Settings):
    """A biological theme: its name, and patterns of its features' names."""

    name: str
    features: list[str]


class Expectation(Settings):
    """A direction expected from published results.

    Levels `of` against levels `against`; of numbers, the upper third of the values against the lower.
    """

    name: str
    features: list[str]
    of: list[str] | None = None
    against: list[str] | None = None
    expected: Literal["higher", "lower", "uncertain"]
    allocates: bool = False
    source: str


class OverTime(Settings):
    """A family of features drawn over the visits; ``{visit}`` stands for each of them."""

    name: str
    feature: str


class Event(Settings):
    """An adverse event of the tables: its preferred terms from a grade on."""

    name: str
    terms: list[str]
    grade: Annotated[int, Field(ge=1, le=5)]


class ToxicitySettings(Settings):
    """Which adverse events are shown, and from which grade on an event is severe."""

    severe: Annotated[int, Field(ge=1, le=5)]
    stopped: list[str]
    terms: list[Event]


class PageSettings(Settings):
    """configs/report_pages.yaml.

    `trials`: a file in configs/eligibility -> the trial that it is of. `limits`: measure ->
    the largest absolute value that is shown.
    """

    privacy: PrivacySettings
    trials: dict[str, str]
    limits: dict[str, Annotated[float, Field(gt=0)]]
    domains: list[str]
    drawing: DrawingSettings
    explanation: ExplanationSettings
    biology: list[Theme]
    allocated_at: list[str]
    expected: list[Expectation]
    over_time: list[OverTime]
    toxicity: ToxicitySettings


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
