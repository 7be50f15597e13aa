"""The rows of the tables in configs/simulation/, each number with its source."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
    soc: Name
    grade: Literal["severe", "mild"]
    regimen: str
    share: Share
    source: Source


class AdverseEventTerm(TableRow):
    """A term with its system organ class, and shares by regimen: grade 3 or more, and grade 1 or 2."""

    soc: str
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


def adverse_event_terms(rows: Iterable[AdverseEventShare]) -> dict[str, AdverseEventTerm]:
    """Return the terms in the order of their first rows.

    Raises
    ------
    ValueError
        If a share stands twice, or a term has two classes.
    """
    terms: dict[str, AdverseEventTerm] = {}
    for row in rows:
        term = terms.setdefault(row.term, AdverseEventTerm(soc=row.soc, severe={}, mild={}))
        of_grade = term.severe if row.grade == "severe" else term.mild
        if row.soc != term.soc or row.regimen in of_grade:
            raise ValueError(f"{row.term}, {row.grade}, {row.regimen}: stands twice, or with another soc")
        of_grade[row.regimen] = row.share
    return terms
