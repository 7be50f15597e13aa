"""Drugs given, and the regimen that they make: a cycle's regimen follows from its drugs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.documents.parsing import parsed
from features.errors import UserError
from features.keys import unknown_name

CYCLE = ["usubjid", "cycle"]


@dataclass(frozen=True)
class Regimen:
    """A regimen: all of `needs` (drugs, or classes of which one drug will do), any of `may`, nothing else."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


@dataclass(frozen=True)
class Regimens:
    """The content of configs/regimens.yaml: regimens by name, and classes of drugs by name."""

    regimens: Mapping[str, Regimen]
    classes: Mapping[str, tuple[str, ...]]

    def drugs(self, name: str) -> tuple[str, ...]:
        """Return the drugs of a class, or the drug itself, in lower case."""
        return tuple(drug.casefold() for drug in self.classes.get(name, (name,)))

    @property
    def open_drugs(self) -> tuple[str, ...]:
        """The drugs among which a regimen leaves the choice: all members of classes that are needed."""
        needed = {name for regimen in self.regimens.values() for name in regimen.needs}
        return tuple(drug for name in self.classes if name in needed for drug in self.drugs(name))

    def regimen_of(self, drugs: Collection[str], names: Collection[str]) -> str | None:
        """Return the one regimen of `names` that the drugs of a cycle make; None for none or several.

        >>> regimens = Regimens({"ADC": Regimen(("conjugate",))}, {"conjugate": ("T-DXd", "T-DM1")})
        >>> regimens.regimen_of({"T-DM1"}, ["ADC"])
        'ADC'
        >>> regimens.regimen_of({"T-DM1", "docetaxel"}, ["ADC"]) is None
        True
        """
        given = {drug.casefold() for drug in drugs}
        fitting = [
            name
            for name, regimen in self.regimens.items()
            if name in names
            and all(given & set(self.drugs(need)) for need in regimen.needs)
            and given <= {drug for part in (*regimen.needs, *regimen.may) for drug in self.drugs(part)}
        ]
        return fitting[0] if len(fitting) == 1 else None


def parse_regimens(document: Any, where: str = "configs/regimens.yaml") -> Regimens:
    """Read configs/regimens.yaml.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a regimen needs nothing.
    """
    content = parsed(Regimens, document, where)
    empty = [name for name, regimen in content.regimens.items() if not regimen.needs]
    if empty:
        raise UserError(f"{where}: regimens.{empty[0]}.needs is empty; name the drugs that make it")
    return content


def regimens_of_cycles(drugs: pd.DataFrame, regimens: Regimens, names: Sequence[str]) -> pd.DataFrame:
    """Return one row for each patient and cycle of drug_exposure: usubjid, cycle, regimen, drug, and dates.

    Parameters
    ----------
    drugs : DataFrame
        Rows of drug_exposure; a drug planned and left out (dose 0) belongs to the regimen all the same.
    names : sequence of str
        The study's regimens.

    Returns
    -------
    DataFrame
        Sorted by patient and cycle. ``regimen`` is missing where the drugs fit none or several; ``drug`` is
        that of a class that the regimen leaves open; ``start_date`` the first day; ``dose_pct`` the mean over
        the drugs of dose given over dose planned; ``delay_days`` the longest.
    """
    share = 100 * drugs["dose_given"] / drugs["dose_planned"].where(drugs["dose_planned"] > 0)
    groups = drugs.assign(share=share).groupby(CYCLE, sort=True)
    choice = set(regimens.open_drugs)

    def open_drug(given: pd.Series) -> str | None:
        chosen = sorted({drug.casefold() for drug in given} & choice)
        return chosen[0] if len(chosen) == 1 else None

    cycles = groups.agg(
        regimen=("drug", lambda given: regimens.regimen_of(set(given), names)),
        drug=("drug", open_drug),
        start_date=("start_date", "min"),
        dose_pct=("share", "mean"),
        delay_days=("delay_days", "max"),
    )
    return cycles.reset_index()


def derived_exposure(drugs: pd.DataFrame, regimens: Regimens, names: Sequence[str]) -> pd.DataFrame:
    """Return the table exposure that drug_exposure makes, in the contract's types; other cycles are left out.

    Raises
    ------
    UserError
        If a regimen of the study has no drugs in configs/regimens.yaml.
    """
    for name in names:
        if name not in regimens.regimens:
            raise UserError(
                f"configs/regimens.yaml: regimen {unknown_name(name, list(regimens.regimens))}; "
                "the study has drug_exposure without exposure, so its drugs must be known"
            )
    cycles = regimens_of_cycles(drugs, regimens, names).dropna(subset="regimen")
    texts = {"usubjid": "str", "regimen": "str", "drug": "str", "change_reason": "str"}
    whole = cycles.assign(change_reason=None).astype(texts | {"cycle": "Int64", "delay_days": "Int64"})
    return whole[
        ["usubjid", "cycle", "regimen", "start_date", "dose_pct", "delay_days", "drug", "change_reason"]
    ].reset_index(drop=True)
