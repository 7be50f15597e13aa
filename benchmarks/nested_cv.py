"""Nested cross-validation of LightGBM: this project's engine against scikit-learn's, in one run.

    python -m benchmarks.nested_cv

Both sides get the patients of the simulated trial at one landmark, the same outer and inner folds, the same
grid and settings of LightGBM, the same seed, and two workers. scikit-learn is `GridSearchCV` inside
`cross_val_predict`: it fits every number of rounds as a point of its own, where the engine takes them all
from one boosting run, and it bins the data for every point. It is run twice: with the columns encoded
beforehand (which the engine does in every training part, with imputation), and with the encoding in the
pipeline, where nested cross-validation wants it. On scikit-learn's side LightGBM handles missing values
itself. Both engines are warm: imports and the start of worker processes are not counted.

The engine forks its two workers, as a stage does. The last figure is its processor time, by one worker in
this process, over that spent inside `lightgbm.train` in the same run: what is paid for encoding, imputation,
prediction, calibration and the loop.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import pipeline  # noqa: F401 - settings of the numerical libraries, before they are imported

# isort: split
import lightgbm
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from rich.table import Table
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models.measures.evaluate import auc
from models.procedure.backends import Backend
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import BoostingCandidate, ProcedureSettings, model_settings
from models.procedure.encoding import read_numeric_rows
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import LandmarkFeature, landmark_features
from models.procedure.resampling import cross_validate
from models.procedure.response_model import ResponseModel
from models.procedure.splits import Split, outcome_strata, stratified_splits
from pipeline.console import stdout
from pipeline.project.files import read_json, read_yaml

WORKERS = 2


@dataclass(frozen=True)
class Problem:
    rows: pd.DataFrame
    y: np.ndarray
    features: list[LandmarkFeature]
    settings: ProcedureSettings
    inner_folds: int
    seed: int
    splits: list[Split]


def problem(artifacts: Path, landmark: str) -> Problem:
    cohort = pd.read_parquet(artifacts / "cohort" / "cohort.parquet")
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    features = pd.read_parquet(artifacts / "features" / f"{landmark}.parquet")
    rows = features.merge(known, on="usubjid").sort_values("usubjid", ignore_index=True)
    y = rows["outcome"].to_numpy(dtype=float)
    settings = model_settings(read_yaml(Path("configs/models.yaml")))
    plan = validation_plan(read_yaml(Path("configs/validation.yaml")))
    splits = stratified_splits(outcome_strata(y, rows["arm"]), folds=plan.folds, repeats=1, seed=plan.seed)
    return Problem(
        rows,
        y,
        landmark_features(read_json(artifacts / "features" / f"{landmark}.json")),
        settings.alone("lightgbm"),
        plan.inner_folds,
        plan.seed,
        # scikit-learn has one seed for all outer folds.
        [replace(split, seed=plan.seed) for split in splits],
    )


def engine(given: Problem, backend: Backend) -> np.ndarray:
    def procedures(seed: int) -> list[ResponseModel]:
        return [ResponseModel(given.features, given.settings, given.inner_folds, seed)]

    p = np.empty(len(given.y))
    for result in cross_validate(procedures, given.rows, given.y, given.splits, backend=backend):
        p[result.split.test] = result.predictions["lightgbm"]
    return p


class InnerFolds:
    """The engine's inner folds as a scikit-learn splitter."""

    def __init__(self, folds: int, seed: int) -> None:
        self.folds = folds
        self.seed = seed

    def get_n_splits(self, *_: Any, **__: Any) -> int:
        return self.folds

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # noqa: ARG002
        yield from stratified_folds(np.asarray(y), self.folds, self.seed)


