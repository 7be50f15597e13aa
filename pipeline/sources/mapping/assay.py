"""What a study file says of an assay: its matrix file, what it measured, and which features are read."""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from pipeline.sources.formats.source_file import STRICT, PatientId

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT), ".gct", ".gct.gz", ".parquet")


RESERVED = ("clinical", "blocks", "late_fusion")
"""What the models of blocks are called beside the assays'."""


def inside_the_folder(path: str) -> str:
    """Return a path that stays inside the source folder; ValueError for any other."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path inside the source folder")
    return path


class _Part(BaseModel):
    model_config = STRICT


class Samples(_Part):
    """A file of `mapping.files` with a row per patient: when a result was `reported` or a sample taken.

    `performed` counts where there is no report date. `batch` is where or with what it was measured.
    """

    file: str
    reported: str | None = None
    performed: str | None = None
    batch: str | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are read, by what they become."""
        named = {"reported": self.reported, "performed": self.performed, "batch": self.batch}
        return {name: column for name, column in named.items() if column is not None}


class Assay(_Part):
    """A matrix file in the source folder: CSV, tab-separated (each also gzipped), GCT 1.2 or 1.3, or Parquet.

    `rows` says whether its rows are patients or features (GCT: features). `id` is as that of other files:
    `column` holds the patients' ids, or with features in rows the features' names; pattern, prefix, padding
    and case are of the patients' ids in either case. `annotation` are columns beside, which are not read.
    `features` are names or patterns of those that are read, without those of `leave_out`; `panel` is a file
    with a name on each line. `scale` says whether values are logarithms; `transform: log2` makes log2(x + 1)
    of linear ones. Features of one name are refused, or their `mean` is taken.
    """

    path: str
    type: Literal["expression", "protein", "methylation", "radiomics", "scores", "other"]
    visit: str
    rows: Literal["patients", "features"] = "features"
    id: PatientId
    unit: str = ""
    platform: str = ""
    samples: Samples | None = None
    annotation: list[str] = []
    features: list[str] = Field(default=["*"], min_length=1)
    leave_out: list[str] = []
    panel: str | None = None
    scale: Literal["log", "linear", "none"] = "none"
    transform: Literal["log2"] | None = None
    duplicates: Literal["refuse", "mean"] = "refuse"
    missing: list[str] = []
    separator: str | None = Field(default=None, pattern=r"^[^\w\"\r\n]$")
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"

    @field_validator("path", "panel")
    @classmethod
    def _inside_the_folder(cls, path: str | None) -> str | None:
        return None if path is None else inside_the_folder(path)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.path.lower().endswith(SUFFIXES):
            raise ValueError(f"`path` must end in one of {', '.join(SUFFIXES)}")
        if self.is_gct and self.rows == "patients":
            raise ValueError("GCT has features in rows")
        if self.transform is not None and self.scale != "linear":
            raise ValueError("`transform: log2` is of values with `scale: linear`")
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

    def selects(self, name: str) -> bool:
        """Tell whether a feature is read, by its name."""
        return any(fnmatchcase(name, pattern) for pattern in self.features) and not any(
            fnmatchcase(name, pattern) for pattern in self.leave_out
        )


def wrong_assays(assays: Mapping[str, Assay], visits: Collection[str], *, simulated: bool) -> Iterator[str]:
    """Yield what is wrong with the names and visits of assays."""
    for name, assay in assays.items():
        if assay.visit not in visits:
            yield f"omics, {name}: {assay.visit} is not one of `visits`"
        if not name.isidentifier() or name in RESERVED:
            yield f"omics, {name}: must be a word of letters, digits and _, not {' or '.join(RESERVED)}"
    if assays and simulated:
        yield "`omics` is for studies with files"
