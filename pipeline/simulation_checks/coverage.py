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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from rich.progress import track

from models.evaluation.coverage import Trial, covered, stored_model_trial, trial_rows
from models.measures.evaluate import population_values
from models.procedure.backends import completed, workers
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import landmark_features
from pipeline.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json, write_tables, write_text
from pipeline.project.runtime import read_process_backend
from pipeline.simulation_checks.coverage_page import coverage_page
from pipeline.simulation_checks.plan import CoveragePlan, Part, Trials, read_plan
from pipeline.simulation_checks.populations import (
    SimulationSpec,
    block,
    block_sizes,
    digest,
    read_simulation_spec,
)
from pipeline.simulation_checks.trials import LEARNING, Setting, analysed, out_of_fold_trial, strategy_trial

# How many give the true values of the policies that a trial learned.
POLICIES_IN = 5_000
TRIALS_PER_TASK = 10
CORRECTED = ("auc", "brier", "log_loss")
Figures = dict[str, dict[str, float]]
# The code that decides the patients, and the code that decides what is learned from them: whole folders, so
# that nothing that a module begins to import is left out. Finished parts of an interrupted study are found by
# it; whether the written figures are stale is DVC's to say.
POPULATION_CODE = (
    "features/**/*.py",
    "models/rules/**/*.py",
    "pipeline/sources/**/*.py",
    "pipeline/simulation_checks/*.py",
)
STUDY_CODE = ("models/**/*.py", "pipeline/simulation_checks/*.py")


@dataclass(frozen=True)
class Patients:
    """Simulated patients on disk: the blocks of a folder at a landmark, read once in every process."""

    folder: Path
    landmark: str
    blocks: tuple[int, ...]

    def rows(self) -> pd.DataFrame:
        """Return the rows of all blocks; not to be changed."""
        return _read_blocks(self)


@dataclass(frozen=True)
class SentPatients:
    """The same, for workers that do not see this computer's disk."""

    frame: pd.DataFrame

    def rows(self) -> pd.DataFrame:
        """Return the rows; not to be changed."""
        return self.frame


Drawn = Patients | SentPatients


@lru_cache(maxsize=4)
def _read_blocks(patients: Patients) -> pd.DataFrame:
    paths = [patients.folder / str(i) / f"{patients.landmark}.parquet" for i in patients.blocks]
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def run_trials(
    label: str, folder: Path, count: int, trial: Callable[[int], Trial], *, per_task: int = TRIALS_PER_TASK
) -> list[Trial]:
    """Return all trials in order; those that `folder` holds already are read, the others run in parallel.

    They run on the cluster of configs/runtime.yaml, or else in processes; each is kept as soon as it ends.
    """
    tasks = [range(start, min(start + per_task, count)) for start in range(0, count, per_task)]
    paths = [folder / f"{label}-{task.start}-{task.stop}.json" for task in tasks]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    done = completed(_run_task, trial, [(i, tasks[i]) for i in missing], read_process_backend())
    for i, found in track(done, description=label, total=len(missing), console=stderr()):
        write_json(paths[i], found)
    return [each for path in paths for each in read_json(path)]


def _run_task(trial: Callable[[int], Trial], numbers: range) -> list[Trial]:
    return [trial(number) for number in numbers]


def study_stored_model(pool: Drawn, population: Drawn, setting: Setting, folder: Path) -> Figures:
    """(V): learn one model, and score it in many trials of new patients."""
    plan, validation = setting.plan.stored_model, setting.validation
    learned_from, seed = setting.plan.learned_from, setting.plan.seed
    X, y, _ = analysed(pool.rows().iloc[:learned_from])
    model = setting.procedure(y, seed).fit(X, y)
    judge, _, truth = analysed(population.rows())
    values = population_values(truth, model.predict_proba(judge)[:, 1], plan.measures)
    new, outcome, _ = analysed(pool.rows().iloc[learned_from:])
    scored = pd.DataFrame({"outcome": outcome, "p": model.predict_proba(new)[:, 1]})

    def trial(number: int) -> Trial:
        return stored_model_trial(
            trial_rows(scored, number, plan.patients, seed),
            plan.measures,
            bootstrap=validation.bootstrap,
            level=validation.level,
            seed=number,
        )

    done = run_trials("stored_model", folder, plan.trials, trial, per_task=50)
    return {name: covered(done, name, [values[name]] * len(done)) for name in plan.measures}


