"""Where the report finds the results of the validation stages: the only place that names their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.project.files import read_json

CURVES = ("calibration", "benefit", "instability")


@dataclass(frozen=True)
class Results:
    """What was measured: by landmark, and for the study. Parts that a study does not have are empty."""

    landmarks: Mapping[str, Mapping[str, Any]]
    comparison: Mapping[str, Any]
    subgroups: Mapping[str, Mapping[str, Any]]
    robustness: Mapping[str, Mapping[str, Any]]
    sensitivity: Mapping[str, Any]
    size: Mapping[str, Any]
    strategies: Mapping[str, Mapping[str, Any]]
    truth: Mapping[str, Any]
    curves: Mapping[str, Mapping[str, pd.DataFrame]]
    review: Mapping[str, pd.DataFrame]


def read_results(metrics: Path, curves: Path, review: Path, landmarks: Sequence[str]) -> Results:
    """Return all results of a study from the folders of its artifacts."""

    def optional(name: str) -> dict[str, Any]:
        path = metrics / name
        return dict(read_json(path)) if path.is_file() else {}

    return Results(
        landmarks={name: read_json(metrics / f"{name}.json") for name in landmarks},
        comparison=read_json(metrics / "comparison.json"),
        subgroups={name: optional(f"subgroups-{name}.json") for name in landmarks},
        robustness={name: optional(f"robustness-{name}.json") for name in landmarks},
        sensitivity=optional("sensitivity.json"),
        size=optional("size.json"),
        strategies={
            pair: values
            for path in sorted(metrics.glob("strategy-*.json"))
            for pair, values in read_json(path).items()
        },
        truth=optional("truth.json"),
        curves={
            name: {
                kind: pd.read_csv(curves / f"{name}-{kind}.csv")
                for kind in CURVES
                if (curves / f"{name}-{kind}.csv").is_file()
            }
            for name in landmarks
        },
        review={path.stem: pd.read_csv(path) for path in sorted(review.glob("*.csv"))},
    )
