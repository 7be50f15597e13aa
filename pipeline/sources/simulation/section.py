"""What the sections of configs/simulation.yaml are made of: kinds of numbers, names, spans of days.

Names ending in ``_share`` are probabilities, in ``_mm`` mm, in ``_days`` days; ``..._logit`` and shifts by
regimen are log-odds. Sources stand beside the numbers, in the file and in the tables of configs/simulation/.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import UserError
from features.keys import unknown_name

Share = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Correlation = Annotated[float, Field(gt=-1, lt=1)]
Count = Annotated[int, Field(ge=0)]
Shares = Annotated[dict[str, Share], Field(min_length=1)]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]
WholeRange = Annotated[list[int], Field(min_length=2, max_length=2)]


def one_of(*names: str) -> AfterValidator:
    """Return the check that a name is one of `names`; the nearest one is told."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(unknown_name(name, names))
        return name

    return AfterValidator(check)


Visit = Annotated[str, one_of("baseline", "c1", "c2", "c4", "presurgery")]
LATENTS = ("luminal", "proliferation", "chemosensitivity", "her2_dependence", "shedding", "frailty")
Latent = Annotated[str, one_of(*LATENTS)]
Parent = Annotated[str, one_of("age", *LATENTS)]
Weights = dict[str, float]
"""Log-odds or log units: intercept, and a weight for each named property of the patient."""


class Section(BaseModel):
    """A part of the parameters. An unknown key is refused together with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_parameters(cls, section: Any) -> Any:
        keys = list(section) if isinstance(section, dict) else []
        unknown = [str(key) for key in keys if key not in cls.model_fields]
        if unknown:
            raise ValueError("; ".join(unknown_name(key, list(cls.model_fields)) for key in unknown))
        return section


class Bounded(Section):
    """A normal distribution, cut to a range."""

    mean: float
    sd: Spread
    low: float
    high: float


class Days(Section):
    """Whole days, both ends included, each as likely."""

    earliest: Count
    latest: Count


class VisitDay(Days):
    """The day of the cycle of a visit: earliest + Poisson(extra); a few slip past the next dose."""

    extra_days: Spread
    slip_share: Share
    slip_days: Annotated[int, Field(ge=1)]


@contextmanager
def faults_of(place: Path | str) -> Iterator[None]:
    """Tell what is not valid as the user's error, one line for each fault."""
    try:
        yield
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
        lines = [
            f"{place}: {f'{loc}: ' if loc else ''}{said.removeprefix('Value error, ')}"
            for loc, said in faults
        ]
        raise UserError("\n".join(lines)) from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error
