"""`pcr reproduce`: every result computed anew from stored tables, here or by another Python, cell by cell."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from pipeline.commands.ard import record_of
from pipeline.console import stdout
from pipeline.markdown import table_lines
from pipeline.project.files import write_text
from pipeline.record.again import repeated, versions
from pipeline.record.cells import CLOSE, Cells, compare_outputs
from pipeline.record.rows import differences
from pipeline.registry.state import State, workspace_state
from pipeline.workspace.study import active_study

HEAD = ("stage", "cells", "same to the bit", "to nine digits", "different")
MAX_NAMED = 5


@dataclass(frozen=True)
class Reproduction:
    """What was computed again, beside what is stored.

    Attributes
    ----------
    cells : mapping of str to Cells
        By stage, of all files that it writes.
    failed : sequence of str
        Stages that ended with an error.
    rows, apart : int
        Rows of the record, and those that differ beyond rounding.
    environments : tuple of str
        The Python that computed again, and this one.
    """

    state: State
    fits: bool
    cells: Mapping[str, Cells]
    failed: Sequence[str]
    rows: int
    apart: int
    environments: tuple[str, str]

    @property
    def total(self) -> Cells:
        """The cells of all stages."""
        return sum(self.cells.values(), Cells())

    @property
    def sound(self) -> bool:
        """Whether everything ran and nothing differs beyond rounding."""
        return not (self.failed or self.apart or self.total.different)


def reproduce(python: Path | None, out: Path | None, *, fits: bool) -> Reproduction:
    """Run the stages of the active study again in a copy, compare every cell, and tell.

    Parameters
    ----------
    python : Path, optional
        Another interpreter, with its own libraries; by default this one.
    out : Path, optional
        Folder for STUDY.md, the report.
    fits : bool
        Whether models are fitted again, too; else all is made from stored fits and predictions.

    Raises
    ------
    UserError
        If there are no results, if they are not what was computed, or if `python` cannot compute.
    """
    state = workspace_state(active_study())
    interpreter = None if python is None else str(python.absolute())
    environments = (versions(interpreter or sys.executable), versions(sys.executable))
    stored = record_of(state, state.artifacts)
    with repeated(state, interpreter, fits=fits) as again:
        apart = differences(stored, record_of(state, again.root / state.artifacts))
        cells = {
            name: sum((compare_outputs(Path(path), again.root / path) for path in paths), Cells())
            for name, paths in again.outputs.items()
        }
    made = Reproduction(state, fits, cells, again.failed, len(stored), len(apart), environments)
    _tell(made)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / f"{made.state.study}.md", report(made))
    return made


def _rows(made: Reproduction) -> list[tuple[str, ...]]:
    listed = [*made.cells.items(), ("all", made.total)]
    return [
        (name, *(f"{count:,}" for count in (cells.total, cells.same, cells.close, cells.different)))
        for name, cells in listed
    ]


def _sentences(made: Reproduction) -> Iterable[str]:
    yield f"Computed again with: {made.environments[0]}; stored by: {made.environments[1]}."
    yield (
        "Fitted again, too: every model, forecast and bootstrap sample."
        if made.fits
        else "From stored tables, fits and predictions; nothing was fitted again."
    )
    yield f"Record of results: {made.apart:,} of {made.rows:,} rows differ beyond nine digits."
    for name in made.failed:
        yield f"{name} failed: what it writes, and what is made from it, counts as different."
    for name, cells in made.cells.items():
        if cells.where:
            more = len(cells.where) - MAX_NAMED
            named = ", ".join(cells.where[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
            yield f"{name} differs in {named}."


def _tell(made: Reproduction) -> None:
    shown = Table(*HEAD[:1], box=None)
    for head in HEAD[1:]:
        shown.add_column(head, justify="right")
    for row in _rows(made):
        shown.add_row(*row)
    stdout().print(shown)
    for sentence in _sentences(made):
        stdout().print(sentence, markup=False, highlight=False)


def report(made: Reproduction) -> str:
    """Return what was found as a page in Markdown, without a date: the same finding is the same page."""
    data = "simulated patients" if made.state.simulated else "a cohort's patients"
    head = f"# {made.state.study} computed again\n\nPipeline state {made.state.key}, {data}.\n"
    parts = [head, *(f"- {sentence}" for sentence in _sentences(made)), "", *table_lines(HEAD, _rows(made))]
    close = f"Nine digits: a relative difference up to {CLOSE:g}."
    return "\n".join([*parts, "", close, ""])
