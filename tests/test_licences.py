"""The licences of what is installed: no dependency may bind the project's users by surprise."""

import re
from email.message import Message
from importlib.metadata import distributions
from typing import cast

# Named, with what makes them acceptable.
KNOWN = {
    "axe-playwright-python": "MIT, not said in its metadata; of the tests",
    "pygit2": "GPL-2.0 with linking exception; of DVC",
    "sigstore-models": "MIT, not said in its metadata; of model-signing",
    "huey": "MIT, not said in its metadata; of MLflow",
}
COPYLEFT = re.compile(r"(?<!L)GPL|Affero|SSPL", re.IGNORECASE)
ALTERNATIVE = re.compile(r"\bOR\b|\|")


def licence(metadata: Message) -> str:
    """Return what a package says of its licence: the expression, the first line, or the classifiers."""
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    first = str(metadata.get("License") or "").strip().split("\n")[0]
    return str(metadata.get("License-Expression") or first or "; ".join(classifiers))


def test_every_dependency_has_a_licence_that_is_known_and_binds_nobody() -> None:
    found = {d.metadata["Name"]: licence(cast("Message", d.metadata)) for d in distributions()}
    assert len(found) > 100
    wrong = {
        name: text
        for name, text in found.items()
        if name not in KNOWN and (not text or (COPYLEFT.search(text) and not ALTERNATIVE.search(text)))
    }
    assert not wrong
