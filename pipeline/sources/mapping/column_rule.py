"""How a contract column comes from a source column, and the rows of a table from a file."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, Strict, field_validator, model_validator

from pipeline.sources.formats.source_file import STRICT, Keep

# As DVC takes them: text that looks like a number is none.
Number = Annotated[float, Strict()]
WholeNumber = Annotated[int, Strict()]
SERIAL_DATES = ("excel", "sas")
PROBES = [dt.datetime(2001, 2, 3, tzinfo=dt.UTC), dt.datetime(1999, 11, 27, tzinfo=dt.UTC)]
"""Days that differ in day, month and year."""


class _Part(BaseModel):
    model_config = STRICT


def _pairs(listed: Mapping[str, str | list[str]] | None) -> list[tuple[str, str]]:
    """Return the pairs (key, text) of a mapping of keys to a text or to several."""
    return [
        (key, text)
        for key, texts in (listed or {}).items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]


class ColumnRule(_Part):
    """Where a contract column comes from: a source column (``from``) or a `constant`.

    ``from`` is a mapping (level -> source column) in a block with `repeat`. `file` looks the column up in
    another file by patient, or by the columns that `by` names (column here -> column there). `panels`
    (text -> BED file in the source folder) turns the name of a panel into the genes it covers. `recode`
    (level -> text or texts of the source) maps texts, "" standing for an empty cell on both sides; a text
    that it does not list is an error, unless `otherwise` says what becomes of it. `factor` converts
    units. `censored: limit` reads <1 and >95 as 1 and 95, counted; else they are an error. `words`
    (number -> text or texts) are results in words, in the unit of the source, such as 0: NEGATIVE ("" =
    no number). `fallback` are columns tried in turn where the cell is empty. `date_format` (as of
    strptime, with day, month and year) reads dates that are not YYYY-MM-DD; `excel` reads the serial
    numbers of a workbook, `sas` days from 1960.
    """

    source: str | dict[str, str] | None = Field(default=None, alias="from")
    constant: str | None = None
    file: str | None = None
    by: dict[str, str] | None = None
    panels: dict[str, str] | None = None
    recode: dict[str, str | list[str]] | None = None
    otherwise: str | None = None
    factor: Number | None = None
    censored: Literal["refuse", "limit"] = "refuse"
    words: dict[str, str | list[str]] | None = None
    fallback: list[str] = []
    date_format: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, rule: Any) -> Any:
        return {"from": rule} if isinstance(rule, str) else rule

    @field_validator("date_format")
    @classmethod
    def _has_a_day(cls, form: str | None) -> str | None:
        """Refuse a format by which two days could be one: its dates would be made up."""
        if form is None or form in SERIAL_DATES:
            return form
        try:
            told = [dt.datetime.strptime(day.strftime(form), form).date() for day in PROBES]  # noqa: DTZ007
        except ValueError as error:
            raise ValueError(f"is no format of strptime ({error})") from None
        if told != [day.date() for day in PROBES]:
            raise ValueError("must have day, month and year, such as %d.%m.%Y")
        return form

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.source is None) == (self.constant is None):
            raise ValueError("needs either `from` or `constant`")
        if self.by is not None and self.file is None:
            raise ValueError("`by` says how to look up in `file`, which is not given")
        if self.fallback and not isinstance(self.source, str):
            raise ValueError("`fallback` needs one column under `from`")
        for key, pairs in (("recode", self.recoded_texts), ("words", _pairs(self.words))):
            texts = [text for _, text in pairs]
            twice = sorted({text for text in texts if texts.count(text) > 1})
            if twice:
                raise ValueError(f"`{key}` lists twice: {'; '.join(twice)}")
        return self

    @property
    def recoded_texts(self) -> list[tuple[str, str]]:
        """The pairs (level, text) of `recode`."""
        return _pairs(self.recode)

    def like_another_level(self, text: str) -> bool:
        """Tell whether a text that `otherwise` takes holds one that is listed for another level."""
        listed = (own for level, own in self.recoded_texts if level != self.otherwise)
        return any(
            re.search(r"[^\W\d]", own) is not None
            and re.search(rf"\b{re.escape(own.casefold())}\b", text.casefold()) is not None
            for own in listed
        )

    @property
    def number_words(self) -> dict[str, str]:
        """The numbers that `words` lists, by text in upper case."""
        return {text.upper(): number for number, text in _pairs(self.words)}

    @property
    def source_columns(self) -> list[str]:
        """Every source column that the rule reads."""
        if self.source is None:
            return []
        if isinstance(self.source, str):
            return [self.source, *self.fallback]
        return list(self.source.values())

    def source_at(self, level: str) -> str | None:
        """Return the source column at a level of `repeat`; None for a constant or a level without one."""
        return self.source.get(level) if isinstance(self.source, dict) else self.source

    @property
    def has_otherwise(self) -> bool:
        """Whether texts that `recode` does not list are provided for, an explicit null included."""
        return "otherwise" in self.model_fields_set


class Block(_Part):
    """Rows of one contract table from one file; the blocks of a table are put under each other.

    One row of the file gives one row, or, with `repeat` (a contract column such as visit), one for each
    level named by the ``from`` mappings of `columns`. There "original_*: original_*" stands for every column
    that matches, by its name, and "*: original_*" for the same by what the star stands for; columns that
    `leave_out` lists (patterns, too) are none of them. Rows with an empty cell in a `drop_empty` column are
    dropped.
    """

    file: str
    columns: dict[str, ColumnRule]
    repeat: str | None = None
    keep: list[Keep] = []
    drop_empty: list[str] = []
    leave_out: list[str] = []

    @property
    def levels(self) -> list[str]:
        """The levels of `repeat`, in the order in which they are first named."""
        return list(
            dict.fromkeys(k for r in self.columns.values() if isinstance(r.source, dict) for k in r.source)
        )

    @model_validator(mode="after")
    def _repeats_with_levels(self) -> Self:
        if (self.repeat is not None) != bool(self.levels):
            raise ValueError("`repeat` and a mapping (level -> source column) under `from` go together")
        pairs = [p for r in self.columns.values() if isinstance(r.source, dict) for p in r.source.items()]
        for level, column in pairs:
            if level.count("*") != column.count("*"):
                raise ValueError(f"{level}: {column} must have as many stars on both sides")
        stray = [c for c in self.drop_empty if c not in self.columns]
        if stray:
            raise ValueError(f"`drop_empty` names columns that are not mapped: {', '.join(stray)}")
        return self
