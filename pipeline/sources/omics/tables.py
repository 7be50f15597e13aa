"""From matrix files to omics tables: a row per patient, a column per feature, checked and counted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.contract.validation import PROBLEM_COLUMNS, Contract
from pipeline.sources.formats.errors import SourceError, named_ids
from pipeline.sources.formats.packed import unpacked
from pipeline.sources.mapping.assay import Assay, Samples
from pipeline.sources.mapping.blocks import Dropped, usubjids
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import SourceMapping
from pipeline.sources.omics.derived import Columns, derived
from pipeline.sources.omics.matrix import read_matrix

MAX_LOG = 30.0
"""No logarithm (base 2) of a count, an intensity or a concentration is larger."""
MAX_NAMED = 3


@dataclass(frozen=True)
class OmicsTable:
    """An assay's table: `frame` (usubjid, then features by name), sorted by patient; `samples`: dates, batch.

    `problems` (`PROBLEM_COLUMNS`) and `dropped` are as those of other tables.
    """

    frame: pd.DataFrame
    samples: pd.DataFrame
    problems: pd.DataFrame
    dropped: Dropped


def read_omics(
    assays: Mapping[str, Assay],
    mapping: SourceMapping,
    folder: Path,
    patients: Collection[str],
    contract: Contract,
    *,
    learning: bool = True,
) -> dict[str, OmicsTable]:
    """Read the assays of a study, each a table of its own, of the study's `patients`.

    Where a model was learned already (`learning` false), features that are constant among these patients, or
    were not repeatable, stay: the model knows which it takes.

    Raises
    ------
    SourceError
        If a file does not fit what the study file says of it, two samples are of one patient, features have
        one name, or a feature is what the outcome is read from.
    """
    return {
        name: _table(name, assay, mapping, folder, patients, contract, learning=learning)
        for name, assay in assays.items()
    }


def _table(
    name: str,
    assay: Assay,
    mapping: SourceMapping,
    folder: Path,
    patients: Collection[str],
    contract: Contract,
    *,
    learning: bool,
) -> OmicsTable:
    matrix = read_matrix(folder / assay.path, assay)
    labels, features, values = matrix.rows, matrix.columns, matrix.numbers
    if assay.rows == "features":
        chosen = [place for place, feature in enumerate(matrix.rows) if assay.selects(feature)]
        labels, features = matrix.columns, [matrix.rows[place] for place in chosen]
        values = np.ascontiguousarray(matrix.numbers[chosen].T)
    features, values = _in_panel(features, values, assay, folder)
    _refuse_outcome(features, assay, mapping, contract)
    features, values = _distinct(features, values, assay)
    ids = usubjids(pd.Series(labels, dtype="str"), assay.id, assay.path)
    ids, ours = _of_patients(ids, patients, assay)
    dropped: Dropped = [(assay.path, name, "sample of no patient", int((~ours).sum()), int(ours.sum()))]
    values = values[ours]
    problems = _scaled(values, assay)
    filters = assay if learning else assay.model_copy(update={"repeatability": None})
    asked_for = derived(Columns(features, values), filters, folder)
    features, values, asked = asked_for.names, asked_for.numbers, asked_for.left_out
    problems += [("", f"left out: {why}", count) for why, count in asked if count]
    values, kept, left_out = _varying(values) if learning else (values, np.ones(len(features), bool), [])
    counts = [*asked, *((f"feature {why}", count) for why, count in left_out)]
    dropped += [(assay.path, name, why, count, int(kept.sum())) for why, count in counts]
    columns = sorted(np.array(features, dtype=object)[kept].tolist())
    order = pd.Index(np.array(features, dtype=object)[kept]).get_indexer(pd.Index(columns))
    frame = pd.DataFrame(values[:, order], columns=columns)
    frame.insert(0, "usubjid", ids[ours].to_numpy())
    frame = frame.sort_values("usubjid", ignore_index=True)
    samples = _samples(assay.samples, mapping, folder, frame["usubjid"])
    rows: list[tuple[object, ...]] = [
        (name, column, rule, "warning", count, "", []) for column, rule, count in problems
    ]
    return OmicsTable(
        frame, samples, pd.DataFrame(rows, columns=PROBLEM_COLUMNS), [row for row in dropped if row[3]]
    )


def _in_panel(
    features: list[str], values: np.ndarray, assay: Assay, folder: Path
) -> tuple[list[str], np.ndarray]:
    """Return the features of the panel, if there is one; one of which nothing is there is an error."""
    if assay.panel is not None:
        path = folder / assay.panel
        if not path.is_file():
            raise SourceError(f"{assay.panel}: there is no such file; copy it there")
        content = path.read_bytes()
        content = unpacked(content, assay.panel) if path.suffix == ".gz" else content
        names = {line.strip() for line in content.decode(assay.encoding).splitlines() if line.strip()}
        chosen = [place for place, name in enumerate(features) if name in names]
        features, values = [features[place] for place in chosen], values[:, chosen]
    if not features:
        raise SourceError(
            f"{assay.path}: no feature is left by `features`, `leave_out` and `panel`; check the names"
        )
    return features, values


def _refuse_outcome(
    features: Sequence[str], assay: Assay, mapping: SourceMapping, contract: Contract
) -> None:
    """Refuse features that are columns which a table of the outcome is made from."""
    if assay.rows == "features":
        return
    outcome = {
        column
        for table, blocks in mapping.tables.items()
        if contract[table].timing.known_at == "outcome"
        for block in blocks
        for rule in block.columns.values()
        if mapping.files[rule.file or block.file].path == assay.path
        for column in rule.source_columns
    }
    if shared := sorted(outcome.intersection(features)):
        raise SourceError(
            f"{assay.path}: {', '.join(shared[:MAX_NAMED])}: the outcome is read from it; name it in "
            f"`leave_out`"
        )


def _distinct(features: list[str], values: np.ndarray, assay: Assay) -> tuple[list[str], np.ndarray]:
    """Refuse features of one name, or take their mean over what is known."""
    names, first, group = np.unique(np.array(features, dtype=object), return_index=True, return_inverse=True)
    if len(names) == len(features):
        return features, values
    counts = np.bincount(group)
    if assay.duplicates == "refuse":
        twice = ", ".join(names[counts > 1][:MAX_NAMED])
        raise SourceError(
            f"{assay.path}: {len(features) - len(names)} features have the name of another one ({twice}); "
            f"make names distinct at the source, or set `duplicates: mean`"
        )
    means = np.ascontiguousarray(values[:, first])
    for place in np.flatnonzero(counts > 1):
        same = values[:, group == place]
        known = ~np.isnan(same)
        total = np.where(known, same, 0.0).sum(axis=1)
        means[:, place] = np.divide(
            total, known.sum(axis=1), out=np.full(len(total), np.nan), where=known.any(axis=1)
        )
    return [str(name) for name in names], means


def _of_patients(ids: pd.Series, patients: Collection[str], assay: Assay) -> tuple[pd.Series, np.ndarray]:
    """Return ids in the patients' case, and which are of patients."""
    if assay.id.ignore_case:
        written = {patient.casefold(): patient for patient in patients}
        ids = ids.str.casefold().map(written).fillna(ids)
    ours = ids.isin(list(patients)).to_numpy()
    if not ours.any():
        raise SourceError(
            f"{assay.path}: none of its {len(ids)} samples is of a patient; check `id` (column, pattern, "
            f"strip_prefix, pad, ignore_case) and `rows`"
        )
    twice = ids[ours & ids.duplicated(keep=False).to_numpy()]
    if len(twice):
        raise SourceError(
            f"{assay.path}: {twice.nunique()} patients ({named_ids(twice)}) have several samples; keep one "
            f"of each, or read the others as an assay of another visit"
        )
    return ids, ours


