"""Do the intervals cover the truth? Very many simulated trials: `make coverage`, docs/coverage.md.

(V) A model learned in one trial, then fixed, is scored on new patients: its intervals should cover its values
in the population. (R) Out-of-fold intervals of the whole procedure: coverage of the procedure's expected
performance at the size of its training parts, and of the final model's. Strategies: coverage of the true
values of both strategies and their difference, and of the learned policy's value.

Every finished trial is kept in the work folder, so that an interrupted study goes on where it stopped; the
result does not depend on that, nor on the number of workers.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from rich.progress import track

from features.errors import UserError
from models.measures.evaluate import evaluate, population_values
from models.plan import ValidationPlan, validation_plan
from models.policy import StrategyModel, arms_of, strategy_model, strategy_values
from models.procedure.backends import workers
from models.procedure.resampling import cross_validate, outcome_strata, stratified_splits
from models.procedure.response_model import ResponseModel
from models.settings import ModelSettings, model_settings
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json, write_tables, write_text
from pipeline.simulation_checks.populations import (
    SimulationSpec,
    block,
    block_sizes,
    digest,
    read_simulation_spec,
    split_truth,
)

# How many patients of the population give the values of each fold's model in (R); the final model gets all.
FOLD_MODELS_IN = 20_000
# How many give the true values of the policies that a trial learned.
POLICIES_IN = 5_000
TRIALS_PER_TASK = 10
# The code that decides the patients, and the code that decides what is found in them.
POPULATION_CODE = (
    "features/*.py",
    "pipeline/sources/simulator.py",
    "pipeline/sources/simulation/*.py",
    "models/rules/*.py",
    "pipeline/stages/rules.py",
    "pipeline/simulation_checks/populations.py",
)
STUDY_CODE = (
    "models/procedure/*.py",
    "models/measures/*.py",
    "models/policy.py",
    "models/serving/serving.py",
    "pipeline/simulation_checks/coverage.py",
)

Trial = dict[str, Any]
"""What a trial leaves: by measure [value, low, high], and what else its truth needs."""


@dataclass(frozen=True)
class Setting:
    """What all studies share: spec, configurations, features by landmark, and the pool of patients."""

    spec: SimulationSpec
    models: ModelSettings
    validation: ValidationPlan
    plan: dict[str, Any]
    features: list[dict[str, Any]]
    baseline_features: list[dict[str, Any]]

    @property
    def baseline(self) -> str:
        """The landmark before treatment."""
        return str(self.spec.study["landmarks"][0])

    def procedure(self, seed: int) -> ResponseModel:
        """Return the modelling procedure, unfitted."""
        return ResponseModel(self.features, self.models.procedure, self.validation.inner_folds, seed)

    def strategy_model(self) -> StrategyModel:
        """Return the outcome model of the strategies."""
        return strategy_model(self.baseline_features, self.models, self.validation, self.baseline)


def analysed(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the visible rows with an outcome, the outcome, and the truth, each (n,)."""
    known = rows.loc[rows["outcome"].notna()].reset_index(drop=True)
    visible, truth = split_truth(known)
    return visible, known["outcome"].to_numpy(dtype=float), truth["p"]


@dataclass(frozen=True)
class Patients:
    """Simulated patients on disk: the blocks of a folder at a landmark, read once in every process."""

    folder: Path
    landmark: str
    blocks: tuple[int, ...]

    def rows(self) -> pd.DataFrame:
        """Return the rows of all blocks; not to be changed."""
        return _read_blocks(self)


@lru_cache(maxsize=4)
def _read_blocks(patients: Patients) -> pd.DataFrame:
    paths = [patients.folder / str(i) / f"{patients.landmark}.parquet" for i in patients.blocks]
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def part(rows: pd.DataFrame, number: int, patients: int, seed: int) -> pd.DataFrame:
    """Return trial `number` of the trials of `patients` that `rows` are dealt out into at random.

    Patients are independent given the centres, so parts of one large simulation are trials of their own.

    Raises
    ------
    ValueError
        If there are too few patients.
    """
    last = (number + 1) * patients
    if len(rows) < last:
        raise UserError(f"{number + 1} trials of {patients} need {last} patients; got {len(rows)}")
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.iloc[np.sort(order[last - patients : last])]


