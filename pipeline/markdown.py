"""Tables in Markdown, whatever text stands in their cells: what a study names as it likes."""

import re
from collections.abc import Iterable, Iterator, Sequence

# What would divide a cell, or begin a link, code, emphasis or an element of HTML. The underscore only at a
# word's edge: within one, as in er_pct, it is no mark.
SPECIAL = re.compile(r"[\\|`*\[\]<>]|(?<!\w)_|_(?!\w)")


def escaped(text: object) -> str:
    """Return a text as it is shown in Markdown letter by letter, in one line."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table; cells are shown letter by letter."""
    for i, cells in enumerate([header, *rows]):
        yield f"| {' | '.join(escaped(cell) for cell in cells)} |"
        if i == 0:
            yield f"|{'---|' * len(header)}"
