"""Configuration of the pages: the files are valid; what is misspelt is refused with what was meant."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from features.documents.parsing import parsed
from features.errors import UserError
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from pipeline.report.settings import Checklists, PageSettings

CONFIGS = Path(__file__).parents[2] / "configs"
PAGES: dict[str, Any] = read_yaml(CONFIGS / "report_pages.yaml")


def refusal(document: object) -> str:
    with pytest.raises(UserError) as raised:
        parsed(PageSettings, document, "configs/report_pages.yaml")
    return str(raised.value)


def test_the_checklists_have_their_items_and_some_are_left_to_the_authors() -> None:
    items = read_settings(Checklists, CONFIGS / "reporting_checklists.yaml")
    assert (len(items.tripod), len(items.probast)) == (52, 20)
    assert any(not item.answer for item in items.tripod)
    assert all(item.where for item in items.tripod if item.answer)


def test_every_domain_of_the_pages_is_read() -> None:
    pages = read_settings(PageSettings, CONFIGS / "report_pages.yaml")
    assert pages.domains == ("clinical", "pathology", "ctdna", "imaging")


@pytest.mark.parametrize(
    ("key", "file"),
    [("biology", "configs/explanation.yaml"), ("toxicity", "configs/description.yaml")],
)
def test_a_key_that_stands_in_another_file_now_is_refused_with_that_file(key: str, file: str) -> None:
    assert refusal(PAGES | {key: []}) == f"configs/report_pages.yaml: key {key} is in {file} now"


def test_a_misspelt_key_is_named_with_its_section_and_the_key_that_was_meant() -> None:
    document = deepcopy(PAGES)
    document["privacy"]["supress_small_cells"] = document["privacy"].pop("suppress_small_cells")
    message = refusal(document)
    assert (
        "report_pages.yaml, privacy: key supress_small_cells is unknown, did you mean suppress_small_cells?"
        in (message)
    )
    assert "report_pages.yaml, privacy: key suppress_small_cells is missing" in message


def test_a_key_in_a_list_of_sections_is_judged_by_that_section() -> None:
    document = read_yaml(CONFIGS / "reporting_checklists.yaml")
    document["tripod"][0]["answr"] = "yes"
    with pytest.raises(UserError, match=r"tripod, item 1: key answr is unknown, did you mean answer\?"):
        parsed(Checklists, document, "configs/reporting_checklists.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("privacy", "min_cell_count", 0),
        ("drawing", "ranked", "many"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_key(section: str, key: str, value: object) -> None:
    document = deepcopy(PAGES)
    document[section][key] = value
    assert f"configs/report_pages.yaml, {section}.{key}: must be " in refusal(document)


def test_a_file_that_is_no_mapping_is_refused_as_a_whole() -> None:
    assert refusal(["privacy"]).startswith("configs/report_pages.yaml: must have the keys privacy, trials")
