"""Nested cross-validation of blocks in the dual, beside scikit-learn's, in one run.

    python -m benchmarks.blocks [--patients 300] [--features 20000] [--outer 5]

Ours: all that stage domains learns of two blocks (20 clinical columns, the features): the search on a grid of
nine penalties for both together and for each alone (at least 18 points each time, their number is printed),
late fusion and a model for every pattern of missing blocks, standardised in every training part.
scikit-learn: `LogisticRegressionCV` on standardised columns with one penalty for all and 5 points, the same
outer folds. Both on one thread of the linear algebra; processor seconds, and the ratio. Peak memory is that
of the process until ours has ended.
"""

import argparse
import resource
import sys
import time

import pipeline  # noqa: F401 - settings of the numerical libraries, before they are imported

# isort: split
import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.blocks.learning import learn_blocks
from models.blocks.names import TOGETHER
from models.blocks.tuning import Matrices
from models.measures.evaluate import auc
from models.procedure.folds import stratified_folds
from pipeline.console import stdout

CLINICAL = 20
CUTS = (4.0, 9.0)
GRID = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
C = tuple(10.0**k for k in range(-5, 0))
"""scikit-learn's five points."""


def cohort(n: int, p: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return a clinical block, five columns of which matter, p features, 30 of which do, and outcomes."""
    rng = np.random.default_rng(0)
    blocks = {"clinical": rng.normal(size=(n, CLINICAL)), "features": rng.normal(size=(n, p))}
    margin = 0.6 * blocks["clinical"][:, :5].sum(axis=1) + 0.1 * blocks["features"][:, :30].sum(axis=1)
    return blocks, (rng.random(n) < expit(margin)).astype(float)


def _always(values: dict[str, np.ndarray]) -> Matrices:
    """Return what gives the same columns for every training part: nothing of them is learned."""

    def matrices(train: np.ndarray) -> dict[str, np.ndarray]:
        del train
        return values

    return matrices


def ours(blocks: dict[str, np.ndarray], y: np.ndarray, outer: int) -> tuple[np.ndarray, list[int]]:
    """Return out-of-fold log-odds (n,), NaN outside the outer folds that were run, and points tried."""
    margin, points = np.full(len(y), np.nan), []
    for train, test in list(stratified_folds(y, 5, 0))[:outer]:
        folds = list(stratified_folds(y[train], 5, 1))
        part = {name: values[train] for name, values in blocks.items()}
        models = learn_blocks(_always(part), y[train], folds, GRID, "clinical", cuts=CUTS)
        margin[test] = models.margins({name: values[test] for name, values in blocks.items()})[TOGETHER]
        points.append(sum(tuned.points for tuned in models.tuned.values()))
    return margin, points


def theirs(blocks: dict[str, np.ndarray], y: np.ndarray, outer: int) -> np.ndarray:
    """Return out-of-fold log-odds (n,) of scikit-learn, as `ours`."""
    columns, margin = np.hstack(list(blocks.values())), np.full(len(y), np.nan)
    for train, test in list(stratified_folds(y, 5, 0))[:outer]:
        inner = list(stratified_folds(y[train], 5, 1))
        fit = LogisticRegressionCV(
            Cs=C, cv=inner, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False, n_jobs=1
        )
        model = make_pipeline(StandardScaler(), fit).fit(columns[train], y[train])
        margin[test] = model.decision_function(columns[test])
    return margin


def main(arguments: list[str]) -> None:
    """Run both and print seconds, AUC and ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--features", type=int, default=20_000)
    parser.add_argument("--outer", type=int, default=5, help="outer folds that are run")
    parser.add_argument("--alone", action="store_true", help="without scikit-learn")
    asked = parser.parse_args(arguments)
    blocks, y = cohort(asked.patients, asked.features)
    began, wall = time.process_time(), time.perf_counter()
    margin, points = ours(blocks, y, asked.outer)
    here, wall = time.process_time() - began, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    done = ~np.isnan(margin)
    out = stdout()
    out.print(f"{asked.patients} x {asked.features:,}, {asked.outer} outer folds, points {points}")
    out.print(f"blocks: {here:.1f} s of processor ({wall:.1f} s), {memory:.2f} GB, "
              f"AUC {auc(y[done], expit(margin[done])):.3f}")  # fmt: skip
    if asked.alone:
        return
    began = time.process_time()
    other = theirs(blocks, y, asked.outer)
    there = time.process_time() - began
    out.print(f"scikit-learn: {there:.1f} s of processor, AUC {auc(y[done], expit(other[done])):.3f}")
    out.print(f"ratio {there / here:.2f}, with {len(C)} points of one penalty against those above of two")


if __name__ == "__main__":
    main(sys.argv[1:])
