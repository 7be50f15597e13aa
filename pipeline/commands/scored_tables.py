"""Patients' raw tables for `pcr score`: through the same contract, cohort and features as in training.

Nothing that a landmark must not see reaches the model (`features.assemble`).
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from features.documents.branch import BRANCH
from features.documents.study import parse_study, with_defaults
from features.errors import UserError
from models.serving.serving import PcrModel
from pipeline.commands.scored_assays import with_matrices
from pipeline.project.files import read_yaml
from pipeline.sources.prepare import prepare, read_preparation
from pipeline.workspace.study import study_file

CONFIGS = Path("configs")
IDENTIFIER = "usubjid"


class TablesError(UserError):
    """Raw tables that cannot be scored, and what to do."""


def rows_of(folder: Path, model: PcrModel, assays: Path | None = None) -> pd.DataFrame:
    """Return the inputs of every patient at risk, and the inputs of the rules, from raw tables.

    Parameters
    ----------
    folder : Path
        A .parquet or .csv file per table of the contract. Surgery may be absent: it is not due then.
    assays : Path, optional
        The folder of matrix files; what was reported after a patient's decision is not seen.

    Raises
    ------
    UserError
        If the tables break the contract, or nobody is at risk at the model's landmark.
    """
    study = parse_study(with_defaults(read_yaml(study_file(model.document["study"]))))
    by = read_preparation(study, CONFIGS)
    raw = _tables(folder, list(by.contract))
    raw.setdefault("surgery", _not_due(raw["subjects"]))
    prepared = prepare(by.checked(raw), by, outcome_needed=False)
    landmark = str(model.document["landmark"])
    rows = prepared.rows(landmark).drop(columns=BRANCH)
    if assays is not None:
        due = prepared.cohort.frame.set_index(IDENTIFIER)[f"decision_{landmark}"]
        rows = with_matrices(rows, model, assays, due)
    return with_eligibility(rows, prepared.tables, model, study.visits[0])


def with_eligibility(
    rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], model: PcrModel, first_visit: str
) -> pd.DataFrame:
    """Return rows with what a model asks for to judge eligibility beside its inputs."""
    asked = model.document.get("serving", {}).get("eligibility", {}).get("inputs", ())
    columns = {}
    for entry in (each for each in asked if each["name"] not in rows):
        name, table = str(entry["name"]), entry["table"]
        if table is not None and table in tables:
            columns[name] = tables[table].set_index(IDENTIFIER)[name]
        if table is None and "labs" in tables:
            labs = tables["labs"]
            of_test = (labs["testcd"] == name) & (labs["visit"] == first_visit)
            in_unit = labs["unit"].isna() | (labs["unit"] == entry["unit"]) | (entry["unit"] == "")
            columns[name] = labs.loc[of_test & in_unit].set_index(IDENTIFIER)["value"]
    further = pd.DataFrame(columns, index=pd.Index(tables["subjects"][IDENTIFIER]))
    return rows.join(further, on=IDENTIFIER)


def _tables(folder: Path, names: list[str]) -> dict[str, pd.DataFrame]:
    if not folder.is_dir():
        raise TablesError(f"{folder} is no folder: give one with a .parquet or .csv file per raw table")
    files = {name: [folder / f"{name}{end}" for end in (".parquet", ".csv")] for name in names}
    found = {name: next((path for path in paths if path.is_file()), None) for name, paths in files.items()}
    tables = {name: _read_table(path) for name, path in found.items() if path is not None}
    if "subjects" not in tables:
        raise TablesError(f"{folder} has no subjects.parquet or subjects.csv: no patients to score")
    return tables


def _read_table(path: Path) -> pd.DataFrame:
    """Return a raw table; cells of a CSV as text, which the contract reads, and it may have no rows."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])


def _not_due(subjects: pd.DataFrame) -> pd.DataFrame:
    if IDENTIFIER not in subjects:
        raise TablesError(f"subjects has no column {IDENTIFIER}")
    return pd.DataFrame({IDENTIFIER: subjects[IDENTIFIER], "performed": "not_due"})
