"""What every artifact of a study, in the workspace and in MLflow, tells of single patients."""

import base64
import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from features.errors import UserError
from models.explanation.disclosure import MIN_PATIENTS, extremes, rebuildable, stated
from models.serving.registry import (
    KEY_TAG,
    SUPERSEDED_TAG,
    Store,
    download_run_artifacts,
    download_version,
)
from pipeline.registry.downloads import download_folder
from pipeline.registry.verify import WITH_DELETED, all_runs

IDENTIFIER, OUTCOME = "usubjid", "outcome"
SCRIPT = re.compile(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")
PACKED = ("<f4", "<i4", "<i1")
WORD = re.compile(r"[A-Za-z0-9._-]+")
TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
"""Reads a table, by the ending of its file."""
PACKED_FILES = (
    b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd", b"7z\xbc\xaf", b"Rar!", b"%PDF", b"\x89HDF",
    b"ARROW1", b"PAR1",
)  # fmt: skip
"""How files begin that hold texts in other bytes: archives, workbooks, and tables of another ending."""
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ArrowException)


@dataclass(frozen=True)
class Known:
    """The patients of a study: their ids, outcome, and inputs at every landmark by id."""

    patients: pd.DataFrame
    inputs: dict[str, pd.DataFrame]

    @cached_property
    def ids(self) -> set[str]:
        """Every patient's id."""
        return set(self.patients.index)

    @cached_property
    def _composed(self) -> list[tuple[str, str, list[str]]]:
        """Ids that are no single word, such as S_01/002, as they stand in texts and in JSON; their words."""
        composed = [one for one in self.ids if not WORD.fullmatch(one)]
        forms = {(one, form) for one in composed for form in (one, json.dumps(one)[1:-1])}
        return [(one, form, WORD.findall(form)) for one, form in forms]

    def ids_in(self, text: str) -> set[str]:
        """Return the ids that stand in a text, be it at the end of a sentence or before a file's ending."""
        words = set(WORD.findall(text))
        words |= {word.rstrip("._-") for word in words} | {word.rpartition(".")[0] for word in words}
        return (self.ids & words) | {
            one for one, form, parts in self._composed if words.issuperset(parts) and _stands_in(form, text)
        }

    def ids_in_name(self, name: str) -> set[str]:
        """Return the ids that are part of a file's path, such as shap-P-1.svg."""
        return {one for one in self.ids if _stands_in(one, name)}


def _stands_in(word: str, text: str) -> bool:
    """Tell whether a text has a word, and not as a part of a longer one."""
    return word in text and bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text))


@dataclass(frozen=True)
class Disclosed:
    """What a file tells: how many ids, whether outcomes, which inputs as they are, rebuilt, as extremes.

    Of what is not `readable` nothing is said.
    """

    place: str
    ids: int = 0
    outcomes: bool = False
    inputs: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    extremes: tuple[str, ...] = ()
    readable: bool = True

    @property
    def tells(self) -> bool:
        """Whether it tells anything, or might."""
        return bool(self.ids or self.extremes or not self.readable)

    @property
    def of_single_patients(self) -> bool:
        """Whether anything stands beside an id."""
        return self.ids > 0


def read_known(artifacts: Path, landmarks: list[str]) -> Known:
    """Return what is known of the patients, from the study's own artifacts.

    Raises
    ------
    UserError
        If nothing was computed yet.
    """
    cohort = artifacts / "cohort" / "cohort.parquet"
    if not cohort.is_file():
        raise UserError(f"{cohort} does not exist: run `pcr run` first")
    inputs = {
        name: pd.read_parquet(file).set_index(IDENTIFIER)
        for name in landmarks
        if (file := artifacts / "features" / f"{name}.parquet").is_file()
    }
    return Known(pd.read_parquet(cohort).set_index(IDENTIFIER), inputs)


@dataclass
class Scanner:
    """Looks into files; the same content is looked at once."""

    known: Known
    _seen: dict[str, Disclosed] = field(default_factory=dict)

    def folder(self, folder: Path, prefix: str) -> Iterator[Disclosed]:
        """Yield what every file below a folder tells; what tells nothing is left out."""
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            told, name = self.file(path), path.relative_to(folder).as_posix()
            if named := len(self.known.ids_in_name(name)):
                told = replace(told, ids=max(told.ids, named))
            if told.tells:
                yield replace(told, place=f"{prefix}/{name}")

    def file(self, path: Path) -> Disclosed:
        """Return what one file tells."""
        try:
            content = path.read_bytes()
        except OSError:
            return Disclosed(path.name, readable=False)
        digest = sha256(content).hexdigest()
        if digest not in self._seen:
            self._seen[digest] = self._looked_at(path, content)
        return self._seen[digest]

    def _looked_at(self, path: Path, content: bytes) -> Disclosed:
        try:
            if path.suffix in TABLES and len(table := _first_rows(TABLES[path.suffix](path), self.known.ids)):
                return self._table(path.name, table)
            if path.suffix == ".parquet":
                return Disclosed(path.name)
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            if content.startswith(PACKED_FILES):
                return Disclosed(path.name, readable=False)
            text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8", "replace")
        except UNREADABLE:
            return Disclosed(path.name, readable=False)
        return self.text(path.name, text)

    def text(self, place: str, text: str) -> Disclosed:
        """Return what a text tells."""
        ids = self.known.ids_in(text)
        for table in _tables(text, self.known.ids):
            told = self._table(place, table)
            if told.outcomes or told.inputs:
                return told
        numbers = {float(match) for match in NUMBER.findall(text)}
        ends = {
            name
            for frame in self.known.inputs.values()
            for name in extremes(numbers, {str(column): frame[column] for column in frame})
        }
        return Disclosed(place, len(ids), extremes=tuple(sorted(ends)))

    def _table(self, name: str, table: pd.DataFrame) -> Disclosed:
        """Compare a table by id with what is known of the patients."""
        if table.empty:
            return Disclosed(name)
        outcome = pd.DataFrame({OUTCOME: self.known.patients[OUTCOME].reindex(table.index)})
        has_outcomes = bool(stated(table, outcome))
        values: set[str] = set()
        rebuilt: set[str] = set()
        for inputs in self.known.inputs.values():
            known = inputs.reindex(table.index)
            here = set(stated(table, known))
            values |= here
            rebuilt |= set(rebuildable(table, known.drop(columns=list(here))))
        return Disclosed(
            name, len(table), has_outcomes, tuple(sorted(values)), tuple(sorted(rebuilt - values))
        )


