"""Who is analysed: all randomised patients, their outcome, their eligibility, and who is at risk when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.definitions import BREAST_ONLY, pcr
from features.documents.flow import AtRisk, CriterionCount, Flow
from features.documents.study import Landmark, OutcomeRule, Study
from features.eligibility import (
    MET,
    NOT_APPLICABLE,
    NOT_ASSESSABLE,
    VIOLATED,
    Criterion,
    criteria_states,
    eligible,
)
from features.errors import UserError
from features.feature import Seen
from features.landmarks import decision_dates, next_cycle_start

SLNB = "sentinel_node_positive_before_treatment"


class CohortError(UserError):
    """Tables from which no cohort, or no outcome with two classes, can be made."""


@dataclass(frozen=True)
class Cohort:
    """The analysis cohort.

    `frame`: one row per randomised patient, sorted by usubjid, with usubjid, siteid, arm, rand_date, eligible
    (bool), outcome (1 = pCR, 0, NaN), outcome_status (observed, counted_as_failure, not_due, missing),
    outcome_date (datetime64: surgery, or leaving for a reason that counts as failure) and, per landmark,
    decision_<landmark> (datetime64) and at_risk_<landmark> (bool).
    `flow`: counts, ready for JSON. `criteria`: index usubjid, one of
    `features.eligibility.STATES` per criterion.
    """

    frame: pd.DataFrame
    flow: Flow
    criteria: pd.DataFrame


def build_cohort(
    tables: Mapping[str, pd.DataFrame],
    study: Study,
    criteria: Sequence[Criterion],
    data_cut: pd.Timestamp | None = None,
    *,
    outcome_needed: bool = True,
    seen: Seen | None = None,
) -> Cohort:
    """Build the cohort of all randomised patients, whether eligible or not.

    Parameters
    ----------
    study : Study
        Its visits, landmarks and outcome.
    criteria : sequence of Criterion
        The file in configs/eligibility that the study names.
    data_cut : Timestamp, optional
        Surgery after it is not due, and departures after it have not happened.
    outcome_needed : bool
        False where patients are only to be scored.
    seen : Seen, optional
        Where the tables are those of a part of the cohort: what the others have.

    Raises
    ------
    CohortError
        If there are no patients, the definition of pCR is unknown, or, where an outcome is needed, none is
        known, or all are the same.
    """
    subjects = tables["subjects"].set_index("usubjid").sort_index()
    if subjects.empty:
        raise CohortError("subjects: no patients, so there is no cohort")
    known = _until(tables, data_cut)
    outcome = outcomes(known, study.outcome)
    states = criteria_states(tables, criteria, study.visits[0], seen)
    frame = subjects[["siteid", "arm", "rand_date"]].copy()
    frame["eligible"] = eligible(states, criteria)
    told = ["outcome", "outcome_status", "outcome_date"]
    frame[told] = outcome[told]
    at_risk = {}
    for landmark in study.landmarks.values():
        frame[f"decision_{landmark.name}"] = decision_dates(tables, landmark)
        reason = not_at_risk(known, landmark, frame[f"decision_{landmark.name}"], data_cut)
        frame[f"at_risk_{landmark.name}"] = reason.isna()
        at_risk[landmark.name] = _at_risk_counts(reason, frame["arm"])
    flow = _flow(frame, outcome, states, criteria, at_risk)
    if outcome_needed:
        require_two_classes(flow, study.outcome.definition)
    return Cohort(frame.reset_index(), flow, states)


def other_outcomes(tables: Mapping[str, pd.DataFrame], study: Study) -> pd.DataFrame:
    """Return usubjid and, a column each, the outcome by every definition of pCR for the sensitivity runs.

    Outcomes as `outcomes` has them, shape (n, 1 + definitions), patients sorted by id.

    Raises
    ------
    CohortError
        If a definition is unknown.
    """
    by_definition = {
        name: outcomes(tables, study.with_outcome(name).outcome)["outcome"]
        for name in study.outcome.sensitivity
    }
    patients = pd.Index(tables["subjects"]["usubjid"].sort_values(), name="usubjid")
    return pd.DataFrame(by_definition, index=patients).reset_index()


def outcomes(tables: Mapping[str, pd.DataFrame], rule: OutcomeRule) -> pd.DataFrame:
    """Return outcome, outcome_status, outcome_date and, for missing ones, the reason; index usubjid, sorted.

    Composite: who left before surgery for a reason in ``counted_as_failure`` has outcome 0. Surgery not yet
    due is neither an event nor a missing outcome. Operated patients have the outcome their pathology shows,
    deviations and switches included (treatment policy); everybody else is missing.
    """
    patients = tables["subjects"].set_index("usubjid").sort_index()
    surgery = tables["surgery"].set_index("usubjid").reindex(patients.index)
    left = _departures(tables, patients.index)
    before_surgery = ~(left["event_date"] > surgery["surgery_date"])
    failed = left["reason"].isin(rule.counted_as_failure) & before_surgery
    operated = surgery["performed"] == "Y"
    nodes = patients["pre_nat_slnb"]
    found = pcr(surgery, nodes, rule.definition, rule.node_removed_before).where(operated)
    frame = found.mask(failed, 0.0).to_frame("outcome").assign(outcome_status="missing")
    frame.loc[found.notna(), "outcome_status"] = "observed"
    frame.loc[surgery["performed"] == "not_due", "outcome_status"] = "not_due"
    frame.loc[failed, "outcome_status"] = "counted_as_failure"
    frame["outcome_date"] = (
        surgery["surgery_date"].mask(failed, left["event_date"]).where(found.notna() | failed)
    )
    reason = left["reason"].fillna("not_operated").mask(operated, "pathology_not_evaluable")
    if rule.definition not in {BREAST_ONLY, "recorded"}:
        reason = reason.mask(operated & (patients["pre_nat_slnb"] == "positive"), SLNB)
    frame["missing_reason"] = reason.where(frame["outcome_status"] == "missing")
    return frame


def not_at_risk(
    tables: Mapping[str, pd.DataFrame],
    landmark: Landmark,
    decision: pd.Series,
    data_cut: pd.Timestamp | None = None,
) -> pd.Series:
    """Return why each patient is not at risk at the landmark, NaN for those who are; index usubjid.

    At risk: alive, consenting, without progression or surgery, on protocol treatment at the decision date.
    Whoever left or was operated on that day or before is not. A departure without a date counts as before the
    decision unless the next cycle was given. Without decision dates everybody is at risk.
    """
    left = _departures(tables, decision.index)
    surgery = tables["surgery"].set_index("usubjid").reindex(decision.index)
    continued = decision.index.isin(next_cycle_start(tables, landmark).index)
    undated = left["reason"].notna() & left["event_date"].isna() & decision.notna() & ~continued
    reason = pd.Series(index=decision.index, dtype="str")
    if data_cut is not None:
        reason = reason.mask(decision > data_cut, "not_reached")
    reason = reason.mask(surgery["surgery_date"] <= decision, "surgery")
    return reason.mask((left["event_date"] <= decision) | undated, left["reason"])


def _until(tables: Mapping[str, pd.DataFrame], data_cut: pd.Timestamp | None) -> dict[str, pd.DataFrame]:
    """Return the tables as of the data cut: later surgery is not due, later departures are not there."""
    known = dict(tables)
    if data_cut is None:
        return known
    surgery = tables["surgery"]
    later = surgery["surgery_date"] > data_cut
    performed, dates = surgery["performed"].mask(later, "not_due"), surgery["surgery_date"].mask(later)
    known["surgery"] = surgery.assign(performed=performed, surgery_date=dates)
    if "disposition" in tables:
        known["disposition"] = tables["disposition"].loc[~(tables["disposition"]["event_date"] > data_cut)]
    return known


def _departures(tables: Mapping[str, pd.DataFrame], patients: pd.Index) -> pd.DataFrame:
    """Return event_date and reason of leaving protocol treatment, empty for those who did not."""
    if "disposition" not in tables:
        dates = pd.Series(index=patients, dtype="datetime64[us]")
        return pd.DataFrame({"event_date": dates, "reason": pd.Series(index=patients, dtype="str")})
    return tables["disposition"].set_index("usubjid")[["event_date", "reason"]].reindex(patients)


def require_two_classes(flow: Flow, definition: str) -> None:
    """Refuse a cohort without events or without non-events.

    Raises
    ------
    CohortError
        If no outcome is known by the definition, or all are the same.
    """
    statuses, patients, events = flow["outcome"], flow["randomised"], flow["pcr"]
    known = statuses.get("observed", 0) + statuses.get("counted_as_failure", 0)
    if not known:
        counts = ", ".join(f"{n} {status}" for status, n in statuses.items())
        rule = f"surgery: no outcome by definition {definition}"
        raise CohortError(
            f"{rule} for any of {patients} patients ({counts}); check how it is mapped and recoded, or "
            "choose another definition"
        )
    if events in {0, known}:
        kind = "pCR" if events else "non-pCR"
        raise CohortError(
            f"surgery: by definition {definition} all {known} known outcomes are {kind}; check how they "
            "are mapped and recoded, or choose another definition"
        )


def added_flows(first: Flow, second: Flow) -> Flow:
    """Return the counts of two parts of a cohort together."""
    both: Flow = _added(first, second)
    return both


def _added(first: Any, second: Any) -> Any:
    """Add up numbers wherever they stand; a value counted in one part alone stands in alphabetical order."""
    if isinstance(first, Mapping):
        names = first if list(first) == list(second) else sorted({*first, *second})
        return {
            name: _added(first[name], second[name])
            if name in first and name in second
            else first.get(name, second.get(name))
            for name in names
        }
    if isinstance(first, list):
        return [_added(*both) for both in zip(first, second, strict=True)]
    return first if isinstance(first, str | bool) else first + second


def _at_risk_counts(reason: pd.Series, arm: pd.Series) -> AtRisk:
    return {
        "at_risk": int(reason.isna().sum()),
        "by_arm": _counts(arm[reason.isna()]),
        "not_at_risk": _counts(reason),
    }


def _flow(
    frame: pd.DataFrame,
    outcome: pd.DataFrame,
    states: pd.DataFrame,
    criteria: Sequence[Criterion],
    landmarks: dict[str, AtRisk],
) -> Flow:
    """Count the cohort from randomisation to outcome."""
    return {
        "randomised": len(frame),
        "by_arm": _counts(frame["arm"]),
        "criteria": [_criterion_count(criterion, states[criterion.id]) for criterion in criteria],
        "eligible": int(frame["eligible"].sum()),
        "eligible_by_arm": _counts(frame.loc[frame["eligible"], "arm"]),
        "outcome": _counts(frame["outcome_status"]),
        "outcome_missing": _counts(outcome["missing_reason"]),
        "pcr": int((frame["outcome"] == 1).sum()),
        "pcr_by_arm": _counts(frame.loc[frame["outcome"] == 1, "arm"]),
        "landmarks": landmarks,
    }


def _criterion_count(criterion: Criterion, state: pd.Series) -> CriterionCount:
    return {
        "id": criterion.id,
        "text": criterion.text,
        "excluding": criterion.excluding,
        "met": int((state == MET).sum()),
        "violated": int((state == VIOLATED).sum()),
        "not_assessable": int((state == NOT_ASSESSABLE).sum()),
        "not_applicable": int((state == NOT_APPLICABLE).sum()),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    """Count each value, in alphabetical order."""
    return {str(value): int(n) for value, n in values.value_counts().sort_index().items()}
