"""Challengers: models made elsewhere, judged beside ours by their predictions on the run's folds."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import pandas as pd

from features.errors import UserError
from models.evaluation.comparison import MODEL, paired_differences
from models.evaluation.leakage import check_leakage
from models.evaluation.performance import MEASURES, arm_groups, measured, shown_thresholds
from models.measures.common import MeasureDocument, counted
from models.measures.evaluate import by_repeat
from models.procedure.configuration.plan import ValidationPlan

FOLDS = ["usubjid", "repeat", "fold"]
MAX_NAMED = 3
MAX_UNMOVED = 0.5
"""Share of patients whose forecast may be the same in every repeat: other patients give another model."""


class ChallengerDocument(TypedDict, total=False):
    """A challenger at its landmark: measures of it and of ours, and ours minus it; or why not (`error`).

    Each by ``all`` and by arm, as far as groups are large enough to be judged.
    """

    landmark: str
    measures: dict[str, dict[str, MeasureDocument]]
    model: dict[str, dict[str, MeasureDocument]]
    differences: dict[str, dict[str, MeasureDocument]]
    error: str


class ChallengerError(UserError):
    """Predictions of another model that cannot be judged on the run's folds."""


def run_folds(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return usubjid, repeat and fold of every patient analysed, without outcomes, sorted by repeat and id.

    Who learns a model elsewhere predicts, in every repeat, the patients of a fold by a model that has not
    seen them.
    """
    folds = predictions[FOLDS].drop_duplicates()
    return folds.sort_values(["repeat", "usubjid"], ignore_index=True)


def joined(
    name: str, forecasts: pd.DataFrame, predictions: pd.DataFrame, *, fixed: bool = False
) -> pd.DataFrame:
    """Return a challenger's forecasts as tidy predictions, with the outcomes of the run.

    Parameters
    ----------
    name : str
        Of the challenger.
    forecasts : DataFrame
        usubjid, repeat, fold, p.
    predictions : DataFrame
        The run's tidy out-of-fold predictions at the landmark.
    fixed : bool
        Whether the model learned from none of these patients: its forecasts are then the same in every
        repeat, which otherwise gives away a model that has seen who it predicts.

    Raises
    ------
    ChallengerError
        If a model of the run has this name; a forecast is missing, or not strictly between 0 and 1; a patient
        is missing, unknown or there twice; folds are not those of the run; or the forecasts are suspected to
        be of the patients that the model learned from.
    """
    if name in set(predictions["model"]):
        raise ChallengerError(f"challenger {name}: a model of the run is called so; give it another name")
    p = forecasts["p"].to_numpy(dtype=float)
    outside = ~((p > 0) & (p < 1))
    if outside.any():
        raise ChallengerError(
            f"challenger {name}: {int(outside.sum())} of {len(p)} values of p are missing or not strictly "
            f"between 0 and 1 (of 0 or 1 the log loss is infinite)"
        )
    folds = run_folds(predictions)
    _require_these_patients(name, forecasts, folds)
    together = folds.merge(forecasts, on=["usubjid", "repeat"], suffixes=("", "_theirs"))
    moved = together["fold"] != together["fold_theirs"]
    if moved.any():
        raise ChallengerError(
            f"challenger {name}: {int(moved.sum())} of {len(folds)} rows are in another fold than in this "
            f"run; write the folds again (`pcr folds`), and learn on them"
        )
    spread = together.groupby("usubjid")["p"].agg(np.ptp)
    unmoved = float((spread == 0).mean())
    if len(folds) > len(spread) and unmoved > MAX_UNMOVED and not fixed:
        raise ChallengerError(
            f"challenger {name}: {unmoved:.0%} of the patients have the same p in every repeat, as from one "
            f"model that saw them all; predict each fold by a model learned from the others, or say "
            f"`fixed: true` if it learned from none of these patients"
        )
    outcome = predictions.drop_duplicates("usubjid").set_index("usubjid")["y"]
    tidy = together.assign(model=name, y=together["usubjid"].map(outcome))
    return tidy[[*FOLDS, "model", "y", "p"]]


def _require_these_patients(name: str, forecasts: pd.DataFrame, folds: pd.DataFrame) -> None:
    """Refuse rows of a patient and repeat that are there twice, unknown or missing."""
    keys = ["usubjid", "repeat"]
    theirs, ours = (pd.MultiIndex.from_frame(frame[keys]) for frame in (forecasts, folds))
    twice = theirs[theirs.duplicated()]
    faults = {
        "are there twice": twice,
        "are of no patient and repeat of this run": theirs.difference(ours),
        "of this run are missing": ours.difference(theirs),
    }
    for what, rows in faults.items():
        if len(rows):
            ids = "; ".join(sorted(set(rows.get_level_values("usubjid")))[:MAX_NAMED])
            raise ChallengerError(
                f"challenger {name}: {len(rows)} rows {what} (patients such as {ids}); `pcr folds` writes "
                f"the rows that are needed"
            )


def judge_challenger(
    challenger: pd.DataFrame,
    predictions: pd.DataFrame,
    arm: pd.Series,
    plan: ValidationPlan,
    acknowledged: str = "",
) -> ChallengerDocument:
    """Return the measures of a challenger, and of ours minus it on the same patients, folds and repeats.

    Parameters
    ----------
    challenger : DataFrame
        From `joined`.
    predictions : DataFrame
        The run's tidy out-of-fold predictions at the landmark.
    arm : Series
        Arm by usubjid.
    plan : ValidationPlan
    acknowledged : str
        Why the study believes an AUC above the alarm.

    Raises
    ------
    LeakageAlarmError
        If its AUC is above the alarm, and the study does not acknowledge that.
    """
    name = str(challenger["model"].iloc[0])
    both = pd.concat([predictions[predictions["model"] == MODEL], challenger])
    ids, y, p = by_repeat(both, [MODEL, name])
    groups = arm_groups("all", arm.reindex(ids).to_numpy())
    names = [*MEASURES, *shown_thresholds(plan)]

    def measures(model: str, inside: np.ndarray) -> dict[str, MeasureDocument]:
        known = counted(y[inside])
        return known | (
            measured(y[inside], p[model][:, inside], plan, names) if plan.judges(y[inside]) else {}
        )

    def of_groups(model: str) -> dict[str, dict[str, MeasureDocument]]:
        return {group.removeprefix("all@"): measures(model, inside) for group, inside in groups.items()}

    theirs = of_groups(name)
    check_leakage({f"challenger {name}": theirs["all"]}, plan.leakage_alarm_auc, acknowledged)
    return {
        "measures": theirs,
        "model": of_groups(MODEL),
        "differences": {
            group.removeprefix("all@"): paired_differences(
                y[inside], p[MODEL][:, inside], p[name][:, inside], plan
            )
            for group, inside in groups.items()
        },
    }


def judged_challengers(
    forecasts: Mapping[str, tuple[str, pd.DataFrame, bool]],
    predictions: Mapping[str, pd.DataFrame],
    arm: pd.Series,
    plan: ValidationPlan,
    acknowledged: str = "",
) -> dict[str, ChallengerDocument]:
    """Return every challenger judged at its landmark, or that there is no model of ours to be beside.

    Parameters
    ----------
    forecasts : mapping of str to (landmark, DataFrame, bool)
        By name: its landmark, forecasts, and whether it is fixed; see `joined`.
    predictions : mapping of str to DataFrame
        The run's tidy out-of-fold predictions by landmark.
    arm, plan, acknowledged
        See `judge_challenger`.

    Raises
    ------
    ChallengerError, LeakageAlarmError
        See `joined` and `judge_challenger`.
    """
    found: dict[str, ChallengerDocument] = {}
    for name, (landmark, frame, fixed) in forecasts.items():
        ours = predictions[landmark]
        if ours.empty:
            found[name] = {"landmark": landmark, "error": "no model was learned at this landmark"}
            continue
        challenger = joined(name, frame, ours, fixed=fixed)
        judged = judge_challenger(challenger, ours, arm, plan, acknowledged)
        found[name] = {"landmark": landmark, **judged}
    return found
