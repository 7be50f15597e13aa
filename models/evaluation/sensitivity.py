"""The primary comparison under other definitions, missing data, sets of patients and readings of the rules.

Predictions that a scenario does not change are those of the run; where the outcome or the patients change,
they are those of `models.evaluation.refits`, and so is the reference beside them. Nothing is fitted here but
the comparators: the branch frequencies of the rules, and the small model on their inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit

from features.documents.branch import BRANCH
from models.evaluation.refits import IMPUTED, REFERENCE, UNKNOWN, Refits, Refitted
from models.evaluation.subgroups import evaluable_domains
from models.evaluation.tipping import Paired, tipping_point, worst_case
from models.measures.common import (
    MeasureDocument,
    MeasureError,
    counted,
    draw_patients,
    finite_numbers,
    percentile_interval,
    share_failed_within,
)
from models.measures.definitions import Kernel, definition
from models.measures.evaluate import by_repeat
from models.measures.heterogeneity import logit_auc
from models.procedure.backends import side_by_side
from models.procedure.comparators import GroupFrequency, RuleInputs, rules_by_branch
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ProcedureSettings
from models.procedure.imputation import rubin
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.response_model import patient_loss
from models.rules.document import RuleDocument
from models.rules.review import branches_under_alternatives

RULE_INPUTS = "rule_inputs"
MODELS = ("chosen", "rules", RULE_INPUTS)
MULTIPLE_IMPUTATION = "missing predictors: multiple imputation"
Scenarios = dict[str, dict[str, MeasureDocument]]
"""The comparison by the name of the scenario."""


@dataclass(frozen=True)
class Analysis:
    """What all scenarios share: the landmark's rows with branch and rule inputs, and how they are analysed.

    `rule_inputs` and `procedure` are the features and settings of the comparator `RuleInputs`.
    """

    rows: pd.DataFrame
    features: Sequence[LandmarkFeature]
    plan: ValidationPlan
    arm: str | None
    rule_inputs: Sequence[LandmarkFeature]
    procedure: ProcedureSettings

    def rows_of(self, ids: pd.Index | pd.Series) -> pd.DataFrame:
        """Return the rows of these patients, in their order."""
        return self.rows.set_index("usubjid").loc[ids].reset_index()

    def inside(self, rows: pd.DataFrame) -> np.ndarray:
        """Tell who is in the arm declared primary, shape (n,); everybody where there is none."""
        return np.ones(len(rows), dtype=bool) if self.arm is None else (rows["arm"] == self.arm).to_numpy()

    def rules(self) -> list[GroupFrequency]:
        """Return the rules, unfitted."""
        return [rules_by_branch(self.plan.branch_shrinkage)]

    def comparators(self) -> list[GroupFrequency | RuleInputs]:
        """Return the rules and the small model on their inputs, unfitted."""
        plan = self.plan
        return [*self.rules(), RuleInputs(self.rule_inputs, self.procedure, plan.inner_folds, plan.seed)]


def forecasts(
    comparators: Callable[[], Sequence[GroupFrequency | RuleInputs]],
    rows: pd.DataFrame,
    y: np.ndarray,
    fold: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return each comparator's forecast (n,), for each fold from the patients of the others."""
    forecast: dict[str, np.ndarray] = {}
    for test in (fold == number for number in np.unique(fold)):
        for comparator in comparators():
            fitted = comparator.fit(rows.loc[~test], y[~test])
            for name, predicted in fitted.predictions(rows.loc[test]).items():
                forecast.setdefault(name, np.empty(len(y)))[test] = predicted
    return forecast


def scenario(
    analysis: Analysis,
    rows: pd.DataFrame,
    y: np.ndarray,
    p: Mapping[str, np.ndarray],
    weights: np.ndarray | None = None,
) -> dict[str, MeasureDocument]:
    """Return n, events, AUCs and differences in log loss from each comparator, in the arm declared primary.

    Intervals by percentile bootstrap over patients; `weights` (n,) weight patients in all figures. What
    cannot be computed has ``error`` with the reason.
    """
    inside = analysis.inside(rows)
    plan, y = analysis.plan, y[inside]
    if not plan.judges(y):
        return counted(y) | _without_difference(_too_few(plan))
    weight = np.ones(len(y)) if weights is None else weights[inside]
    rng = plan.generator()
    counts = draw_patients(len(y), plan.bootstrap, rng) * weight
    by_model = {name: forecast[:, inside] for name, forecast in p.items()}

    def measured(name: str, kernel: Callable[[np.ndarray], np.ndarray]) -> MeasureDocument:
        value, drawn = float(kernel(weight[None])[0]), kernel(counts)
        drawn = np.where(np.isfinite(drawn), drawn, np.nan)
        try:
            share_failed_within(drawn, name)
        except MeasureError as error:
            return {"error": str(error)}
        return percentile_interval(value, drawn, plan.level).as_dict()

    auc = definition("auc_bootstrap").kernel
    loss = definition("log_loss").kernel
    figures = counted(y)
    for name, forecast in by_model.items():
        figures[f"auc_{name}"] = measured(f"auc_{name}", partial(_weighted_by, auc, y, forecast))

    def difference(comparator: str, w: np.ndarray) -> np.ndarray:
        return loss(y, by_model["chosen"], w) - loss(y, by_model[comparator], w)

    for name in (name for name in by_model if name != "chosen"):
        figures[delta(name)] = measured(delta(name), partial(difference, name))
    return figures


