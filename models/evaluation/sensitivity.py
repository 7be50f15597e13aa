"""The primary comparison under other definitions, missing data, sets of patients and readings of the rules.

Predictions that a scenario does not change are those of the run; where the outcome or the patients change,
the linear candidate and the rules are cross-validated again, once, and so is the reference beside them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from features.cohort import build_cohort
from features.eligibility import Criterion
from features.study import Study
from models.configuration.plan import ValidationPlan
from models.configuration.settings import ModelSettings, ProcedureSettings
from models.evaluation.subgroups import evaluable_domains
from models.measures.common import MeasureError, draw_patients, percentile_interval, share_failed_within
from models.measures.definitions import definition
from models.measures.evaluate import by_repeat
from models.measures.heterogeneity import logit_auc
from models.policy import StrategyModel
from models.procedure.backends import workers
from models.procedure.comparators import Rules
from models.procedure.errors import NotLearnableError
from models.procedure.imputation import ImputedModel, rubin
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import Procedure, Progress, cross_validate, silently
from models.procedure.response_model import ResponseModel, patient_loss
from models.procedure.splits import outcome_strata, stratified_splits
from models.rules.document import RuleDocument
from models.rules.review import branches_under_alternatives
from models.rules.table import BRANCH

MODELS = ("chosen", "rules")


@dataclass(frozen=True)
class Analysis:
    """What all scenarios share: the landmark's rows with branch, and how they are analysed."""

    rows: pd.DataFrame
    features: Sequence[LandmarkFeature]
    settings: ModelSettings
    plan: ValidationPlan
    arm: str | None

    @property
    def linear(self) -> ProcedureSettings:
        """The procedure with the linear candidate alone."""
        return self.settings.alone(self.plan.domains.candidate)

    def procedures(self, seed: int) -> list[Procedure]:
        """Return the linear candidate and the rules, unfitted."""
        folds = self.plan.inner_folds
        model = ResponseModel(self.features, self.linear, folds, seed)
        return [model, Rules(self.plan.branch_shrinkage)]

    def predicted(self, rows: pd.DataFrame, y: np.ndarray, procedures: Any = None) -> dict[str, np.ndarray]:
        """Return out-of-fold probabilities of model and rules, each (1, n), by one repeat of the folds."""
        splits = stratified_splits(
            outcome_strata(y, rows["arm"]),
            folds=self.plan.folds, repeats=1, seed=self.plan.seed,
        )  # fmt: skip
        found: dict[str, np.ndarray] = {}
        for result in cross_validate(procedures or self.procedures, rows, y, splits, workers=workers()):
            for name, p in result.predictions.items():
                found.setdefault(name, np.empty((1, len(y))))[0, result.split.test] = p
        return found


def scenario(
    analysis: Analysis,
    rows: pd.DataFrame,
    y: np.ndarray,
    p: Mapping[str, np.ndarray],
    weights: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return n, events, AUC of model and rules, and the difference in log loss, in the arm declared primary.

    Intervals by percentile bootstrap over patients; `weights` (n,) weight patients in all figures. What
    cannot be computed has ``error`` with the reason.
    """
    inside = np.ones(len(y), dtype=bool) if analysis.arm is None else (rows["arm"] == analysis.arm).to_numpy()
    plan, y = analysis.plan, y[inside]
    found = _counts(y)
    if not plan.judges(y):
        return found | _without_difference(_too_few(plan))
    given = np.ones(len(y)) if weights is None else weights[inside]
    rng = plan.generator()
    counts = draw_patients(len(y), plan.bootstrap, rng) * given
    of = {name: each[:, inside] for name, each in p.items()}

    def measured(name: str, kernel: Any) -> dict[str, Any]:
        value, drawn = float(kernel(given[None])[0]), kernel(counts)
        drawn = np.where(np.isfinite(drawn), drawn, np.nan)
        try:
            share_failed_within(drawn, name)
        except MeasureError as error:
            return {"error": str(error)}
        return percentile_interval(value, drawn, plan.level).as_dict()

    auc = definition("auc_bootstrap").kernel
    loss = definition("log_loss").kernel
    for name in MODELS:
        found[f"auc_{name}"] = measured(f"auc_{name}", lambda w, each=of[name]: auc(y, each, w))
    difference = measured("delta_log_loss", lambda w: loss(y, of["chosen"], w) - loss(y, of["rules"], w))
    return found | {"delta_log_loss": difference}


def _counts(y: np.ndarray) -> dict[str, Any]:
    return {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}


def _without_difference(reason: str) -> dict[str, Any]:
    return {"delta_log_loss": {"error": reason}}


def _too_few(plan: ValidationPlan) -> str:
    return f"fewer than {plan.min_events} events or non-events"


def outcome_definitions(
    analysis: Analysis, tables: Mapping[str, pd.DataFrame], study: Study, criteria: Sequence[Criterion]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the primary comparison under every other definition of pCR that the study's data allow."""
    for name in study.outcome.sensitivity:
        cohort = build_cohort(tables, study.with_outcome(name), criteria, outcome_needed=False).frame
        outcome = analysis.rows["usubjid"].map(cohort.set_index("usubjid")["outcome"])
        yield f"outcome: {name}", refitted(analysis, analysis.rows, outcome)


Refit = tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]


