"""Known truth of the verdicts on blocks: power with a signal, false claims without, and patients without one.

A trial has a clinical block of normal columns and one assay, drawn as the simulator draws it. Models, folds
and verdicts are those of the pipeline. Trials are kept as they are done, so that an interrupted run goes on.
"""

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, TypedDict, cast

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit

from features.errors import UserError
from models.blocks import conjugate, dual, fusion, kernels, learning, tuning
from models.blocks.learning import BlockModels, learn_blocks
from models.blocks.names import CLINICAL, FUSED, HIDDEN, TOGETHER
from models.evaluation.blocks import BETTER, block_verdicts
from models.measures.common import MeasureError
from models.measures.delong import auc_difference
from models.measures.evaluate import auc, log_loss
from models.procedure.backends import Backend
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.folds import stratified_folds
from models.procedure.resampling import TaskResult, run_tasks, tidied
from models.procedure.response_model import choose, patient_loss
from models.procedure.splits import stratified_splits
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.checkpoints import task_store
from pipeline.project.files import read_yaml, write_json, write_text
from pipeline.simulation_checks.blocks_truth_page import Row, page
from pipeline.sources.simulation import omics
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.omics import AssayParameters, draw_assay
from pipeline.sources.simulation.section import Section, Share, Spread, faults_of

ASSAY = "assay"
Whole = Annotated[int, Field(ge=1)]


class BlockTruth(Section):
    """configs/simulation_blocks.yaml: trials, sizes, the clinical block and the assays."""

    seed: int
    trials: Whole
    power: Share
    oracle_trials: Whole
    patients: Annotated[list[Whole], Field(min_length=1)]
    clinical_columns: Whole
    clinical_sd: Spread
    log_odds_mean: float
    new_patients: Whole
    missing_share: Share
    assays: Annotated[dict[str, AssayParameters], Field(min_length=1)]


@dataclass(frozen=True)
class Trial:
    """Patients of a trial, or new ones: `blocks` (n, columns), outcome, and log-odds (n,).

    `clinical_margin` is the log-odds without the signal.
    """

    blocks: Mapping[str, np.ndarray]
    y: np.ndarray
    margin: np.ndarray
    clinical_margin: np.ndarray


@dataclass(frozen=True)
class Task:
    """One trial: its assay, patients, seed, and whether the assay carries its signal."""

    assay: str
    patients: int
    signal: bool
    seed: int


class Document(TypedDict):
    """What is kept of a trial: verdicts by pair, log loss by model and pattern, the price, and the choice.

    `chosen`: among clinical block, all blocks and late fusion; `gained`: log loss in new patients of the
    clinical block minus that of the chosen one. `weighed`: the same of all blocks whose columns weigh alike,
    minus that of all blocks.
    """

    verdicts: dict[str, str]
    missing: dict[str, float]
    price: list[float]
    chosen: str
    gained: float
    weighed: float


@dataclass(frozen=True)
class Shared:
    """What all trials share."""

    settings: BlockTruth
    plan: ValidationPlan
    grid: tuple[float, ...]
    cuts: tuple[float, ...] = ()


def draw_trial(settings: BlockTruth, assay: AssayParameters, n: int, seed: int) -> Trial:
    """Return `n` patients of a trial."""
    streams = Streams(seed)
    clinical = streams("clinical").standard_normal((n, settings.clinical_columns))
    drawn = draw_assay(ASSAY, assay, {}, n, streams)
    share = settings.clinical_sd / np.sqrt(settings.clinical_columns)
    clinical_margin = settings.log_odds_mean + share * clinical.sum(axis=1)
    margin = clinical_margin + assay.effect * drawn.signal
    y = (streams("outcome").random(n) < expit(margin)).astype(float)
    return Trial({CLINICAL: clinical, ASSAY: drawn.measured}, y, margin, clinical_margin)


def oracle_finds(trial: Trial, level: float) -> bool:
    """Tell whether the true log-odds with the signal have a larger AUC than those without, by DeLong.

    A trial whose outcomes they separate has no interval, and nothing is found in it.
    """
    with_signal, without = expit(trial.margin)[None], expit(trial.clinical_margin)[None]
    try:
        low = auc_difference(trial.y, with_signal, without, level)[0].low
    except MeasureError:
        return False
    return low is not None and low > 0


def oracle_size(settings: BlockTruth, name: str, level: float) -> tuple[int, float]:
    """Return the least number of patients at which the oracle has the power, and its power there.

    Raises
    ------
    UserError
        If none of the sizes has it.
    """
    # The oracle sees the signal alone: of the assay it needs the true features and no others.
    few = first_module(settings.assays[name])
    for n in settings.patients:
        seeds = np.random.SeedSequence([settings.seed, n]).generate_state(settings.oracle_trials)
        found = [oracle_finds(draw_trial(settings, few, n, int(seed)), level) for seed in seeds]
        if np.mean(found) >= settings.power:
            return n, float(np.mean(found))
    raise UserError(f"assays, {name}: the oracle has a power below {settings.power:g} with every `patients`")


