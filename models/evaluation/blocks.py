"""What blocks of features add: verdicts on the patients who have all, with the false discovery rate."""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binomtest

from models.blocks.documents import LearnedBlocks
from models.blocks.names import CLINICAL, FUSED, HIDDEN, TOGETHER, WITHOUT
from models.blocks.nuisance import NuisanceDocument
from models.evaluation.performance import measured
from models.measures.common import FloatArray, MeasureDocument, MeasureError
from models.measures.delong import auc_difference
from models.measures.evaluate import by_repeat, compare
from models.procedure.configuration.plan import ValidationPlan

MEASURES = ("auc", "brier", "log_loss", "calibration_slope", "o_e")
TOP = 5
"""Coefficients of a block that are named: of thousands, more would not be read."""
BETTER, WORSE, OPEN = "better", "worse", "not distinguishable"
AGAINST_BEST = "against the best single block"


class PairDocument(TypedDict, total=False):
    """Two models on the same patients and folds: differences, p and q of the AUC, and the verdict."""

    question: str
    delta_auc: MeasureDocument
    delta_log_loss: MeasureDocument
    p: float
    q: float
    verdict: str
    error: str


class BlockSize(TypedDict):
    """A block in all patients, the penalties of the folds that used it, and its largest coefficients.

    `weighed`: folds in which its columns do not weigh alike. `kept`: of each of `top`, in which share of the
    folds it has a coefficient, with Wilson's interval; empty for features that have columns of their own.
    """

    columns: int
    patients: int
    share: float
    used: int
    folds: int
    penalties: list[float]
    top: list[str]
    weighed: int
    kept: list[MeasureDocument]


class BlocksDocument(TypedDict):
    """The verdicts of a landmark, on the patients who have every block, or why there are none (`error`)."""

    patients: int
    events: int
    with_block: dict[str, int]
    best_single: str
    models: dict[str, dict[str, MeasureDocument]]
    pairs: dict[str, PairDocument]
    blocks: dict[str, BlockSize]
    nuisance: dict[str, dict[str, NuisanceDocument]]
    adjusted: dict[str, list[str]]
    error: str


