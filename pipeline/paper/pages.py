"""What a finished page shows: its figures with their charts and captions, and its tables.

What leaves for a manuscript is read off the pages and computed nowhere else, so that it holds what they
show and hides what they hide.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import html

from features.errors import UserError
from pipeline.report.drawing import Spec

Element = Any
"""lxml has no types."""
NOT_READ = ("save", "permalink", "hidden")
"""Classes of what is there for the mouse, or for those who do not see the page."""


@dataclass(frozen=True)
class Figure:
    """A figure as the page draws it; `offers` are the formats of its buttons."""

    id: str
    number: str
    section: str
    caption: str
    spec: Spec
    offers: frozenset[str]


@dataclass(frozen=True)
class PageTable:
    """A table in words: `rows` as wide as `header`; `numbers` tells which columns are aligned as numbers."""

    id: str
    number: str
    section: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[bool, ...]


@dataclass(frozen=True)
class Page:
    """A page of a study: its title, the standing label ("" of real patients), figures and tables in order."""

    title: str
    label: str
    figures: tuple[Figure, ...]
    tables: tuple[PageTable, ...]

    @property
    def shown(self) -> "tuple[Figure | PageTable, ...]":
        """Figures, then tables."""
        return (*self.figures, *self.tables)


def read_page(path: Path) -> Page:
    """Return what a page shows.

    A figure that the page's script fills for whoever looks, such as one patient's, is none of the page.

    Raises
    ------
    UserError
        If there is no such page.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: run `pcr run` first")
    return parse_page(path.read_text(encoding="utf-8"))


def parse_page(text: str) -> Page:
    """Return what the HTML of a page shows."""
    root = html.document_fromstring(text, parser=html.HTMLParser(huge_tree=True))
    (charts,) = root.xpath("//script[@id='charts']")
    offers = {button.get("data-figure"): set[str]() for button in root.xpath("//button[@data-save]")}
    for button in root.xpath("//button[@data-save]"):
        offers[button.get("data-figure")].add(button.get("data-save"))
    for name in NOT_READ:
        for element in root.xpath(f"//*[{_has_class(name)}]"):
            element.drop_tree()
    label = root.xpath(f"//p[{_has_class('simulated')}]")
    return Page(
        title=_words(root.xpath("//h1")[0]),
        label=_words(label[0]) if label else "",
        figures=tuple(_figures(root, json.loads(charts.text), offers)),
        tables=tuple(_table(element) for element in root.xpath("//main//table[@id][thead]")),
    )


def _figures(root: Element, specs: Mapping[str, Spec], offers: Mapping[str, set[str]]) -> Iterator[Figure]:
    for element in root.xpath("//main//figure[@id]"):
        name = element.get("id").removeprefix("figure-")
        spec = specs.get(name)
        if spec is None or spec["usermeta"].get("filled"):
            continue
        number, caption = _numbered(element.xpath(".//figcaption")[0])
        section = _section(element)
        yield Figure(name, number, section, caption, spec, frozenset(offers.get(name, ())))


def _table(element: Element) -> PageTable:
    head = element.xpath("./thead/tr[1]/*")
    captions = element.xpath("./caption")
    number, caption = _numbered(captions[0]) if captions else ("", "".join(element.xpath("../@aria-label")))
    return PageTable(
        id=element.get("id"),
        number=number,
        section=_section(element),
        caption=caption,
        header=tuple(map(_words, head)),
        rows=tuple(tuple(map(_words, row.xpath("./*"))) for row in element.xpath("./tbody/tr")),
        numbers=tuple("number" in (cell.get("class") or "").split() for cell in head),
    )


def _numbered(caption: Element) -> tuple[str, str]:
    """Return number and words of a caption, such as ``Figure 3`` and what it says."""
    number = "".join(map(_words, caption.xpath(f".//a[{_has_class('number-of')}]")))
    return number.rstrip("."), _words(caption).removeprefix(number).strip()


def _section(element: Element) -> str:
    """Return the heading above an element."""
    return "".join(map(_words, element.xpath("preceding::*[self::h2 or self::h3][1]")))


def _words(element: Element) -> str:
    return " ".join(element.text_content().split())


def _has_class(name: str) -> str:
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"
