from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.export import export
from tests.pipeline.formats import CONTRACT, FORMATS, study_of, telling_patients, trial_tables


@pytest.fixture(scope="session")
def trial() -> dict[str, pd.DataFrame]:
    """Checked raw tables of 90 simulated patients."""
    return trial_tables(90)


@pytest.fixture(scope="session")
def telling(trial: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of those patients who between them show what all do."""
    return telling_patients(trial)


@pytest.fixture(scope="session")
def exports(telling: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """These patients in every format: a folder for each."""
    folders = {}
    for name, standards in FORMATS.items():
        folders[name] = tmp_path_factory.mktemp("export")
        export(telling, study_of(standards), CONTRACT, folders[name])
    return folders
