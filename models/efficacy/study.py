"""Everything the efficacy stage computes of a study, as rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from features.documents.study import Study
from features.errors import UserError
from features.keys import unknown_name
from models.description.plan import ToxicityPlan
from models.efficacy import comparison
from models.efficacy.arm_comparison import ArmComparison, arm_comparison
from models.efficacy.documents import ComparisonDocument, EfficacyDocument, ResultRow
from models.efficacy.populations import NOT_DUE, per_protocol
from models.efficacy.safety import safety_rows
from models.evaluation.subgroups import subgroup
from models.procedure.configuration.plan import SubgroupPlan


def why_not_compared(study: Study) -> str:
    """Return why the arms are not compared; empty where they are."""
    if len(study.arms) < 2:
        return "the study has one arm"
    return (
        ""
        if study.randomised
        else "chance did not decide on the arm: a difference would not be of the treatment"
    )


def groupings_of(
    names: Sequence[str], configured: Mapping[str, SubgroupPlan], baseline: pd.DataFrame
) -> dict[str, pd.Series]:
    """Return the groupings by name, without those of which the data have no feature.

    Raises
    ------
    UserError
        If configs/measures.yaml has no grouping of a name.
    """
    found: dict[str, pd.Series] = {}
    for name in names:
        if name not in configured:
            raise UserError(f"study file, arm_comparison: {unknown_name(name, list(configured))}")
        groups = subgroup(baseline, configured[name])
        if groups is not None:
            found[name] = groups
    return found


def patients_of(
    cohort: pd.DataFrame, raw: Mapping[str, pd.DataFrame], decisions: pd.DataFrame, plan: ArmComparison | None
) -> pd.DataFrame:
    """Return what is compared of every patient, index usubjid (sorted).

    Columns of the cohort, per_protocol, rcb_class, days_to_surgery and days_to_departure.
    """
    nothing = pd.DataFrame({"usubjid": pd.Series(dtype="str"), "regimen": pd.Series(dtype="str")})
    kept = per_protocol(cohort, decisions, raw.get("exposure", nothing), plan.regimens if plan else {})
    patients = cohort.set_index("usubjid").sort_index()
    surgery = raw["surgery"].set_index("usubjid").reindex(patients.index)
    operated = surgery["performed"] == "Y"
    left = pd.Series(pd.NaT, index=patients.index, dtype="datetime64[us]")
    if "disposition" in raw:
        left = raw["disposition"].groupby("usubjid")["event_date"].min().reindex(patients.index)

    def days(date: pd.Series) -> pd.Series:
        return (date - patients["rand_date"]).dt.days.astype(float)

    return patients.assign(
        per_protocol=kept.reindex(patients.index),
        rcb_class=surgery["rcb_class"].where(operated) if "rcb_class" in surgery else None,
        days_to_surgery=days(surgery["surgery_date"].where(operated)),
        days_to_departure=days(left),
    )


def efficacy(
    study: Study,
    configured: Mapping[str, SubgroupPlan],
    toxicity: ToxicityPlan,
    raw: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    decisions: pd.DataFrame,
    baseline: pd.DataFrame,
    level: float,
) -> EfficacyDocument:
    """Return the comparison of the arms; of a study without randomised arms what is left: each arm by itself.

    Parameters
    ----------
    configured : mapping
        The groupings of configs/measures.yaml.
    raw : mapping of DataFrames
        The validated tables.
    cohort, decisions : DataFrame
        cohort/cohort.parquet and rules/decisions.parquet.
    baseline : DataFrame
        The features of the first landmark, index usubjid.

    Raises
    ------
    UserError
        If strata or interactions name an unknown grouping.
    """
    present = set(cohort["arm"])
    arms = [arm for arm in study.arms if arm in present]
    plan, reason = arm_comparison(study), why_not_compared(study)
    own = decisions.loc[decisions["arm"] == study.adaptive_arm]
    patients = patients_of(cohort, raw, own, plan)
    if plan is not None and plan.reference not in arms:
        reason, plan = f"no patient is of the reference arm {plan.reference}", None
    reference = plan.reference if plan else None
    compared: list[ResultRow] = []
    left_out: list[str] = []
    if plan is not None:
        groupings = groupings_of([*plan.strata, *plan.interactions], configured, baseline)
        left_out = [
            name for name in dict.fromkeys([*plan.strata, *plan.interactions]) if name not in groupings
        ]
        plan = replace(
            plan,
            strata=tuple(name for name in plan.strata if name in groupings),
            interactions=tuple(name for name in plan.interactions if name in groupings),
        )
        strata = comparison.strata_of([groupings[name] for name in plan.strata], patients.index)
        compared = list(compared_rows(patients.assign(stratum=strata), arms, plan, groupings, level))
    rows = [
        *comparison.response_rows(patients, arms, level),
        *compared,
        *comparison.burden_rows(patients, arms, reference, level),
        *comparison.surgery_rows(patients, arms, reference, level),
        *safety_rows(raw, patients["arm"], toxicity, reference, level),
    ]
    return {
        "plan": plan_document(plan, known_allocation=study.has_known_allocation),
        "reason": reason,
        "not_due": int((patients["outcome_status"] == NOT_DUE).sum()),
        "left_out": left_out,
        "rows": rows,
    }


def compared_rows(
    patients: pd.DataFrame,
    arms: Sequence[str],
    plan: ArmComparison,
    groupings: Mapping[str, pd.Series],
    level: float,
) -> Iterator[ResultRow]:
    """Yield the comparison of pCR of every arm with the reference."""
    for arm in arms:
        if arm != plan.reference:
            yield from comparison.difference_rows(patients, arm, plan, level)
            yield from comparison.missing_rows(patients, arm, plan, level)
            yield from comparison.interaction_rows(patients, arm, plan, groupings, level)


def plan_document(plan: ArmComparison | None, *, known_allocation: bool) -> ComparisonDocument | None:
    """Return the plan as JSON holds it."""
    if plan is None:
        return None
    return {
        "reference": plan.reference, "hypothesis": plan.hypothesis, "margin": plan.margin,
        "strata": list(plan.strata), "interactions": list(plan.interactions), "assumed": plan.assumed,
        "known_allocation": known_allocation,
    }  # fmt: skip
