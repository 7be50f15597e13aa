"""Whom the rows of a problem concern: how many rows, which patients, at which centres."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from features.contract.specification import Contract

MAX_IDS = 3
UNKNOWN_CENTRE = "unknown"


class AtCentre(NamedTuple):
    """The rows of a problem at one centre, and all patients (or keys) that they are of."""

    centre: str
    rows: int
    ids: str


class AffectedRows:
    """Counts and names rows of checked tables; ids of `withheld` (table, column) are never named."""

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        contract: Contract,
        withheld: Collection[tuple[str, str]] = (),
    ) -> None:
        self.tables = tables
        self.contract = contract
        self.withheld = withheld

    def by(self, table: str, mask: pd.Series) -> tuple[int, str, list[AtCentre]]:
        """Return the number of rows, at most three ids (patients, or keys), sorted, and the rows by centre.

        Without any known centre in the study there are no rows by centre.
        """
        count = int(mask.sum())
        spec = self.contract.get(table)
        if spec is None or count == 0:
            return count, "", []
        rows = self.tables[table].loc[mask]
        hidden = (table, spec.id_column) in self.withheld
        ids = pd.Series("", index=rows.index) if hidden else rows[spec.id_column]
        return count, _listed(ids, MAX_IDS), self._at_centres(rows, ids)

    def _at_centres(self, rows: pd.DataFrame, ids: pd.Series) -> list[AtCentre]:
        if self._centres is None or not {"usubjid", "sample_id"} & set(rows):
            return []
        patients = rows["usubjid"] if "usubjid" in rows else rows["sample_id"].map(self._drawn_from)
        centres = patients.map(self._centres).fillna(UNKNOWN_CENTRE)
        return [
            AtCentre(str(centre), len(of_centre), _listed(of_centre))
            for centre, of_centre in ids.groupby(centres, sort=True)
        ]

    @cached_property
    def _centres(self) -> pd.Series | None:
        """Centre by patient; None where the study has none, or names identify people."""
        subjects = self.tables.get("subjects")
        if subjects is None or subjects["siteid"].isna().all() or ("subjects", "siteid") in self.withheld:
            return None
        return _first(subjects, "usubjid", "siteid")

    @cached_property
    def _drawn_from(self) -> pd.Series:
        """Patient by plasma sample."""
        samples = self.tables.get(
            "ctdna_samples", pd.DataFrame({"sample_id": [], "usubjid": []}, dtype="str")
        )
        return _first(samples, "sample_id", "usubjid")


def _first(rows: pd.DataFrame, key: str, value: str) -> pd.Series:
    """Return `value` by `key`, of the first row where a key stands several times."""
    return rows.dropna(subset=key).drop_duplicates(key).set_index(key)[value]


def _listed(ids: pd.Series, most: int | None = None) -> str:
    return "; ".join(sorted(set(ids.dropna()) - {""})[:most])
