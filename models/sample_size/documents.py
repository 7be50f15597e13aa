"""What results/size.json holds: Riley's criteria at every landmark, to learn a model and to validate one."""

from typing import TypedDict, final

from models.procedure.cohort_size.development import DevelopmentSize


@final
class ValidationSize(TypedDict):
    """The patients that an external validation needs for each of its criteria."""

    needed_o_e: int
    needed_slope: int
    needed_c_statistic: int
    needed_net_benefit: int


@final
class NotComputed(TypedDict):
    """Why a sample size could not be computed."""

    error: str


class TrialSize(TypedDict):
    """Riley's criteria at a landmark: an entry of results/size.json."""

    development: DevelopmentSize | NotComputed
    validation: ValidationSize | NotComputed
