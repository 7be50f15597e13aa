"""The documentation site: every figure with how it is read, and nothing that asks the network."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

from documentation.site import API, MEASURES, commands_page, modules_page
from features.errors import UserError
from pipeline.paper.gallery import FigureGuide, FigureKind, gallery
from pipeline.paper.pages import Page, parse_page
from pipeline.project.settings import read_settings
from tests.pipeline.paper.test_bundle import overview
from tests.pipeline.test_report import plain
from tests.pipeline.test_true_pages import ROOT

GUIDE = read_settings(FigureGuide, ROOT / "configs/figure_guide.yaml")
DOCUMENTATION = ROOT / "documentation"


@cache
def pages() -> dict[str, Page]:
    return {"report": parse_page(overview()), "c2": parse_page(plain())}


def test_the_gallery_has_every_figure_once_below_how_its_kind_is_read() -> None:
    made = gallery(pages(), GUIDE)
    text = made["gallery.md"].decode()
    shown = {f"{name}-{figure.id}" for name, page in pages().items() for figure in page.figures}
    assert {Path(path).stem for path in made} - {"gallery"} == shown
    assert all(text.count(f"({path})") == 1 for path in made if path != "gallery.md")
    assert text.count("**How to read it.**") == text.count("\n## ")
    assert "**SIMULATED DATA - no patients**" in text


def test_a_figure_of_no_kind_is_refused_and_the_first_kind_that_fits_is_its_kind() -> None:
    kinds = FigureGuide((FigureKind("One", ("a-*",), "x"), FigureKind("Two", ("*-b",), "y")))
    assert [kinds.kind_of(name).title for name in ("a-b", "c-b")] == ["One", "Two"]
    with pytest.raises(UserError, match=r"figure_guide.yaml: no kind has figure c"):
        kinds.kind_of("c")


def test_every_figure_that_the_pages_can_show_has_a_kind() -> None:
    templates = (ROOT / "pipeline/report/templates").glob("*.html.j2")
    # Without what it says of itself a figure is of one patient, and drawn where it is read.
    named = re.compile(r'call figure\("([\w-]+)", chart_heights, abouts\)')
    ids = {name for template in templates for name in named.findall(template.read_text(encoding="utf-8"))}
    assert {"blocks-added", "themes-landmarks", "flow-chart"} <= ids
    for name in ids:
        GUIDE.kind_of(name)


def test_the_reference_has_every_command_and_modules_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert {"pcr paper", "pcr methods", "pcr run"} <= set(
        re.findall(r"^## (.*)$", commands_page(), re.MULTILINE)
    )
    for title, folders in (("Measures", MEASURES), ("API", API)):
        named = re.findall(r"^::: (\S+)$", modules_page(title, folders).decode(), flags=re.MULTILINE)
        assert len(named) > 10
        assert all((ROOT / f"{name.replace('.', '/')}.py").is_file() for name in named)


def test_the_site_opens_from_disk_and_names_only_pages_that_are_made() -> None:
    site = yaml.safe_load((DOCUMENTATION / "mkdocs.yml").read_text())
    assert site["use_directory_urls"] is False
    assert site["theme"]["font"] is False
    assert "offline" in site["plugins"]
    assert not re.search(r"https?://", (DOCUMENTATION / "mkdocs.yml").read_text())
    (shim,) = site["extra"]["polyfills"]
    assert (DOCUMENTATION / shim).is_file()
    named = set(re.findall(r": (\S+\.md)$", (DOCUMENTATION / "mkdocs.yml").read_text(), flags=re.MULTILINE))
    made = {"gallery.md", "commands.md", "measures.md", "api.md", "glossary.md", "changelog.md", "index.md"}
    assert named - made == {path.name for path in (ROOT / "docs").glob("*.md")}, (
        "every page is in the contents"
    )


def test_the_site_is_pinned_apart_with_digests() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    lock = (ROOT / "requirements-docs.lock").read_text()
    assert groups["docs"]
    assert all(f"\n{re.split('[>[]', package)[0]}" in f"\n{lock}" for package in groups["docs"])
    assert len(re.findall(r"^\S+==", lock, flags=re.MULTILINE)) <= lock.count("--hash=sha256:")


def test_readme_has_one_picture_and_at_most_150_lines() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", readme)
    assert (ROOT / picture).is_file()
