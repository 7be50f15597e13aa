"""How a feature that is a logarithm is told: as it was measured, fractions in per cent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

UNDONE: Mapping[str, Callable[[pd.Series], pd.Series]] = {"log10": lambda x: 10.0**x, "log1p": np.expm1}
FRACTION, PERCENT = "fraction", "%"


@dataclass(frozen=True)
class Measured:
    """What a unit says of a feature: its logarithm (log10, log1p or none), a factor, and the unit told."""

    logarithm: str
    factor: float
    unit: str

    @staticmethod
    def by(unit: str) -> "Measured":
        """Return what a unit of configs/features.yaml says, such as ``log10 fraction``."""
        logarithm, _, of = unit.partition(" ")
        if logarithm not in UNDONE:
            return Measured("", 1.0, unit)
        return Measured(logarithm, 100.0, PERCENT) if of == FRACTION else Measured(logarithm, 1.0, of)

    def values(self, values: pd.Series) -> pd.Series:
        """Return values as they were measured, in the unit told."""
        return self.factor * UNDONE[self.logarithm](values) if self.logarithm else values
