"""The rows of the tables in configs/simulation/, each number with its source."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from features.keys import unknown_name

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]
Source = Annotated[str, Field(min_length=1)]


def _parts(cell: Any) -> Any:
    return [part.strip() for part in cell.split(";")] if isinstance(cell, str) else cell


def _absent(cell: Any) -> Any:
    return None if cell == "" else cell


Changes = Annotated[list[Name], BeforeValidator(_parts), Field(min_length=1)]
"""Protein changes, separated by semicolons."""


class TableRow(BaseModel):
    """A row of a table; its columns are the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LaboratoryTest(TableRow):
    """A test at baseline: usual values, and those of the few patients beyond the limit of eligibility."""

    code: Name
    unit: str
    decimals: Annotated[int, Field(ge=0)]
    mean: float
    sd: Annotated[float, Field(ge=0)]
    low: float
    high: float
    values_source: Source
    uln: Annotated[float | None, BeforeValidator(_absent)]
    uln_source: str
    outside_share: Share
    outside_low: float
    outside_high: float
    outside_source: Source
    only_before_menopause: Literal["Y", "N"]

    @model_validator(mode="after")
    def _limits_have_a_source_and_an_order(self) -> Self:
        if self.uln is not None and not self.uln_source:
            raise ValueError("uln has no source; write one in uln_source, or assumption")
        if self.low > self.high or self.outside_low > self.outside_high:
            raise ValueError("low must not be above high")
        return self


class TumourGene(TableRow):
    """A gene of the tumour: shares of tumours with a mutation, of which some are of unknown significance."""

    gene: Name
    share_hr_positive: Share
    share_hr_negative: Share
    share_source: Source
    vus_share: Share
    vus_source: Source
    changes: Changes
    vus_changes: Changes


class BloodGene(TableRow):
    """A gene of clonal haematopoiesis or of the germline: carriers at 50, and their rise (log, a decade)."""

    origin: Literal["ch", "germline"]
    gene: Name
    share_at_50: Share
    share_source: Source
    log_per_decade: float
    log_per_decade_source: Source
    vus_share: Share
    vus_source: Source
    changes: Changes
    vus_changes: Changes


class AdverseEventShare(TableRow):
    """A share of patients with a term, by grade and regimen, in a full course."""

    term: Name
    grade: Literal["severe", "mild"]
    regimen: str
    share: Share
    source: Source


class AdverseEventKind(TableRow):
    """A term: its grades by CTCAE, when in a cycle it begins, and how it goes on from cycle to cycle.

    `trend` is the log of the hazard per further cycle of the same regimen: below 0 where it comes early.
    """

    term: Name
    soc: Name
    lowest_grade: Annotated[int, Field(ge=1, le=5)]
    highest_grade: Annotated[int, Field(ge=1, le=5)]
    grades_source: Source
    onset_days: Annotated[float, Field(ge=1)]
    onset_log_sd: Annotated[float, Field(ge=0)]
    onset_source: Source
    trend: float
    trend_source: Source


class Dose(TableRow):
    """A drug of a regimen; of the drugs of a `slot` a patient gets one, with probability `share`.

    `loading` is the dose in the first cycle of the course; `days` of the cycle, separated by semicolons.
    """

    regimen: Name
    slot: Name
    drug: Name
    share: Share
    share_source: Source
    loading: Annotated[float, Field(gt=0)]
    dose: Annotated[float, Field(gt=0)]
    dose_source: Source
    unit: Name
    days: Annotated[list[int], BeforeValidator(_parts), Field(min_length=1)]
    reducible: Literal["Y", "N"]


class CourseTest(TableRow):
    """A test on treatment, around the value at entry: every `every` cycles, on `day` of the cycle."""

    code: Name
    unit: str
    method: Annotated[str | None, BeforeValidator(_absent)]
    decimals: Annotated[int, Field(ge=0)]
    every: Annotated[int, Field(ge=1)]
    day: Annotated[int, Field(ge=1)]
    trend_per_cycle: float
    within_sd: Annotated[float, Field(ge=0)]
    low: float
    high: float
    values_source: Source


class Prophylaxis(TableRow):
    """Care given with a regimen to prevent its toxicity, and the share of patients who get it."""

    regimen: Name
    category: Name
    drug: Name
    share: Share
    share_source: Source


class AdverseEventTerm(AdverseEventKind):
    """A term with its shares by regimen: grade 3 or more, and grade 1 or 2."""

    severe: dict[str, Share]
    mild: dict[str, Share]


Row = TypeVar("Row", bound=TableRow)


def by_name(rows: Iterable[Row], column: str) -> dict[str, Row]:
    """Return the rows by what stands in `column`, in their order.

    Raises
    ------
    ValueError
        If a name stands twice.
    """
    named: dict[str, Row] = {}
    for row in rows:
        name = getattr(row, column)
        if name in named:
            raise ValueError(f"{column} {name} stands twice")
        named[name] = row
    return named


def adverse_event_terms(
    kinds: Iterable[AdverseEventKind], rows: Iterable[AdverseEventShare]
) -> dict[str, AdverseEventTerm]:
    """Return the terms in the order of `kinds`, with their shares.

    Raises
    ------
    ValueError
        If a share stands twice, or is of a term that is not among `kinds`.
    """
    terms = {
        name: AdverseEventTerm(**kind.model_dump(), severe={}, mild={})
        for name, kind in by_name(kinds, "term").items()
    }
    for row in rows:
        if row.term not in terms:
            raise ValueError(f"term {unknown_name(row.term, list(terms))}")
        of_grade = terms[row.term].severe if row.grade == "severe" else terms[row.term].mild
        if row.regimen in of_grade:
            raise ValueError(f"{row.term}, {row.grade}, {row.regimen}: stands twice")
        of_grade[row.regimen] = row.share
    return terms
