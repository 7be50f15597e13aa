"""How often models of known worth pass the gates of promotion in trials of n patients.

The trials are those of `models.design.against_rules`, with centres that differ and patients who come later.
Both evaluations, the comparison with the rules and the verdicts are the code that judges real models. Both
forecasts are given: the gates on instability, leakage, the null check and the truth, which judge the fitting,
are left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from models.design.population import Given, Population, draw, given
from models.design.rows import DesignRow, generator, row
from models.design.settings import DesignPlan
from models.design.study import Question
from models.design.trial import share_of
from models.evaluation.performance import MODEL, each_or_its_error
from models.evaluation.robustness import left_out_centres, temporal_validation
from models.measures.common import FloatArray, MeasureDocument
from models.measures.evaluate import compare
from models.procedure.configuration.plan import ValidationPlan
from pipeline.project.estimates import parse_measures
from pipeline.report.gates import Criteria, Evidence, Gate, Verdict, gates
from pipeline.report.results import parse_robustness

PART = "gates"
OF_FITTING = ("instability", "null_check", "leakage")
"""Gates that say nothing of forecasts that are given."""
PASSED, BAD, TOO_FEW = "passed", "shown_bad", "too_few"


@dataclass(frozen=True)
class Judge:
    """How a model is judged: the gates, and the run's plan of measures with few samples."""

    criteria: Criteria
    validation: ValidationPlan


def questions(plan: DesignPlan, judge: Judge) -> list[Question]:
    """Return what is asked of every model with every number of patients."""
    return [partial(_of_model, model, n, plan, judge) for model in given(plan) for n in plan.gates.sizes]


def _of_model(model: Given, n: int, plan: DesignPlan, judge: Judge) -> list[DesignRow]:
    rng, name = generator(f"{PART} {model.model} {n}", plan), model.name
    trials = [judged(model.people, model.p, n, plan, judge, rng) for _ in range(plan.gates.trials)]
    whole = Counter(verdict_of(trial) for trial in trials)
    rows = [_share(name, "", told, whole[told], n, plan) for told in (PASSED, BAD, TOO_FEW)]
    passing = Counter(gate.name for trial in trials for gate in trial if gate.passes)
    return rows + [_share(name, gate.name, PASSED, passing[gate.name], n, plan) for gate in trials[0]]


def _share(name: str, gate: str, told: str, count: int, n: int, plan: DesignPlan) -> DesignRow:
    share = share_of(np.arange(plan.gates.trials) < count)
    return row(PART, name, gate, told, share, n)


def verdict_of(trial: list[Gate]) -> str:
    """Return what happens to a model: it passes if every gate does, and is bad if any gate shows it bad."""
    if all(gate.passes for gate in trial):
        return PASSED
    return BAD if any(gate.verdict is Verdict.BAD for gate in trial) else TOO_FEW


def judged(
    people: Population, p: FloatArray, n: int, plan: DesignPlan, judge: Judge, rng: np.random.Generator
) -> list[Gate]:
    """Return the gates of forecasts `p` (kinds,) in one simulated trial of `n` patients."""
    rows, rules, centre = trial(people, p, n, plan, rng)
    found = {
        "temporal": temporal_validation(rows.tail(round(plan.gates.later_share * n)), judge.validation),
        "left_out_centres": left_out_centres(rows, centre, judge.validation),
    }
    measures = ["log_loss", judge.criteria.delta_net_benefit.at.removeprefix("delta_")]

    def differences(names: Sequence[str]) -> dict[str, MeasureDocument]:
        compared = compare(
            rows["y"], rows["p"], rules, names, bootstrap=plan.gates.bootstrap,
            rng=judge.validation.generator(), level=judge.validation.level,
        )  # fmt: skip
        return {name: measure.as_dict() for name, measure in compared.items()}

    evidence = Evidence(
        performance={},
        robustness=parse_robustness(found),
        difference=parse_measures(each_or_its_error(differences, measures, prefix="delta_")),
        truth=None,
        null_check=None,
        leakage_acknowledged="",
    )
    return [gate for gate in gates(evidence, judge.criteria, 1.0) if gate.name not in OF_FITTING]


def trial(
    people: Population, p: FloatArray, n: int, plan: DesignPlan, rng: np.random.Generator
) -> tuple[pd.DataFrame, FloatArray, pd.Series]:
    """Return a trial's outcomes and forecasts in order of entry, the rules' (n,), and centres by usubjid."""
    kinds = draw(people, n, rng)
    centre = rng.integers(plan.gates.centres, size=n)
    shift = rng.normal(0, plan.gates.centre_sd, plan.gates.centres)[centre]
    y = (rng.random(n) < expit(logit(people.truth[kinds]) + shift)).astype(int)
    ids = [f"P{number:06d}" for number in range(n)]
    rows = pd.DataFrame({"usubjid": ids, "repeat": 0, "fold": 0, "model": MODEL, "y": y, "p": p[kinds]})
    return rows, people.rules[kinds], pd.Series([f"S{number:02d}" for number in centre], index=ids)
