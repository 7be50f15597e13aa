"""configs/change_plan.yaml: what may be changed of a registered model, when, and by whom it is decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from features.documents.parsing import Count, Positive
from features.errors import UserError
from pipeline.project.settings import read_settings

CHANGE_PLAN = Path("configs/change_plan.yaml")
Method = Literal["intercept", "slope", "refit"]


class ChangePlanError(UserError):
    """A change that the plan does not allow."""


@dataclass(frozen=True)
class Change:
    """A change that is asked for: what the closed test chose, on which outcomes, and who decides.

    `since` is the last outcome of the update before, None if there was none; `first` and `last` are those of
    this one. `alarms` counts those of the watch.
    """

    method: Method
    intercept: float
    slope: float
    outcomes: int
    first: date
    last: date
    since: date | None
    alarms: int
    decided_by: str


@dataclass(frozen=True)
class ChangePlan:
    """The plan; configs/change_plan.yaml says more. `agreed` is empty where nothing may be changed."""

    agreed: Any  # text, or the day that YAML makes of it without quotes
    decided_by: tuple[str, ...]
    methods: tuple[Method, ...]
    min_outcomes: Count
    min_days_between: int
    after_alarm_only: bool
    max_intercept: Positive
    min_slope: Positive
    max_slope: Positive

    @property
    def day(self) -> date:
        """The day on which the plan was agreed.

        Raises
        ------
        ChangePlanError
            If it was not, or that is not a day.
        """
        if not self.agreed:
            raise ChangePlanError(f"{CHANGE_PLAN}: agreed is empty: no change was agreed, so none is made")
        try:
            return date.fromisoformat(str(self.agreed))
        except ValueError:
            raise ChangePlanError(f"{CHANGE_PLAN}: agreed is not a day, such as 2026-01-31") from None

    def require_decider(self, name: str) -> None:
        """Refuse who may not decide. Raises ChangePlanError."""
        if name not in self.decided_by:
            valid = ", ".join(self.decided_by) or "nobody"
            raise ChangePlanError(
                f"{CHANGE_PLAN}: {name or 'nobody'} may not decide on an update; must be one of {valid}"
            )

    def require(self, change: Change) -> None:
        """Refuse a change that the plan does not allow.

        Raises
        ------
        ChangePlanError
            With everything that the plan does not allow.
        """
        self.require_decider(change.decided_by)
        if faults := list(self._faults(change)):
            raise ChangePlanError(f"{CHANGE_PLAN} does not allow this update: {'; '.join(faults)}")

    def _faults(self, change: Change) -> Iterator[str]:
        if self.day >= change.first:
            yield f"it was agreed on {self.day}, and the first outcome is of {change.first}"
        if change.method not in self.methods:
            yield f"{change.method} is not among methods ({', '.join(self.methods) or 'none'})"
        if change.outcomes < self.min_outcomes:
            yield f"{change.outcomes} outcomes, min_outcomes is {self.min_outcomes}"
        waited = timedelta(days=self.min_days_between)
        if change.since is not None and change.last - change.since < waited:
            yield f"the last update has outcomes until {change.since}, min_days_between is {waited.days}"
        if self.after_alarm_only and not change.alarms:
            yield "there was no alarm"
        if abs(change.intercept) > self.max_intercept:
            yield f"an intercept of {change.intercept:+.2f}, max_intercept is {self.max_intercept:g}"
        if not self.min_slope <= change.slope <= self.max_slope:
            yield f"a slope of {change.slope:.2f}, it may be {self.min_slope:g} to {self.max_slope:g}"


def read_change_plan() -> ChangePlan:
    """Return the plan. Raises UserError if it does not exist or is not valid."""
    return read_settings(ChangePlan, CHANGE_PLAN)
