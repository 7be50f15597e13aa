"""How often a patient's interval holds the patient's true risk: `make patient-intervals`.

The true risk is what a flexible model, learned from the true probabilities of very many simulated patients,
makes of the features that a landmark sees. Cohorts of several sizes learn the procedure and its bootstrap
models as a run does; the intervals of other patients are compared with their risk. Finished cohorts are kept
in the work folder, so that an interrupted study goes on where it stopped.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from rich.progress import track
from scipy.special import logit

from models.packaging.patient_interval import patient_interval
from models.procedure.cohort_size.core import procedure_for
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.configuration.settings import (
    IntervalSettings,
    ModelSettings,
    model_settings,
    serving_settings,
)
from models.procedure.landmark_features import LandmarkFeature, landmark_features
from models.procedure.resampling import cross_validate
from models.procedure.response_model import ResponseModel
from models.procedure.splits import bootstrap_splits
from models.serving.serving import PcrModel
from pipeline.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json, write_text
from pipeline.simulation_checks.attainable import flexible_risk
from pipeline.simulation_checks.coverage import STUDY_CODE, run_trials, work_folder
from pipeline.simulation_checks.plan import IntervalPlan, read_plan
from pipeline.simulation_checks.populations import (
    block_sizes,
    blocks,
    digest,
    read_simulation_spec,
    split_truth,
)


@dataclass(frozen=True)
class Cohorts:
    """Patients with an outcome to learn from, others with their true risk, and how a run learns."""

    rows: pd.DataFrame
    y: np.ndarray
    others: pd.DataFrame
    risk: np.ndarray
    features: list[LandmarkFeature]
    models: ModelSettings
    plan: ValidationPlan
    interval: IntervalSettings
    samples: int

    def trial(self, patients: int, number: int) -> dict[str, float | str]:
        """Return what the intervals learned from the cohort of this number hold, and how wide they are."""
        inside = slice(number * patients, (number + 1) * patients)
        rows, y = self.rows.iloc[inside].reset_index(drop=True), self.y[inside]
        settings = procedure_for(self.models, [feature.name for feature in self.features], y, self.plan)

        def procedure(seed: int) -> list[ResponseModel]:
            return [ResponseModel(self.features, settings, self.plan.inner_folds, seed)]

        fitted = procedure(number)[0].fit(rows, y)
        model = fitted.models_[fitted.chosen_]
        splits = bootstrap_splits(len(y), samples=self.samples, seed=number)
        results = cross_validate(procedure, rows, y, splits, workers=1, may_fail=True)
        p = np.array([result.predictions["chosen"] for result in results if result.predictions])
        interval = patient_interval(model, rows, y, logit(p), self.interval)
        if interval is None:
            return {"failed": f"fewer than {self.interval.min_samples} samples gave a model"}
        served = PcrModel(
            model.document | {"serving": {"interval": interval}}, fitted.boosters_[fitted.chosen_]
        )
        answered = served.desk.answers(self.others)
        low, high = (answered[name].to_numpy(dtype=float) for name in ("lower", "upper"))
        held = (low <= self.risk) & (self.risk <= high)
        return {"held": float(held.mean()), "width": float((high - low).mean()), "chosen": fitted.chosen_}


def summary(trials: list[dict[str, float]], patients: int) -> dict[str, float]:
    """Return how often intervals hold the risk, the Monte Carlo error over cohorts, and the mean width."""
    held = np.array([trial["held"] for trial in trials if "held" in trial])
    widths = [trial["width"] for trial in trials if "width" in trial]
    return {
        "patients": patients,
        "cohorts": len(trials),
        "without_interval": len(trials) - len(held),
        "held": float(held.mean()),
        "monte_carlo_error": float(held.std(ddof=1) / np.sqrt(len(held))),
        "width": float(np.mean(widths)),
    }


def page(found: list[dict[str, float]], plan: IntervalPlan, settings: IntervalSettings) -> str:
    """Return docs/patient-intervals.md."""
    told = (
        f"Nominal level {settings.level:.0%}, {plan.samples} bootstrap samples of the candidates "
        f"{', '.join(plan.candidates)}; what all of them miss alike: {settings.misfit:g} on the log-odds, "
        f"and {settings.small_sample:g} / root of the rarer outcome's patients (configs/serving.yaml). "
        "True risk: a flexible model learned from the true probabilities of "
        f"{plan.learn:,} simulated patients; judged in {plan.judge:,} others at {plan.landmark}. "
        "What all miss alike was set on other patients of this simulation: in real cohorts the intervals may "
        "hold the risk more or less often."
    )
    rows = [
        f"| {row['patients']:,} | {row['cohorts']} | {row['without_interval']} | {100 * row['held']:.1f} % "
        f"({100 * row['monte_carlo_error']:.1f}) | {row['width']:.3f} |"
        for row in found
    ]
    lines = [
        "# How often does a patient's interval hold the patient's risk?",
        "SIMULATED DATA - no patients. Written by `make patient-intervals` from configs/coverage.yaml.",
        told,
        "In brackets the Monte Carlo standard error over cohorts.",
        "| patients learned from | cohorts | without interval | holds the risk of | mean width |\n"
        "|---|---|---|---|---|\n" + "\n".join(rows),
    ]
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Simulate, learn the risk, learn in every cohort, write the figures and the page."""
    args = stage_paths(__doc__ or "", "study", "configs", "features", "work", "out", "page")
    documents = {
        name: read_yaml(args.configs / f"{name}.yaml") for name in ("models", "validation", "serving")
    }
    with reported_errors():
        studies = read_plan(args.configs / "coverage.yaml")
        spec = read_simulation_spec(args.study, args.configs)
    plan, landmark = studies.patient_intervals, studies.patient_intervals.landmark
    features = landmark_features(read_json(args.features / f"{landmark}.json"))
    everything = model_settings(documents["models"])
    models = ModelSettings(
        everything.encoding, {name: everything.candidates[name] for name in plan.candidates}
    )
    interval = serving_settings(documents["serving"]).interval
    # A tenth more: some patients have left before the landmark, or have no outcome.
    wanted = plan.learn + plan.judge + max(size.patients * size.trials for size in plan.cohorts)
    sizes = block_sizes(wanted + wanted // 10)
    made = blocks(spec, sizes, plan.seed, [landmark])
    parts = [part[landmark] for part in track(made, "simulating", total=len(sizes), console=stderr())]
    simulated = pd.concat(parts, ignore_index=True)
    complete = simulated.loc[simulated["outcome"].notna()].reset_index(drop=True)
    risk = flexible_risk(
        complete.iloc[: plan.learn], complete.iloc[plan.learn :], features, studies.attainable
    )
    visible, _ = split_truth(complete.iloc[plan.learn :].reset_index(drop=True))
    judged, learned = slice(None, plan.judge), slice(plan.judge, None)
    cohorts = Cohorts(
        rows=visible.iloc[learned].reset_index(drop=True),
        y=visible["outcome"].to_numpy(dtype=float)[learned],
        others=visible[[feature.name for feature in features]].iloc[judged],
        risk=risk[judged],
        features=features,
        models=models,
        plan=validation_plan(documents["validation"]),
        interval=interval,
        samples=plan.samples,
    )
    settled = plan.model_dump(exclude={"cohorts"})
    folder = work_folder(args.work, STUDY_CODE, digest(spec), settled, documents)
    found = []
    for size in plan.cohorts:
        label = f"{size.patients} patients"
        done = run_trials(label, folder, size.trials, partial(cohorts.trial, size.patients), per_task=1)
        found.append(summary(done, size.patients))
    write_json(args.out, {"spec": digest(spec), "level": interval.level, "cohorts": found})
    write_text(args.page, page(found, plan, interval))


if __name__ == "__main__":
    # By its own name: workers cannot unpickle what belongs to __main__.
    from pipeline.simulation_checks.patient_intervals import main as run

    run()
