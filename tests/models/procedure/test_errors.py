"""What cannot be learned is told to the user with its reason, and is no fault of the pipeline."""

import numpy as np
import pytest

from models.procedure.calibration import recalibrate
from models.procedure.errors import NotLearnableError
from pipeline.console import tell


def test_margins_that_separate_the_outcome_cannot_be_calibrated_and_say_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NotLearnableError) as told:
        recalibrate(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 0, 1, 1]))
    assert tell(told.value) == 1
    assert str(told.value) in " ".join(capsys.readouterr().err.split())
