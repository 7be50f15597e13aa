"""A stage's declaration: what it reads, what decides its numbers, what it writes.

A stage sees no file that it has not declared, and of a configuration file only the keys that it has declared,
so that dvc.yaml, which a test compares with the declarations, cannot leave anything out.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from features.documents.study import Study, parse_study, with_defaults
from features.errors import PipelineFault
from pipeline.console import hide_values_of_faults, reported_errors
from pipeline.project import paths
from pipeline.project.files import read_json, read_tables, read_yaml


@dataclass(frozen=True)
class Stage:
    """The declaration of a stage.

    Attributes
    ----------
    reads, writes : tuple of str
        Files and folders, as in `pipeline.project.paths`; a folder stands for all that it holds.
    params : mapping of str to tuple of str
        The keys that the stage uses, by configuration file.
    items : tuple of str
        Names of the words that follow the command, such as ``landmark``.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    items: tuple[str, ...] = ()

    def run(self, main: Callable[["Run"], None]) -> None:
        """Run `main` on the active study; errors end in one message without patients' values."""
        hide_values_of_faults()
        parser = argparse.ArgumentParser(description=sys.modules[main.__module__].__doc__)
        for name in self.items:
            parser.add_argument(name)
        words = vars(parser.parse_args())
        with reported_errors():
            main(Run(self, words))


class Run:
    """A stage at work in the active study: the files and parameters that it has declared."""

    def __init__(self, stage: Stage, items: Mapping[str, str], root: Path = Path()) -> None:
        study = with_defaults(read_yaml(root / paths.STUDY))
        self.stage = stage
        self.root = root
        self.items = dict(items)
        self._names = {
            name: str(study[name]) for name in ("study", "source", "rules", "eligibility")
        } | self.items

    @property
    def landmark(self) -> str:
        """The landmark that the stage was asked for."""
        return self.items["landmark"]

    def path(self, template: str, **items: str) -> Path:
        """Return the place of a declared file or folder.

        Raises
        ------
        PipelineFault
            If the stage has not declared it.
        """
        path = template.format_map(self._names | items)
        declared = [one.format_map(self._names) for one in (*self.stage.reads, *self.stage.writes)]
        if not any(path == one or path.startswith(f"{one}/") for one in declared):
            raise PipelineFault(f"the stage uses {template}, which it does not declare")
        return self.root / path

    def table(self, template: str, **items: str) -> pd.DataFrame:
        """Return a Parquet table."""
        return pd.read_parquet(self.path(template, **items))

    def tables(self, template: str) -> dict[str, pd.DataFrame]:
        """Return every Parquet table of a folder by its name."""
        return read_tables(self.path(template))

    def json(self, template: str, **items: str) -> Any:
        """Return the content of a JSON file."""
        return read_json(self.path(template, **items))

    def yaml(self, template: str) -> Any:
        """Return the content of a YAML file that the stage reads as a whole."""
        return read_yaml(self.path(template))

    def params(self, file: str) -> Any:
        """Return the declared keys of a configuration file, for its parser; an absent key is left out."""
        content = read_yaml(self.root / file)
        return {key: content[key] for key in self.stage.params[file] if key in content}

    def study(self) -> Study:
        """Return the active study with the declared keys; any other is missing when it is asked for.

        A stage that reads `paths.SCHEDULE` has visits, landmarks and schedule from there.
        """
        if paths.STUDY in self.stage.reads:
            return parse_study(self.yaml(paths.STUDY))
        scheduled = self.json(paths.SCHEDULE) if paths.SCHEDULE in self.stage.reads else {}
        return parse_study(scheduled | self.params(paths.STUDY))
