"""docs/architecture.md is true: every path and name exists, and every room of the code is on the map."""

import importlib
import re
from operator import attrgetter
from pathlib import Path

import pytest

from pipeline.project import paths
from tests.imports import PACKAGES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
NAMES = [quoted for quoted in QUOTED if re.match(r"[\w/]+\.py::", quoted)]
ARTIFACTS = [quoted for quoted in QUOTED if quoted.startswith("artifacts/")]
FILES = [quoted for quoted in QUOTED if re.fullmatch(r"[\w./-]+/[\w./-]*|[\w-]+\.(md|yaml)", quoted)]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_on_the_page_can_be_imported_from_its_file(name: str) -> None:
    file, _, attribute = name.partition("::")
    assert (ROOT / file).is_file()
    module = importlib.import_module(".".join(Path(file).with_suffix("").parts))
    assert attrgetter(attribute)(module) is not None
    assert getattr(attrgetter(attribute)(module), "__module__", module.__name__) in {module.__name__, "types"}


@pytest.mark.parametrize("path", [path for path in FILES if path not in ARTIFACTS])
def test_every_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_every_artifact_on_the_page_is_one_that_the_pipeline_writes(artifact: str) -> None:
    written = {text for name, text in vars(paths).items() if name.isupper()}
    assert re.sub(r"<(\w+)>", r"{\1}", artifact) in written


def test_every_room_is_on_the_map_and_no_other() -> None:
    mapped = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, flags=re.MULTILINE))
    modules = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert mapped == {f.parent.relative_to(ROOT).as_posix() for f in modules if f.name != "__init__.py"}


def test_the_page_has_its_three_walks_and_says_where_each_kind_of_thing_goes() -> None:
    assert len(re.findall(r"^## Walk \d: ", PAGE, flags=re.MULTILINE)) == 3
    added = re.findall(r"^\*\*An? (.+)\*\*$", PAGE, flags=re.MULTILINE)
    assert {"ctDNA feature", "measure", "stage", "candidate", "command"} <= set(added)
    assert len(NAMES) > 25
