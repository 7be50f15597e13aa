"""How the inputs of a decision table look at raw tables: at one node, on the day of its decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.definitions import known_too_late
from models.rules.document import RuleError
from models.rules.table import Node, RuleTable

NO_RECORD = "no_record"

# The samples stand before their variants.
SOURCE_TABLES = (
    "ctdna_samples",
    "ctdna_variants",
    "tissue_samples",
    "tissue_variants",
    "lesions",
    "response",
    "imaging_features",
    "exposure",
)

Tables = Mapping[str, pd.DataFrame]
Known = dict[tuple[str, str, str], list[tuple[dict[str, str], pd.DataFrame]]]
"""What was read already, by node and source: under which readings, and what was found."""


@dataclass
class View:
    """The raw tables (from `of_patients`) as a node sees them; `cohort` has the index usubjid."""

    tables: Tables
    cohort: pd.DataFrame
    rules: RuleTable
    node: Node
    known: Known = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    """The readings that were asked for."""

    @property
    def patients(self) -> pd.Index:
        """The patients, sorted."""
        return self.cohort.index

    @property
    def decision(self) -> pd.Series:
        """The day by which a result must have been reported; index usubjid."""
        return self.date(self.node.name)

    def date(self, landmark: str) -> pd.Series:
        """Return the decision dates of a landmark; NaT where the study has none."""
        column = f"decision_{landmark}"
        if column in self.cohort:
            return self.cohort[column]
        return pd.Series(index=self.patients, dtype="datetime64[us]")

    def rows(self, table: str) -> pd.DataFrame:
        """Return the rows of a table; none where the study has no such table."""
        return self.tables.get(table, pd.DataFrame())

    def setting(self, name: str) -> str:
        """Return the reading in force.

        Raises
        ------
        RuleError
            If the table has no such reading.
        """
        if name not in self.rules.settings:
            raise RuleError(
                f"rules {self.rules.name}: reading {name} is missing; node {self.node.name} needs it"
            )
        value = self.asked[name] = self.rules.settings[name]
        return value

    def once(self, kind: str, name: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return what `read` finds, read once for all tables that agree in the readings it asks for.

        `read` must take the readings from `setting` alone; all else is the same in the tables of a document.
        """
        found = self.known.setdefault((self.node.name, kind, name), [])
        for asked, frame in found:
            if asked.items() <= self.rules.settings.items():
                self.asked |= asked
                return frame
        before, self.asked = self.asked, {}
        frame = read()
        found.append((self.asked, frame))
        self.asked = before | self.asked
        return frame

    def cycle_start(self, cycle: int | None) -> pd.Series:
        """Return the first day of a cycle by usubjid; NaT where it was not given, and for no cycle."""
        exposure = self.rows("exposure")
        if cycle is None or exposure.empty:
            return pd.Series(index=self.patients, dtype="datetime64[us]")
        given = exposure.loc[exposure["cycle"] == cycle]
        return given.set_index("usubjid")["start_date"].reindex(self.patients)

    def reported_late(self, rows: pd.DataFrame, performed: str | None) -> pd.Series:
        """Tell which rows were reported (if missing, performed) after the decision."""
        decision = self.decision.reindex(rows["usubjid"]).to_numpy()
        return pd.Series(known_too_late(rows, decision, performed, "report_date"), index=rows.index)

    def outside(
        self, rows: pd.DataFrame, performed: str, decision: str, cycle: int | None, window: str | None
    ) -> pd.Series:
        """Tell which rows were performed outside their window; without dates nothing is outside.

        By cycle: after the first day of `cycle` (where one is named) and not after the decision named
        `decision`, which is the first day of the next cycle. By days, where the reading named `window` says
        so: on the days of the cycle in ``parameters.window_days``, both ends included.

        Raises
        ------
        RuleError
            If the reading says days, and the parameters have none for the decision.
        """
        start = rows["usubjid"].map(self.cycle_start(cycle))
        day: pd.Series = (rows[performed] - start).dt.days + 1
        if window is not None and self.setting(window) == "days":
            days = self.rules.parameters.window_days
            if decision not in days:
                raise RuleError(
                    f"rules {self.rules.name}, parameters: window_days.{decision} is missing; "
                    f"reading {window} needs it"
                )
            return ~day.between(*days[decision]) & day.notna()
        return (day <= 1) | (rows[performed] > rows["usubjid"].map(self.date(decision)))


def first_usable(rows: pd.DataFrame, patients: pd.Index) -> pd.DataFrame:
    """Return each patient's first row that nothing speaks against; else no value, and the first row's reason.

    Parameters
    ----------
    rows : DataFrame
        usubjid, value, reason (missing = nothing speaks against it), in order of preference.
    patients : Index
        Who is asked for.

    Returns
    -------
    DataFrame
        Index `patients`; value and reason, exactly one of them missing.
    """
    order = rows.assign(unusable=rows["reason"].notna()).sort_values("unusable", kind="stable")
    chosen = order.drop_duplicates("usubjid").set_index("usubjid")[["value", "reason"]].reindex(patients)
    value = chosen["value"].mask(chosen["reason"].notna())
    return pd.DataFrame({"value": value, "reason": chosen["reason"].fillna(NO_RECORD).where(value.isna())})


def no_rows() -> pd.DataFrame:
    """Return what a source without any row offers to `first_usable`."""
    columns = ("usubjid", "sample_id", "value", "reason")
    return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})


def first_reason(index: pd.Index, checks: Mapping[str, pd.Series]) -> pd.Series:
    """Return for each row the name of the first check that is true, missing where none is."""
    reason = np.full(len(index), None, dtype=object)
    for name in reversed(list(checks)):
        reason[checks[name].to_numpy(dtype=bool, na_value=False)] = name
    return pd.Series(reason, index=index)


def of_patients(tables: Tables, patients: pd.Index) -> dict[str, pd.DataFrame]:
    """Return the tables that inputs are read from, with the rows of `patients` alone.

    Text columns become Python objects, which compare and look up several times faster than `str` here.
    """
    kept: dict[str, pd.DataFrame] = {}
    for name in SOURCE_TABLES:
        if name not in tables:
            continue
        key, known = "usubjid", patients
        if "usubjid" not in tables[name]:
            key, known = "sample_id", pd.Index(kept["ctdna_samples"]["sample_id"])
        table = tables[name].astype(dict.fromkeys(tables[name].select_dtypes("str").columns, "object"))
        kept[name] = table.loc[known.get_indexer(pd.Index(table[key])) >= 0]
    return kept
