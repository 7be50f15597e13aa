"""The gallery of the documentation site: every figure of a run's pages, and how its kind is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from features.errors import UserError
from pipeline.markdown import escaped
from pipeline.paper.figures import png
from pipeline.paper.pages import Figure, Page
from pipeline.report.study.figures import svg

FILE = "configs/figure_guide.yaml"
FOLDER = "gallery"
SCREEN_DPI = 96


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: ids of its figures, with * for anything, and how it is read."""

    title: str
    figures: tuple[str, ...]
    read: str


@dataclass(frozen=True)
class FigureGuide:
    """configs/figure_guide.yaml."""

    kinds: tuple[FigureKind, ...]

    def kind_of(self, figure: str) -> FigureKind:
        """Return the first kind that a figure's id fits.

        Raises
        ------
        UserError
            If it fits none.
        """
        for kind in self.kinds:
            if any(fnmatch(figure, pattern) for pattern in kind.figures):
                return kind
        raise UserError(f"{FILE}: no kind has figure {figure}; add its id to one")


def gallery(pages: Mapping[str, Page], guide: FigureGuide) -> dict[str, bytes]:
    """Return gallery.md and its pictures, by path: each kind once, with its figures of the pages."""
    shown = [(name, figure) for name, page in pages.items() for figure in page.figures]
    label = next((page.label for page in pages.values() if page.label), "")
    pictures: dict[str, bytes] = {}
    lines = ["# Gallery of figures", *([f"**{label}**"] if label else [])]
    for kind in guide.kinds:
        figures = [(name, figure) for name, figure in shown if guide.kind_of(figure.id) is kind]
        if figures:
            lines += [f"## {kind.title}", f"**How to read it.** {escaped(kind.read)}"]
            drawn = dict(_pictures(figures))
            pictures |= drawn
            for path, (_, figure) in zip(drawn, figures, strict=True):
                lines += [f"![{escaped(figure.caption)}]({path})", f"*{escaped(figure.caption)}*"]
    return {"gallery.md": ("\n\n".join(lines) + "\n").encode(), **pictures}


def _pictures(figures: Sequence[tuple[str, Figure]]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of pictures: SVG, or PNG where a canvas draws many points."""
    for page, figure in figures:
        if figure.spec["usermeta"]["embedOptions"]["renderer"] == "canvas":
            yield f"{FOLDER}/{page}-{figure.id}.png", png(svg(figure.spec), SCREEN_DPI)
        else:
            yield f"{FOLDER}/{page}-{figure.id}.svg", svg(figure.spec).encode()
