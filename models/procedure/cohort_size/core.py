"""What the size of a cohort lets be learned from it: how many parameters, and which candidates."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from features.errors import UserError
from models.procedure.cohort_size.development import (
    cox_snell_r2,
    patients_for_optimism,
    patients_for_shrinkage,
)
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import (
    BlocksCandidate,
    BoostingCandidate,
    Candidate,
    LogisticCandidate,
    ModelSettings,
    ProcedureSettings,
)


def supported_in_size(n: int, prevalence: float, plan: ValidationPlan) -> int:
    """Return how many parameters n patients support by Riley's shrinkage and optimism criteria, at least 1.

    The third criterion, on the overall risk, does not depend on the number of parameters: where n does not
    meet it, no smaller model would.

    Raises
    ------
    SampleSizeError
        If all patients have the same outcome.
    """
    criteria = plan.model_size
    r2 = cox_snell_r2(criteria.c_statistic, prevalence)
    one = max(
        patients_for_shrinkage(1, r2, criteria.shrinkage),
        patients_for_optimism(1, r2, prevalence, criteria.optimism),
    )
    return max(1, int(n / one))


def procedure_for(
    settings: ModelSettings,
    features: Iterable[str],
    y: np.ndarray,
    plan: ValidationPlan,
    *,
    assays: bool = False,
) -> ProcedureSettings:
    """Return the procedure that a cohort is large enough for.

    A candidate with an order of features may use as many parameters as the patients support; where the cohort
    has none of its features, it is no candidate. From fewer than `ValidationPlan.core_only_events` events or
    non-events it is the only one of features. Models of blocks, whose penalties begin where next to nothing
    is learned, are candidates at every size where an assay was known by the landmark.

    Raises
    ------
    UserError
        If there are models of blocks without penalties.

    Parameters
    ----------
    settings : ModelSettings
        All candidates.
    features : iterable of str
        Features of the landmark.
    y : array, shape (n,)
        Outcome of the landmark's patients, with both values.
    assays : bool
        Whether there are columns of assays beside the features.
    plan : ValidationPlan
        Riley's criteria, and the number of events.
    """
    names = set(features)
    supported = supported_in_size(len(y), float(np.mean(y)), plan)
    core: dict[str, Candidate] = {
        name: replace(candidate, max_parameters=supported)
        for name, candidate in settings.candidates.items()
        if isinstance(candidate, LogisticCandidate) and names.intersection(candidate.order)
    }
    if assays and not settings.blocks.penalties_per_column:
        raise UserError(f"{settings.file}: blocks.penalties_per_column is missing, and the study has assays")
    blocks: dict[str, Candidate] = {
        name: replace(
            candidate,
            penalties_per_column=settings.blocks.penalties_per_column,
            cuts=settings.blocks.cuts,
            min_batch_patients=settings.blocks.min_batch_patients,
        )
        for name, candidate in settings.candidates.items()
        if assays and isinstance(candidate, BlocksCandidate)
    }
    if core and min(y.sum(), len(y) - y.sum()) < plan.core_only_events:
        return ProcedureSettings(settings.encoding, core | blocks)
    offered = core | blocks
    others = {
        name: offered.get(name, candidate)
        for name, candidate in settings.candidates.items()
        if name in offered
        or isinstance(candidate, BoostingCandidate)
        or (isinstance(candidate, LogisticCandidate) and not candidate.order)
    }
    return ProcedureSettings(settings.encoding, others)
