"""configs/coverage.yaml, typed: how many patients and trials the long studies of the simulation take."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.project.files import read_yaml
from pipeline.sources.simulation.section import Count, Section, faults_of

Positive = Annotated[int, Field(ge=1)]
Part = Literal["stored_model", "out_of_fold", "strategies"]


class Trials(Section):
    """How many trials of how many patients each."""

    trials: Positive
    patients: Positive


class MeasuredTrials(Trials):
    """Trials, and the measures whose intervals are looked at."""

    measures: Annotated[list[str], Field(min_length=1)]


class ProcedureTrials(Section):
    """Trials of several sizes in which the procedure is cross-validated, that many times, and bootstrapped.

    Of these `candidates` only; `samples` are bootstrap samples for the optimism.
    """

    candidates: Annotated[list[str], Field(min_length=1)]
    repeats: Positive
    samples: Annotated[int, Field(ge=2)]
    measures: Annotated[list[str], Field(min_length=1)]
    sizes: Annotated[list[Trials], Field(min_length=1)]


class CoveragePlan(Section):
    """The coverage study: its landmark, the population that is the truth, and its three parts."""

    seed: Count
    landmark: str
    population: Positive
    learned_from: Positive
    stored_model: MeasuredTrials
    out_of_fold: ProcedureTrials
    strategies: Trials

    @property
    def parts(self) -> dict[Part, list[Trials]]:
        """The trials of the three parts by name, in the order of the page."""
        return {
            "stored_model": [self.stored_model],
            "strategies": [self.strategies],
            "out_of_fold": self.out_of_fold.sizes,
        }


class AttainablePlan(Section):
    """The best attainable AUC: patients to learn from and to judge in, and LightGBM's parameters."""

    seed: Count
    learn: Positive
    judge: Positive
    rounds: Positive
    boosting: dict[str, int | float]


class IntervalPlan(Section):
    """Intervals of patients: who the risk is learned from, who is judged, and the cohorts that learn.

    `samples` are bootstrap samples of the procedure, of these `candidates` only.
    """

    seed: Count
    landmark: str
    learn: Positive
    judge: Positive
    samples: Positive
    candidates: Annotated[list[str], Field(min_length=1)]
    cohorts: Annotated[list[Trials], Field(min_length=1)]


class LongStudies(Section):
    """The whole file."""

    coverage: CoveragePlan
    patient_intervals: IntervalPlan
    attainable: AttainablePlan


def read_plan(path: Path) -> LongStudies:
    """Read and check configs/coverage.yaml.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not valid.
    """
    with faults_of(path):
        return LongStudies.model_validate(read_yaml(path))