def refit(analysis: Analysis, rows: pd.DataFrame, outcome: pd.Series) -> Refit:
    """Return the patients whose outcome is known, their outcome, and predictions cross-validated on them."""
    known = outcome.notna().to_numpy()
    chosen, y = rows.loc[known].reset_index(drop=True), outcome[known].to_numpy(dtype=float)
    return chosen, y, analysis.predicted(chosen, y)


def refitted(analysis: Analysis, rows: pd.DataFrame, outcome: pd.Series) -> dict[str, Any]:
    """Return the comparison cross-validated again on the patients whose outcome is known, or why not."""
    y = outcome.dropna().to_numpy(dtype=float)
    if not analysis.plan.judges(y):
        return _counts(y) | _without_difference(_too_few(analysis.plan))
    try:
        return scenario(analysis, *refit(analysis, rows, outcome))
    except NotLearnableError as error:
        return _counts(y) | _without_difference(str(error))


def observation_weights(analysis: Analysis, outcome: pd.Series) -> np.ndarray:
    """Return 1 / P(outcome observed | features, arm) of every patient at risk, by ridge regression."""
    arm = (analysis.rows["arm"] == analysis.rows["arm"].iloc[0]).to_numpy()
    strategy = analysis.plan.strategy
    own = [feature for feature in analysis.features if feature.name != "arm"]
    model = StrategyModel(own, analysis.settings.encoding, strategy.penalty)
    fitted = model.fit(analysis.rows, arm, outcome.to_numpy(dtype=float))
    return 1 / fitted.observed(analysis.rows, arm)


