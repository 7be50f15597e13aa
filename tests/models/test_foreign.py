"""What MLflow itself writes beside the project's own is told apart from what somebody else wrote."""

from types import SimpleNamespace

import pytest

from models.serving.foreign import SERVERS_TAG, beside_stored

VERSION = SimpleNamespace(name="pcr-made-up-c1", version=1)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({}, []),
        ({SERVERS_TAG: '[{"name": "pcr-made-up-c1", "version": "1"}]'}, []),
        ({SERVERS_TAG: '[{"name": "pcr-made-up-c1", "version": 1}]'}, []),
        ({SERVERS_TAG: '[{"name": "pcr-made-up-c1", "version": 1}]', "approved": "yes"}, ["the tags"]),
        ({SERVERS_TAG: '[{"name": "pcr-made-up-c1", "version": "2"}]'}, ["the tags"]),
        ({SERVERS_TAG: '[{"name": "approved", "version": "1"}]'}, ["the tags"]),
        ({SERVERS_TAG: "[]"}, ["the tags"]),
        ({SERVERS_TAG: "{"}, ["the tags"]),
        ({SERVERS_TAG: "1"}, ["the tags"]),
        ({SERVERS_TAG: '[["name", "version"]]'}, ["the tags"]),
        ({"mlflow.note.content": "approved"}, ["the tags"]),
    ],
)
def test_stored_files_may_have_the_tag_by_which_a_server_names_their_version(
    tags: dict[str, str], told: list[str]
) -> None:
    stored = SimpleNamespace(
        tags=tags,
        params={},
        metrics=[],
        model_type=None,
        model_id="m-0",
        artifact_location="x/models/m-0/artifacts",
    )
    assert list(beside_stored(stored, VERSION, "x")) == told