def _scaled(values: np.ndarray, assay: Assay) -> list[tuple[str, str, int]]:
    """Take logarithms where asked, in place; refuse what has none, and return doubts about the scale.

    Raises
    ------
    SourceError
        If linear values that become logarithms are negative.
    """
    negative = int((values < 0).sum())
    largest = float(np.nanmax(values, initial=-np.inf))
    problems = []
    if assay.scale == "linear" and negative and assay.transform == "log2":
        raise SourceError(
            f"{assay.path}: {negative} cells are negative, and `scale` says linear; write log if they are "
            f"logarithms"
        )
    if assay.scale == "log" and largest > MAX_LOG:
        large = int((values > MAX_LOG).sum())
        problems.append(("", f"scale: values above {MAX_LOG:g} are said to be logarithms", large))
    if assay.scale == "linear" and assay.type == "expression" and largest <= MAX_LOG:
        rule = f"scale: no value is above {MAX_LOG:g}, as of logarithms, and they are said to be linear"
        problems.append(("", rule, len(values)))
    if assay.transform == "log2":
        np.log2(values + 1.0, out=values)
    return problems


def _varying(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """Return the columns that somebody has and that vary, which these are, and counts of the others."""
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)
    absent, kept = ~known.any(axis=0), low < high
    counts = [("without any value", int(absent.sum())), ("that is constant", int((~kept & ~absent).sum()))]
    return values[:, kept], kept, counts


def _samples(spec: Samples | None, mapping: SourceMapping, folder: Path, patients: pd.Series) -> pd.DataFrame:
    """Return usubjid, reported, performed, batch and platform; NaT and missing where not recorded."""
    frame = pd.DataFrame(
        {
            "usubjid": patients,
            "reported": pd.Series(pd.NaT, index=patients.index, dtype="datetime64[us]"),
            "performed": pd.Series(pd.NaT, index=patients.index, dtype="datetime64[us]"),
            "batch": pd.Series(np.nan, index=patients.index, dtype="str"),
            "platform": pd.Series(np.nan, index=patients.index, dtype="str"),
        }
    )
    if spec is None:
        return frame
    if spec.file not in mapping.files or mapping.files[spec.file].id is None:
        raise SourceError(f"study file, omics: samples.file {spec.file} must be a file of mapping with an id")
    file = mapping.files[spec.file]
    assert file.id is not None  # noqa: S101 - asked above
    cells = Reader(folder).read(file, {file.id.column, *spec.columns.values()})
    if cells is None:
        return frame
    ids = usubjids(cells[file.id.column], file.id, file.label)
    if len(twice := ids[ids.isin(patients) & ids.duplicated(keep=False)]):
        raise SourceError(f"{file.label}: patients ({named_ids(twice)}) have several rows of samples")
    cells = cells.set_index(ids).reindex(patients)
    for name, column in spec.columns.items():
        text = cells[column].reset_index(drop=True)
        if name in {"batch", "platform"}:
            frame[name] = text.astype("str")
            continue
        dates = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
        if wrong := int((dates.isna() & text.notna()).sum()):
            raise SourceError(f"{file.label}, column {column!r}: {wrong} cells are no date (2026-05-31)")
        frame[name] = dates.astype("datetime64[us]")
    return frame
