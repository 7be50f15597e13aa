"""What a study file says of a challenger: a file with the predictions of a model made elsewhere."""

from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel, field_validator

from pipeline.sources.formats.source_file import STRICT
from pipeline.sources.mapping.assay import inside_the_folder

SUFFIXES = (".csv", ".csv.gz", ".parquet")


class Challenger(BaseModel):
    """Out-of-fold predictions of a model made elsewhere, on the folds that `pcr folds` writes.

    A CSV or Parquet file in the source folder with the columns usubjid, repeat, fold and p. It is judged at
    its `landmark` beside the study's model. `fixed` says that the model learned from none of these patients,
    such as a published score: only then may a patient have the same p in every repeat.
    """

    model_config = STRICT

    path: str
    landmark: str
    fixed: bool = False

    @field_validator("path")
    @classmethod
    def _readable(cls, path: str) -> str:
        if not path.lower().endswith(SUFFIXES):
            raise ValueError(f"must end in one of {', '.join(SUFFIXES)}")
        return inside_the_folder(path)


def wrong_challengers(
    challengers: Mapping[str, Challenger], landmarks: Collection[str], *, simulated: bool
) -> Iterator[str]:
    """Yield what is wrong with the names and landmarks of challengers."""
    for name, challenger in challengers.items():
        if challenger.landmark not in landmarks:
            yield f"challengers, {name}: {challenger.landmark} is not one of `landmarks`"
        if not name.isidentifier():
            yield f"challengers, {name}: must be a word of letters, digits and _"
    if challengers and simulated:
        yield "`challengers` are for studies with files (of a simulated study: `pcr challenge FILE`)"
