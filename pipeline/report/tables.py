"""Tables as data, drawn by one macro of the templates (parts.html.j2), and the small cells that they hide."""

import re
from collections import Counter
from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from markupsafe import Markup

from pipeline.project.estimates import Estimate
from pipeline.report.page import count, part, percent_interval, text_of

NARROWEST, WIDEST = 3.2, 15.0
LETTER, LINES = 0.55, 2.6
"""Of a column: limits and a letter in rem, and in how many lines a cell's text may be broken."""
REASON = re.compile(r' <span class="interval reason">\((.*?)\)</span>')
"""Why a cell has no number, as `measure` writes it."""


@dataclass(frozen=True)
class Table:
    """A table of a page: `rows` hold text or markup by column key; the first column names the row.

    `notes` are why several cells have no number: a reason that cells share is told once, below the table.
    """

    id: str
    caption: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    numbers: frozenset[str] = field(default_factory=frozenset)
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(
        id: str,  # noqa: A002 - the element's id
        caption: str,
        columns: Mapping[str, str],
        rows: Sequence[Mapping[str, Any]],
        text: Sequence[str] = (),
    ) -> "Table":
        """Return a table whose columns are all numbers, apart from the first one and those in `text`."""
        names = list(columns)
        cells = (str(cell) for row in rows for cell in row.values() if isinstance(cell, Markup))
        reasons = Counter(reason for cell in cells for reason in REASON.findall(cell))
        shared = [reason for reason, times in reasons.items() if times > 1]
        told = (
            [{key: _without(cell, shared) for key, cell in row.items()} for row in rows] if shared else rows
        )
        notes = tuple(Markup(f"Not computable: {reason}.") for reason in shared)  # noqa: S704 - as in the cells
        return Table(id, caption, columns, told, frozenset(names[1:]) - frozenset(text), notes)

    def width(self, column: str) -> float:
        """Return the least width of a column of text in rem: its longest text in three lines, within limits.

        0 for a column of numbers, which are not broken into lines.
        """
        if column in self.numbers:
            return 0
        longest = max((len(text_of(row.get(column, ""))) for row in self.rows), default=0)
        return round(min(WIDEST, max(NARROWEST, LETTER / LINES * longest)), 1)


def _without(cell: object, reasons: Sequence[str]) -> object:
    """Return a cell without the reasons that are told below its table."""
    if not isinstance(cell, Markup):
        return cell
    kept = REASON.sub(lambda found: "" if found.group(1) in reasons else found.group(), str(cell))
    return Markup(kept)  # noqa: S704 - a part of the same markup


Cell = TypeVar("Cell", bound=Hashable)
NOT_SHOWN = Markup('<span class="none">not shown</span>')
"""A count that would tell a small one."""


@dataclass(frozen=True)
class Privacy:
    """Which cells are shown: counts from 1 to below `smallest` are not, where `suppress` says so."""

    smallest: int
    suppress: bool

    def hides(self, n: int) -> bool:
        """Tell whether a count is too small to be shown."""
        return self.suppress and 0 < n < self.smallest

    def hidden(
        self,
        counts: Mapping[Cell, int],
        sums: Sequence[Mapping[Cell, int]],
        last: Container[Cell] = frozenset(),
    ) -> set[Cell]:
        """Return which cells of a table are not shown: the small ones, and those that would tell them.

        Parameters
        ----------
        counts : mapping
            Count by cell.
        sums : sequence of mappings of cell to coefficient
            What a reader knows: these combinations of cells, such as the sum of a column, or a total minus
            its parts (zero).
        last : container of cells
            Those that are hidden, unless they are small, only where no other would do.

        As long as a hidden cell follows from all that is shown (its unit vector lies in the row space of the
        sums over hidden cells), the smallest shown cell of one of its sums, above zero if there is one, is
        hidden too, of sums without another hidden cell first. Ranges are not protected: two hidden cells
        whose sum is 2 are both 1.
        """
        found = {cell for cell, n in counts.items() if self.hides(n)}
        while told := _determined([cell for cell in counts if cell in found], sums):
            lines = [line for line in sums if told & set(line)]
            # A sum that tells its only hidden cell alone first: another cell of it has to be hidden anyway.
            alone = [line for line in lines if len(found & set(line)) == 1]
            others = [c for line in alone for c in line if c not in found] or [
                c for line in lines for c in line if c not in found
            ]
            if not others:
                break
            found.add(min(others, key=lambda cell: (cell in last, counts[cell] == 0, counts[cell])))
        return found

    def cell(self, n: int, of: int | None = None, *, hidden: bool = False) -> Markup:
        """Return a count, with its share of `of`; fewer than the smallest are not told, nor hidden ones."""
        if self.hides(n):
            return Markup('<span class="none">&lt; {}</span>').format(self.smallest)
        if hidden:
            return NOT_SHOWN
        share = Markup(' <span class="interval">({})</span>').format(part(n / of)) if of else Markup("")
        return Markup("{}{}").format(count(n), share)

    def proportion(self, events: int, n: int, share: Estimate) -> Markup:
        """Return events of n and their share with its interval, or that they are too few to be shown."""
        if not n:
            return Markup('<span class="none">none</span>')
        if any(map(self.hides, (n, events, n - events))):
            return Markup('<span class="none">too few to show</span>')
        return Markup("{} of {}, {}").format(count(events), count(n), percent_interval(share, 1))


def _determined(cells: Sequence[Cell], sums: Sequence[Mapping[Cell, int]]) -> set[Cell]:
    """Return which of the unknown `cells` follow from the sums."""
    if not cells:
        return set()
    known = np.array([[line.get(cell, 0) for cell in cells] for line in sums], dtype=float)
    projection = np.linalg.pinv(known) @ known
    return {cell for cell, share in zip(cells, projection.diagonal(), strict=True) if share > 1 - 1e-9}
