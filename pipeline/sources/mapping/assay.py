"""What a study file says of an assay: its matrix file, what it measured, and which features are read."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from pipeline.sources.formats.source_file import STRICT, PatientId

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT), ".gct", ".gct.gz", ".parquet")


SIMULATED = "simulated"
"""The path of an assay that the simulator makes."""
RESERVED = ("clinical", "blocks", "late_fusion")
"""What the models of blocks are called beside the assays'."""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name is among names and patterns; one that looks like a pattern is a name, too."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def inside_the_folder(path: str) -> str:
    """Return a path that stays inside the source folder; ValueError for any other."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path inside the source folder")
    return path


class _Part(BaseModel):
    model_config = STRICT


class Samples(_Part):
    """A file of `mapping.files` with a row per patient: when a result was `reported` or a sample taken.

    `performed` counts where there is no report date. `batch` is when or where it was measured, `platform`
    with what.
    """

    file: str
    reported: str | None = None
    performed: str | None = None
    batch: str | None = None
    platform: str | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are read, by what they become."""
        named = {
            "reported": self.reported, "performed": self.performed, "batch": self.batch,
            "platform": self.platform,
        }  # fmt: skip
        return {name: column for name, column in named.items() if column is not None}


class GeneSets(_Part):
    """A GMT file in the source folder: each set is scored in each sample, by ranks (singscore).

    Sets of which the assay has fewer than `min_genes` are left out. The scores take the features' place, or
    stand `beside_features`.
    """

    path: str
    min_genes: int = Field(default=10, ge=1)
    beside_features: bool = False

    @field_validator("path")
    @classmethod
    def _inside_the_folder(cls, path: str) -> str:
        return inside_the_folder(path)


class Repeatability(_Part):
    """A CSV file in the source folder that says how repeatable features are: others are left out.

    Either it has a row for each `feature` with its `icc`, or a row for each `subject` and `session` with a
    column for each feature, from which ICC(2,1) is computed. Features below the `minimum` or without one are
    left out and counted.
    """

    path: str
    feature: str | None = None
    icc: str | None = None
    subject: str | None = None
    session: str | None = None
    minimum: float = Field(default=0.75, ge=0, le=1)

    @field_validator("path")
    @classmethod
    def _inside_the_folder(cls, path: str) -> str:
        return inside_the_folder(path)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = {name for name in ("feature", "icc", "subject", "session") if getattr(self, name) is not None}
        if given not in ({"feature", "icc"}, {"subject", "session"}):
            raise ValueError("must name the columns `feature` and `icc`, or `subject` and `session`")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns that the file must have."""
        named = (self.feature, self.icc, self.subject, self.session)
        return [column for column in named if column is not None]


class Assay(_Part):
    """A matrix file in the source folder: CSV, tab-separated (each also gzipped), GCT 1.2 or 1.3, or Parquet.

    In a simulated study `path` is ``simulated``, and the assay one of `omics` of its simulator's settings.
    `rows` says whether its rows are patients or features (GCT: features). `id` is as that of other files:
    `column` holds the patients' ids, or with features in rows the features' names; pattern, prefix, padding
    and case are of the patients' ids in either case. `annotation` are columns beside, which are not read, by
    name or pattern, such as samples of normal tissue (*-11A). `features` are names or patterns of those that
    are read, without those of `leave_out`; `panel` is a file with a name on each line; what is asked for and
    not there is told. `scale` says whether values are logarithms; `transform: log2` makes log2(x + 1) of
    linear ones, `transform: ranks` where a feature stands among those of its sample, which other platforms
    share. `adjust: batch` takes the batches' location from the values, learned in every training part.
    Features of one name are refused, or their `mean` is taken. `missing` are texts that mean an empty cell,
    and numbers, however they are written (0 is 0.0). `skip_rows` are lines above the header, `quotes` says
    whether quotation marks enclose cells, `final_newline` is false where a whole file ends without a line
    end.
    """

    path: str
    type: Literal["expression", "protein", "methylation", "radiomics", "scores", "other"]
    visit: str
    rows: Literal["patients", "features"] = "features"
    id: PatientId = PatientId(column="usubjid")
    unit: str = ""
    platform: str = ""
    samples: Samples | None = None
    annotation: list[str] = []
    features: list[str] = Field(default=["*"], min_length=1)
    leave_out: list[str] = []
    panel: str | None = None
    scale: Literal["log", "linear", "none"] = "none"
    transform: Literal["log2", "ranks"] | None = None
    duplicates: Literal["refuse", "mean"] = "refuse"
    adjust: Literal["batch"] | None = None
    repeatability: Repeatability | None = None
    gene_sets: GeneSets | None = None
    missing: list[str] = []
    separator: str | None = Field(default=None, pattern=r"^[^\w\"\r\n]$")
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    skip_rows: int = Field(default=0, ge=0)
    quotes: bool = True
    final_newline: bool = True

    @field_validator("path", "panel")
    @classmethod
    def _inside_the_folder(cls, path: str | None) -> str | None:
        return None if path is None else inside_the_folder(path)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.path == SIMULATED:
            return self
        if not self.path.lower().endswith(SUFFIXES):
            raise ValueError(f"`path` must end in one of {', '.join(SUFFIXES)}")
        if self.is_gct and self.rows == "patients":
            raise ValueError("GCT has features in rows")
        if self.transform == "log2" and self.scale != "linear":
            raise ValueError("`transform: log2` is of values with `scale: linear`")
        if self.adjust is not None and (self.samples is None or self.samples.batch is None):
            raise ValueError("`adjust: batch` needs the column `batch` of `samples`")
        return self

    @property
    def is_gct(self) -> bool:
        """Whether this is a GCT file."""
        return self.path.lower().endswith((".gct", ".gct.gz"))

    @property
    def delimiter(self) -> str:
        """The character between the cells of a text file."""
        tabs = self.path.lower().endswith((".tsv", ".tsv.gz")) or self.is_gct
        return self.separator or ("\t" if tabs else ",")

    @property
    def has_quotes(self) -> bool:
        """Whether quotation marks enclose cells of a text file."""
        return self.quotes

    @property
    def has_comments(self) -> bool:
        """Whether lines that begin with # above the header are comments."""
        return self.delimiter == "\t"

    def selects(self, name: str) -> bool:
        """Tell whether a feature is read, by its name."""
        return matches(name, self.features) and not matches(name, self.leave_out)


def wrong_assays(assays: Mapping[str, Assay], visits: Collection[str], *, simulated: bool) -> Iterator[str]:
    """Yield what is wrong with the names and visits of assays."""
    for name, assay in assays.items():
        if assay.visit not in visits:
            yield f"omics, {name}: {assay.visit} is not one of `visits`"
        if not name.isidentifier() or name in RESERVED:
            yield f"omics, {name}: must be a word of letters, digits and _, not {' or '.join(RESERVED)}"
        if simulated != (assay.path == SIMULATED):
            yield f"omics, {name}: `path` must be {SIMULATED} in a simulated study, and a file in any other"