def first_module(assay: AssayParameters) -> AssayParameters:
    """Return the assay with its first module only."""
    size = assay.module_size if assay.modules else assay.true_features
    return assay.model_copy(update={"features": max(size, 1), "modules": min(assay.modules, 1)})


def judged(shared: Shared, task: Task) -> TaskResult:
    """Return what the verdicts say of a trial, and what patients without the assay teach and cost."""
    settings = shared.settings
    assay = settings.assays[task.assay]
    if not task.signal:
        assay = assay.model_copy(update={"effect": 0.0})
    trial = draw_trial(settings, assay, task.patients, task.seed)
    verdicts = block_verdicts(out_of_fold(trial, shared, task.seed), {}, shared.plan)
    said = {name: pair.get("verdict", "") for name, pair in verdicts["pairs"].items()}
    new = draw_trial(settings, assay, settings.new_patients, task.seed + 1)
    model = learned(trial, np.arange(len(trial.y)), shared, task.seed)
    name = chosen(model, trial.y)
    p = {model_name: expit(margin) for model_name, margin in model.margins(new.blocks).items()}
    gained = log_loss(new.y, p[CLINICAL]) - log_loss(new.y, p[name])
    alike = learned(trial, np.arange(len(trial.y)), replace(shared, cuts=()), task.seed)
    all_alike = expit(alike.margins(new.blocks)[TOGETHER])
    document: Document = {
        "verdicts": said, "missing": {}, "price": [], "chosen": name, "gained": gained,
        "weighed": log_loss(new.y, all_alike) - log_loss(new.y, p[TOGETHER]),
    }  # fmt: skip
    if task.signal:
        document["missing"] = missing(trial, new, shared, task.seed)
        told = verdicts["pairs"][f"{TOGETHER}-{HIDDEN}{ASSAY}"]["delta_auc"]
        hidden = expit(model.margins(without_assay(new))[TOGETHER])
        lost = auc(new.y, p[TOGETHER]) - auc(new.y, hidden)
        document["price"] = [told["low"], told["high"], lost]
    return TaskResult({**document}, {})


def chosen(model: BlockModels, y: np.ndarray) -> str:
    """Return the candidate that the nested procedure takes, the clinical block standing for the simplest."""
    unseen = {CLINICAL: model.tuned[CLINICAL].margin, **model.unseen}
    return choose({name: patient_loss(margin, y) for name, margin in unseen.items()})


def out_of_fold(trial: Trial, shared: Shared, seed: int) -> pd.DataFrame:
    """Return tidy predictions of every model of blocks, as the pipeline makes them."""
    plan = shared.plan
    ids = np.array([f"P{place:05d}" for place in range(len(trial.y))], dtype=object)
    frames = []
    for split in stratified_splits(trial.y, folds=plan.folds, repeats=plan.repeats, seed=seed):
        models = learned(trial, split.train, shared, split.seed)
        blocks = {name: values[split.test] for name, values in trial.blocks.items()}
        test = replace(trial, blocks=blocks)
        margins = models.margins(blocks)
        margins[HIDDEN + ASSAY] = models.margins(without_assay(test))[TOGETHER]
        row = {
            "usubjid": ids[split.test], "repeat": split.repeat, "fold": split.fold, "y": trial.y[split.test]
        }  # fmt: skip
        frames += [
            pd.DataFrame(row | {"model": name, "p": expit(margin)}) for name, margin in margins.items()
        ]
    return tidied(frames)


def learned(trial: Trial, rows: np.ndarray, shared: Shared, seed: int) -> BlockModels:
    """Return the models of blocks of these patients."""
    values = {name: np.ascontiguousarray(block[rows]) for name, block in trial.blocks.items()}
    y = trial.y[rows]
    folds = list(stratified_folds(y, shared.plan.inner_folds, seed))
    return learn_blocks(lambda _: values, y, folds, shared.grid, CLINICAL, cuts=shared.cuts)


def missing(trial: Trial, new: Trial, shared: Shared, seed: int) -> dict[str, float]:
    """Return the log loss in new patients, with and without the assay, of two models of a trial.

    A share of its patients lose the assay. One model learns from all, the other from the complete cases.
    """
    rng = np.random.default_rng([seed, 1])
    lacks = rng.random(len(trial.y)) < shared.settings.missing_share
    blocks = dict(trial.blocks)
    blocks[ASSAY] = np.where(lacks[:, None], np.nan, blocks[ASSAY])
    partly = replace(trial, blocks=blocks)
    models = {
        "all": learned(partly, np.arange(len(trial.y)), shared, seed),
        "complete": learned(partly, np.flatnonzero(~lacks), shared, seed),
    }
    return {
        f"{name} {pattern}": log_loss(new.y, expit(model.margins(those)[TOGETHER]))
        for name, model in models.items()
        for pattern, those in (("with", new.blocks), ("without", without_assay(new)))
    }