def _first_rows(table: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    """Return a table's first row of each patient, by id, whatever the ids' column is called; else no row."""
    table = table if table.index.name is None else table.reset_index()
    for name in table.select_dtypes(["object", "str", "category"]):
        by_id = table[table[name].isin(ids)]
        if len(by_id):
            # Shares of one repeat, fold by fold, are of several models; those of the first fold are of one.
            return by_id.drop_duplicates(name).set_index(name)
    return table.iloc[:0]


def _tables(text: str, ids: set[str]) -> Iterator[pd.DataFrame]:
    """Yield what a page or JSON file has beside a list of ids, as long as that: lists, and packed numbers."""
    for part in SCRIPT.findall(text) or [text]:
        try:
            lists = list(_lists(json.loads(part)))
        except ValueError:
            continue
        for named in (values for values in lists if isinstance(values[0], str) and set(values) <= ids):
            beside = [column for values in lists for column in _columns(values, len(named))]
            table = pd.DataFrame(dict(enumerate(beside)), index=pd.Index(named))
            yield table[~table.index.duplicated()]


def _lists(content: Any) -> Iterator[Any]:
    """Yield every list of plain values, and every long text, which may be packed numbers."""
    if isinstance(content, str) and len(content) >= MIN_PATIENTS:
        yield content
    if isinstance(content, list) and content and not isinstance(content[0], dict | list):
        yield content
    for item in (
        content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    ):
        if isinstance(item, dict | list) or (isinstance(item, str) and isinstance(content, dict)):
            yield from _lists(item)


def _columns(values: Any, rows: int) -> Iterator[Any]:
    """Yield values as columns of so many rows, where they are so many."""
    if isinstance(values, list):
        if len(values) == rows:
            yield values
        return
    try:
        packed = base64.b64decode(values, validate=True)
    except ValueError:
        return
    for kind in PACKED:
        if len(packed) == rows * np.dtype(kind).itemsize:
            with np.errstate(invalid="ignore"):  # bytes of another kind may read as no number
                column = np.frombuffer(packed, dtype=kind).astype(float)
            yield column


def disclosures(artifacts: Path, store: Store, known: Known) -> list[Disclosed]:
    """Return what the workspace and MLflow's runs, deleted ones too, and versions tell, a place each.

    What cannot be read is named: nothing is known of it.
    """
    scanner = Scanner(known)
    told = [*scanner.folder(artifacts, artifacts.as_posix())]
    with store.locked() as client:
        found = client.get_experiment_by_name(store.experiment)
        told.append(scanner.text(f"MLflow {store.experiment}, tags", str(dict(found))))
        experiment = found.experiment_id
        for run in all_runs(client, experiment, WITH_DELETED):
            told += _of_run(scanner, run)
        for model in client.search_registered_models(f"name LIKE '{store.experiment}-%'"):
            told.append(scanner.text(f"MLflow {model.name}, tags", str(dict(model))))
            for version in client.search_model_versions(f"name = '{model.name}'"):
                place = f"MLflow {version.name} version {version.version}"
                told.append(scanner.text(f"{place}, tags", str(dict(version))))
                told += _downloaded(scanner, place, partial(download_version, version), has_files=True)
    return [entry for entry in told if entry.tells]


def _of_run(scanner: Scanner, run: Any) -> list[Disclosed]:
    """Return what a run tells: its parameters, tags, measures, and artifacts, which a finished run has."""
    place = f"MLflow run {run.info.run_name or run.info.run_id}"
    recorded = scanner.text(f"{place}, parameters and tags", str(run.to_dictionary()))
    has_files = not {KEY_TAG, SUPERSEDED_TAG}.isdisjoint(run.data.tags)
    return [
        recorded,
        *_downloaded(scanner, place, partial(download_run_artifacts, run.info.run_id), has_files=has_files),
    ]


def _downloaded(
    scanner: Scanner, place: str, download: Callable[[Path], Path], *, has_files: bool
) -> list[Disclosed]:
    with download_folder() as scratch:
        try:
            folder = download(Path(scratch) / "files")
        except UserError:
            return [Disclosed(place, readable=False)]
        # MLflow takes a folder that is gone for an empty one.
        if has_files and not any(folder.iterdir()):
            return [Disclosed(place, readable=False)]
        return list(scanner.folder(folder, place))
