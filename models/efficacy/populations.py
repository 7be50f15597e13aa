"""Who is compared: as randomised, with a known outcome, as the protocol had it, and eligible."""

from collections.abc import Mapping, Sequence

import pandas as pd

from models.rules.decisions import adherence_kinds

ITT, OBSERVED, PER_PROTOCOL, ELIGIBLE = "intention_to_treat", "observed", "per_protocol", "eligible"
NOT_DUE = "not_due"
DEPARTED = ("deviation", "not_given")
"""Kinds of a decision after which a patient is not analysed per protocol."""


def per_protocol(
    cohort: pd.DataFrame,
    decisions: pd.DataFrame,
    cycles: pd.DataFrame,
    regimens: Mapping[str, Sequence[str]],
) -> pd.Series:
    """Tell who was treated as the protocol had it: bool, index usubjid in the order of `cohort`.

    Every decision of the rules at which the patient was at risk was followed (those from which no single
    regimen followed count as followed), and every cycle has one of the arm's regimens.

    Parameters
    ----------
    cohort, decisions : DataFrame
        cohort/cohort.parquet, and the decisions of the arm that follows the rules.
    cycles : DataFrame
        usubjid and regimen of every cycle given.
    regimens : mapping
        The regimens that an arm may be given, by arm; of an arm that is not named none is a departure.
    """
    departed = decisions.loc[adherence_kinds(decisions).isin(DEPARTED), "usubjid"]
    given = cycles.merge(cohort[["usubjid", "arm"]], on="usubjid").dropna(subset=["regimen"])
    other = [
        arm in regimens and regimen not in regimens[arm]
        for arm, regimen in zip(given["arm"], given["regimen"], strict=True)
    ]
    out = {*departed, *given.loc[other, "usubjid"]}
    return pd.Series(~cohort["usubjid"].isin(out).to_numpy(), index=pd.Index(cohort["usubjid"]))


def populations(patients: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the patients of every population, with `pcr`, 1 or 0, as it counts there.

    As randomised and among the eligible a missing outcome counts as non-pCR; the other two hold known
    outcomes alone. Patients whose surgery is not yet due are in none.

    Parameters
    ----------
    patients : DataFrame
        outcome (NaN where it is missing), outcome_status, eligible, per_protocol.
    """
    due = patients.loc[patients["outcome_status"] != NOT_DUE]
    failed = due.assign(pcr=due["outcome"].fillna(0.0))
    observed = failed.loc[due["outcome"].notna()]
    return {
        ITT: failed,
        OBSERVED: observed,
        PER_PROTOCOL: observed.loc[observed["per_protocol"]],
        ELIGIBLE: failed.loc[failed["eligible"]],
    }
