"""configs/design.yaml as typed objects: the trial as planned, and what may turn out otherwise."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from features.documents.parsing import Between, Count, InnerShare, Positive, parsed
from features.errors import UserError
from models.design.spending import Spending

FILE = "configs/design.yaml"
Share = Annotated[float, Between(0, 1)]
Points = Annotated[float, Between(-1, 1)]
INDETERMINATE = "indeterminate"


@dataclass(frozen=True)
class Branch:
    """A branch: pCR of its patients in the control arm, and their gain in relation to the others'.

    `spread` is the standard deviation of their true log-odds: what a model may know more than the rules.
    """

    pcr: Share
    relative_gain: Annotated[float, Between(-10, 10)]
    spread: Annotated[float, Between(0, 10)]


@dataclass(frozen=True)
class Scenario:
    """A trial: its size, whom the rules send where, and what goes wrong.

    `n` patients, `treated` of them in the adaptive arm. `effect` is the difference in pCR if all were treated
    as the rules have it and no outcome were missing, at the shares of the base scenario. `adherence`: of the
    adaptive arm, the others having the control arm's pCR. `assay_failure`: no decision follows.
    `ctdna_positive` of the others, `pam_mutated` of these; `responding` of the ctDNA negative. `dropout`:
    outcome missing, in both arms, counted as non-pCR.
    """

    n: Annotated[int, Between(4, 1_000_000)]
    treated: Share
    effect: Points
    adherence: Share
    assay_failure: Share
    ctdna_positive: Share
    pam_mutated: Share
    responding: Share
    dropout: Share

    @property
    def shares(self) -> dict[str, float]:
        """The share of patients in every branch."""
        decided = 1 - self.assay_failure
        positive, negative = decided * self.ctdna_positive, decided * (1 - self.ctdna_positive)
        return {
            "R1": negative * self.responding,
            "R2": negative * (1 - self.responding),
            "R3": positive * (1 - self.pam_mutated),
            "R4": positive * self.pam_mutated,
            INDETERMINATE: self.assay_failure,
        }


@dataclass(frozen=True)
class Rerandomised:
    """Patients without a response after C4 randomised 1:1 again: their share of the adaptive arm, and pCR."""

    share: Share
    pcr: Share
    effects: tuple[Points, ...]


@dataclass(frozen=True)
class Forecaster:
    """A model, given by its predictions: its AUC, the slope of the outcome on its log-odds, and O:E."""

    auc: Annotated[float, Between(0.5, 1, inclusive=False)]
    slope: Annotated[float, Between(0.1, 10)] = 1.0
    o_e: Annotated[float, Between(0.5, 2)] = 1.0


@dataclass(frozen=True)
class Forecasts:
    """Models that are compared with the rules; `threshold` is that of the net benefit of de-escalation."""

    trials: Annotated[int, Between(100, 1_000_000)]
    threshold: InnerShare
    models: Mapping[str, Forecaster]


@dataclass(frozen=True)
class GateTrials:
    """Trials in which the models of `Forecasts` come before the gates of promotion.

    Centres differ in log-odds with the standard deviation `centre_sd`; `later_share` of the patients come
    after the first origin. `bootstrap` samples of patients and `perfect_models` drawn stand for the run's.
    """

    trials: Annotated[int, Between(20, 1_000_000)]
    sizes: tuple[Annotated[int, Between(50, 1_000_000)], ...]
    centres: Annotated[int, Between(2)]
    centre_sd: Annotated[float, Between(0, 3)]
    later_share: InnerShare
    bootstrap: Annotated[int, Between(100)]
    perfect_models: Count


@dataclass(frozen=True)
class Subgroup:
    """Two groups of patients: the share of the one among those whose group is known, and control pCR."""

    share: InnerShare
    pcr: InnerShare
    pcr_others: InnerShare
    known: Annotated[float, Between(0, 1)] = 1.0


@dataclass(frozen=True)
class Interactions:
    """Arm by group: the ratios of the odds ratio in the group to that in the others."""

    ratios: tuple[Positive, ...]
    groups: Mapping[str, Subgroup]


@dataclass(frozen=True)
class DesignPlan:
    """The content of configs/design.yaml.

    `scenarios` name keys of the base scenario that are otherwise. `sizes` and `effects` are those of the
    power curves; `margin` that of non-inferiority; `looks` the shares of patients at which is looked.
    """

    level: Annotated[float, Between(0.5, 1)]
    trials: Annotated[int, Between(100, 1_000_000)]
    seed: int
    margin: Annotated[float, Between(0, 1)]
    branches: Mapping[str, Branch]
    base: Scenario
    scenarios: Mapping[str, Mapping[str, int | float]]
    sizes: tuple[int, ...]
    effects: tuple[Points, ...]
    looks: tuple[Share, ...]
    spending: tuple[Spending, ...]
    rerandomised: Rerandomised
    forecasts: Forecasts
    gates: GateTrials
    interactions: Interactions

    @property
    def alpha(self) -> float:
        """The two-sided error of the first kind."""
        return 1 - self.level

    def named(self) -> dict[str, Scenario]:
        """Return every scenario by its name, the base first."""
        whole = {"base": self.base}
        for name, changes in self.scenarios.items():
            whole[name] = parsed(Scenario, asdict(self.base) | dict(changes), f"{FILE}, scenarios, {name}")
        return whole


def design_plan(document: object, where: str = FILE) -> DesignPlan:
    """Return configs/design.yaml as a typed object.

    Raises
    ------
    UserError
        If a key is unknown or missing, a value is not what it must be, or a branch is missing.
    """
    plan = parsed(DesignPlan, document, where)
    missing = set(plan.base.shares) ^ set(plan.branches)
    if missing:
        raise UserError(f"{where}: branches must be {', '.join(plan.base.shares)}")
    plan.named()
    return plan