def without_assay(trial: Trial) -> dict[str, np.ndarray]:
    """Return the blocks of patients who all lack the assay."""
    return {**trial.blocks, ASSAY: np.full_like(trial.blocks[ASSAY], np.nan)}


def simulated(shared: Shared, sizes: Mapping[str, int], trials: int) -> list[tuple[Task, TaskResult]]:
    """Run the first `trials` trials of every assay, with and without signal; those that are kept are not."""
    settings = shared.settings
    seeds = {
        (name, signal): np.random.SeedSequence([settings.seed, place, signal]).generate_state(trials)
        for place, name in enumerate(sizes)
        for signal in (True, False)
    }
    # Trial by trial: one that is interrupted has as many of every kind.
    tasks = [
        Task(name, sizes[name], signal, int(of_kind[k]))
        for k in range(trials)
        for (name, signal), of_kind in seeds.items()
    ]
    learner = (conjugate, dual, fusion, kernels, learning, tuning)
    files = (__file__, *(module.__file__ for module in (omics, *learner)))
    code = [hashlib.sha256(Path(str(file)).read_bytes()).hexdigest() for file in files]
    # The number of trials decides none of them: more can be added to those that are done.
    decides = settings.model_dump(exclude={"trials"})
    repeats = shared.plan.repeats
    store = task_store(
        "blocks_truth", settings=decides, grid=shared.grid, cuts=shared.cuts, repeats=repeats, code=code
    )
    keys = [f"{task.assay}-{task.patients}-{task.signal}-{task.seed}" for task in tasks]
    results = run_tasks(judged, shared, tasks, backend=Backend("threading", 1), store=store, keys=keys)
    return list(zip(tasks, progress("blocks, known truth")(results, len(tasks)), strict=True))


def summary(done: Sequence[tuple[Task, TaskResult]], sizes: Mapping[str, tuple[int, float]]) -> list[Row]:
    """Return what was found of each assay."""
    rows = []
    claims = [f"{name}-{CLINICAL}" for name in (TOGETHER, FUSED, ASSAY)]
    for name, (n, power) in sizes.items():
        kinds: dict[bool, list[Document]] = {True: [], False: []}
        for task, result in done:
            if task.assay == name:
                kinds[task.signal].append(cast("Document", result.document))
        gains = {
            pattern: [
                each["missing"][f"complete {pattern}"] - each["missing"][f"all {pattern}"]
                for each in kinds[True]
            ]
            for pattern in ("with", "without")
        }
        rows.append(
            Row(
                name, n, power, len(kinds[True]),
                _mean([each["verdicts"].get(claims[0]) == BETTER for each in kinds[True]]),
                _mean(
                    [any(each["verdicts"].get(pair) == BETTER for pair in claims) for each in kinds[False]]
                ),
                _mean(gains["with"]),
                _mean(gains["without"]),
                _mean([low <= true <= high for low, high, true in (each["price"] for each in kinds[True])]),
                *(_mean([each["chosen"] != CLINICAL for each in kinds[signal]]) for signal in (True, False)),
                *(_mean([each["gained"] for each in kinds[signal]]) for signal in (True, False)),
                *(_mean([each["weighed"] for each in kinds[signal]]) for signal in (True, False)),
            )
        )  # fmt: skip
    return rows


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return a mean and its Monte Carlo error."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), spread / float(np.sqrt(len(values)))


def main() -> None:
    """Simulate, write docs/blocks-truth.json and docs/blocks-truth.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--settings", type=Path, default=Path("configs/simulation_blocks.yaml"))
    parser.add_argument("--trials", type=int, help="The first so many of every kind; else all.")
    parser.add_argument("--out", type=Path, default=Path("docs/blocks-truth.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/blocks-truth.md"))
    arguments = parser.parse_args()
    with faults_of(arguments.settings):
        settings = BlockTruth.model_validate(read_yaml(arguments.settings))
    # The verdicts read the differences in AUC, which need no bootstrap.
    validation = read_yaml(Path(paths.VALIDATION)) | {"bootstrap": 20}
    plan = validation_plan(validation, read_yaml(Path(paths.MEASURES_PLAN)))
    blocks = model_settings(read_yaml(Path(paths.MODELS))).blocks
    sizes = {name: oracle_size(settings, name, plan.level) for name in settings.assays}
    done = simulated(
        Shared(settings, plan, blocks.penalties_per_column, blocks.cuts),
        {name: n for name, (n, _) in sizes.items()},
        arguments.trials or settings.trials,
    )  # fmt: skip
    rows = summary(done, sizes)
    write_json(arguments.out, [asdict(row) for row in rows])
    features = {name: assay.features for name, assay in settings.assays.items()}
    write_text(arguments.page, page(rows, features, settings.power, settings.missing_share))


if __name__ == "__main__":
    main()