def block_verdicts(predictions: pd.DataFrame, learned: LearnedBlocks, plan: ValidationPlan) -> BlocksDocument:
    """Return measures of every model of blocks, the verdicts, and what the blocks are.

    Models are compared on the patients who have every block. The verdict is that of the paired difference in
    AUC (DeLong over repeats), better or worse where its q value is at most 1 - level: the false discovery
    rate (Benjamini and Hochberg 1995) among all pairs of the landmark that are published. Which single block
    is best was read from the same predictions, which favours it: nothing is called worse than it.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions of `models.blocks.procedure`, p missing where a patient lacks a block.
    learned : LearnedBlocks
        What was learned from all patients, or why nothing was.
    """
    document: BlocksDocument = {
        "patients": 0, "events": 0, "with_block": {}, "best_single": "", "models": {}, "pairs": {},
        "blocks": _sizes(learned, plan.level), "nuisance": learned.get("nuisance", {}),
        "adjusted": learned.get("adjusted", {}), "error": learned.get("error", ""),
    }  # fmt: skip
    if predictions.empty:
        return document
    single = [name for name in predictions["model"].unique() if _is_single(name)]
    has = predictions[predictions["model"].isin(single)].groupby("model")["p"].count()
    repeats = int(predictions["repeat"].nunique())
    lacking = set(predictions.loc[predictions["p"].isna(), "usubjid"])
    common = predictions[~predictions["usubjid"].isin(lacking)]
    ids, y, p = by_repeat(common, sorted(common["model"].unique()))
    document["patients"], document["events"] = len(ids), int(y.sum())
    document["with_block"] = {name: int(has[name]) // repeats for name in sorted(single)}
    if not plan.judges(y):
        document["error"] = f"{len(ids)} patients have every block: too few events or non-events to be judged"
        return document
    document["models"] = {name: measured(y, each, plan, MEASURES) for name, each in p.items()}
    aucs = {name: document["models"][name]["auc"].get("value") for name in single}
    document["best_single"] = max(sorted(single), key=lambda name: aucs[name] or 0.0)
    pairs = {
        f"{a}-{b}": _differ(question, y, p[a], p[b], plan)
        for question, a, b in _questions(sorted(p), document["best_single"])
    }
    tested = [name for name, pair in pairs.items() if "p" in pair]
    for name, q in zip(tested, false_discovery([pairs[name]["p"] for name in tested]), strict=True):
        pairs[name]["q"] = float(q)
        gain = pairs[name]["delta_auc"]["value"]
        below = WORSE if pairs[name]["question"] != AGAINST_BEST else OPEN
        pairs[name]["verdict"] = OPEN if q > 1 - plan.level else BETTER if gain > 0 else below
    document["pairs"] = pairs
    return document


def _sizes(learned: LearnedBlocks, level: float) -> dict[str, BlockSize]:
    sizes: dict[str, BlockSize] = {}
    for name, block in learned.get("blocks", {}).items():
        penalties = learned["penalties"][TOGETHER][name]
        weights = np.abs(block["coefficients"])
        cuts = learned["cuts"][TOGETHER][name]
        largest = [place for place in np.argsort(-weights, kind="stable")[:TOP] if weights[place] > 0]
        sizes[name] = {
            "columns": len(block["columns"]),
            "patients": block["patients"],
            "share": block["share"],
            "used": sum(penalty is not None for penalty in penalties),
            "folds": len(penalties),
            "penalties": [penalty for penalty in penalties if penalty is not None],
            "top": [block["columns"][place].removeprefix(f"{name}:") for place in largest],
            "weighed": sum(cut is not None for cut in cuts),
            "kept": [_share(block["kept"][place], len(cuts), level) for place in largest if block["kept"]],
        }
    return sizes


def _share(count: int, folds: int, level: float) -> MeasureDocument:
    limits = binomtest(count, folds).proportion_ci(level, method="wilson")
    return {"value": count / folds, "low": float(limits.low), "high": float(limits.high)}


def false_discovery(p: Sequence[float]) -> FloatArray:
    """Return the q values of p values (Benjamini and Hochberg 1995): min over j >= i of p_(j) m / j.

    Examples
    --------
    >>> false_discovery([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)[::-1]
    ranks = np.arange(len(values), 0, -1)
    q = np.empty(len(values))
    q[order] = np.minimum.accumulate(np.minimum(values[order] * len(values) / ranks, 1.0))
    return q


def _is_single(name: str) -> bool:
    return name not in {TOGETHER, FUSED} and not name.startswith((WITHOUT, HIDDEN))


def _questions(models: Sequence[str], best: str) -> Iterator[tuple[str, str, str]]:
    """Yield each question, with the model and the one that it is compared with."""
    for model in (TOGETHER, FUSED):
        yield "against clinical alone", model, CLINICAL
        if best != CLINICAL:
            yield AGAINST_BEST, model, best
    for name in models:
        if _is_single(name) and name not in {CLINICAL, best}:
            yield "alone, against clinical alone", name, CLINICAL
        if name.startswith(WITHOUT):
            yield f"what {name.removeprefix(WITHOUT)} adds to all others", TOGETHER, name
        if name.startswith(HIDDEN):
            yield f"the price where {name.removeprefix(HIDDEN)} is missing", TOGETHER, name


def _differ(question: str, y: FloatArray, a: FloatArray, b: FloatArray, plan: ValidationPlan) -> PairDocument:
    try:
        _, variance = auc_difference(y, a, b, plan.level)
        found = compare(
            y, a, b, ("auc", "log_loss"), bootstrap=plan.bootstrap, rng=plan.generator(), level=plan.level
        )
    except MeasureError as error:
        return {"question": question, "error": str(error)}
    difference = found["delta_auc"].value
    p = 2 * float(ndtr(-abs(difference) / np.sqrt(variance))) if variance > 0 else 1.0
    return {
        "question": question,
        "delta_auc": found["delta_auc"].as_dict(),
        "delta_log_loss": found["delta_log_loss"].as_dict(),
        "p": p,
    }
