"""`arm_comparison` of the study file as a typed object: how the randomised arms are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from features.documents.study import Study
from features.keys import checked_fields


@dataclass(frozen=True)
class ArmComparison:
    """How the randomised arms are compared: each with `reference`, by the difference in pCR.

    `hypothesis` is ``superiority`` (two-sided, of no difference) or ``non_inferiority`` (one-sided, of a
    difference of minus `margin`). `strata` and `interactions` name groupings of configs/measures.yaml;
    `regimens` are those that an arm may be given by the protocol. `assumed`: not said by the protocol.
    """

    reference: str
    hypothesis: str = "superiority"
    margin: float = 0.0
    strata: tuple[str, ...] = ()
    interactions: tuple[str, ...] = ()
    regimens: Mapping[str, Sequence[str]] = field(default_factory=dict)
    assumed: bool = True

    @property
    def null(self) -> float:
        """The difference in pCR that is tested."""
        return -self.margin


def arm_comparison(study: Study) -> ArmComparison | None:
    """Return how the arms are compared: as the study file says, else with the first arm without rules.

    By default superiority without strata. None where there is nothing to compare: a single arm, or arms on
    which chance did not decide.

    Raises
    ------
    UserError
        If a key is unknown or missing.
    """
    if not study.randomised or len(study.arms) < 2:
        return None
    document = study.arm_comparison
    if document is None:
        return ArmComparison(next(arm for arm in study.arms if arm != study.adaptive_arm))
    entry = checked_fields(ArmComparison, document, "study file, arm_comparison")
    return ArmComparison(**entry | {key: tuple(entry.get(key, ())) for key in ("strata", "interactions")})
