"""What stages take from the study file about assays and challengers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from features.documents.study import with_defaults
from features.errors import UserError
from pipeline.project.stage import Run
from pipeline.stages import compare, domains
from tests.models.evaluation.test_challengers import forecasts


def run_of(stage: Any, folder: Path, **changes: Any) -> Run:
    """Return a stage at work in a folder that has a study file and nothing else."""
    study = with_defaults({"study": "small", "source": "data/small", "landmarks": ["baseline"]} | changes)  # type: ignore[typeddict-item]
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs/study.yaml").write_text(yaml.safe_dump(study))
    return Run(stage.STAGE, {}, folder)


def test_groupings_are_those_of_the_assay_that_are_recorded() -> None:
    rows = pd.DataFrame({"batch@rna": ["a", None], "platform@dna": ["x", "y"]})
    nowhere = pd.Series([np.nan, np.nan], dtype="str")
    assert set(domains.groupings(rows, "rna", pd.Series(["S1", "S2"]))) == {"batch", "centre"}
    assert set(domains.groupings(rows, "dna", nowhere)) == {"platform"}


def test_challengers_are_read_from_the_source_folder_of_the_study(tmp_path: Path) -> None:
    (tmp_path / "data/small").mkdir(parents=True)
    forecasts().to_csv(tmp_path / "data/small/net.csv", index=False)
    entry = {"path": "net.csv", "landmark": "baseline", "fixed": True}
    [(landmark, frame, fixed)] = compare.read_challengers(
        run_of(compare, tmp_path, challengers={"net": entry})
    ).values()
    assert (landmark, fixed, len(frame)) == ("baseline", True, 160)
    missing = run_of(compare, tmp_path, challengers={"net": entry | {"path": "no.csv"}})
    with pytest.raises(UserError, match=r"no\.csv does not exist"):
        compare.read_challengers(missing)
    assert compare.read_challengers(run_of(compare, tmp_path)) == {}
