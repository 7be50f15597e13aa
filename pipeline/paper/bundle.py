"""One zip of all figures, data and tables of a study, each file named by study, page and commit."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.paper.archives import zipped
from pipeline.paper.figures import data_csv, png
from pipeline.paper.pages import Figure, Page, PageTable
from pipeline.paper.word import Block, Heading, word_document
from pipeline.report.study.figures import svg

CONTENTS = ["file", "page", "number", "section", "caption"]


@dataclass(frozen=True)
class Source:
    """What the files are of: the study, its title, the commit, and the key of the pipeline state."""

    study: str
    title: str
    commit: str
    key: str


def bundle(source: Source, pages: Mapping[str, Page], told: Callable[[str], None] = lambda _: None) -> bytes:
    """Return the zip of a study's pages; the same pages give the same bytes.

    Parameters
    ----------
    pages : mapping
        By what file names call a page: `report`, or a landmark.
    told : callable, optional
        Is told the name of each page before its figures are drawn.
    """
    files: dict[str, bytes] = {}
    rows: list[list[str]] = []
    for name, page in pages.items():
        stem = f"{source.study}-{name}-{source.commit}"
        told(name)
        for shown in page.shown:
            made = dict(_of_figure(stem, shown) if isinstance(shown, Figure) else _of_table(stem, shown))
            files |= made
            rows += [[path, name, shown.number, shown.section, shown.caption] for path in made]
        if page.tables:
            path = f"tables/{stem}-tables.docx"
            files[path] = tables_document(source, page)
            rows.append([path, name, "", "", "All tables of the page, for Word"])
    files["contents.csv"] = _csv([CONTENTS, *rows])
    files["README.txt"] = _readme(source, pages).encode()
    folder = f"{source.study}-{source.commit}"
    return zipped({f"{folder}/{path}": content for path, content in files.items()})


def _of_figure(stem: str, figure: Figure) -> Iterator[tuple[str, bytes]]:
    name = f"{stem}-{_place(figure.number)}{figure.id}"
    drawn = svg(figure.spec)
    yield f"figures/{name}.svg", drawn.encode()
    if "png" in figure.offers:
        yield f"figures/{name}.png", png(drawn)
    yield f"data/{name}.csv", data_csv(figure.spec).encode()


def _of_table(stem: str, table: PageTable) -> Iterator[tuple[str, bytes]]:
    yield f"tables/{stem}-{_place(table.number)}{table.id}.csv", _csv([table.header, *table.rows])


def _place(number: str) -> str:
    """Return a number as the part of a name, such as ``figure-03-``; files then stand in its order."""
    word, _, digits = number.lower().partition(" ")
    return f"{word}-{digits.zfill(2)}-" if digits else ""


def tables_document(source: Source, page: Page) -> bytes:
    """Return all tables of a page, each below its section, as a document for Word."""
    blocks: list[Block] = []
    section = ""
    for table in page.tables:
        if table.section != section:
            section = table.section
            blocks.append(Heading(section))
        blocks.append(table)
    return word_document(f"{source.title}: {page.title}", page.label, blocks, landscape=True)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _readme(source: Source, pages: Mapping[str, Page]) -> str:
    label = next((f"{page.label}\n\n" for page in pages.values() if page.label), "")
    return (
        f"{label}{source.title}\n\n"
        f"Study {source.study}, commit {source.commit}, content key {source.key}.\n\n"
        "figures/  as on the pages: SVG, and PNG at 300 dpi where the page offers it\n"
        "data/     what each figure draws, CSV (UTF-8)\n"
        "tables/   tables in words, CSV, and all tables of a page for Word\n\n"
        "contents.csv names the caption of every file. What the pages hide is hidden here; figures of one\n"
        "patient, which the pages draw for whoever looks, are on the pages alone.\n"
    )
