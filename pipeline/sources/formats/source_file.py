"""What a study file says of one of its files: format, patients, rows that count, and how cells are read."""

import re
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".maf", ".csv.gz", ".tsv.gz", ".txt.gz", ".maf.gz")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")
DATASET_JSON = (".json", ".ndjson")
SUFFIXES = (*TEXT_SUFFIXES, *WORKBOOK_SUFFIXES, ".parquet", ".xpt", *DATASET_JSON, ".vcf", ".vcf.gz")


STRICT = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
"""How a part of a study file is checked: a key that is not a field is refused."""


class _Part(BaseModel):
    model_config = STRICT


class PatientId(_Part):
    """How a file's patient ids become usubjid: a prefix off, then zeros in front up to `pad` characters.

    `pattern` (a regular expression) first takes the part in its brackets: BR-([0-9]+)-T1 makes 0012 of
    BR-0012-T1; an id that it does not match is an error. With `ignore_case` an id that differs from a
    patient's in case only is that patient's.
    """

    column: str
    pattern: str | None = None
    strip_prefix: str = ""
    pad: int = 0
    ignore_case: bool = False

    @field_validator("pattern")
    @classmethod
    def _with_one_part(cls, pattern: str | None) -> str | None:
        try:
            groups = 1 if pattern is None else re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from None
        if groups != 1:
            raise ValueError("must have one pair of brackets, around the part that is the id")
        return pattern


class Keep(_Part):
    """A filter: rows whose cell in `column` is one of `values` stay."""

    column: str
    wanted: list[str] = Field(alias="values")


class Supplement(_Part):
    """Supplemental qualifiers (SDTM SUPP--): the file, and the qualifiers (QNAM) that become columns."""

    path: str
    columns: list[str]


class Visits(_Part):
    """Subject visits (SDTM SV): the file; an empty cell of a column of `dates` is its visit's first day.

    Days outside of their visit's are counted.
    """

    path: str
    dates: list[str]


