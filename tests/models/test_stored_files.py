"""What a store on this computer holds is looked at before it is copied."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.serving.stored_files import NotPlainError, require_plain, require_stored

STORED = "models:/m-" + "0" * 32
MAKE: dict[str, Callable[[Path], object]] = {
    "neither a file nor a folder": lambda place: place.symlink_to("/"),
    "a name that cannot be shown": lambda place: place.with_name("a\nb").touch(),
    "more than a model": lambda place: (place.touch(), os.truncate(place, 2000)),
}


@pytest.mark.parametrize("told", MAKE)
def test_links_odd_names_and_too_much_are_refused_wherever_they_lie(told: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "within"
    folder.mkdir(parents=True)
    (folder / "serving.py").write_text("")
    for location in (str(tmp_path), tmp_path.as_uri()):
        require_plain(location, most_bytes=100_000)
    MAKE[told](folder / "more")
    for location in (str(tmp_path), tmp_path.as_uri()):
        with pytest.raises(NotPlainError, match=told):
            require_plain(location, most_bytes=1000 if told.startswith("more") else 100_000)


def test_more_files_than_a_model_has_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).touch()
    require_plain(str(tmp_path), most_files=4)
    with pytest.raises(NotPlainError, match="more than a model"):
        require_plain(str(tmp_path), most_files=3)


def test_of_other_stores_and_of_places_that_are_gone_nothing_is_said(tmp_path: Path) -> None:
    require_plain("mlflow-artifacts:/1/models/m-0/artifacts")
    require_plain(str(tmp_path / "gone"))


@pytest.mark.parametrize("source", ["", "/", "models:/name/1", f"{STORED}\n", "s3://bucket/model"])
def test_a_source_that_is_no_stored_model_is_refused(source: str, tmp_path: Path) -> None:
    require_stored(STORED, str(tmp_path))
    with pytest.raises(NotPlainError, match="no stored model"):
        require_stored(source, str(tmp_path))
