"""Stage compare: paired differences, model minus rules, at every landmark, pooled and by arm.

The declared primary comparison comes first; everything else is descriptive.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.metrics import by_repeat, compare
from pipeline.files import read_yaml, stage_paths, write_json
from pipeline.judge import FEWEST, arm_groups, as_json, each_or_its_error

MEASURES = ("auc", "brier", "log_loss")
REFERENCE = "rules"


def differences(
    predictions: pd.DataFrame, arm: pd.Series, *, bootstrap: int, level: float, seed: int
) -> dict[str, dict[str, Any]]:
    """Return ``{model-rules: {delta_measure: {value, low, high}}}``, and ``model-rules@ARM`` within arms.

    Differences are on the same patients, folds and repeats. Groups with fewer than 10 events or non-events
    are counted only.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions of the models and the rules.
    arm : Series
        Arm by usubjid.
    """
    ids, y, by_model = by_repeat(predictions, sorted(predictions["model"].unique()))
    rules = by_model.pop(REFERENCE)
    arms = arm.reindex(ids).to_numpy()
    result: dict[str, dict[str, Any]] = {}
    for model, p in by_model.items():
        for name, inside in arm_groups(f"{model}-{REFERENCE}", arms).items():
            result[name] = _differ(
                y[inside], p[:, inside], rules[:, inside], bootstrap=bootstrap, level=level, seed=seed
            )
    return result


def _differ(
    y: np.ndarray, p: np.ndarray, rules: np.ndarray, *, bootstrap: int, level: float, seed: int
) -> dict[str, Any]:
    found: dict[str, Any] = {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}
    if min(y.sum(), len(y) - y.sum()) < FEWEST:
        return found

    def differences_of(names: Sequence[str]) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        measured = compare(y, p, rules, names, bootstrap=bootstrap, rng=rng, level=level)
        return {key: as_json(measure) for key, measure in measured.items()}

    return found | each_or_its_error(differences_of, MEASURES, prefix="delta_")


def primary_comparison(study: Mapping[str, Any], by_landmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison that the study declares as its primary one, with what it is."""
    declared = study["primary"]
    name = f"{declared['model']}-{declared['against']}"
    if declared["arm"]:
        name = f"{name}@{declared['arm']}"
    return {
        "declared": declared,
        "result": by_landmark[declared["landmark"]][name][f"delta_{declared['metric']}"],
    }


def main() -> None:
    """Read all predictions, compare, write."""
    args = stage_paths(__doc__ or "", "study", "validation", "predictions", "cohort", "comparison")
    study, validation = read_yaml(args.study), read_yaml(args.validation)
    arm = pd.read_parquet(args.cohort).set_index("usubjid")["arm"]
    by_landmark = {
        landmark: differences(
            pd.read_parquet(Path(args.predictions) / f"{landmark}.parquet"),
            arm,
            bootstrap=validation["bootstrap"],
            level=validation["level"],
            seed=validation["seed"],
        )
        for landmark in study["landmarks"]
    }
    write_json(args.comparison, {"primary": primary_comparison(study, by_landmark), **by_landmark})


if __name__ == "__main__":
    main()
