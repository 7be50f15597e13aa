"""The corpus of wrong inputs: every single fault is answered, never by a traceback, never by silence."""

import filecmp
import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contract.validation import ContractError
from pipeline.sources.export import export
from pipeline.sources.ingest import Ingested
from pipeline.sources.mapped import SourceError
from tests.pipeline.corpus import OWN_COLUMNS, SECRET, STUDIES, Fault
from tests.pipeline.formats import CONTRACT, taken_in, telling_patients, trial_tables
from tests.pipeline.wrong_inputs import CORPUS, PAGE, page


@pytest.fixture(scope="module")
def patients() -> dict[str, pd.DataFrame]:
    return trial_tables(24)


@pytest.fixture(scope="module")
def valid(patients: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid folder for each format."""
    folders: dict[str, Path] = {}
    few = telling_patients(patients)
    for name, study in STUDIES.items():
        tables = {k: patients[k] for k in OWN_COLUMNS} if name in {"CSV", "Excel"} else few
        folders[name] = tmp_path_factory.mktemp("valid")
        export(tables, study, CONTRACT, folders[name])
    return folders


ALWAYS = {"subjects", "surgery"}
"""Tables without which no study is read, whatever the fault concerns."""
REFERS = {"ctdna_variants": "ctdna_samples"}
"""Tables whose rows name rows of another one."""


def changed_files(valid: Path, folder: Path) -> set[str]:
    """Return the files that a fault changed, added or removed."""
    names = {
        p.relative_to(root).as_posix() for root in (valid, folder) for p in root.rglob("*") if p.is_file()
    }
    return {
        name
        for name in names
        if not ((valid / name).is_file() and (folder / name).is_file())
        or not filecmp.cmp(valid / name, folder / name, shallow=False)
    }


def changed_columns(valid: Path, folder: Path, name: str) -> set[str]:
    """Return the columns in which the cells of a CSV file differ; none where more than cells was changed."""
    try:
        one, other = (pd.read_csv(root / name, dtype=str, keep_default_na=False) for root in (valid, folder))
    except (OSError, ValueError):
        return set()
    same_shape = one.shape == other.shape and one.columns.equals(other.columns)
    return {c for c in one if not one[c].equals(other[c])} if same_shape else set()


def study_reading(study: dict[str, Any], valid: Path, folder: Path) -> dict[str, Any]:
    """Return the study file with only the tables that read what was changed, and those that are always read.

    Of a file for all tables, as REDCap has it, only those that name a column whose cells were changed.
    """
    files = study["mapping"]["files"]
    changed = changed_files(valid, folder)
    columns = changed_columns(valid, folder, "redcap.csv") if changed == {"redcap.csv"} else set()

    def names_it(*parts: object) -> bool:
        return any(f'"{column}"' in json.dumps(parts) for column in columns)

    def concerned(name: str) -> bool:
        file = files[name]
        paths = [file["path"], file.get("dictionary"), (file.get("supplement") or {}).get("path")]
        paths.append((file.get("visits") or {}).get("path"))
        return any(path and any(fnmatch(c, path) for c in changed) for path in paths)

    def reads(block: dict[str, Any]) -> set[str]:
        looked_up = [rule.get("file") for rule in block["columns"].values() if isinstance(rule, dict)]
        return {block["file"], *(name for name in looked_up if name)}

    tables = {
        table: blocks
        for table, blocks in study["mapping"]["tables"].items()
        if any(concerned(name) for block in blocks for name in reads(block))
    }
    if any(names_it(blocks) for blocks in tables.values()):
        own = {
            table: [files[name] for block in blocks for name in reads(block)]
            for table, blocks in tables.items()
        }
        tables = {table: blocks for table, blocks in tables.items() if names_it(blocks, own[table])}
    wanted = {*ALWAYS, *tables, *(REFERS[table] for table in tables if table in REFERS)}
    every = study["mapping"]["tables"].items()
    kept = {table: blocks for table, blocks in every if table in wanted}
    return study | {"mapping": study["mapping"] | {"tables": kept}}


@pytest.fixture(scope="module")
def clean(valid: dict[str, Path]) -> Callable[[str, dict[str, Any]], Ingested]:
    """What a valid folder gives, read by a study file of some tables; each only once."""
    found: dict[tuple[str, ...], Ingested] = {}

    def read(name: str, study: dict[str, Any]) -> Ingested:
        key = (name, *sorted(study["mapping"]["tables"]))
        if key not in found:
            found[key] = taken_in(study, valid[name])
        return found[key]

    return read


def ids(fault: Fault) -> str:
    return f"{fault.format}: {fault.what}"


def same(tables: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> bool:
    return set(tables) == set(others) and all(tables[t].equals(others[t]) for t in tables)


def counted(frame: pd.DataFrame, words: tuple[str, ...]) -> bool:
    lines = frame.astype("str").agg(" ".join, axis=1)
    return any(all(word in line for word in words) for line in lines)


@pytest.mark.parametrize("fault", CORPUS, ids=ids)
def test_a_single_fault_is_answered(
    fault: Fault, valid: dict[str, Path], clean: Callable[[str, dict[str, Any]], Ingested], tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    shutil.copytree(valid[fault.format], folder)
    fault.change(folder)
    study = study_reading(STUDIES[fault.format], valid[fault.format], folder)
    if fault.answer == "refused":
        with pytest.raises((SourceError, ContractError)) as error:
            taken_in(study, folder)
        message = str(error.value)
        assert all(word in message for word in fault.words), message
        assert SECRET not in message
        return
    before, after = clean(fault.format, study), taken_in(study, folder)
    if fault.answer == "same":
        assert same(before.tables, after.tables)
        assert after.problems.equals(before.problems)
    elif fault.answer == "left out":
        assert counted(after.dropped, fault.words), after.dropped
        assert not counted(before.dropped, fault.words)
    elif fault.answer == "emptied":
        assert sum(t.isna().sum().sum() for t in after.tables.values()) == 1 + sum(
            t.isna().sum().sum() for t in before.tables.values()
        )
    else:
        severity = {"repaired": "repair", "warned": "warning"}[fault.answer]
        found = after.problems[after.problems["severity"] == severity]
        assert counted(found, fault.words), after.problems
        assert not counted(before.problems, fault.words)


def test_the_corpus_has_more_than_400_faults_and_every_one_its_own_name() -> None:
    assert len(CORPUS) >= 400
    assert len({ids(fault) for fault in CORPUS}) == len(CORPUS)


def test_the_page_of_wrong_inputs_is_that_of_the_corpus() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