def study_out_of_fold(
    pool: Drawn, population: Drawn, setting: Setting, size: Trials, folder: Path
) -> Figures:
    """(R): the procedure, of linear candidates, in many trials of one size."""
    seed = setting.plan.seed + 1

    def trial(number: int) -> Trial:
        rows = trial_rows(pool.rows(), number, size.patients, seed)
        return out_of_fold_trial(rows, population.rows(), setting, number)

    done = run_trials(f"{size.patients} patients", folder, size.trials, trial, per_task=1)
    # As it is shown, its interval in the trial, and its true value.
    judged = [(name, name, name) for name in (*setting.plan.out_of_fold.measures, "delta_log_loss")]
    judged += [
        (f"{name}, allowing for who was learned from", f"learning_{name}", name) for name, _, _ in LEARNING
    ]
    found = {}
    for shown, key, name in judged:
        with_value = [each for each in done if key in each]
        expected = float(np.mean([each["folds"][name] for each in done]))
        found[f"{shown}, expected"] = covered(with_value, key, [expected] * len(with_value))
        found[f"{shown}, final model"] = covered(
            with_value, key, [each["final"][name] for each in with_value]
        )
    for name in CORRECTED:
        values = [each["final"][name] for each in done]
        found[f"{name}, corrected for optimism, final model"] = covered(done, f"corrected_{name}", values)
    return found


def study_strategies(pool: Drawn, population: Drawn, setting: Setting, folder: Path) -> Figures:
    """Values of the strategies in many trials."""
    plan, seed = setting.plan.strategies, setting.plan.seed + 2

    def trial(number: int) -> Trial:
        rows = trial_rows(pool.rows(), number, plan.patients, seed)
        return strategy_trial(rows, population.rows().iloc[:POLICIES_IN], setting, number)

    done = run_trials("strategies", folder, plan.trials, trial)
    values = population.rows()
    truth = {
        "reference": values["truth_control"].mean(),
        "treated": values["truth_adaptive"].mean(),
        "difference": (values["truth_adaptive"] - values["truth_control"]).mean(),
    }
    found = {name: covered(done, name, [value] * len(done)) for name, value in truth.items()}
    return found | {"policy": covered(done, "policy", [each["policy_truth"] for each in done])}


def stored_population(
    spec: SimulationSpec, sizes: list[int], plan: CoveragePlan, landmarks: list[str], folder: Path
) -> None:
    """Simulate the blocks that `folder` does not hold yet; each is a folder that appears as a whole."""
    seeds = np.random.SeedSequence(plan.seed).generate_state(len(sizes))
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
    documents = {name: read_yaml(args.configs / f"{name}.yaml") for name in ("models", "validation")}
    with reported_errors():
        plan = read_plan(args.configs / "coverage.yaml").coverage
        spec = read_simulation_spec(args.study, args.configs)
    baseline, landmark = spec.study.landmark_names[0], plan.landmark
    described = (
        landmark_features(read_json(args.features / f"{name}.json")) for name in (landmark, baseline)
    )
    models, validation = documents["models"], documents["validation"]
    setting = Setting(spec, model_settings(models), validation_plan(validation), plan, *described)
    patients = work_folder(args.work, POPULATION_CODE, digest(spec), plan.seed)
    pool_size = max(size.trials * size.patients for sizes in plan.parts.values() for size in sizes)
    of_population = block_sizes(plan.population)
    # A tenth more: some patients have left before the landmark, or have no outcome.
    sizes = of_population + block_sizes(plan.learned_from + pool_size + pool_size // 10)
    stored_population(spec, sizes, plan, [baseline, landmark], patients)

    def folder(part: Part) -> Path:
        everything = plan.model_dump()
        shared = {name: value for name, value in everything.items() if name not in plan.parts}
        used = {name: validation[name] for name in ("folds", "inner_folds", "level", "bootstrap", "strategy")}
        # How many trials there are decides none of them, but the pool that they are dealt out from does.
        own = {name: value for name, value in everything[part].items() if name not in {"sizes", "trials"}}
        return work_folder(args.work, STUDY_CODE, patients.name, part, own, pool_size, shared, models, used)

    on_cluster = read_process_backend().cluster is not None

    def drawn(name: str) -> tuple[Drawn, Drawn]:
        cut, all_blocks = len(of_population), tuple(range(len(sizes)))
        pool, population = (Patients(patients, name, some) for some in (all_blocks[cut:], all_blocks[:cut]))
        if on_cluster:
            return SentPatients(pool.rows()), SentPatients(population.rows())
        return pool, population

    at_landmark, at_baseline = drawn(landmark), drawn(baseline)
    found: dict[str, Any] = {"spec": digest(spec), "landmark": landmark, "out_of_fold": {}}

    def write() -> None:
        write_json(args.out, found)
        write_text(args.page, coverage_page(found, plan, digest(spec)))

    found["stored_model"] = study_stored_model(*at_landmark, setting, folder("stored_model"))
    found["strategies"] = study_strategies(*at_baseline, setting, folder("strategies"))
    for size in plan.out_of_fold.sizes:
        where = folder("out_of_fold")
        found["out_of_fold"][str(size.patients)] = study_out_of_fold(*at_landmark, setting, size, where)
        # What is finished is published, also where the largest trials are never waited for.
        write()


if __name__ == "__main__":
    # By its own name: workers cannot unpickle what refers to a cache of __main__.
    from pipeline.simulation_checks.coverage import main as run

    run()
