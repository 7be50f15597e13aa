"""Text where a number belongs is refused by file and key, in every configuration file that a run reads."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.errors import UserError
from pipeline.intake.preflight import SETTINGS
from pipeline.project import paths
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from pipeline.report.gates import Criteria
from pipeline.report.settings import PageSettings
from pipeline.sources.mapping.study_file import check_study_file

ROOT = Path(__file__).parents[2]
STUDY = read_yaml(ROOT / "configs/studies/nct07239271.yaml")


def numbers(content: Any, *keys: str | int) -> Iterator[tuple[str | int, ...]]:
    """Give the way to every number of a document."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from numbers(value, *keys, key)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield keys


def with_text(document: Any, keys: tuple[str | int, ...], text: str) -> Any:
    """Return a document in which one number is text."""
    changed = deepcopy(document)
    part = changed
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = text
    return changed


def named(keys: tuple[str | int, ...]) -> str:
    """Return the last key that is a name: messages count the items of a list."""
    return str([key for key in keys if isinstance(key, str)][-1])


@pytest.mark.parametrize("file", SETTINGS)
@pytest.mark.parametrize("text", ["many", "0.5", "5"])
def test_text_for_a_number_is_refused_by_file_and_key(file: str, text: str) -> None:
    document = read_yaml(ROOT / file)
    parse: Callable[[object], object] = SETTINGS[file]
    for keys in numbers(document):
        with pytest.raises(UserError) as refused:
            parse(with_text(document, keys, text))
        assert file in str(refused.value)
        assert named(keys) in str(refused.value), keys


@pytest.mark.parametrize(("file", "kind"), [(paths.GATES, Criteria), (paths.REPORT_PAGES, PageSettings)])
def test_text_for_a_number_is_refused_in_gates_and_pages_too(file: str, kind: type, tmp_path: Path) -> None:

    document = read_yaml(ROOT / file)
    for keys in numbers(document):
        path = tmp_path / "made-up.yaml"
        path.write_text(yaml.safe_dump(with_text(document, keys, "many")))
        with pytest.raises(UserError, match=f"(?s)made-up.yaml.*{named(keys)}"):
            read_settings(kind, path)


@pytest.mark.parametrize("text", ["many", "0.5", "5"])
def test_text_for_a_number_of_a_study_file_is_refused_by_its_key(text: str) -> None:
    for keys in numbers(STUDY):
        with pytest.raises(UserError, match=named(keys)):
            check_study_file(with_text(STUDY, keys, text))