def scikit_learn(given: Problem, *, encode_inside: bool) -> np.ndarray:
    candidate = cast("BoostingCandidate", given.settings.candidates["lightgbm"])
    classifier = lightgbm.LGBMClassifier(
        **candidate.fixed,
        random_state=given.seed,
        n_jobs=1,
        verbosity=-1,
        deterministic=True,
        force_col_wise=True,
        is_enable_sparse=False,
    )
    numbers = np.array(read_numeric_rows(given.rows, given.features).values)
    names = [feature.name for feature in given.features]
    if encode_inside:
        text = [feature.name for feature in given.features if feature.kind == "categorical"]
        encoder = OneHotEncoder(
            min_frequency=given.settings.encoding.min_level_patients,
            handle_unknown="infrequent_if_exist",
        )
        columns = make_column_transformer((encoder, text), remainder="passthrough", sparse_threshold=0.0)
        estimator, X = make_pipeline(columns, classifier), given.rows[names]
        # scikit-learn's encoder does not take the missing marker of text columns.
        X = X.assign(**{name: X[name].astype(object).where(X[name].notna(), None) for name in text})
    else:
        estimator, X = make_pipeline(classifier), numbers
    points = {name: list(values) for name, values in candidate.grid.items()}
    points["n_estimators"] = list(candidate.rounds)
    search = GridSearchCV(
        estimator,
        {f"lgbmclassifier__{name}": values for name, values in points.items()},
        scoring="neg_log_loss",
        cv=InnerFolds(given.inner_folds, given.seed),
    )
    outer = [(split.train, split.test) for split in given.splits]
    p = cross_val_predict(search, X, given.y.astype(int), cv=outer, method="predict_proba", n_jobs=WORKERS)
    return np.asarray(p[:, 1])


class TrainClock:
    """Sums the processor time spent in `lightgbm.train`, over threads."""

    def __init__(self) -> None:
        self.spent: list[float] = []
        self._train = lightgbm.train

    def __enter__(self) -> Self:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            booster = self._train(*args, **kwargs)
            self.spent.append(time.thread_time() - start)
            return booster

        lightgbm.train = timed
        return self

    def __exit__(self, *_: object) -> None:
        lightgbm.train = self._train


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    """Return the predictions, wall time and processor time of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    p = work()
    return p, time.perf_counter() - wall, time.process_time() - processor


def warm(given: Problem) -> None:
    small = replace(given, splits=given.splits[:1])
    ResponseModel(given.features, given.settings, 2, given.seed).fit(
        given.rows.iloc[small.splits[0].test], given.y[small.splits[0].test]
    )
    Parallel(n_jobs=WORKERS)(delayed(_import_all)(given.seed) for _ in range(4 * WORKERS))


def _import_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1).fit(
        rng.normal(size=(99, 2)), np.arange(99) % 2
    )
    time.sleep(0.3)


def within(y: np.ndarray, p: np.ndarray, splits: list[Split]) -> float:
    """Return the mean AUC within folds."""
    return float(np.mean([auc(y[split.test], p[split.test]) for split in splits]))


def main() -> None:
    """Run, print the table, and exit with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/nct07239271"))
    parser.add_argument("--landmark", default="c2")
    args = parser.parse_args()
    given = problem(args.artifacts, args.landmark)
    warm(given)
    ours, our_wall, _ = timed(partial(engine, given, Backend("fork", WORKERS)))
    with TrainClock() as clock:
        alone, _, our_processor = timed(partial(engine, given, Backend()))
    if not np.array_equal(alone, ours):
        sys.exit("predictions depend on where they are made")
    table = Table("nested cross-validation", "wall s", "times as fast", "AUC", "AUC, engine minus it")
    our_auc = within(given.y, ours, given.splits)
    table.add_row("engine", f"{our_wall:.1f}", "", f"{our_auc:.4f}", "")
    met = []
    for name, inside, goal in (
        ("GridSearchCV, columns given", False, 6),
        ("GridSearchCV, encoding inside", True, 12),
    ):
        theirs, wall, _ = timed(partial(scikit_learn, given, encode_inside=inside))
        value = within(given.y, theirs, given.splits)
        table.add_row(
            name, f"{wall:.1f}", f"{wall / our_wall:.1f}", f"{value:.4f}", f"{our_auc - value:+.4f}"
        )
        met += [wall / our_wall >= goal, abs(our_auc - value) <= 0.005]
    overhead = our_processor / sum(clock.spent)
    met.append(overhead <= 1.3)
    stdout().print(table)
    stdout().print(
        f"{len(given.y)} patients, {len(given.splits)} outer and {given.inner_folds} inner folds, "
        f"{WORKERS} workers. Processor time of the engine: {our_processor:.1f} s, {overhead:.2f} times that "
        f"inside its {len(clock.spent)} calls of lightgbm.train."
    )
    goals = (
        "6 times as fast, columns given", "AUC within 0.005",
        "12 times as fast, encoding inside", "AUC within 0.005",
        "at most 1.3 times lightgbm.train",
    )  # fmt: skip
    for goal, reached in zip(goals, met, strict=True):
        stdout().print(f"{goal}: {'yes' if reached else 'NO'}")
    sys.exit(int(not all(met)))


if __name__ == "__main__":
    main()
