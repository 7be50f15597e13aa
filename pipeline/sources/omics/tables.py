"""From matrix files to omics tables: a row per patient, a column per feature, checked and counted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.contract.validation import PROBLEM_COLUMNS, Contract
from pipeline.sources.formats.errors import SourceError, named_ids
from pipeline.sources.formats.text import text_bytes
from pipeline.sources.mapping.assay import Assay, Samples
from pipeline.sources.mapping.blocks import Dropped, usubjids
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import SourceMapping
from pipeline.sources.omics.derived import Columns, derived
from pipeline.sources.omics.doubts import (
    Doubt,
    doubtful_names,
    doubtful_values,
    ids_apart,
    named,
    not_found,
)
from pipeline.sources.omics.matrix import read_matrix

IDENTIFIER = "usubjid"
NO_PATIENT = "sample of no patient"
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
    features, values, problems = _asked_for(features, values, assay, folder)
    _refuse_outcome(features, assay, mapping, contract)
    features, values = _distinct(features, values, assay)
    ids, ours, apart = _of_patients(_ids(labels, assay), patients, assay)
    dropped: Dropped = [(assay.path, name, NO_PATIENT, int((~ours).sum()), int(ours.sum()))]
    values = values[ours]
    problems += [*apart, *doubtful_names(features), *doubtful_values(values, features, assay)]
    _logarithms(values, assay)
    filters = assay if learning else assay.model_copy(update={"repeatability": None})
    asked_for = derived(Columns(features, values), filters, folder)
    features, values, asked = asked_for.names, asked_for.numbers, asked_for.left_out
    problems += [Doubt(f"left out: {why}", count) for why, count in asked if count]
    if IDENTIFIER in features:
        raise SourceError(f"{assay.path}: no feature can be called {IDENTIFIER}; give it another name")
    values, kept, left_out = _varying(values) if learning else (values, np.ones(len(features), bool), [])
    if not kept.any():
        why = ", ".join(f"{count} {reason}" for reason, count in left_out if count)
        raise SourceError(
            f"{assay.path}: no feature varies among its {len(ids[ours])} patients ({why}); check the file "
            f"and its ids, or take the assay out of `omics`"
        )
    counts = [*asked, *((f"feature {why}", count) for why, count in left_out)]
    dropped += [(assay.path, name, why, count, int(kept.sum())) for why, count in counts]
    columns = sorted(np.array(features, dtype=object)[kept].tolist())
    order = pd.Index(np.array(features, dtype=object)[kept]).get_indexer(pd.Index(columns))
    frame = pd.DataFrame(values[:, order], columns=columns)
    frame.insert(0, "usubjid", ids[ours].to_numpy())
    frame = frame.sort_values("usubjid", ignore_index=True)
    samples = _samples(assay.samples, mapping, folder, frame["usubjid"])
    rows: list[tuple[object, ...]] = [
        (name, "", doubt.rule, "warning", doubt.rows, doubt.ids, []) for doubt in problems
    ]
    return OmicsTable(
        frame, samples, pd.DataFrame(rows, columns=PROBLEM_COLUMNS), [row for row in dropped if row[3]]
    )


def _asked_for(
    features: list[str], values: np.ndarray, assay: Assay, folder: Path
) -> tuple[list[str], np.ndarray, list[Doubt]]:
    """Return the features of the panel, if there is one, and what was asked for and is not there."""
    absent = not_found(assay.features, features, assay.leave_out) if features else []
    if assay.panel is not None:
        path = folder / assay.panel
        if not path.is_file():
            raise SourceError(f"{assay.panel}: there is no such file; copy it there")
        lines = text_bytes(path, assay.encoding, assay.panel).decode("utf-8").splitlines()
        names = dict.fromkeys(line.strip() for line in lines if line.strip())
        absent += not_found(names, features, assay.leave_out)
        chosen = [place for place, name in enumerate(features) if name in names]
        features, values = [features[place] for place in chosen], values[:, chosen]
    if not features:
        raise SourceError(
            f"{assay.path}: no feature is left by `features`, `leave_out` and `panel`; check the names"
        )
    return features, values, absent


def _refuse_outcome(
    features: Sequence[str], assay: Assay, mapping: SourceMapping, contract: Contract
) -> None:
    """Refuse features, batches and platforms that a table of the outcome is made from."""
    samples = assay.samples
    outcome = {
        (mapping.files[rule.file or block.file].path, column)
        for table, blocks in mapping.tables.items()
        if contract[table].timing.known_at == "outcome"
        for block in blocks
        for rule in block.columns.values()
        for column in rule.source_columns
    }
    shared = sorted(name for name in set(features) if (assay.path, name) in outcome)
    if shared and assay.rows == "patients":
        raise SourceError(
            f"{assay.path}: {', '.join(shared[:MAX_NAMED])}: the outcome is read from it; name it in "
            f"`leave_out`"
        )
    if samples is not None and samples.file in mapping.files:
        path = mapping.files[samples.file].path
        for kind in ("batch", "platform"):
            if (path, column := getattr(samples, kind)) in outcome:
                raise SourceError(
                    f"study file, omics: `{kind}` of `samples`: the outcome is read from {column} of {path}; "
                    f"name the column of the {kind}"
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


def _ids(labels: Sequence[str], assay: Assay) -> pd.Series:
    """Return the ids of samples from their names."""
    names = pd.Series(labels, dtype="str")
    if assay.rows == "features" and assay.id.pattern is not None:
        others = names[names.str.extract(assay.id.pattern, expand=False).isna()].tolist()
        if others:
            raise SourceError(
                f"{assay.path}: {len(others)} of its {len(names)} columns ({named(others)}) have a name that "
                f"`pattern` of `id` does not match; name them in `annotation` if they are no samples of the "
                f"assay, or correct the pattern"
            )
    return usubjids(names, assay.id, assay.path)


def _of_patients(
    ids: pd.Series, patients: Collection[str], assay: Assay
) -> tuple[pd.Series, np.ndarray, list[Doubt]]:
    """Return ids in the patients' case, which are of patients, and which could be."""
    if assay.id.ignore_case:
        written = {patient.casefold(): patient for patient in patients}
        ids = ids.str.casefold().map(written).fillna(ids)
    ours = ids.isin(list(patients)).to_numpy()
    rule, apart = (
        "ids_apart: samples whose ids differ from a patient's in case, zeros or marks",
        ids_apart(ids, patients),
    )
    if not ours.any():
        nearly = f" ({int(apart.sum())} differ in case, zeros or marks only)" if apart.any() else ""
        raise SourceError(
            f"{assay.path}: none of its {len(ids)} samples is of a patient{nearly}; check `id` (column, "
            f"pattern, strip_prefix, pad, ignore_case) and `rows`"
        )
    twice = ids[ours & ids.duplicated(keep=False).to_numpy()]
    if len(twice):
        raise SourceError(
            f"{assay.path}: {twice.nunique()} patients ({named_ids(twice)}) have several samples; keep one "
            f"of each, or read the others as an assay of another visit"
        )
    return ids, ours, [Doubt(rule, int(apart.sum()), named_ids(ids[apart]))] if apart.any() else []


def _logarithms(values: np.ndarray, assay: Assay) -> None:
    """Take logarithms in place, where they are asked for; negative values have none."""
    if assay.transform != "log2":
        return
    if negative := int((values < 0).sum()):
        raise SourceError(
            f"{assay.path}: {negative} cells are negative, and `scale` says linear; write log if they are "
            f"logarithms"
        )
    np.log2(values + 1.0, out=values)


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
