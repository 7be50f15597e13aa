"""configs/monitoring.yaml: what is watched, how often, and with how many false alarms."""

from dataclasses import dataclass

from features.documents.parsing import Count, InnerShare, Positive


@dataclass(frozen=True)
class MonitoringSettings:
    """How a model is watched; configs/monitoring.yaml says more.

    `horizon`: outcomes for which the limits hold. The three errors are shares of drift-free streams of that
    length with a false alarm by each way of watching; together at most 5 %.
    """

    horizon: Count
    odds_ratio: Positive
    cusum_error: InnerShare
    calibration_error: InnerShare
    drift_error: InnerShare
    look_every: Count
    window: Count
    limit_samples: Count
    update_error: InnerShare
    min_update_events: Count
    seed: int

    @property
    def looks(self) -> int:
        """How often calibration and inputs are looked at within the horizon."""
        return max(1, self.horizon // self.look_every)
