import os
from pathlib import Path

import pytest

# First of all: it fixes the linear algebra kernels, before numpy chooses those of the processor.
import pipeline  # noqa: F401

ISPY2 = Path(__file__).parents[2] / "shared" / "data" / "ispy2"


@pytest.fixture(scope="session")
def ispy2_files() -> Path:
    """The folder with the I-SPY2 files, beside the project; continuous integration must have it."""
    if not ISPY2.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{ISPY2} is missing: the real patients' files are part of the checks")
        pytest.skip("the I-SPY2 files are not here; they are fetched from TCIA and GEO")
    return ISPY2