def stored_model_trial(
    rows: pd.DataFrame, measures: Sequence[str], *, bootstrap: int, level: float, seed: int
) -> Trial:
    """Return the intervals of a stored model's measures in new patients: columns outcome and p."""
    y, p = rows["outcome"].to_numpy(dtype=float), rows["p"].to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    found = evaluate(y, p, measures, bootstrap=bootstrap, rng=rng, level=level)
    return {name: [m.value, m.low, m.high] for name, m in found.items()}


def out_of_fold_trial(rows: pd.DataFrame, population: pd.DataFrame, setting: Setting, seed: int) -> Trial:
    """Return out-of-fold intervals, and the true values of the fold models (mean) and of the final one."""
    X, y, _ = analysed(rows)
    measures, validation = setting.plan["out_of_fold"]["measures"], setting.validation
    repeats = setting.plan["out_of_fold"]["repeats"]
    splits = stratified_splits(
        outcome_strata(y, X["arm"]), folds=validation.folds, repeats=repeats, seed=seed
    )
    p = np.empty((repeats, len(y)))
    judge, _, truth = analysed(population)
    few = slice(0, FOLD_MODELS_IN)
    of_folds = []
    for result in cross_validate(lambda task: [setting.procedure(task)], X, y, splits, workers=1):
        p[result.split.repeat, result.split.test] = result.predictions["chosen"]
        fold_p = result.fitted[0].predictions(judge.iloc[few])["chosen"]
        of_folds.append(population_values(truth[few], fold_p, measures))
    final = setting.procedure(seed).fit(X, y).predict_proba(judge)[:, 1]
    rng = np.random.default_rng(seed)
    found = evaluate(y, p, measures, bootstrap=validation.bootstrap, rng=rng, level=validation.level)
    return {name: [m.value, m.low, m.high] for name, m in found.items()} | {
        "folds": pd.DataFrame(of_folds).mean().to_dict(),
        "final": population_values(truth, final, measures),
    }


def strategy_trial(rows: pd.DataFrame, population: pd.DataFrame, setting: Setting, seed: int) -> Trial:
    """Return the intervals of the strategies' values, and the true value of the policy that was learned."""
    (strategy,) = setting.spec.study["strategies"]
    validation = setting.validation
    visible, _ = split_truth(rows)
    delta = validation.strategy.delta
    found = strategy_values(
        visible,
        rows["outcome"].to_numpy(dtype=float),
        arms_of(setting.spec.study, strategy),
        setting.strategy_model(),
        folds=validation.strategy.folds,
        seed=seed,
        delta=delta,
        level=validation.level,
    )
    judge, truth = split_truth(population)
    values = [
        float(np.where(model.gain(judge) > delta, truth["adaptive"], truth["control"]).mean())
        for model in found.models
    ]
    names = ("reference", "treated", "difference", "policy")
    intervals = {name: [m.value, m.low, m.high] for name, m in found.measures.items() if name in names}
    return intervals | {"policy_truth": float(np.mean(values))}


def run_trials(
    label: str, folder: Path, count: int, trial: Callable[[int], Trial], *, per_task: int = TRIALS_PER_TASK
) -> list[Trial]:
    """Return all trials in order; those that `folder` holds already are read, the others run in parallel."""
    tasks = [range(start, min(start + per_task, count)) for start in range(0, count, per_task)]
    paths = [folder / f"{label}-{task.start}-{task.stop}.json" for task in tasks]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    pool = Parallel(n_jobs=workers(), return_as="generator", max_nbytes="1M")
    done = pool(delayed(_run_task)(trial, tasks[i]) for i in missing)
    progress = track(done, description=label, total=len(missing), console=stderr())
    for i, found in zip(missing, progress, strict=True):
        write_json(paths[i], found)
    return [each for path in paths for each in read_json(path)]


def _run_task(trial: Callable[[int], Trial], numbers: range) -> list[Trial]:
    return [trial(number) for number in numbers]


def covered(trials: Sequence[Trial], name: str, truth: Sequence[float]) -> dict[str, float]:
    """Return how often the interval of a measure covers the truth, with Monte Carlo error, and the bias."""
    values = np.array([trial[name] for trial in trials], dtype=float)
    target = np.asarray(truth, dtype=float)
    inside = (values[:, 1] <= target) & (target <= values[:, 2])
    share = float(inside.mean())
    return {
        "coverage": share,
        "monte_carlo_error": float(np.sqrt(share * (1 - share) / len(trials))),
        "trials": len(trials),
        "truth": float(target.mean()),
        "mean_estimate": float(values[:, 0].mean()),
        "mean_width": float((values[:, 2] - values[:, 1]).mean()),
    }


