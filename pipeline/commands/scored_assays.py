"""Matrix files of assays for a stored model: read as a study file says, laid beside patients' rows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from features.documents.feature import ASSAY_SEPARATOR, ORIGINS, origin_column
from features.documents.study import Study, parse_study, with_defaults
from features.errors import UserError
from features.omics import Assay, known_assays
from models.serving.input_schema import assay_inputs
from models.serving.serving import BlockDocument, PcrModel
from pipeline.console import stdout
from pipeline.project.configs import read_contract
from pipeline.project.files import read_yaml
from pipeline.registry.external_validation import Beside
from pipeline.sources.assays import read_assays
from pipeline.sources.omics.tables import OmicsTable
from pipeline.workspace.study import study_file

IDENTIFIER = "usubjid"
MIN_PATIENTS = 20
"""Fewer do not tell how much values vary."""
SPREADS = (0.67, 1.5)
MAX_APART = 1.0
"""Spread by that of training, and standard deviations from its mean, beyond which a scale is another."""


class AssayError(UserError):
    """Matrix files that cannot be laid beside rows, and what to do."""


def assays_of(model: PcrModel, folder: Path | None, landmark: str) -> Beside | None:
    """Return what lays a model's assays beside patients of a cohort at a landmark; None if it takes none.

    The cohort's study file says how the matrix files are read where it has `omics`, else that of the study
    which the model was learned from.

    Raises
    ------
    UserError
        If the model takes assays and there is no folder, or it takes none and there is one.
    """
    taken = assay_inputs(model.document)
    if folder is None:
        if taken:
            raise AssayError(
                f"the model takes assays ({', '.join(taken)}), without which another model would answer: "
                "give the folder of their matrix files, --assays FOLDER"
            )
        return None

    def beside(rows: pd.DataFrame, decisions: pd.Series, study: Study) -> pd.DataFrame:
        described = (study, landmark) if study.assays else None
        return with_matrices(rows, model, folder, decisions, described)

    _require_folder(taken, folder)
    return beside


def with_matrices(
    rows: pd.DataFrame,
    model: PcrModel,
    folder: Path,
    decisions: pd.Series | None = None,
    described: tuple[Study, str] | None = None,
) -> pd.DataFrame:
    """Return rows with the columns that a model takes of its assays, NaN for patients without one.

    Nothing is learned from these patients: features that do not vary among them stay, and which are
    repeatable is not asked again. How many rows found a sample is told.

    Parameters
    ----------
    rows : DataFrame
        usubjid and inputs.
    folder : Path
        Holds the files that the study file names under `omics`.
    decisions : Series, optional
        Decision date by usubjid: what was reported later is not seen. Without it, time is the sender's.
    described : tuple of Study and str, optional
        The study whose file describes the matrix files, and its landmark; else those of the model.

    Raises
    ------
    UserError
        If the model takes no assay, the rows have no ids or columns of assays already, or a file does not fit
        what the study file says of it.
    """
    taken = assay_inputs(model.document)
    _require_assays(rows, taken, folder)
    study, at = described or _own_study(model)
    ids = rows[IDENTIFIER].dropna().unique()
    read = read_assays(study.document, folder, ids, read_contract(Path("configs/contract")), only=taken)
    decided = pd.Series(pd.NaT, index=ids, dtype="datetime64[us]") if decisions is None else decisions
    known, _ = known_assays(_assays(read, study), study.landmark(at), decided.loc[ids])
    for name, columns in taken.items():
        found = known.columns.intersection(columns)
        if found.empty:
            path, example = (
                (study.document.get("omics") or {})[name]["path"],
                columns[0].partition(ASSAY_SEPARATOR)[2],
            )
            raise AssayError(
                f"{path}: none of the model's {len(columns)} columns of {name} is among its features "
                f"({example} is one): give the features the names that they had where the model was learned"
            )
        has = known.loc[known[found].notna().any(axis=1), IDENTIFIER]
        told = f"{name}: {int(rows[IDENTIFIER].isin(has).sum())} of {len(rows)} rows have it"
        for problem in read[name].problems.itertuples():
            stdout().print(f"{name}: warning: {problem.rule} ({problem.rows} rows)", highlight=False)
        for doubt in unlike_training(
            known[found].dropna(how="all"), model.document["blocks"]["blocks"][name]
        ):
            stdout().print(f"{name}: warning: {doubt}", highlight=False)
        missing = len(columns) - len(found)
        stdout().print(
            told + (f"; the file lacks {missing} of the model's {len(columns)} columns" if missing else ""),
            highlight=False,
        )
    wanted = {IDENTIFIER, *(column for columns in taken.values() for column in columns)}
    origins = {origin_column(kind, name) for kind in ORIGINS for name in taken}
    kept = [column for column in known if column in wanted | origins]
    return rows.merge(known[kept], on=IDENTIFIER, how="left", validate="many_to_one")


def unlike_training(values: pd.DataFrame, block: BlockDocument) -> list[str]:
    """Return in which way values of an assay, a row a patient, are not on the scale of training, in words.

    A patient alone is judged by `out_of_support`, which sees what lies far out. Of `MIN_PATIENTS` or more it
    is told, too, if values vary much less or more than in training, or all lie apart: another unit, scale
    or platform. Both are medians over columns.
    """
    if len(values) < MIN_PATIENTS:
        return []
    places = pd.Index(block["columns"]).get_indexer(values.columns)
    mean, weight = (np.array(block[name])[places] for name in ("mean", "weight"))
    standardised = (values - mean) * weight
    spread, apart = standardised.std().median(), standardised.mean().abs().median()
    todo = "check unit, scale and platform of the file"
    doubts = []
    if not SPREADS[0] <= spread <= SPREADS[1]:
        doubts.append(f"values vary {spread:.2g} times as much as in training (median of columns); {todo}")
    if apart > MAX_APART:
        told = f"values lie {apart:.2g} standard deviations from those of training (median of columns)"
        doubts.append(f"{told}; {todo}")
    return doubts


def _own_study(model: PcrModel) -> tuple[Study, str]:
    study = parse_study(with_defaults(read_yaml(study_file(model.document["study"]))))
    return study, str(model.document["landmark"])


def _require_folder(taken: Mapping[str, list[str]], folder: Path) -> None:
    if not taken:
        raise AssayError("the model takes no assay: leave out --assays")
    if not folder.is_dir():
        raise AssayError(f"{folder} is no folder: give one with the matrix files that the study file names")


def _require_assays(rows: pd.DataFrame, taken: Mapping[str, list[str]], folder: Path) -> None:
    _require_folder(taken, folder)
    if IDENTIFIER not in rows:
        raise AssayError(f"rows have no column {IDENTIFIER}, by which samples of assays join them")
    if twice := sorted({column for columns in taken.values() for column in columns} & set(rows)):
        raise AssayError(f"rows have columns of assays ({twice[0]}) and --assays is given: one of the two")


def _assays(read: Mapping[str, OmicsTable], study: Study) -> dict[str, Assay]:
    return {name: Assay(table.frame, table.samples, study.assays[name]) for name, table in read.items()}
