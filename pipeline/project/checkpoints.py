"""Results of finished tasks, kept until their run has written its outputs: a killed run goes on where it was.

A task's file is named by the sha256 of everything that decides its result: code and versions, data,
parameters, split and seed. Only plain data are stored (an npz archive of arrays and one JSON document), row
positions and no patient's id, and nothing is ever unpickled.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.procedure.cluster.identity import code_identity
from models.procedure.resampling import TaskResult
from pipeline.project.files import replacing

FOLDER = Path(__file__).parents[2] / ".pcr" / "tasks"
_DOCUMENT, _ARRAY = "document", "array:"


class TaskStore:
    """Results by task key, as files in a folder of the run's own.

    Parameters
    ----------
    folder : Path
        Where the stores of all runs are, such as `FOLDER`.
    run : str
        Digest of what all tasks of the run share, from `run_digest`.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.folder = folder / run[:16]
        self.run = run

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("*.npz"))

    def get(self, key: str) -> TaskResult | None:
        """Return a result, or None if there is none or its file is damaged: the task is then run again."""
        try:
            with self._path(key).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                document = json.loads(stored[_DOCUMENT].tobytes())
                arrays = {
                    name.removeprefix(_ARRAY): stored[name] for name in stored.files if name != _DOCUMENT
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return TaskResult(document, arrays)

    def __setitem__(self, key: str, result: TaskResult) -> None:
        """Write a result atomically.

        Raises
        ------
        ValueError
            If the document is not JSON, or an array holds objects.
        """
        document = np.frombuffer(json.dumps(result.document, allow_nan=False).encode(), dtype=np.uint8)
        arrays = {f"{_ARRAY}{name}": array for name, array in result.arrays.items()}
        with replacing(self._path(key)) as new, new.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_DOCUMENT: document}, **arrays)

    def remove(self) -> None:
        """Remove the run's results: its outputs are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(f"{self.run}|{key}".encode()).hexdigest()
        return self.folder / f"{name}.npz"


def task_store(stage: str, **decides: Any) -> TaskStore:
    """Return the store of a stage's tasks, for exactly what decides their results."""
    return TaskStore(FOLDER, run_digest({"stage": stage, **decides}))


def run_digest(decides: Mapping[str, Any]) -> str:
    """Return the sha256 of code, versions and all that `decides`: parameters, frames, arrays.

    Name the stage among them, where others fit other procedures to the same data.

    Parameters
    ----------
    decides : mapping
        Names and values; values are JSON-able, or frames, series and arrays.
    """
    content = {name: _plain(value) for name, value in decides.items()}
    text = json.dumps({"code": code_identity(), "decides": content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return [[str(name), _plain(value[name].to_numpy())] for name in value.columns]
    if isinstance(value, pd.Series):
        return _plain(value.to_numpy())
    if isinstance(value, np.ndarray):
        # Text, dates and categories by what they say; numbers by their bits.
        numeric = value.dtype.kind in "biuf"
        content = value.tobytes() if numeric else json.dumps([str(item) for item in value.tolist()]).encode()
        return [str(value.dtype), list(value.shape), hashlib.sha256(content).hexdigest()]
    return value