def study_stored_model(pool: Patients, population: Patients, setting: Setting, folder: Path) -> Any:
    """(V): learn one model, and score it in many trials of new patients."""
    plan, validation = setting.plan["stored_model"], setting.validation
    learned_from, seed = setting.plan["learned_from"], setting.plan["seed"]
    X, y, _ = analysed(pool.rows().iloc[:learned_from])
    model = setting.procedure(seed).fit(X, y)
    judge, _, truth = analysed(population.rows())
    values = population_values(truth, model.predict_proba(judge)[:, 1], plan["measures"])
    new, outcome, _ = analysed(pool.rows().iloc[learned_from:])
    scored = pd.DataFrame({"outcome": outcome, "p": model.predict_proba(new)[:, 1]})

    def trial(number: int) -> Trial:
        return stored_model_trial(
            part(scored, number, plan["patients"], seed),
            plan["measures"],
            bootstrap=validation.bootstrap,
            level=validation.level,
            seed=number,
        )

    done = run_trials("stored_model", folder, plan["trials"], trial, per_task=50)
    return {name: covered(done, name, [values[name]] * len(done)) for name in plan["measures"]}


def study_out_of_fold(pool: Patients, population: Patients, setting: Setting, folder: Path) -> Any:
    """(R): the whole procedure in many trials."""
    plan, seed = setting.plan["out_of_fold"], setting.plan["seed"] + 1

    def trial(number: int) -> Trial:
        rows = part(pool.rows(), number, plan["patients"], seed)
        return out_of_fold_trial(rows, population.rows(), setting, number)

    done = run_trials("out_of_fold", folder, plan["trials"], trial, per_task=1)
    found = {}
    for name in plan["measures"]:
        expected = float(np.mean([each["folds"][name] for each in done]))
        found[f"{name}, expected"] = covered(done, name, [expected] * len(done))
        found[f"{name}, final model"] = covered(done, name, [each["final"][name] for each in done])
    return found


def study_strategies(pool: Patients, population: Patients, setting: Setting, folder: Path) -> Any:
    """Values of the strategies in many trials."""
    plan, seed = setting.plan["strategies"], setting.plan["seed"] + 2

    def trial(number: int) -> Trial:
        rows = part(pool.rows(), number, plan["patients"], seed)
        return strategy_trial(rows, population.rows().iloc[:POLICIES_IN], setting, number)

    done = run_trials("strategies", folder, plan["trials"], trial)
    values = population.rows()
    truth = {
        "reference": values["truth_control"].mean(),
        "treated": values["truth_adaptive"].mean(),
        "difference": (values["truth_adaptive"] - values["truth_control"]).mean(),
    }
    found = {name: covered(done, name, [value] * len(done)) for name, value in truth.items()}
    return found | {"policy": covered(done, "policy", [each["policy_truth"] for each in done])}


TITLES = {
    "stored_model": "(V) A stored model in new patients",
    "strategies": "Values of strategies at baseline",
    "out_of_fold": "(R) Out-of-fold intervals of the whole procedure",
}
TARGETS = {
    "stored_model": "Target: 93 to 97 % for every measure.",
    "strategies": "Target: 93 to 97 % for both strategies and their difference; none for the learned policy.",
    "out_of_fold": "Target: at least 88 % for the AUC. Slope and O:E are near 1 by construction: no target.",
}


