"""configs/validation.yaml and configs/measures.yaml as typed objects: what decides how models are judged."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np

from features.documents.parsing import Between, Count, InnerShare, Positive, Sections, parsed_sections
from models.procedure.configuration.thresholds import Decision, ThresholdPlan, ThresholdRule

MEASURES = "configs/measures.yaml"
STUDY = "configs/study.yaml"
Folds = Annotated[int, Between(2)]


@dataclass(frozen=True)
class StrategyPlan:
    """Strategies: folds of the cross-fitting, ridge penalty, and the gain above which a policy treats.

    The penalty is per patient, as that of `models.procedure.configuration.settings.LogisticCandidate`.
    """

    folds: Folds
    penalty_per_patient: Positive
    delta: Annotated[float, Between(-1, 1)]


@dataclass(frozen=True)
class SubgroupPlan:
    """Subgroups of the first of `features` that a landmark has: levels, `cuts`, or levels put `together`."""

    features: tuple[str, ...]
    cuts: tuple[float, ...] = ()
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSizePlan:
    """Riley's criteria for the number of parameters: the C statistic anticipated, shrinkage and optimism."""

    c_statistic: Annotated[float, Between(0.5, 1, inclusive=False)]
    shrinkage: InnerShare
    optimism: InnerShare


@dataclass(frozen=True)
class SampleSizePlan:
    """Riley's criteria for the number of patients: the precision to reach, beside `ModelSizePlan`."""

    renamed: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("c_statistic", "shrinkage", "optimism"), "in model_size now"
    )

    margin: InnerShare
    o_e_width: Positive
    slope_width: Positive
    c_statistic_width: InnerShare
    threshold: InnerShare
    net_benefit_width: Positive


@dataclass(frozen=True)
class ResamplingPlan:
    """The whole procedure on bootstrap samples, without each centre, and on what was known at each origin.

    An origin is the day on which this share of the patients had entered.
    `bootstrap` counts models; how often patients are drawn for an interval is `ValidationPlan.bootstrap`.
    """

    bootstrap: Count
    leave_centres_out: bool
    origins: tuple[InnerShare, ...]


@dataclass(frozen=True)
class DomainsPlan:
    """What each domain adds: the candidate that is fitted to sets of domains, and repeats of the folds."""

    candidate: str
    repeats: Count


@dataclass(frozen=True)
class ValidationPlan(Sections):
    """The content of configs/validation.yaml and configs/measures.yaml, and thresholds once they are known.

    Intervals are at `level`, from `bootstrap` samples of patients (band of the smoothed calibration curve and
    the ICI of a perfect model: `loess_bootstrap`).
    Groups with fewer than `min_events` events or non-events are counted, not judged, and from a cohort with
    fewer no model is learned; from one with fewer than `core_only_events`, only the core model.
    """

    file: ClassVar[str] = "configs/validation.yaml"
    files: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("threshold_rule", "subgroups", "headline"), MEASURES
    ) | {"thresholds": STUDY}
    renamed: ClassVar[Mapping[str, str]] = {
        "fewest_events": "min_events now",
        "penalty": "penalty_per_patient now: 1 / (C n) of the C that stood there",
        "temporal_share": "origins now, a list",
        "centres_left_out_at": "leave_centres_out now, for every landmark",
        "from": "min now",
        "to": "max now",
        "promotion": "in configs/gates.yaml now",
        "backend": "in configs/runtime.yaml now",
    }

    seed: Annotated[int, Between(0)]
    folds: Folds
    repeats: Count
    inner_folds: Folds
    level: InnerShare
    bootstrap: Count
    loess_bootstrap: Count
    branch_shrinkage: Annotated[float, Between(0)]
    leakage_alarm_auc: InnerShare
    leakage_warning_auc: InnerShare
    permutations: Folds
    population: Count
    min_events: Count
    core_only_events: Annotated[int, Between(0)]
    imputations: Folds
    strategy: StrategyPlan
    threshold_rule: ThresholdRule
    thresholds: dict[Decision, ThresholdPlan]
    subgroups: dict[str, SubgroupPlan]
    model_size: ModelSizePlan
    sample_size: SampleSizePlan
    resampling: ResamplingPlan
    domains: DomainsPlan
    headline: Mapping[str, tuple[str, ...]]

    def generator(self) -> np.random.Generator:
        """Return a new generator from the plan's seed: every interval draws the same patients."""
        return np.random.default_rng(self.seed)

    def at_thresholds(self, named: Any, pcr: float) -> "ValidationPlan":
        """Return the plan with the thresholds that a study names, or else those about the frequency of pCR.

        Parameters
        ----------
        named : mapping or None
            `thresholds` of the study file, as it stands there.
        pcr : float
            Share of all patients with a known outcome who have pCR.

        Raises
        ------
        UserError
            If the study's thresholds are not what they must be.
        """
        thresholds = self.threshold_rule.around(pcr) if named is None else _named_thresholds(named)
        plan = copy(self)
        object.__setattr__(plan, "thresholds", thresholds)
        return plan

    def judges(self, y: np.ndarray) -> bool:
        """Say whether a group with the outcomes `y` (n,) has enough events and non-events."""
        return bool(min(y.sum(), len(y) - y.sum()) >= self.min_events)

    def too_few(self, y: np.ndarray) -> str:
        """Return why no model is learned from patients with the outcomes `y` (n,); empty if one is."""
        if self.judges(y):
            return ""
        events = int(y.sum())
        return (
            f"{len(y)} patients with a known outcome, {events} events and {len(y) - events} non-events: no "
            f"model is learned from fewer than {self.min_events} of either (min_events of {self.file})"
        )


def validation_plan(document: Any, measures: Any = None) -> ValidationPlan:
    """Return configs/validation.yaml and configs/measures.yaml, or some of their sections, as a typed object.

    Raises
    ------
    UserError
        If a key is unknown, or a value is not what it must be.
    """
    beside = {} if measures is None else {MEASURES: measures}
    return parsed_sections(ValidationPlan, {ValidationPlan.file: document} | beside)


def _named_thresholds(named: Any) -> dict[Decision, ThresholdPlan]:
    """Return `thresholds` of the study file as a typed object."""
    return parsed_sections(ValidationPlan, {STUDY: {"thresholds": named}}).thresholds
