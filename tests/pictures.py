"""Pictures of the active study's pages for README and tutorial: `python -m tests.pictures`, after a run."""

import sys
from pathlib import Path

from pipeline.commands.paper import require_current_pages
from pipeline.registry.state import workspace_state
from pipeline.workspace.study import active_study
from tests.browser import browsing, chromium, opened

FOLDER = Path("docs/pictures")
PICTURES = {
    "first-screen": ("index.html", "#glance"),
    "patients": ("index.html", "#flow-all"),
    "differences": ("index.html", "#differences-all"),
}
"""A section of a page, by the name of its picture."""


def take(reports: Path, folder: Path) -> None:
    """Take every picture, 1,100 pixels wide, with the standing label of a simulation in it."""
    executable = chromium()
    if executable is None:
        sys.exit("no Chromium: see python -m tests.browser")
    folder.mkdir(parents=True, exist_ok=True)
    with browsing(executable) as browser:
        for name, (page, section) in PICTURES.items():
            with opened(browser, reports / page, 1100) as (shown, _):
                shown.locator(section).scroll_into_view_if_needed()
                shown.evaluate(f"document.querySelector('{section}').scrollIntoView()")
                shown.wait_for_timeout(1500)
                shown.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    state = workspace_state(active_study())
    require_current_pages(state)
    take(state.artifacts / "reports", FOLDER)
