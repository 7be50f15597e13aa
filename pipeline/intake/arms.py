"""What will be missing of the comparison of the arms (stage efficacy), said before the first stage runs."""

from collections.abc import Iterator, Mapping

import pandas as pd

from features.documents.study import Study
from features.errors import UserError
from features.keys import unknown_name
from models.efficacy.arm_comparison import ArmComparison, arm_comparison
from models.procedure.configuration.plan import SubgroupPlan

TABLES = {
    "exposure": "cycles: who had another arm's regimen, dose intensity and events by time",
    "adverse_events": "adverse events",
    "safety_measurements": "the ejection fraction by cycle",
    "disposition": "when patients without surgery left",
}


def require_groupings(study: Study, configured: Mapping[str, SubgroupPlan]) -> None:
    """Refuse strata and interactions that configs/measures.yaml does not have.

    Raises
    ------
    UserError
        If one of them is unknown.
    """
    plan = arm_comparison(study)
    for name in (*plan.strata, *plan.interactions) if plan else ():
        if name not in configured:
            raise UserError(f"study file, arm_comparison: {unknown_name(name, list(configured))}")


def arm_lines(study: Study, tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Yield what is compared, what is assumed, and what the tables lack for it.

    Parameters
    ----------
    tables : mapping of DataFrames
        The study's tables; empty where a simulator will make them.
    """
    plan = arm_comparison(study)
    yield from _plan_lines(study, plan)
    if not tables:
        return
    for name, what in TABLES.items():
        if name not in tables or tables[name].empty:
            yield f"arms: without table {name} there is nothing on {what}"
    if tables["surgery"].get("rcb_class", pd.Series(dtype="str")).notna().sum() == 0:
        yield "arms: surgery.rcb_class is empty, so residual cancer burden is not compared"
    if tables["subjects"]["rand_date"].isna().all() or tables["surgery"]["surgery_date"].isna().all():
        yield "arms: without dates of randomisation and surgery there is no time to surgery"
    absent = [arm for arm in study.arms if arm not in set(tables["subjects"]["arm"])]
    if absent:
        yield f"arms: no patient is of {', '.join(absent)}"


def _plan_lines(study: Study, plan: ArmComparison | None) -> Iterator[str]:
    if plan is None:
        reason = "there is one arm" if len(study.arms) < 2 else "`randomised` is false"
        yield f"arms: not compared, because {reason}; each is told by itself"
        return
    strata = ", ".join(plan.strata) or "none"
    tested = plan.hypothesis.replace("_", "-")
    tested += f" with a margin of {100 * plan.margin:g} points" if plan.margin else ""
    source = "assumed" if plan.assumed else "by the protocol"
    yield f"arms: compared with {plan.reference}; {tested}; strata: {strata} ({source})"
