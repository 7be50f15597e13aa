"""Patients across files: how ids are read, and which rows are of the study's patients."""

from collections.abc import Sequence

import pandas as pd

from pipeline.sources.formats.errors import SourceError, ids_of, named_ids
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.blocks import Dropped, Loaded
from pipeline.sources.mapping.files import Reader

CASE_DIFFERS = "case_differs: ids that differ from a patient's in upper and lower case only"
ZEROS_DIFFER = "zeros_differ: ids that differ from a patient's in leading zeros only"
ZEROS_ALIKE = "zeros_alike: ids of two patients that differ in leading zeros only"
CASE_IGNORED = "case_ignored: ids read as the patients' in other case"


def patients_of(files: Sequence[Loaded]) -> Loaded:
    """Return the files that give the patients, one below the other.

    Raises
    ------
    SourceError
        If two patients differ in case only, which no file could tell apart that ignores case.
    """
    if not files:
        raise SourceError("study file: the files that give the `patients` have no rows; check their paths")
    first = files[0]
    ids = pd.concat([file.ids for file in files if file.ids is not None], ignore_index=True)
    ids = ids.dropna().drop_duplicates()
    alike = ids[ids.str.casefold().duplicated(keep=False)]
    if len(alike):
        raise SourceError(
            f"{first.file.label}: {len(alike)} ids ({named_ids(alike)}) differ in upper and lower case only; "
            f"write those of one patient alike"
        )
    return Loaded(", ".join(file.name for file in files), first.file, pd.DataFrame(index=ids.index), ids)


def of_patients(loaded: Loaded, patients: Loaded, reader: Reader, dropped: Dropped) -> Loaded:
    """Keep the rows of the patients; a file without ids stays whole.

    Raises
    ------
    SourceError
        If no row is left: the ids do not join.
    """
    if loaded.ids is None or patients.ids is None:
        return loaded
    loaded = _in_their_case(loaded, patients.ids, reader)
    assert loaded.ids is not None  # noqa: S101 - they were there above
    ours = loaded.ids.isin(patients.ids)
    if not ours.any() and not (loaded.file.optional and ours.empty):
        raise SourceError(
            f"{loaded.file.label}: none of its {len(ours)} rows is of a patient of {patients.file.label}; "
            f"check `id` (column, pattern, strip_prefix, pad, ignore_case) of both in the study file"
            f"{_why_apart(loaded.ids, patients.ids)}"
        )
    bare = loaded.ids.map(_without_zeros)
    apart = ~ours & bare.notna() & bare.isin(patients.ids.map(_without_zeros))
    _doubt(loaded, ZEROS_DIFFER, apart, reader)
    return loaded.kept(ours, "", f"patient not in {patients.name}", dropped)


def doubt_alike(patients: Loaded, reader: Reader) -> None:
    """Count patients whose ids are numbers that differ in leading zeros only, such as 7 and 007."""
    if patients.ids is not None:
        bare = patients.ids.map(_without_zeros)
        _doubt(patients, ZEROS_ALIKE, bare.notna() & bare.duplicated(keep=False), reader)


def _without_zeros(usubjid: object) -> str | None:
    """Return an id of digits without the zeros in front; None of any other."""
    return usubjid.lstrip("0") if isinstance(usubjid, str) and usubjid.isdecimal() else None


def _doubt(loaded: Loaded, told: str, rows: pd.Series, reader: Reader) -> None:
    column = loaded.file.id.column if loaded.file.id else ""
    reader.doubt(loaded.file.label, column, told, int(rows.sum()), ids_of(loaded.ids, rows))


def _why_apart(ids: pd.Series, others: pd.Series) -> str:
    """Return an id of either file, and what joins them where only the .0 of spreadsheets keeps them apart."""
    if ids.empty or others.empty:
        return ""
    told = f", whose ids are such as {ids.iloc[0]} and {others.iloc[0]}"
    whole = [set(one.str.removesuffix(".0")) for one in (ids, others)]
    return f"{told}; with the pattern '([0-9]+)(?:\\.0)?' they join" if whole[0] & whole[1] else told


def _in_their_case(loaded: Loaded, patients: pd.Series, reader: Reader) -> Loaded:
    """Return the rows with ids as the patients' file writes them, where `ignore_case` says so; else warn."""
    assert loaded.ids is not None  # noqa: S101 - asked by the caller
    written = dict(zip(patients.str.casefold(), patients, strict=True))
    other = loaded.ids.str.casefold().map(written)
    differs = other.notna() & (other != loaded.ids)
    if not differs.any():
        return loaded
    spec: SourceFile = loaded.file
    column, count = spec.id.column if spec.id else "", int(differs.sum())
    if spec.id is None or not spec.id.ignore_case:
        reader.doubt(spec.label, column, CASE_DIFFERS, count, named_ids(loaded.ids[differs]))
        return loaded
    reader.note(spec.label, column, CASE_IGNORED, count, named_ids(other[differs]))
    return Loaded(loaded.name, spec, loaded.cells, loaded.ids.mask(differs, other))