class Pivot(_Part):
    """Results in rows become columns: one row for each value of `by`, one column for each test in `name`.

    Of several columns in `name` (SDTM --TESTCD and --TSTDTL) the texts are joined, with a space between.
    `carry` are columns with one value in each group (such as a date), or none. `status` is the SDTM column
    --STAT, written where nothing of a group was done; the reader needs it not.
    """

    by: list[str]
    name: str | list[str]
    value: str
    carry: list[str] = []
    status: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns that name a test."""
        return [self.name] if isinstance(self.name, str) else self.name


class Cycles(_Part):
    """Doses, one row a drug (SDTM EX), are placed in cycles: the columns CYCLE, START and END.

    `drug`, `start` and `end` are the columns of a row. `cycle` is a column that holds the number of the cycle
    (CYCLE 2 DAY 8); a row where it is empty, such as tablets taken at home, is in every cycle that it reaches
    into. Without `cycle` one begins with each dose of an `anchors` drug at least `min_days` after the last
    began.
    """

    drug: str
    start: str
    end: str | None = None
    cycle: str | None = None
    anchors: list[str] = []
    min_days: int = Field(default=14, ge=1)

    @property
    def columns(self) -> set[str]:
        """The columns of the file that are read."""
        named = (self.drug, self.start, self.end, self.cycle)
        return {column for column in named if column is not None}

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if (self.cycle is None) != bool(self.anchors):
            raise ValueError("needs either `cycle` or `anchors`")
        return self


class Accepted(_Part):
    """Of several readings of a `group`, those whose `flag` is Y (SDTM --ACPTFL), where any of them is."""

    flag: str
    group: list[str]


class Origin(_Part):
    """Where a variant comes from, by its allele fraction in the matched white cells (``CALLED_ORIGIN``).

    At least `germline_from`: germline. At least `blood_from`, and the fraction in plasma at most
    `blood_ratio` times that in the white cells: ch. Less: tumor. White cells not sequenced: unknown.
    """

    germline_from: float = 0.3
    blood_from: float = 0.005
    blood_ratio: float = 3.0


class Calls(_Part):
    """How a file of variant calls (VCF, MAF) is read.

    `normal` is the name of the white cells' column in a VCF, with {sample} for the plasma sample's. Rows that
    did not pass the caller's filter (`passing`), with less than `min_alt_count` reads or `min_vaf`, or whose
    `tier_column` is not one of `tiers`, are left out and counted; an unknown count is not a small one.
    `origin` gives the thresholds.
    """

    normal: str = "{sample}-WBC"
    passing: bool = True
    min_alt_count: int = 0
    min_vaf: float = 0.0
    tier_column: str | None = None
    tiers: list[str] = []
    origin: Origin = Origin()


class SourceFile(_Part):
    """A file in the source folder.

    CSV (any separator and encoding), tab-separated text, each also gzipped, a sheet of a workbook, Parquet,
    SAS transport (XPT v5 and v8), Dataset-JSON (1.0, 1.1, NDJSON), MAF, or VCF. `path` may be a pattern such
    as site-*.csv: the files that match are read as one, each with all columns that are used, in any order.
    `missing` are texts that
    mean an empty cell; `keep` says which rows are used at all. `skip_rows` are lines above the header; of
    several `header_rows` the names are joined, with a space between (stroma CD8). Without a `separator`, MAF
    and .tsv have tabs, other text commas. `quotes` says whether quotation marks enclose cells: by themselves
    they do not in tab-separated text, whose first lines may be comments (#). `final_newline` is false where
    a whole file ends without a line end: a cut-off is then not noticed. In a file with a `decimal` comma a
    point is an error, or `thousands` says that it groups digits. `id` is left out where rows are not of a
    patient. A file that is `optional` may be absent or without rows: its tables, or the columns looked up in
    it, are then absent, which is counted. Columns that are `permissible` (in SDTM, variables with that core)
    may be absent, and are then empty. `dictionary` is a REDCap data dictionary: codes become labels.
    `partial_dates` says what becomes of 2026-05: refused, missing, or its first day; counted.
    """

    path: str
    optional: bool = False
    permissible: list[str] = []
    supplement: Supplement | None = None
    visits: Visits | None = None
    pivot: Pivot | None = None
    cycles: Cycles | None = None
    accepted: Accepted | None = None
    calls: Calls | None = None
    dictionary: str | None = None
    partial_dates: Literal["refuse", "missing", "first_day"] = "refuse"
    sheet: str | None = None
    separator: str | None = Field(default=None, pattern=r"^[^\w\"\r\n]$")
    quotes: bool | None = None
    final_newline: bool = True
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    skip_rows: int = 0
    header_rows: int = Field(default=1, ge=1)
    missing: list[str] = []
    id: PatientId | None = None
    keep: list[Keep] = []

    @field_validator("path")
    @classmethod
    def _inside_the_folder(cls, path: str) -> str:
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise ValueError("must be a path inside the source folder")
        if not path.lower().endswith(SUFFIXES):
            raise ValueError(f"must end in one of {', '.join(SUFFIXES)}")
        return path

    @model_validator(mode="after")
    def _sheet_of_workbooks(self) -> Self:
        if self.is_workbook != (self.sheet is not None):
            raise ValueError("`sheet` must be given for a workbook, and for nothing else")
        if self.pivot is not None and self.cycles is not None:
            raise ValueError("`pivot` and `cycles` exclude each other")
        if self.cycles is not None and self.id is None:
            raise ValueError("`cycles` are of patients; give the file an `id`")
        if self.thousands == self.decimal:
            raise ValueError("`thousands` and `decimal` must differ")
        if self.header_rows > 1 and not (self.is_text or self.is_workbook):
            raise ValueError("`header_rows` are of text files and workbooks")
        if self.is_pattern and not self.is_vcf and (self.dictionary or self.supplement or self.is_sdtm):
            raise ValueError("`path` can be no pattern beside `dictionary` or `supplement`, or for SDTM")
        if self.visits is not None and not self.is_sdtm:
            raise ValueError("`visits` are of SDTM files")
        if self.is_vcf and self.calls is None:
            raise ValueError("a VCF needs `calls` (which may be empty: calls: {})")
        return self

    @property
    def is_vcf(self) -> bool:
        """Whether this is a VCF, plain or bgzipped."""
        return self.path.lower().endswith((".vcf", ".vcf.gz"))

    @property
    def is_pattern(self) -> bool:
        """Whether the path stands for all files that match it."""
        return "*" in self.path or "?" in self.path

    @property
    def is_workbook(self) -> bool:
        """Whether this is an Excel workbook."""
        return self.path.lower().endswith(WORKBOOK_SUFFIXES)

    @property
    def is_text(self) -> bool:
        """Whether this is a table as text: CSV, tab-separated or MAF, plain or gzipped."""
        return self.path.lower().endswith(TEXT_SUFFIXES)

    @property
    def is_sdtm(self) -> bool:
        """Whether this is a dataset of a domain: SAS transport file or Dataset-JSON."""
        return self.path.lower().endswith((".xpt", *DATASET_JSON))

    @property
    def is_maf(self) -> bool:
        """Whether this is a MAF, plain or gzipped."""
        return self.path.lower().endswith((".maf", ".maf.gz"))

    @property
    def delimiter(self) -> str:
        """The character between the cells of a text file."""
        if self.is_maf:
            return "\t"
        tabs = self.path.lower().endswith((".tsv", ".tsv.gz"))
        return self.separator or ("\t" if tabs else ",")

    @property
    def has_quotes(self) -> bool:
        """Whether quotation marks enclose cells of a text file; MAF has no quoting, nor has the usual TSV."""
        return not self.is_maf and (self.delimiter != "\t" if self.quotes is None else self.quotes)

    @property
    def has_comments(self) -> bool:
        """Whether lines that begin with # above the header are comments."""
        return self.delimiter == "\t"

    @property
    def label(self) -> str:
        """The file (and sheet) as errors name it."""
        return self.path if self.sheet is None else f"{self.path}, sheet {self.sheet}"
