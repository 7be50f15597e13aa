"""The randomised arms compared: pCR in every population, over strata, by group, and with outcomes missing."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from models.efficacy import missing
from models.efficacy import proportions as compared
from models.efficacy.arm_comparison import ArmComparison
from models.efficacy.documents import ResultRow
from models.efficacy.ordinal import proportional_odds
from models.efficacy.populations import ITT, NOT_DUE, populations
from models.efficacy.proportions import Arms
from models.efficacy.rates import TimeToEvent, log_rank
from models.efficacy.records import number, row, with_value
from models.measures.common import FloatArray, Measure, MeasureError
from models.monitoring.likelihood import fitted, log_likelihood

RCB_CLASSES = ("0", "I", "II", "III")
"""Residual cancer burden, from none; pCR is class 0."""
UNKNOWN = "unknown"


def pair_name(arm: str, reference: str) -> str:
    """Return what the comparison of two arms is called."""
    return f"{arm} - {reference}"


def strata_of(groupings: Sequence[pd.Series], patients: pd.Index) -> pd.Series:
    """Return each patient's stratum: the groups by which randomisation is taken to be stratified, joined.

    A patient whose group is not known is of the group ``unknown``. Without groupings all are one stratum.
    """
    stratum = pd.Series("", index=patients)
    for groups in groupings:
        stratum = stratum + "/" + groups.reindex(patients).fillna(UNKNOWN).astype("str")
    return stratum.str.removeprefix("/")


def response_rows(patients: pd.DataFrame, arms: Sequence[str], level: float) -> Iterator[ResultRow]:
    """Yield pCR per arm in every population, with Wilson's interval.

    Parameters
    ----------
    patients : DataFrame
        Index usubjid; arm, outcome (NaN where it is missing), outcome_status, eligible, per_protocol.
    """
    for population, members in populations(patients).items():
        for arm in arms:
            pcr = members.loc[members["arm"] == arm, "pcr"]
            yield response_row(population, arm, pcr, level)


def response_row(
    population: str, arm: str, pcr: pd.Series, interval_level: float, part: str = ""
) -> ResultRow:
    """Return pCR of one arm, or of a part of it."""
    events, n = int(pcr.sum()), len(pcr)
    result = row(population, arm, "pcr", "Wilson", level=part, n=n, events=events)
    return with_value(result, proportion, events, n, interval_level)


def proportion(events: int, n: int, level: float) -> Measure:
    """Return a proportion with Wilson's interval.

    Raises
    ------
    MeasureError
        If there are no patients.
    """
    if n == 0:
        raise MeasureError("proportion: no patients")
    low, high = compared.wilson(np.array(float(events)), np.array(float(n)), level)
    return Measure(events / n, float(low), float(high))


def counts_by(members: pd.DataFrame, arm: str, reference: str, groups: pd.Series) -> Arms:
    """Return the counts of two arms in every group (sorted), from `pcr` and `arm` of the patients."""
    both = members.loc[members["arm"].isin([arm, reference])]
    cells = both.groupby(["arm", groups.reindex(both.index)])["pcr"].agg(["sum", "count"])
    names = sorted(groups.reindex(both.index).unique())
    index = pd.MultiIndex.from_product([[arm, reference], names])
    treated, control = cells.reindex(index, fill_value=0).to_numpy(dtype=float).reshape(2, len(names), 2)
    return compared.arms(*treated.T, *control.T)


def difference_rows(
    patients: pd.DataFrame, arm: str, plan: ArmComparison, level: float
) -> Iterator[ResultRow]:
    """Yield difference, ratio and odds ratio in every population, crude and over strata, and the test.

    Parameters
    ----------
    patients : DataFrame
        As in `response_rows`, and `stratum`.
    """
    pair = pair_name(arm, plan.reference)
    for population, members in populations(patients).items():
        everybody = pd.Series("", index=members.index)
        for kind, groups in (("", everybody), ("_stratified", members["stratum"])):
            if kind and not plan.strata:
                continue
            counts = counts_by(members, arm, plan.reference, groups)
            n, events = int(counts.total.sum()), int((counts.events + counts.events_reference).sum())
            methods = {
                ("risk_difference", "Miettinen-Nurminen"): compared.miettinen_nurminen,
                ("risk_ratio", "Mantel-Haenszel" if kind else "Katz"): compared.ratio,
                ("odds_ratio", "Mantel-Haenszel" if kind else "Woolf"): compared.odds_ratio,
            }
            if kind:
                methods["risk_difference", "Mantel-Haenszel, Sato"] = compared.difference
            else:
                methods["risk_difference", "Newcombe"] = compared.newcombe_difference
            for (measure, method), compute in methods.items():
                result = row(population, pair, f"{measure}{kind}", method, n=n, events=events)
                yield with_value(result, compute, counts, level)
        counts = counts_by(members, arm, plan.reference, members["stratum"])
        tested = row(population, pair, "p_value", test_name(plan))
        yield with_value(tested, p_value, counts, plan)


def test_name(plan: ArmComparison) -> str:
    """Return what the test of the hypothesis is called."""
    if plan.hypothesis == "superiority":
        return "Cochran-Mantel-Haenszel, two-sided" if plan.strata else "score, two-sided"
    return f"score, one-sided, margin {plan.margin:g}"


def p_value(counts: Arms, plan: ArmComparison) -> Measure:
    """Return the p value of the plan's hypothesis over the strata: two-sided, or one-sided at the margin.

    Raises
    ------
    MeasureError
        If no stratum has patients of both arms.
    """
    if not counts.compared.n.size:
        raise MeasureError("no stratum has patients of both arms")
    statistic = compared.score(counts.compared, plan.null)
    superiority = plan.hypothesis == "superiority"
    return number(compared.two_sided(statistic) if superiority else norm.sf(statistic))


def interaction_rows(
    patients: pd.DataFrame, arm: str, plan: ArmComparison, groupings: Mapping[str, pd.Series], level: float
) -> Iterator[ResultRow]:
    """Yield the difference in every group, as randomised, and the test of arm by group.

    Likelihood ratio of a logistic model with arm, group and their products against one without products.
    """
    members, pair = populations(patients)[ITT], pair_name(arm, plan.reference)
    for name in plan.interactions:
        groups = groupings[name].reindex(members.index).dropna()
        within = members.loc[groups.index]
        for group, ids in groups.groupby(groups).groups.items():
            part = within.loc[ids]
            counts = counts_by(part, arm, plan.reference, pd.Series("", index=part.index))
            n, events = int(counts.total.sum()), int((counts.events + counts.events_reference).sum())
            yield from (
                response_row(ITT, one, part.loc[part["arm"] == one, "pcr"], level, f"{name}: {group}")
                for one in (arm, plan.reference)
            )
            result = row(
                ITT, pair, "risk_difference", "Newcombe", level=f"{name}: {group}", n=n, events=events
            )
            yield with_value(result, compared.newcombe_difference, counts, level)
        counts = counts_by(within, arm, plan.reference, groups)
        tested = row(
            ITT, pair, "interaction_p_value", "likelihood ratio", level=name, n=int(counts.total.sum())
        )
        yield with_value(tested, interaction, counts)


def interaction(counts: Arms) -> Measure:
    """Return the p value of the likelihood ratio of arm by group, on (groups - 1) degrees of freedom.

    Raises
    ------
    MeasureError
        If fewer than two groups have patients of both arms, or the model without products has no fit.
    """
    counts = counts.compared
    groups = counts.n.size
    if groups < 2:
        raise MeasureError("interaction: needs two groups with patients of both arms")
    events = np.concatenate([counts.events, counts.events_reference])
    n = np.concatenate([counts.n, counts.n_reference])
    design = np.column_stack([np.tile(np.eye(groups), (2, 1)), np.repeat([1.0, 0.0], groups)])
    times = np.concatenate([events, n - events]).astype(int)
    rows = np.repeat(np.vstack([design, design]), times, axis=0)
    y = np.repeat(np.repeat([1.0, 0.0], 2 * groups), times)
    beta = fitted(rows, y, np.zeros(len(y)))
    if beta is None:
        raise MeasureError("interaction: a group of the patients has one outcome only")
    additive = log_likelihood(y, rows @ beta)
    statistic = 2 * (_saturated(events, n) - additive)
    return number(chi2.sf(statistic, groups - 1))


def _saturated(events: FloatArray, n: FloatArray) -> float:
    parts = np.concatenate([events, n - events])
    of = np.concatenate([n, n])
    some = parts > 0
    return float(np.sum(parts[some] * np.log(parts[some] / of[some])))


def missing_rows(patients: pd.DataFrame, arm: str, plan: ArmComparison, level: float) -> Iterator[ResultRow]:
    """Yield the difference with missing outcomes at random and at both extremes, and the tipping point.

    As non-pCR and left out they are the populations ``intention_to_treat`` and ``observed``. Nothing where no
    outcome is missing.
    """
    due, pair = populations(patients)[ITT], pair_name(arm, plan.reference)
    outcomes = outcomes_by_cell(due, arm, plan.reference)
    if not outcomes.lost.any():
        return
    n, events = int((outcomes.known + outcomes.missing).sum()), int(outcomes.events.sum())
    lost = f"{int(outcomes.lost[0])} and {int(outcomes.lost[1])} missing"
    ways = {
        "missing at random within arm and stratum": missing.at_random,
        "all missing for the arm": missing.best_case,
        "all missing against the arm": missing.worst_case,
    }
    for name, compute in ways.items():
        result = row(ITT, pair, "risk_difference_missing", name, level=lost, n=n, events=events)
        yield with_value(result, compute, outcomes, level)
    tipping = missing.tipping_point(outcomes, level, plan.null)
    for name, count, expected in zip(
        (arm, plan.reference), (tipping.treated, tipping.reference), tipping.expected, strict=True
    ):
        result = row(ITT, name, "tipping_point", "pCR among missing outcomes", level=lost)
        yield with_value(result, _tipping, count)
        yield with_value(
            row(ITT, name, "tipping_expected", "pCR among missing outcomes", level=lost),
            number,
            expected,
        )


def _tipping(count: int | None) -> Measure:
    if count is None:
        raise MeasureError("no count of pCR among the missing outcomes changes what the interval says")
    return number(count)


def outcomes_by_cell(due: pd.DataFrame, arm: str, reference: str) -> missing.Outcomes:
    """Return events, known and missing outcomes of both arms in every stratum."""
    strata = sorted(due["stratum"].unique())
    cells = due.groupby(["arm", "stratum"])["outcome"].agg(["sum", "count", "size"])
    index = pd.MultiIndex.from_product([[arm, reference], strata])
    events, known, size = cells.reindex(index, fill_value=0).to_numpy(float).reshape(2, len(strata), 3).T
    return missing.Outcomes(events.T, known.T, (size - known).T)


def burden_rows(
    patients: pd.DataFrame, arms: Sequence[str], reference: str | None, level: float
) -> Iterator[ResultRow]:
    """Yield the share of every class of residual cancer burden by arm, and the odds of a lower class.

    Among operated patients whose class is recorded: no population as randomised.

    Parameters
    ----------
    patients : DataFrame
        arm and rcb_class.
    """
    known = patients.loc[patients["rcb_class"].isin(RCB_CLASSES)]
    if known.empty:
        return
    table = {
        arm: known.loc[known["arm"] == arm, "rcb_class"].value_counts().reindex(RCB_CLASSES, fill_value=0)
        for arm in arms
    }
    for arm, counts in table.items():
        n = int(counts.sum())
        for name, events in counts.items():
            result = row(
                "rcb_recorded", arm, "rcb_class", "Wilson", level=f"RCB {name}", n=n, events=int(events)
            )
            yield with_value(result, proportion, int(events), n, level)
    for arm in arms if reference is not None else ():
        if arm == reference:
            continue
        pair = pair_name(arm, str(reference))
        fit = row("rcb_recorded", pair, "rcb_lower_odds_ratio", "proportional odds", n=len(known))
        treated, control = (np.asarray(table[name], dtype=np.float64) for name in (arm, str(reference)))
        yield with_value(fit, lower_class_odds, treated, control, level)
        check = row(
            "rcb_recorded", pair, "rcb_proportional_p_value", "likelihood ratio against free proportions"
        )
        yield with_value(check, _check, treated, control, level)


def lower_class_odds(treated: FloatArray, control: FloatArray, level: float) -> Measure:
    """Return the odds ratio of a lower class, as `proportional_odds` has it."""
    return proportional_odds(treated, control, level).odds_ratio


def _check(treated: FloatArray, control: FloatArray, level: float) -> Measure:
    p = proportional_odds(treated, control, level).p_value
    if p is None:
        raise MeasureError("two classes only: the odds are proportional by construction")
    return number(p)


def surgery_rows(
    patients: pd.DataFrame, arms: Sequence[str], reference: str | None, level: float
) -> Iterator[ResultRow]:
    """Yield the median time from randomisation to surgery by arm, and the log-rank test.

    Who left before surgery is censored on that day; patients without either date, or with surgery not after
    randomisation, are left out.

    Parameters
    ----------
    patients : DataFrame
        arm, outcome_status, days_to_surgery and days_to_departure (NaN where it did not happen).
    """
    due = patients.loc[patients["outcome_status"] != NOT_DUE]
    days = due["days_to_surgery"].fillna(due["days_to_departure"])
    due, days = due.loc[days > 0], days.loc[days > 0]
    if due.empty:
        return
    times = {
        arm: TimeToEvent(days[due["arm"] == arm].to_numpy(float),
                         due.loc[due["arm"] == arm, "days_to_surgery"].notna().to_numpy())
        for arm in arms
    }  # fmt: skip
    for arm, time in times.items():
        result = row(
            "dated", arm, "days_to_surgery", "Kaplan-Meier median", n=len(time.days), events=time.seen.sum()
        )
        yield with_value(result, time.median, level)
    for arm in arms if reference is not None else ():
        if arm != reference:
            tested = row("dated", pair_name(arm, str(reference)), "days_to_surgery_p_value", "log-rank")
            pair = times[arm], times[str(reference)]
            yield with_value(tested, log_rank, *pair)
