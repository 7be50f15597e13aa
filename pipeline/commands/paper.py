"""`pcr paper`: the active study's figures, data and tables in one zip."""

from pathlib import Path

from features.errors import UserError
from pipeline.console import stderr, stdout
from pipeline.paper.bundle import Source, bundle
from pipeline.paper.pages import Page, read_page
from pipeline.project import paths
from pipeline.project.files import read_yaml, replacing
from pipeline.registry.contents import content_digest, require_computed
from pipeline.registry.state import State, workspace_state
from pipeline.workspace.study import active_study

REPORTS = "reports"
"""The stage that makes the pages, and their folder."""
OVERVIEW = "report"
COMMIT_DIGITS = 9


def paper(out: Path) -> Path:
    """Write STUDY-COMMIT.zip into a folder and return its path.

    Raises
    ------
    UserError
        If there are no pages, if they were altered, or if a configuration changed since they were made: what
        they hide might no longer be what is to be hidden.
    """
    state = workspace_state(active_study())
    require_current_pages(state)
    study = read_yaml(Path(paths.STUDY))
    path = out / f"{state.study}-{commit_of(state)}.zip"
    pages = read_pages(state)
    source = Source(state.study, study["title"], commit_of(state), state.key)
    counted = {name: len(page.figures) for name, page in pages.items()}
    content = bundle(
        source,
        pages,
        lambda name: stderr().print(f"{name}: {counted[name]} figures", markup=False, highlight=False),
    )
    with replacing(path) as new:
        new.write_bytes(content)
    figures, tables = (
        sum(len(shown) for shown in each)
        for each in ([page.figures for page in pages.values()], [page.tables for page in pages.values()])
    )
    stdout().print(
        f"{figures} figures and {tables} tables of {len(pages)} pages, {len(content) / 1e6:.1f} MB",
        highlight=False,
    )
    stdout().print(str(path), highlight=False, markup=False, soft_wrap=True)
    return path


def commit_of(state: State) -> str:
    """Return the commit as file names have it; what differs from the commit is said."""
    return state.origin.commit[:COMMIT_DIGITS] + ("-changed" if state.origin.changes else "")


def read_pages(state: State) -> dict[str, Page]:
    """Return what every page of the study shows: `report`, then the landmarks. Raises as `read_page`."""
    folder = state.artifacts / REPORTS
    names = {OVERVIEW: "index", **{landmark: f"shap-{landmark}" for landmark in state.landmarks}}
    return {name: read_page(folder / f"{file}.html") for name, file in names.items()}


def require_current_pages(state: State) -> None:
    """Refuse pages that are not those of the state, or that were made under other configurations.

    Raises
    ------
    UserError
        If they were not made, were altered, or a file in configs/ that they read has changed.
    """
    if REPORTS not in state.stages:
        raise UserError(f"study {state.study} has no pages: run `pcr run` first")
    require_computed({REPORTS: state.stages[REPORTS]})
    changed = [
        dep["path"]
        for dep in state.stages[REPORTS]["deps"]
        if dep["path"].startswith("configs/") and content_digest(Path(dep["path"])) != dep["md5"]
    ]
    if changed:
        raise UserError(f"{', '.join(changed)}: changed since the pages were made; run `pcr run` first")
