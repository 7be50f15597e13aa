"""Configuration files in the layout that DVC writes, so that one `-S` of `dvc exp run` changes one line.

`python -m tests.dvc_layout FILE...` writes them so. DVC puts the items of a list below its key, breaks lines
after 80 characters, and loses every comment and empty line that stands in a list or behind one. A comment on
lines of its own moves to the head of the mapping whose key it speaks of, with the name of that key.
"""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from dvc.utils.collections import to_omegaconf
from dvc.utils.serialize._yaml import _dump, parse_yaml_for_update

WIDTH = 118


@dataclass(frozen=True)
class Key:
    """A key that stands in no list: its line, its name, and the line of the first key beside it."""

    line: int
    name: str
    first: int
    has_list: bool


def dvc_layout(text: str) -> str:
    """Return a document as DVC writes it after `-S`, without the comments that it loses."""
    document = parse_yaml_for_update(text, "")
    _plain_lists(document)
    written = StringIO()
    _dump(document, written)
    return written.getvalue()


def with_kept_comments(text: str) -> str:
    """Return a document in DVC's layout, with all its comments where DVC keeps them."""
    while (written := _with_moved_comments(text)) != text:
        # A list that was written in one line keeps the comment below it, until it is in lines itself.
        text = written
    return written


def _with_moved_comments(text: str) -> str:
    """Return a document in DVC's layout, with the comments moved that DVC would lose."""
    lines = text.splitlines()
    keys = sorted(_keys(parse_yaml_for_update(text, "")), key=lambda key: key.line)
    left = set(dvc_layout(text).splitlines())
    insertions: dict[int, list[str]] = {}
    for start, end in _comment_blocks(lines):
        block = [line for line in lines[start:end] if line.strip().startswith("#")]
        if all(line in left for line in block):
            continue
        key = _subject(keys, start, end)
        indent = len(lines[key.first]) - len(lines[key.first].lstrip())
        said = " ".join(line.strip().lstrip("#").strip() for line in block)
        head = "" if said.lower().startswith(key.name.lower()) else f"{key.name}: "
        mark = " " * indent + "# "
        insertions.setdefault(key.first, []).extend(
            textwrap.wrap(head + said, WIDTH, initial_indent=mark, subsequent_indent=mark)
        )
        for number in range(start, end):
            lines[number] = ""
    moved = [line for number, line in enumerate(lines) for line in [*insertions.get(number, []), line]]
    return dvc_layout("\n".join(moved) + "\n")


def _plain_lists(content: Any) -> None:
    """Make every list of a document what DVC makes of it: plain, without comments or style."""
    for key, value in content.items():
        if isinstance(value, list):
            content[key] = to_omegaconf(value)
        elif isinstance(value, dict):
            _plain_lists(value)


def _keys(content: Any) -> Iterator[Key]:
    """Give every key that stands in no list."""
    if not content or content.fa.flow_style():
        return
    first = min(content.lc.key(key)[0] for key in content)
    for key, value in content.items():
        yield Key(content.lc.key(key)[0], str(key), first, isinstance(value, list))
        if isinstance(value, dict):
            yield from _keys(value)


def _comment_blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Give first and last line, not included, of every run of comments and empty lines."""
    start = None
    for number, line in enumerate([*lines, "end"]):
        apart = not line.strip() or line.strip().startswith("#")
        if apart and start is None:
            start = number
        elif not apart and start is not None:
            if any(one.strip() for one in lines[start:number]):
                yield start, number
            start = None


def _subject(keys: list[Key], start: int, end: int) -> Key:
    """Return the key that a comment is about: the one below it, or the one whose list it stands in."""
    below = [key for key in keys if key.line == end]
    return below[0] if below else max((key for key in keys if key.line < start), key=lambda key: key.line)


def main() -> None:
    """Rewrite the files."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_kept_comments(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
