"""What the documentation site is built from: ``python -m documentation.site FOLDER``, run by `make docs`.

The pages of docs/, GLOSSARY.md and CHANGELOG.md as they are; the gallery from the active study's finished
pages; the reference of commands from their own help, of measures and functions from their docstrings.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.cli import app
from pipeline.commands.paper import OVERVIEW, read_pages, require_current_pages
from pipeline.console import reported_errors
from pipeline.paper.gallery import FILE, FigureGuide, gallery
from pipeline.project.files import replacing
from pipeline.project.settings import read_settings
from pipeline.registry.state import workspace_state
from pipeline.workspace.study import active_study

OWN = Path("documentation")
GUIDES = Path("docs")
MOVED = {"GLOSSARY.md": "glossary.md", "CHANGELOG.md": "changelog.md"}
MEASURES = ("models/measures",)
API = (
    "features",
    "models/procedure",
    "models/evaluation",
    "models/explanation",
    "models/efficacy",
    "pipeline/record",
)


def write_site(out: Path) -> None:
    """Write every page of the site, as Markdown, into a folder that is replaced as a whole.

    Raises
    ------
    UserError
        If the active study has no finished pages.
    """
    state = workspace_state(active_study())
    require_current_pages(state)
    pages = read_pages(state)
    # The landmarks' pages have the same figures: one of them stands for all.
    shown = {name: pages[name] for name in (OVERVIEW, state.landmarks[-1])}
    made = gallery(shown, read_settings(FigureGuide, Path(FILE)))
    made |= {"commands.md": commands_page().encode()}
    made |= {"measures.md": modules_page("Measures", MEASURES), "api.md": modules_page("API", API)}
    with replacing(out) as new:
        shutil.copytree(
            GUIDES, new, ignore=lambda folder, _: ["reproduction"] if folder == str(GUIDES) else []
        )
        shutil.copytree(
            OWN, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mkdocs.yml", "*.py", "__pycache__")
        )
        for name, page in MOVED.items():
            shutil.copy(name, new / page)
        for name, content in made.items():
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_bytes(content)


def commands_page() -> str:
    """Return what `pcr --help` says of every command, as a page."""
    commands: Mapping[str, Any] = getattr(get_command(app), "commands", {})
    parts = []
    for name, command in sorted(commands.items()):
        options = [f"{' / '.join(p.opts)}: {getattr(p, 'help', None) or ''}" for p in command.params]
        parts.append(
            "\n".join([f"## pcr {name}", "", "```", (command.help or "").strip(), "", *options, "```"])
        )
    return "\n\n".join(["# Commands", *parts]) + "\n"


def modules_page(title: str, folders: tuple[str, ...]) -> bytes:
    """Return a page on which mkdocstrings writes what the modules of folders say of themselves."""
    modules = [
        path.with_suffix("").as_posix().replace("/", ".")
        for folder in folders
        for path in sorted(Path(folder).glob("*.py"))
        if path.name != "__init__.py"
    ]
    return "\n\n".join([f"# {title}", *(f"::: {name}" for name in modules)]).encode() + b"\n"


def main() -> None:
    """Write the pages into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    with reported_errors():
        write_site(parser.parse_args().out)


if __name__ == "__main__":
    main()
