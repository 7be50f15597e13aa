"""Search a text for the statements that the product must never make (tests/spec/forbidden.yaml)."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import yaml

FORBIDDEN: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "spec" / "forbidden.yaml").read_text(encoding="utf-8")
)


def visible_text(html: str) -> str:
    """Return what a reader of a page sees, and the texts that its script draws; no markup, no style."""
    text = re.sub(r"<style.*?</style>", " ", html, flags=re.DOTALL)
    # Scripts hold libraries as well as texts: of them only data blocks are read.
    data = " ".join(re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL))
    text = re.sub(r"<script.*?</script>", " ", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split()) + " " + data


def forbidden_statements(text: str, page: str = "") -> list[str]:
    """Return what a text says that it must not: ``number: the words found, with their surroundings``."""
    plain = " ".join(text.split())
    found = []
    for entry in FORBIDDEN:
        if entry.get("pages", page) != page and "pages" in entry:
            continue
        for pattern in entry["patterns"]:
            for match in re.finditer(pattern, plain, flags=re.IGNORECASE):
                around = plain[max(match.start() - 40, 0) : match.end() + 40]
                found.append(f"{entry['number']}: ...{around}...")
    return found
