"""A real Chromium for the tests of the pages. `python -m tests.browser` says whether there is one."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = (
    "No Chromium found: the tests of the report pages need one. Install it (Debian, Ubuntu: apt-get install "
    "chromium; or: playwright install chromium) or name it: PCR_CHROMIUM=/path/to/chromium. Without it these "
    "tests are skipped, and fail where CI=true."
)


def chromium() -> str | None:
    """Return the path of a Chromium: PCR_CHROMIUM, one on PATH, or the one that Playwright installed."""
    named = os.environ.get("PCR_CHROMIUM")
    if named:
        return named
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    installed = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
    return found or (str(installed[-1]) if installed else None)


@contextmanager
def browsing(executable: str) -> Iterator[Any]:
    """Give a browser that is closed afterwards."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - this file also runs before set-up

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, width: int = 1280) -> Iterator[tuple[Any, list[str]]]:
    """Open a page from disk without network; give it, and the list of what went wrong so far.

    Trouble: messages on the console, errors of scripts, and every request for anything but the page itself.
    """
    trouble: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: trouble.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:", "blob:")) else trouble.append(request.url)
        ),
    )
    page.goto(path.resolve().as_uri())
    if path.name.startswith("shap-"):
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
    yield page, trouble
    context.close()


def show_everything(page: Any) -> None:
    """Open what is folded away, and draw all figures."""
    page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true; })")
    page.wait_for_timeout(200)
    page.evaluate("pcr.drawAll()")
    page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)


if __name__ == "__main__":
    sys.stdout.write(f"{chromium() or INSTALL}\n")
    sys.exit(0 if chromium() or __spec__ else 1)