def missing_outcomes(
    analysis: Analysis, outcome: pd.Series, reference: Refit
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the comparison weighted for missing outcomes, and with all of them pCR, or none.

    Weights change no prediction: those of `reference`, the patients whose outcome is known, are weighted.
    """
    known = outcome.notna().to_numpy()
    if known.all():
        return
    weights = observation_weights(analysis, outcome)[known]
    yield "missing outcomes: weighted", scenario(analysis, *reference, weights)
    yield "missing outcomes: all pCR", refitted(analysis, analysis.rows, outcome.fillna(1.0))
    yield "missing outcomes: none pCR", refitted(analysis, analysis.rows, outcome.fillna(0.0))


def multiple_imputation(analysis: Analysis, outcome: pd.Series, count: int) -> dict[str, Any]:
    """Return the comparison with missing predictors drawn `count` times, combined by Rubin's rules."""
    known = outcome.notna().to_numpy()
    rows, y = analysis.rows.loc[known].reset_index(drop=True), outcome[known].to_numpy(dtype=float)
    inside = np.ones(len(y), dtype=bool) if analysis.arm is None else (rows["arm"] == analysis.arm).to_numpy()
    counts = _counts(y[inside])
    if not analysis.plan.judges(y[inside]):
        return counts | _without_difference(_too_few(analysis.plan))
    folds = analysis.plan.inner_folds
    aucs, losses = [], []
    for number in range(count):

        def procedures(seed: int, imputation: int = number) -> list[Procedure]:
            model = ImputedModel(analysis.features, analysis.linear, folds, seed, imputation)
            return [model, Rules(analysis.plan.branch_shrinkage)]

        p = {name: each[0, inside] for name, each in analysis.predicted(rows, y, procedures).items()}
        try:
            aucs.append(logit_auc(y[inside], p["chosen"]))
        except MeasureError as error:
            return counts | _without_difference(f"imputation {number + 1}: {error}")
        margin = {name: np.log(each / (1 - each)) for name, each in p.items()}
        paired = patient_loss(margin["chosen"], y[inside]) - patient_loss(margin["rules"], y[inside])
        losses.append((paired.mean(), paired.var(ddof=1) / len(paired)))
    level = analysis.plan.level
    logit, se = np.array(aucs).T
    auc = {name: float(expit(value)) for name, value in rubin(logit, se**2, level).as_dict().items()}
    difference, variance = np.array(losses).T
    loss = rubin(difference, variance, level)
    return counts | {"auc_chosen": auc, "delta_log_loss": loss.as_dict(), "imputations": {"value": count}}


def patient_sets(
    analysis: Analysis, outcome: pd.Series, eligible: pd.Series, predictions: pd.DataFrame
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the comparison in the eligible set (fitted again) and where all domains were evaluable.

    Where everybody is eligible there is nothing to compare.
    """
    inside = analysis.rows["usubjid"].map(eligible).to_numpy(dtype=bool)
    if not inside.all():
        of_eligible = analysis.rows.loc[inside].reset_index(drop=True)
        yield "eligible patients", refitted(analysis, of_eligible, outcome.loc[inside].reset_index(drop=True))
    evaluable = evaluable_domains(analysis.rows, analysis.features)
    if evaluable is not None:
        complete = analysis.rows.assign(evaluable=evaluable).set_index("usubjid")["evaluable"]
        most = max(complete.unique(), key=lambda name: (name != "neither") * (1 + name.count(" and ")))
        ids, y, p = by_repeat(predictions, MODELS)
        chosen = complete.reindex(ids).eq(most).to_numpy()
        rows = analysis.rows.set_index("usubjid").loc[ids[chosen]].reset_index()
        of_chosen = {name: each[:, chosen] for name, each in p.items()}
        yield f"evaluable: {most}", scenario(analysis, rows, y[chosen], of_chosen)


def rule_readings(
    analysis: Analysis,
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    document: RuleDocument,
    landmark: str,
    predictions: pd.DataFrame,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the comparison with the rules under each other reading; the model stays as it is."""
    ids, y, p = by_repeat(predictions, MODELS)
    rows = analysis.rows.set_index("usubjid").loc[ids].reset_index()
    shrinkage = analysis.plan.branch_shrinkage
    of_rules = predictions.loc[predictions["model"] == "rules"]
    folds = of_rules.pivot_table(index="repeat", columns="usubjid", values="fold")
    in_force = rows[BRANCH]
    for setting, value, branch in branches_under_alternatives(tables, cohort, document, landmark):
        other = rows.assign(**{BRANCH: branch.reindex(ids).to_numpy()})
        if other[BRANCH].equals(in_force):
            continue
        forecast = np.empty_like(p["rules"])
        for repeat, fold in enumerate(folds[ids].to_numpy()):
            for test in (fold == number for number in np.unique(fold)):
                rules = Rules(shrinkage).fit(other.loc[~test], y[~test])
                forecast[repeat, test] = rules.predictions(other.loc[test])["rules"]
        yield f"{setting}: {value}", scenario(analysis, rows, y, {"chosen": p["chosen"], "rules": forecast})


def sensitivity_runs(
    analysis: Analysis,
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    predictions: pd.DataFrame,
    study: Study,
    criteria: Sequence[Criterion],
    rules: RuleDocument,
    landmark: str,
    *,
    progress: Progress = silently,
) -> dict[str, Any]:
    """Return the comparison under every scenario by its name, that of the run first.

    Parameters
    ----------
    analysis : Analysis
        Its rows: all patients at risk at the landmark, sorted by id, whether their outcome is known or not.
    tables, cohort, predictions : DataFrames
        Raw tables, cohort and the run's out-of-fold predictions at the landmark.
    rules : dict
        The document of the decision table.
    landmark : str
        Of the primary comparison.
    """
    rows, by_patient = analysis.rows, cohort.set_index("usubjid")
    outcome = rows["usubjid"].map(by_patient["outcome"].where(by_patient["outcome_status"] != "not_due"))
    due = rows["usubjid"].map(by_patient["outcome_status"] != "not_due").to_numpy(dtype=bool)
    if predictions.empty:
        known = outcome.dropna().to_numpy(dtype=float)
        return {"as in the run": _counts(known) | _without_difference(_too_few(analysis.plan))}
    ids, y, p = by_repeat(predictions, MODELS)
    at = rows.set_index("usubjid").loc[ids].reset_index()
    found = {"as in the run": scenario(analysis, at, y, p)}
    reference = refit(analysis, rows, outcome)
    found["reference: linear candidate, one repeat"] = scenario(analysis, *reference)
    all_due = replace(analysis, rows=rows.loc[due].reset_index(drop=True))
    parts: Sequence[Iterator[tuple[str, dict[str, Any]]]] = (
        outcome_definitions(analysis, tables, study, criteria),
        missing_outcomes(all_due, outcome[due].reset_index(drop=True), reference),
        patient_sets(analysis, outcome, by_patient["eligible"], predictions),
        rule_readings(analysis, tables, cohort, rules, landmark, predictions),
    )
    for part in progress(parts, len(parts)):
        found |= dict(part)
    drawn = multiple_imputation(analysis, outcome, analysis.plan.imputations)
    return found | {"missing predictors: multiple imputation": drawn}
