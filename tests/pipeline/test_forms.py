"""Files of stored models that fit together, and folders of downloads that fail."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from models.serving.serving import ModelDocument
from pipeline.registry.downloads import download_folder
from pipeline.registry.forms import require_fitting, require_whole_booster
from tests.models.blocks.test_response import adjusted_to, batched
from tests.serving import made_up_interval, write_served_model


@pytest.mark.parametrize("candidate", ["logistic", "lightgbm"])
def test_a_model_as_it_was_written_fits_and_one_with_an_input_twice_does_not(
    candidate: str, tmp_path: Path
) -> None:
    write_served_model(tmp_path / "model", candidate)
    require_whole_booster(tmp_path / "model")
    document: ModelDocument = json.loads((tmp_path / "model/model.json").read_text())
    require_fitting(document)
    document["features"].append(document["features"][0])
    with pytest.raises(ValueError, match="twice"):
        require_fitting(document)


def test_a_folder_that_a_thread_still_writes_to_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "rmdir", full)
    with pytest.raises(ValueError, match="what is wrong"), download_folder():
        raise ValueError("what is wrong")


@pytest.mark.parametrize("candidate", ["blocks", "late_fusion"])
def test_models_of_blocks_fit_with_their_interval_and_one_whose_part_is_cut_does_not(candidate: str) -> None:
    rows, y = batched()
    fitted = adjusted_to(rows, y)
    interval = made_up_interval(fitted, candidate, rows, y)
    document: Any = json.loads(json.dumps(fitted.documents_[candidate] | {"serving": {"interval": interval}}))
    require_fitting(document)
    parts = document["blocks"]
    for holder, key in (
        (parts["blocks"]["rna"], "mean"),
        (parts["blocks"]["clinical"], "weight"),
        (parts["blocks"]["dna"]["coefficients"], 0),
        (parts["batches"]["rna"]["shifts"], "1"),
        (document["serving"]["interval"]["spread"], 0),
    ):
        whole = holder[key]
        holder[key] = whole[:-1]
        with pytest.raises(ValueError, match=r"does not fit|inhomogeneous"):
            require_fitting(document)
        holder[key] = whole
    require_fitting(document)
