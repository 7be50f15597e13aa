"""The visible text of a page in pieces, each with where it stands, and what counts as a number of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import html

BLOCKS = frozenset(
    "p li td th dt dd figcaption caption summary h1 h2 h3 label div".split()  # noqa: SIM905 - names of elements
)
NOT_READ = ("save", "number-of", "permalink", "hidden")
NOT_TEXT = ("script", "style", "code", "button", "option", "nav")
NUMBER = re.compile(
    r"(?<![\w.@^])(?<![A-Za-z]-)(?<!\^-)(?P<sign>(?<!\w)[-+])?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"(?!\.?\w|[\^+])(?P<percent> ?%)?"
)
"""A number by itself: none that is part of a word or a unit, such as C2, Ki-67, 3+, 2.E or 10^-3."""


@dataclass(frozen=True)
class Shown:
    """A piece of text of a page: its section and table, and the words and keys that say what it is of."""

    text: str
    section: str
    table: str = ""
    beside: str = ""
    keys: tuple[str, ...] = ()


def texts(page: str) -> list[Shown]:
    """Return the pieces of visible text of a page, none twice: blocks, and the cells of tables."""
    root = html.document_fromstring(page, parser=html.HTMLParser(huge_tree=True))
    (main,) = root.xpath("//main")
    dropped = [*main.xpath("|".join(f".//{name}" for name in NOT_TEXT)), *main.xpath(".//*[@hidden]")]
    dropped += [
        element
        for name in NOT_READ
        for element in main.xpath(f".//*[contains(concat(' ', @class, ' '), ' {name} ')]")
    ]
    for element in dropped:
        if element.getparent() is not None:
            element.drop_tree()
    heads = {
        table: [_words(cell) for cell in table.xpath("./thead/tr[1]/*")] for table in main.xpath(".//table")
    }
    pieces: dict[Any, list[str]] = {}
    for element in main.iter():
        if isinstance(element.tag, str):
            pieces.setdefault(_block(element), []).append(element.text or "")
        if element.tail and element is not main:
            pieces.setdefault(_block(element.getparent()), []).append(element.tail)
    shown = []
    for block, words in pieces.items():
        text = plain("".join(words))
        if text:
            shown.append(Shown(text, _section(block), *_place(block, heads)))
    return shown


def _block(element: Any) -> Any:
    while element.tag not in BLOCKS and element.getparent() is not None and element.tag != "main":
        element = element.getparent()
    return element


def _section(block: Any) -> str:
    named = block.xpath("ancestor-or-self::section[@id][1]/@id")
    return str(named[-1]) if named else ""


def _place(block: Any, heads: Mapping[Any, Sequence[str]]) -> tuple[str, str, tuple[str, ...]]:
    """Return table or figure, the heads of row and column, and the keys that their tooltips tell."""
    figure = block.xpath("ancestor-or-self::figure[1]/@id")
    rows = block.xpath("ancestor-or-self::tr[1]")
    table = block.xpath("ancestor::table[1]")
    if not rows or not table:
        return (str(figure[-1]) if figure else ""), "", ()
    head = rows[0].xpath("./*")[0]
    place = rows[0].index(block) if block.getparent() is rows[0] else 0
    columns = heads[table[0]]
    titles = [str(title) for title in rows[0].xpath(".//@title")]
    keys = tuple(
        dict.fromkeys(found for title in titles for found in (title, *re.findall(r"\(([\w.]+)\)$", title)))
    )
    beside = plain(f"{_words(head)} | {columns[place] if place < len(columns) else ''}")
    return table[0].get("id") or "", beside, keys


def _words(element: Any) -> str:
    return " ".join(element.text_content().split())


def plain(text: str) -> str:
    """Return text with one kind of space and of minus."""
    return " ".join(text.replace("\u00a0", " ").replace("\N{MINUS SIGN}", "-").split())