def delta(comparator: str) -> str:
    """Return the name of the model's difference in log loss from a comparator."""
    return "delta_log_loss" if comparator == "rules" else f"delta_log_loss_{comparator}"


def _weighted_by(kernel: Kernel, y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return kernel(y, p, weights)


def _without_difference(reason: str) -> dict[str, MeasureDocument]:
    return {"delta_log_loss": {"error": reason}}


def _too_few(plan: ValidationPlan) -> str:
    return f"fewer than {plan.min_events} events or non-events"


def refitted(analysis: Analysis, refits: Refits, run: Refitted) -> dict[str, MeasureDocument]:
    """Return the comparison on the patients and predictions of a refit, or why there are none."""
    if run.error:
        return {
            "n": {"value": run.n}, "events": {"value": run.events}, **_without_difference(run.error)
        }  # fmt: skip
    predicted = refits.at(run.scenario)
    rows, y = analysis.rows_of(predicted["usubjid"]), predicted["y"].to_numpy()
    compared = forecasts(analysis.comparators, rows, y, predicted["fold"].to_numpy())
    p = {name: each[None] for name, each in {"chosen": predicted["p"].to_numpy(), **compared}.items()}
    return scenario(analysis, rows, y, p, predicted["weight"].to_numpy())


def unknown_outcomes(analysis: Analysis, refits: Refits, run: Refitted) -> Scenarios:
    """Return the comparison with missing outcomes at the tipping point, and all against the model."""
    if run.error:
        return {UNKNOWN: refitted(analysis, refits, run)}
    predicted = refits.at(UNKNOWN)
    rows, known = analysis.rows_of(predicted["usubjid"]), predicted["y"].notna().to_numpy()
    y, p = predicted["y"].to_numpy(), predicted["p"].to_numpy()
    rules = np.empty(len(y))
    fold = predicted.loc[known, "fold"].to_numpy()
    rules[known] = forecasts(analysis.rules, rows.loc[known], y[known], fold)["rules"]
    fitted = rules_by_branch(analysis.plan.branch_shrinkage).fit(rows.loc[known], y[known])
    rules[~known] = fitted.predictions(rows.loc[~known])["rules"]
    inside = analysis.inside(rows)
    seen, others = known & inside, ~known & inside
    if not analysis.plan.judges(y[seen]) or not others.any():
        reason = "no outcome is missing" if analysis.plan.judges(y[seen]) else _too_few(analysis.plan)
        return {UNKNOWN: counted(y[seen]) | _without_difference(reason)}
    margins = [np.log(forecast / (1 - forecast)) for forecast in (p, rules)]

    def differences(outcome: np.ndarray, who: np.ndarray) -> np.ndarray:
        model, comparator = (patient_loss(margin[who], outcome) for margin in margins)
        return np.asarray(model - comparator)

    with_event, without = (differences(np.full(others.sum(), outcome), others) for outcome in (1.0, 0.0))
    paired = Paired(differences(y[seen], seen), int(y[seen].sum()), with_event, without, margins[0][others])
    return {
        UNKNOWN: tipping_point(paired, analysis.plan.level),
        "missing outcomes: all against the model": worst_case(paired, analysis.plan.level),
    }


def multiple_imputation(analysis: Analysis, refits: Refits) -> dict[str, MeasureDocument]:
    """Return the comparison with missing predictors drawn several times, combined by Rubin's rules."""
    runs = [run for run in refits.scenarios if run.scenario.startswith(IMPUTED)]
    first = refits.at(REFERENCE)
    rows, y = analysis.rows_of(first["usubjid"]), first["y"].to_numpy()
    inside = analysis.inside(rows)
    counts = counted(y[inside])
    if not analysis.plan.judges(y[inside]):
        return counts | _without_difference(_too_few(analysis.plan))
    compared = forecasts(analysis.comparators, rows, y, first["fold"].to_numpy())
    aucs: list[tuple[float, float]] = []
    losses: dict[str, list[tuple[float, float]]] = {name: [] for name in compared}
    for run in runs:
        if run.error:
            return counts | _without_difference(
                f"{run.scenario.removeprefix('missing predictors: ')}: {run.error}"
            )
        p = refits.at(run.scenario)["p"].to_numpy()[inside]
        try:
            aucs.append(logit_auc(y[inside], p))
        except MeasureError as error:
            return counts | _without_difference(
                f"{run.scenario.removeprefix('missing predictors: ')}: {error}"
            )
        own = _loss(p, y[inside])
        for name, forecast in compared.items():
            paired = own - _loss(forecast[inside], y[inside])
            losses[name].append((paired.mean(), paired.var(ddof=1) / len(paired)))
    level = analysis.plan.level
    logit, se = np.array(aucs).T
    logit_auc_mean = rubin(logit, se**2, level)
    auc = finite_numbers(
        {
            "value": float(expit(logit_auc_mean.value)),
            "low": float(expit(logit_auc_mean.low)),
            "high": float(expit(logit_auc_mean.high)),
        }
    )
    differences = {}
    for name, each in losses.items():
        difference, variance = np.array(each).T
        differences[delta(name)] = rubin(difference, variance, level).as_dict()
    return {**counts, "auc_chosen": auc, **differences, "imputations": {"value": len(runs)}}


def _loss(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(patient_loss(np.log(p / (1 - p)), y))


def evaluable_patients(analysis: Analysis, predictions: pd.DataFrame) -> Scenarios:
    """Return the comparison where all domains were evaluable, by the predictions of the run."""
    evaluable = evaluable_domains(analysis.rows, analysis.features)
    if evaluable is None:
        return {}
    complete = analysis.rows.assign(evaluable=evaluable).set_index("usubjid")["evaluable"]
    every = max(complete.unique(), key=lambda name: (name != "neither") * (1 + name.count(" and ")))
    ids, y, p = by_repeat(predictions, MODELS)
    inside = complete.reindex(ids).eq(every).to_numpy()
    forecasts = {name: forecast[:, inside] for name, forecast in p.items()}
    figures = scenario(analysis, analysis.rows_of(ids[inside]), y[inside], forecasts)
    return {f"evaluable: {every}": figures}


def rule_readings(
    analysis: Analysis,
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    document: RuleDocument,
    landmark: str,
    predictions: pd.DataFrame,
) -> Iterator[Callable[[], Scenarios]]:
    """Yield what compares with the rules under each other reading; the model stays as it is."""
    ids, y, p = by_repeat(predictions, MODELS)
    rows = analysis.rows_of(ids)[["usubjid", "arm", BRANCH]]
    of_rules = predictions.loc[predictions["model"] == "rules"]
    folds = of_rules.pivot_table(index="repeat", columns="usubjid", values="fold")[ids].to_numpy()

    def compared(name: str, other: pd.DataFrame) -> Scenarios:
        every = [forecasts(analysis.rules, other, y, fold)["rules"] for fold in folds]
        return {name: scenario(analysis, rows, y, {"chosen": p["chosen"], "rules": np.stack(every)})}

    for setting, value, branch in branches_under_alternatives(tables, cohort, document, landmark):
        other = rows.assign(**{BRANCH: branch.reindex(ids).to_numpy()})
        if not other[BRANCH].equals(rows[BRANCH]):
            yield partial(compared, f"{setting}: {value}", other)


def sensitivity_runs(
    analysis: Analysis,
    refits: Refits,
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    predictions: pd.DataFrame,
    rules: RuleDocument,
    landmark: str,
) -> dict[str, dict[str, MeasureDocument]]:
    """Return the comparison under every scenario by its name, that of the run first.

    Parameters
    ----------
    analysis : Analysis
        Its rows: all patients at risk at the landmark, sorted by id, whether their outcome is known or not.
    refits : Refits
        What models predict that were fitted to other outcomes, patients or predictors.
    tables, cohort, predictions : DataFrames
        Raw tables, cohort and the run's out-of-fold predictions at the landmark.
    rules : RuleDocument
        The document of the decision table.
    landmark : str
        Of the primary comparison.
    """
    if predictions.empty:
        return {"as in the run": refitted(analysis, refits, refits.scenarios[0])}
    ids, y, p = by_repeat(predictions, MODELS)
    parts: list[Callable[[], Scenarios]] = [
        partial(_named, "as in the run", partial(scenario, analysis, analysis.rows_of(ids), y, p))
    ]
    for run in refits.scenarios:
        if run.scenario == UNKNOWN:
            parts.append(partial(unknown_outcomes, analysis, refits, run))
        elif not run.scenario.startswith(IMPUTED):
            parts.append(partial(_named, run.scenario, partial(refitted, analysis, refits, run)))
    parts.append(partial(evaluable_patients, analysis, predictions))
    parts += rule_readings(analysis, tables, cohort, rules, landmark, predictions)
    parts.append(partial(_named, MULTIPLE_IMPUTATION, partial(multiple_imputation, analysis, refits)))
    return {name: figures for part in side_by_side(parts) for name, figures in part.items()}


def _named(name: str, compute: Callable[[], dict[str, MeasureDocument]]) -> Scenarios:
    return {name: compute()}
