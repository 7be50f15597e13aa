"""The few figures of the comparison that are committed, and that a difference of metrics shows."""

from collections.abc import Sequence

from models.efficacy.documents import ResultRow
from models.efficacy.populations import ITT
from models.evaluation.headline import rounded
from models.measures.common import MeasureDocument

METHODS = {
    "pcr": "Wilson",
    "risk_difference": "Newcombe",
    "risk_difference_stratified": "Miettinen-Nurminen",
    "odds_ratio_stratified": "Mantel-Haenszel",
}
"""The measures of the headline, each by the one method that is its first."""


def headline(rows: Sequence[ResultRow]) -> dict[str, dict[str, MeasureDocument]]:
    """Return, of all as randomised, the headline of every arm and pair of arms, to six significant digits."""
    shown: dict[str, dict[str, MeasureDocument]] = {}
    for row in rows:
        if row["population"] == ITT and not row["level"] and METHODS.get(row["measure"]) == row["method"]:
            shown.setdefault(row["group"], {})[row["measure"]] = rounded(as_measure(row))
    return shown


def as_measure(row: ResultRow) -> MeasureDocument:
    """Return a row's number as a measure: value, low and high, n and events, or its error."""
    document: MeasureDocument = {}
    for name in ("value", "low", "high", "n", "events"):
        if name in row:
            document[name] = row[name]
    if "error" in row:
        document["error"] = row["error"]
    return document
