from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.export import export
from tests.pipeline.formats import CONTRACT, FORMATS, study_of, telling_patients, trial_tables


@pytest.fixture(scope="session")
def trial() -> dict[str, pd.DataFrame]:
    """Checked raw tables of those of 90 simulated patients who between them show what all do."""
    return telling_patients(trial_tables(90))


@pytest.fixture(scope="session")
def exports(trial: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same trial in every format: a folder for each."""
    folders = {}
    for name, standards in FORMATS.items():
        folders[name] = tmp_path_factory.mktemp("export")
        export(trial, study_of(standards), CONTRACT, folders[name])
    return folders
