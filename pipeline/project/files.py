"""Reading and writing, atomically: a file or folder is either the former one or the new one, never half."""

import argparse
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.documents.study import NO_OUTCOME
from features.documents.study_entries import StudyDocument
from features.errors import UserError
from pipeline.console import hide_values_of_faults
from pipeline.project.yaml_text import YamlError, parse_yaml

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 6


def stage_paths(description: str, *names: str, **values: str) -> argparse.Namespace:
    """Return a stage's command line: ``--name PATH`` for every name, ``--name TEXT`` for every other value.

    Paths are written in dvc.yaml and nowhere else; a stage is told them. From here on, an error that nothing
    catches is told without patients' values.
    """
    hide_values_of_faults()
    parser = argparse.ArgumentParser(description=description)
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name, text in values.items():
        parser.add_argument(f"--{name}", required=True, help=text)
    return parser.parse_args()


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, with scalars as DVC reads them.

    Raises
    ------
    UserError
        If the file is not YAML; the message names file and line.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except YamlError as error:
        if conflict := _conflict_line(path):
            raise UserError(
                f"{path}, line {conflict}: an unresolved merge conflict; edit the file, or take one side "
                f"(git checkout --ours {path}, or --theirs)"
            ) from error
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}, line {line}: not valid YAML ({error.problem}); correct the file") from error


def _conflict_line(path: Path) -> int | None:
    """Return the line where git's first conflict marker is, if there is any."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if line.startswith("<<<<<<< ")), None)


def read_study(path: Path) -> StudyDocument:
    """Return a study file for the stages that predict pCR.

    Raises
    ------
    UserError
        If it is not YAML, or the study has no outcome.
    """
    study: StudyDocument = read_yaml(path)
    require_outcome(study)
    return study


def require_outcome(study: StudyDocument | None) -> None:
    """Refuse a study without an outcome: it is never pooled with models of pCR.

    Raises
    ------
    UserError
        If the study file says ``outcome: none``.
    """
    if study and study.get("outcome") == NO_OUTCOME:
        name = study.get("study")
        raise UserError(
            f"study {name} has no outcome (outcome: none): no model of pCR is trained or judged on it; "
            f"its report is made by: pcr library {name} --source FOLDER --out DIR"
        )


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, gzipped where the name says so."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return json.load(file)
    return json.loads(path.read_text(encoding="utf-8"))


def read_tables(folder: Path) -> "dict[str, pd.DataFrame]":
    """Return every Parquet table of a folder by its name."""
    import pandas as pd  # noqa: PLC0415 - `pcr --help` and a refusal should not wait for pandas

    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move it to `path` once the block ended without an error.

    Works for files and folders. A folder that was there before is moved away and removed only after the new
    one stands in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new = scratch / path.name
    try:
        yield new
        if path.is_dir():
            path.rename(scratch / "former")
        new.replace(path)
    finally:
        shutil.rmtree(scratch)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def rounded(content: Any) -> Any:
    """Return nested content with every float at `DIGITS` significant digits.

    The last bits of linear algebra differ between machines; so they reach no file.
    """
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return float(f"{content:.{DIGITS}g}") if isinstance(content, float) else content


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically: keys as given, floats to their last bit, NaN refused; gzipped by name."""
    text = json.dumps(content, indent=None if path.suffix == ".gz" else 2, allow_nan=False) + "\n"
    with replacing(path) as new:
        if path.suffix == ".gz":
            # No time and no name inside, so that equal content gives equal bytes.
            new.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        else:
            new.write_text(text, encoding="utf-8")


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write a Parquet or CSV file atomically."""
    with replacing(path) as new:
        if path.suffix == ".parquet":
            frame.to_parquet(new, index=False)
        else:
            frame.to_csv(new, index=False, lineterminator="\n")


def write_tables(folder: Path, tables: "Mapping[str, pd.DataFrame]") -> None:
    """Write every table as Parquet into `folder`, which is replaced as a whole."""
    with replacing(folder) as new:
        new.mkdir()
        for name, frame in tables.items():
            frame.to_parquet(new / f"{name}.parquet", index=False)
