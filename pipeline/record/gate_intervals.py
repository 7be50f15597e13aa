"""Intervals by which the gates of promotion judge calibration: rows of the record, at their own level."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.report.gates import (
    Criteria,
    calibration_interval,
    evaluated,
    has_calibration_interval,
)
from pipeline.report.results import read_robustness, robustness_file

METHOD = "interval of the gate"
JUDGED = ("calibration_slope", "o_e")


def gate_rows(
    artifacts: Path, landmarks: Sequence[str], criteria: Criteria
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield slope and O:E in later patients and in centres left out, with the file that they come from."""
    for landmark in landmarks:
        robustness = read_robustness(artifacts / "results", landmark)
        if robustness is None:
            continue
        for evaluation in criteria.evaluations:
            measures = evaluated(robustness, evaluation)
            for name in JUDGED:
                estimate = measures.get(name)
                if estimate is None or estimate.value is None or not has_calibration_interval(estimate):
                    continue
                low, high = calibration_interval(estimate, name, criteria.level)
                yield (
                    f"results/{robustness_file(landmark)}",
                    {"landmark": landmark, "group": evaluation, "measure": name, "method": METHOD}
                    | {"value": estimate.value, "low": low, "high": high, "level": criteria.level},
                )