def coverage_page(found: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the page with the figures of all studies, in Markdown."""
    lines = [
        "# Do the intervals cover the truth?",
        "",
        "SIMULATED DATA - no patients. Written by `make coverage` from configs/coverage.yaml; do not edit.",
        "",
        f"Landmark {found['landmark']}. Truth: values in {plan['population']:,} other simulated patients.",
        "In brackets the Monte Carlo standard error. Width: mean width of the intervals.",
    ]
    for name, title in TITLES.items():
        lines += ["", f"## {title}", "", TARGETS[name]]
        lines += [f"Trials of {plan[name]['patients']} patients each.", ""]
        lines += [
            "| measure | trials | truth | mean estimate | coverage | width |",
            "|---|---|---|---|---|---|",
        ]
        for measure, each in found[name].items():
            share = f"{100 * each['coverage']:.1f} % ({100 * each['monte_carlo_error']:.1f})"
            figures = (
                f"{each['truth']:.4f} | {each['mean_estimate']:.4f} | {share} | {each['mean_width']:.3f}"
            )
            lines.append(f"| {measure} | {each['trials']} | {figures} |")
    return "\n".join([*lines, ""])


def stored_population(
    spec: SimulationSpec, sizes: list[int], plan: Any, landmarks: list[str], folder: Path
) -> None:
    """Simulate the blocks that `folder` does not hold yet; each is a folder that appears as a whole."""
    seeds = np.random.SeedSequence(plan["seed"]).generate_state(len(sizes))
    missing = [i for i in range(len(sizes)) if not (folder / str(i)).exists()]
    tasks = (delayed(_store_block)(spec, sizes[i], int(seeds[i]), landmarks, i, folder) for i in missing)
    pool = Parallel(n_jobs=workers(), return_as="generator")
    for _ in track(pool(tasks), description="simulating", total=len(missing), console=stderr()):
        pass


def _store_block(
    spec: SimulationSpec, n: int, seed: int, landmarks: list[str], number: int, folder: Path
) -> None:
    write_tables(folder / str(number), block(spec, n, seed, landmarks, number))


def work_folder(root: Path, code: Sequence[str], *content: Any) -> Path:
    """Return the folder of finished parts, named after all that decides them: code (globs) and content."""
    digests = [
        hashlib.sha256(path.read_bytes()).hexdigest() for glob in code for path in sorted(Path().glob(glob))
    ]
    named = json.dumps([digests, *content], sort_keys=True)
    return root / hashlib.sha256(named.encode()).hexdigest()[:16]


def main() -> None:
    """Simulate, run the studies, write the figures and the page."""
    args = stage_paths(__doc__ or "", "study", "configs", "features", "work", "out", "page")
    plan = read_yaml(args.configs / "coverage.yaml")["coverage"]
    documents = {name: read_yaml(args.configs / f"{name}.yaml") for name in ("models", "validation")}
    with reported_errors():
        spec = read_simulation_spec(args.study, args.configs)
    baseline, landmark = spec.study["landmarks"][0], plan["landmark"]
    described = (read_json(args.features / f"{name}.json")["features"] for name in (landmark, baseline))
    models, validation = documents["models"], documents["validation"]
    setting = Setting(spec, model_settings(models), validation_plan(validation), plan, *described)
    patients = work_folder(args.work, POPULATION_CODE, digest(spec), plan["seed"])
    parts = ("stored_model", "out_of_fold", "strategies")
    pool_size = max(plan[name]["trials"] * plan[name]["patients"] for name in parts)
    of_population = block_sizes(plan["population"])
    # A tenth more: some patients have left before the landmark, or have no outcome.
    sizes = of_population + block_sizes(plan["learned_from"] + pool_size + pool_size // 10)
    stored_population(spec, sizes, plan, [baseline, landmark], patients)

    def folder(part: str) -> Path:
        shared = {name: value for name, value in plan.items() if name not in parts}
        used = {name: validation[name] for name in ("folds", "inner_folds", "level", "bootstrap", "strategy")}
        return work_folder(args.work, STUDY_CODE, patients.name, part, plan[part], shared, models, used)

    def drawn(name: str) -> tuple[Patients, Patients]:
        cut, all_blocks = len(of_population), tuple(range(len(sizes)))
        return Patients(patients, name, all_blocks[cut:]), Patients(patients, name, all_blocks[:cut])

    at_landmark, at_baseline = drawn(landmark), drawn(baseline)
    found = {
        "spec": digest(spec),
        "landmark": landmark,
        "stored_model": study_stored_model(*at_landmark, setting, folder("stored_model")),
        "strategies": study_strategies(*at_baseline, setting, folder("strategies")),
        "out_of_fold": study_out_of_fold(*at_landmark, setting, folder("out_of_fold")),
    }
    write_json(args.out, found)
    write_text(args.page, coverage_page(found, plan))


if __name__ == "__main__":
    # By its own name: workers cannot unpickle what refers to a cache of __main__.
    from pipeline.simulation_checks.coverage import main as run

    run()
