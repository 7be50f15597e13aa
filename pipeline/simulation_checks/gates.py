"""How often models of known calibration pass the gates of promotion: the operating characteristics.

A model is its predictions: log-odds drawn for the patients of a trial with centres, some of whom come
later. The outcome is drawn from a risk that differs from the prediction by a slope, an O:E and a shift for
each centre. Both evaluations and their gates are the code that judges real models; only the fitting is left
out, so that a thousand trials take minutes. A procedure that is fitted anew at every origin adds its own
uncertainty, which these figures do not have.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from models.evaluation.robustness import left_out_centres, temporal_validation
from models.procedure.backends import Backend, completed
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.files import read_yaml, write_json, write_text
from pipeline.project.runtime import read_process_backend
from pipeline.project.settings import read_settings
from pipeline.report.gates import Criteria, Verdict, calibration_gates
from pipeline.report.results import parse_robustness


@dataclass(frozen=True)
class Model:
    """What is wrong with a model: the slope of the outcome on its log-odds, and observed over expected."""

    name: str
    slope: float
    o_e: float


@dataclass(frozen=True)
class GateSimulation:
    """configs/gate_simulation.yaml: trials, patients, and the models whose fate is counted."""

    seed: int
    trials: int
    patients: tuple[int, ...]
    later_share: float
    centres: int
    centre_sd: float
    perfect_models: int
    log_odds_mean: float
    log_odds_sd: float
    models: tuple[Model, ...]


def trial(settings: GateSimulation, model: Model, patients: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Return the predictions and outcomes of a trial's patients, and their centres by usubjid."""
    rng = np.random.default_rng(seed)
    centre = rng.integers(settings.centres, size=patients)
    log_odds = rng.normal(settings.log_odds_mean, settings.log_odds_sd, patients)
    shift = rng.normal(0, settings.centre_sd, settings.centres)[centre]
    predicted = expit(log_odds)
    expected = model.o_e * predicted.sum()
    intercept = brentq(lambda a: expit(a + model.slope * log_odds + shift).sum() - expected, -20, 20)
    y = (rng.random(patients) < expit(intercept + model.slope * log_odds + shift)).astype(int)
    ids = [f"P{number:05d}" for number in range(patients)]
    rows = pd.DataFrame({"usubjid": ids, "repeat": 0, "fold": 0, "model": "chosen", "y": y, "p": predicted})
    return rows, pd.Series([f"S{number:02d}" for number in centre], index=ids)


def verdicts(
    settings: GateSimulation, model: Model, patients: int, plan: ValidationPlan, criteria: Criteria, seed: int
) -> list[Verdict]:
    """Return the verdict of every gate of calibration in one trial."""
    rows, centre = trial(settings, model, patients, seed)
    later = rows.tail(round(settings.later_share * patients))
    found = {
        "temporal": temporal_validation(later, plan),
        "left_out_centres": left_out_centres(rows, centre, plan),
    }
    return [gate.verdict for gate in calibration_gates(parse_robustness(found), criteria)]


def characteristics(
    settings: GateSimulation, plan: ValidationPlan, criteria: Criteria, backend: Backend
) -> pd.DataFrame:
    """Return the shares of trials passed, shown bad and undecided, by number of patients and model."""
    cases = [(patients, model) for patients in settings.patients for model in settings.models]
    tasks = [
        (patients, model, [int(seed) for seed in seeds])
        for (patients, model), sequence in zip(
            cases, np.random.SeedSequence(settings.seed).spawn(len(cases)), strict=True
        )
        for seeds in _batches(sequence.generate_state(settings.trials))
    ]
    run = completed(_judged, (settings, plan, criteria), list(enumerate(tasks)), backend)
    counts: dict[tuple[int, str], Counter[str]] = {
        (patients, model.name): Counter() for patients, model in cases
    }
    for number, judged in progress("gates")(run, len(tasks)):
        patients, model, _ = tasks[number]
        counts[patients, model.name].update(judged)
    return pd.DataFrame(
        [
            {"patients": patients, "model": name} | {word: of[word] / settings.trials for word in OVERALL}
            for (patients, name), of in counts.items()
        ]
    )


def _batches(seeds: np.ndarray) -> list[np.ndarray]:
    return [seeds[start : start + TRIALS_PER_TASK] for start in range(0, len(seeds), TRIALS_PER_TASK)]


def _judged(
    shared: tuple[GateSimulation, ValidationPlan, Criteria], task: tuple[int, Model, list[int]]
) -> list[str]:
    """Return what happens to a model in trials of these seeds."""
    (settings, plan, criteria), (patients, model, seeds) = shared, task
    return [overall(verdicts(settings, model, patients, plan, criteria, seed)) for seed in seeds]


TRIALS_PER_TASK = 10
OVERALL = ("passed", "shown bad", "too few patients to tell")


def overall(gates: list[Verdict]) -> str:
    """Return what happens to a model: it passes if every gate does, and is bad if any gate shows it bad."""
    if all(gate is Verdict.GOOD for gate in gates):
        return OVERALL[0]
    return OVERALL[1] if Verdict.BAD in gates else OVERALL[2]


def page(table: pd.DataFrame, settings: GateSimulation, criteria: Criteria) -> str:
    """Return docs/gates.md."""
    error = 100 * np.sqrt(0.25 / settings.trials)
    told = (
        f"Calibration in later patients ({settings.later_share:.0%} of a trial) and in left-out centres "
        f"({settings.centres}, whose log-odds differ with a standard deviation of {settings.centre_sd:g}) is "
        f"judged by {criteria.level:.0%} intervals: the slope must be {criteria.calibration_slope}, O:E "
        f"{criteria.o_e}, the ICI in later patients {criteria.ici}. {settings.trials:,} simulated trials for "
        f"each row; Monte Carlo error of a share at most {error:.1f} points. Models are given by their "
        "predictions: what fitting a procedure anew at every origin adds is not in these figures."
    )
    lines = [
        "# Gates of promotion: how often good and bad models pass",
        "Written by `make gate-check`, with the settings of configs/gate_simulation.yaml.",
        told,
        "| patients | model | passed | shown bad | too few to tell |\n|---|---|---|---|---|",
    ]
    rows = []
    for row in table.to_dict("records"):
        shares = " | ".join(f"{100 * row[word]:.1f} %" for word in OVERALL)
        rows.append(f"\n| {row['patients']:,} | {row['model']} | {shares} |")
    return "\n\n".join(lines) + "".join(rows) + "\n"


def main() -> None:
    """Simulate, write docs/gates.json and docs/gates.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=Path, default=Path("configs/gate_simulation.yaml"))
    parser.add_argument("--out", type=Path, default=Path("docs/gates.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/gates.md"))
    arguments = parser.parse_args()
    settings = read_settings(GateSimulation, arguments.settings)
    criteria = read_settings(Criteria, Path(paths.GATES))
    # The gates read estimates and standard errors, no bootstrap interval.
    few = {"bootstrap": 20, "loess_bootstrap": settings.perfect_models}
    plan = validation_plan(read_yaml(Path(paths.VALIDATION)) | few, read_yaml(Path(paths.MEASURES_PLAN)))
    table = characteristics(settings, plan, criteria, read_process_backend())
    write_json(arguments.out, table.round(4).to_dict("records"))
    write_text(arguments.page, page(table, settings, criteria))


if __name__ == "__main__":
    # By its own name: workers cannot unpickle what belongs to __main__.
    from pipeline.simulation_checks.gates import main as run

    run()
