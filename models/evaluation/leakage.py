"""The alarm at a performance that is too good to be true."""

from collections.abc import Mapping
from typing import Any

from features.errors import UserError


class LeakageAlarmError(UserError):
    """A performance that is too good to be true."""


def check_leakage(judged: Mapping[str, Mapping[str, Any]], limit: float, acknowledged: str) -> None:
    """Raise if an AUC is above `limit`, unless the study file acknowledges it with a reason.

    Raises
    ------
    LeakageAlarmError
        Naming the models and what to do.
    """
    suspects = [m for m, measures in judged.items() if measures.get("auc", {}).get("value", 0.0) > limit]
    if suspects and not acknowledged:
        raise LeakageAlarmError(
            f"AUC above {limit} by {', '.join(suspects)}: look for a feature that knows the outcome. "
            "If it is true, write why into leakage_acknowledged of configs/study.yaml"
        )
