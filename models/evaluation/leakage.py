"""The alarm at a performance that is too good to be true."""

from collections.abc import Mapping

from models.measures.common import MeasureDocument
from models.procedure.single_features import LOOK, LeakageAlarmError

SEPARATED = "separated"
"""In the reason of an AUC that cannot be computed because it is 0 or 1."""


def check_leakage(
    judged: Mapping[str, Mapping[str, MeasureDocument]], limit: float, acknowledged: str
) -> None:
    """Raise if an AUC is above `limit`, or 1 and so without interval, unless the study acknowledges it.

    Raises
    ------
    LeakageAlarmError
        Naming the models and what to do.
    """
    suspects = [model for model, measures in judged.items() if _too_good(measures.get("auc", {}), limit)]
    if suspects and not acknowledged:
        raise LeakageAlarmError(f"AUC above {limit} by {', '.join(suspects)}: {LOOK}")


def _too_good(auc: MeasureDocument, limit: float) -> bool:
    return auc.get("value", 0.0) > limit or SEPARATED in auc.get("error", "")
