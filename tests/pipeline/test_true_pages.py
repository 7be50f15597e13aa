"""Pages, checklists, cards and the terminal say of eight contrasting studies what is true of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.commands.patient_report import branch_line
from pipeline.commands.summary import summary_row
from pipeline.project.estimates import Estimate, Measures
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from pipeline.registry.cards import Evaluation, model_card, version_card
from pipeline.registry.origin import Origin, recipe
from pipeline.report.facts import Facts, study_facts, told_branches, undivided_landmarks
from pipeline.report.landmark_page import landmark_page
from pipeline.report.limits import bounded
from pipeline.report.results import (
    Comparison,
    Declared,
    Results,
    Robustness,
    SampleSize,
    Subgroups,
)
from pipeline.report.settings import Checklists, PageSettings
from pipeline.report.study.page import Inputs, overview_page
from pipeline.report.study.subgroups import SAME_AS_POOLED, subgroups_part
from pipeline.report.tables import Privacy
from pipeline.stages.reports import offered
from tests.labels import PLAIN
from tests.pipeline.test_report import STUDY, Reader, description, given

ROOT = Path(__file__).parents[2]
SETTINGS = read_settings(PageSettings, ROOT / "configs/report_pages.yaml")
ITEMS = read_settings(Checklists, ROOT / "configs/reporting_checklists.yaml")
MODELS = read_yaml(ROOT / "configs/models.yaml")
VALIDATION = read_yaml(ROOT / "configs/validation.yaml") | read_yaml(ROOT / "configs/measures.yaml")

THRESHOLDS = {"de_escalation": (0.4, 0.9), "escalation": (0.1, 0.7)}


@dataclass(frozen=True)
class Made:
    """A made-up study; pCR of 100 patients, at one landmark or two."""

    name: str
    simulated: bool = False
    arms: tuple[str, ...] = ("A", "B")
    randomised: bool = False
    adaptive: bool = False
    rules: str = "none"
    centres: int = 0
    dates: bool = False
    domains: tuple[str, ...] = ("clinical", "ctdna", "imaging")
    landmarks: tuple[str, ...] = ("baseline", "c2")
    pcr: int = 40
    slope: float = 1.0

    @property
    def trial(self) -> bool:
        return self.rules == "nct07239271"


ALL_OF_IT = Made("trial", True, ("A", "B"), True, True, "nct07239271", 3, True)
STUDIES = (
    ALL_OF_IT,
    Made("the trial with patients", False, ("A", "B"), True, True, "nct07239271", 3, True, pcr=64),
    Made("one arm over time", arms=("NAC",), domains=("clinical", "imaging"), pcr=26),
    Made("platform", arms=("A", "B", "C"), rules="ispy2", domains=("clinical", "imaging")),
    Made("register", centres=4, dates=True, domains=("clinical",)),
    Made("one landmark", arms=("NAC",), dates=True, domains=("clinical", "ctdna"), landmarks=("baseline",)),
    Made("tiny", arms=("NAC",), domains=("clinical",), slope=192.28, pcr=12),
    Made("two arms at even odds", randomised=True, centres=1, dates=True, pcr=95),
)


def study_of(made: Made) -> dict[str, Any]:
    visits = {name: list(made.landmarks[: i + 1]) for i, name in enumerate(made.landmarks)}
    return STUDY | {
        "title": made.name, "simulated": made.simulated, "arms": list(made.arms), "rules": made.rules,
        "adaptive_arm": made.arms[-1] if made.adaptive else None, "landmarks": list(made.landmarks),
        "features": {"domains": list(made.domains)}, "visits": list(made.landmarks),
        "schedule": {name: {"visits": seen} for name, seen in visits.items()},
        "randomised": made.randomised, "eligibility": made.rules if made.trial else "none",
        # What a study file may leave out is not there.
        **({"thresholds": {"de_escalation": {}}} if made.trial else {}),
        "primary": {"landmark": made.landmarks[-1]},
        "outcome": {"definition": "ypT0/is_ypN0"} | ({"counted_as_failure": ["death"]} if made.dates else {}),
    }  # fmt: skip


def cohort_of(made: Made, n: int = 100) -> pd.DataFrame:
    date = pd.Timestamp("2025-01-01") if made.dates else pd.NaT
    centres = [f"S{i % made.centres}" if made.centres else None for i in range(n)]
    columns = {"rand_date": date, **{f"decision_{name}": date for name in ("baseline", "c2")}}
    return pd.DataFrame(
        {
            "usubjid": [f"P{i:05d}" for i in range(n)],
            "siteid": pd.Series(centres, dtype="str"),
            "arm": [made.arms[i % len(made.arms)] for i in range(n)],
        }
    ).assign(**columns)


def facts_of(made: Made) -> Facts:
    return study_facts(study_of(made), cohort_of(made), SETTINGS.trials)


def measures(made: Made, **others: Estimate) -> Measures:
    return Measures(n=Estimate(100), events=Estimate(made.pcr), **others)


ONE = Estimate(0.7, 0.6, 0.8)


def results_of(made: Made) -> Results:
    slope = Estimate(made.slope, extra={"approximate_low": made.slope - 0.1, "approximate_high": made.slope})
    judged = measures(made, auc=ONE, brier=ONE, calibration_slope=Estimate(1.0, 0.8, 1.2))
    pair = measures(made, delta_log_loss=ONE, delta_auc=ONE, delta_brier=ONE)
    pooled = Measures(auc=Estimate(0.7, 0.6, 0.8, extra={"prediction_low": 0.5, "prediction_high": 0.9}))
    many = made.centres > 1
    centres = {name: measures(made, auc=ONE) for name in ("S0", "S1")} if many else {}
    robust = Robustness(
        Measures(auc=ONE, calibration_slope=slope),
        Measures(mean_absolute_prediction_error=Estimate(0.05)),
        measures(made, auc=ONE) if made.dates else Measures(),
        measures(made, auc=ONE) if many else Measures(),
        centres,
    )
    benefit = pd.DataFrame(
        [(d, s, t, 0.1, 0.0, 0.2) for d, ends in THRESHOLDS.items() for t in ends
         for s in ("chosen", "rules", *(["rules_allocation"] if made.trial else []), "all", "none")],
        columns=["decision", "strategy", "threshold", "value", "low", "high"],
    )  # fmt: skip
    calibration = pd.DataFrame(
        {"model": ["chosen", "chosen"], "predicted": [0.4, 0.6], "observed": 0.5, "low": 0.4, "high": 0.6}
    )
    runs = {"as in the run": measures(made, delta_log_loss=ONE, auc_chosen=ONE, auc_rules=ONE)}
    last = made.landmarks[-1]
    pairs = {"chosen-rules": pair} | {f"chosen-rules@{arm}": pair for arm in made.arms}
    pairs |= {"chosen-rule_inputs": pair} if made.rules != "none" else {}
    small = SampleSize(100, 30, 900, 2, "", enough=False, to_validate=400)
    return Results(
        landmarks={name: {"chosen": judged, "rules": measures(made, auc=ONE)} for name in made.landmarks},
        comparison=Comparison(
            Declared(last, None, "log_loss", "chosen", "rules"), ONE, dict.fromkeys(made.landmarks, pairs), {}
        ),
        subgroups={name: Subgroups({}, centres, pooled if many else Measures()) for name in made.landmarks},
        robustness=dict.fromkeys(made.landmarks, robust),
        sensitivity=runs | ({"eligible patients": runs["as in the run"]} if made.trial else {}),
        size={last: small}, learning={}, strategies={}, truth={}, true_strategies={},
        curves={last: {"calibration": calibration, "benefit": benefit}},
        review={},
    )  # fmt: skip


def inputs_of(made: Made) -> Inputs:
    arms = dict.fromkeys(made.arms, 100 // len(made.arms))
    age = {"n": 100, "missing": 0, "median": 50.0, "q25": 40.0, "q75": 60.0}
    row = {
        "description": "Age", "unit": "years", "domain": "clinical", "feature": "age_years", "level": None,
        "cells": dict.fromkeys(("all", *made.arms), age),
    }  # fmt: skip
    points = [
        {"visit": visit, "arm": "A", "outcome": "pCR", "n": 9, "of": 9, "median": 2.0, "q25": 1.0, "q75": 3.0}
        for visit in made.landmarks
    ]
    measured = {"ctdna", "imaging"} & set(made.domains) and len(made.landmarks) > 1
    described: Any = {
        "centres": made.centres, "coverage": [], "states": [], "missing": [], "status": [], "conflicts": [],
        "table_one": {
            "landmark": "baseline", "patients": 100, "by_arm": arms, "rows": [row], "differences": {},
        },
        "recorded": [],
        "over_time": [{"name": "Diameter", "unit": "mm", "points": points}] if measured else [],
        "flows": None, "branches": [], "toxicity": None,
        "used": {"digests": {}, "versions": {}, "key": "0" * 64},
    }  # fmt: skip
    flow: Any = {
        "randomised": 100, "by_arm": arms, "eligible": 60, "eligible_by_arm": arms,
        "criteria": [{"id": "a", "text": "Age", "excluding": True, "violated": 40, "not_assessable": 0}],
        "outcome": {"observed": 100}, "outcome_missing": {}, "pcr": made.pcr, "pcr_by_arm": arms,
        "landmarks": {
            name: {"at_risk": 100, "by_arm": arms, "not_at_risk": {}} for name in made.landmarks
        },
    }  # fmt: skip
    late = [{"table": "t", "visit": "baseline", "reason": "reported_late", "rows": 7}] if made.dates else []
    listed: Any = {name: description(landmark=name, late=late) for name in made.landmarks}
    return Inputs(
        study=study_of(made), settings=SETTINGS, validation=VALIDATION, models=MODELS, items=ITEMS, flow=flow,
        features=listed, described=described, problems=pd.DataFrame(), facts=facts_of(made), undivided=(),
        digests={},
    )  # fmt: skip


@cache
def report(made: Made) -> str:
    """Return what a reader of the study report reads, charts included."""
    html = overview_page(inputs_of(made), results_of(made))
    return Reader(html).text


def around(made: Made) -> bool:
    low, high = THRESHOLDS["de_escalation"]
    return low < made.pcr / 100 < high


# A sentence of the study report, and of which studies it is true.
SENTENCES: dict[str, Callable[[Made], bool]] = {
    "SIMULATED DATA - no patients": lambda made: made.simulated,
    "Simulated patients; development": lambda made: made.simulated,
    "Data of a randomised study": lambda made: made.randomised and not made.simulated,
    "Files of the study; judged by the authors": lambda made: not made.randomised,
    "All randomised patients are analysed": lambda made: made.randomised,
    "All patients are analysed": lambda made: not made.randomised,
    "Eligible for NCT07239271": lambda made: made.trial,
    "criteria of NCT07239271 that data can check": lambda made: made.trial,
    "A patient who violates an excluding criterion": lambda made: made.trial,
    "outside the eligible set": lambda made: made.trial,
    "this study has one arm": lambda made: len(made.arms) == 1,
    "eligible patients": lambda made: made.trial,
    "AUC, rules": lambda made: made.rules != "none",
    "Model minus rules": lambda made: made.rules != "none",
    "minus rules": lambda made: made.rules != "none",
    "Rules : their predicted probability": lambda made: made.rules != "none",
    "AUC, rules' inputs": lambda made: made.rules != "none",
    "Minus a small model on the rules' inputs: +0.7": lambda made: made.rules != "none",
    "a model looks better against them than it is": lambda made: made.adaptive,
    "100 patients support about 2 candidate parameters": lambda _: True,
    "rules' allocation": lambda made: made.trial,
    "Model minus pCR rate": lambda made: made.rules == "none",
    "This study has no decision rules": lambda made: made.rules == "none",
    "branch shrinkage": lambda made: made.rules != "none",
    "The adaptive rules": lambda made: made.adaptive,
    "treated by the rules: B": lambda made: made.adaptive,
    "No arm of this study was treated by the rules": lambda made: made.rules != "none",  # no branches made up
    "Outside arm B the rules are virtual": lambda made: made.adaptive,
    "only results reported by its decision are used": lambda made: made.dates,
    "the data have no dates of decisions": lambda made: not made.dates,
    "Yes by time: only results reported before the decision": lambda made: made.dates,
    "Not known: the data do not date the decisions": lambda made: not made.dates,
    "Results reported after a landmark's decision are not used": lambda made: made.dates,
    "AUC, later patients": lambda made: made.dates,
    "later patients apart": lambda made: made.dates,
    "evaluated in the patients randomised after it": lambda made: made.dates and made.randomised,
    "evaluated in the patients who entered after it": lambda made: made.dates and not made.randomised,
    "the data do not date the patients' entry": lambda made: not made.dates,
    "Landmarks differ in their patients": lambda made: made.dates and len(made.landmarks) > 1,
    "Subgroups and centres": lambda made: made.centres > 1,
    "AUC, left-out centres": lambda made: made.centres > 1,
    "By centre, pooled with random effects": lambda made: made.centres > 1,
    "with a prediction interval for a new centre": lambda made: made.centres > 1,
    "The data name no centres": lambda made: made.centres == 0,
    "1 centre named in the data": lambda made: made.centres == 1,
    "arm is a predictor": lambda made: len(made.arms) > 1,
    "One arm: NAC": lambda made: len(made.arms) == 1,
    "Table one by arm": lambda made: len(made.arms) > 1,
    "treatment differs between the groups": lambda made: (
        len(made.arms) > 1 and len(made.landmarks) > 1 and made.domains != ("clinical",)
    ),
    "ctDNA and imaging over time": lambda made: {"ctdna", "imaging"} <= set(made.domains),
    "Imaging over time": lambda made: "imaging" in made.domains and "ctdna" not in made.domains,
    "from 40 % to 90 %, around the": around,
    "from 40 % to 90 %, away from the": lambda made: not around(made),
    "The study names these thresholds": lambda made: made.trial,
    "these follow the frequency of pCR in its patients": lambda made: not made.trial,
    "Counted as no pCR before surgery: death": lambda made: made.dates,
    "lies beyond ±10: too few patients": lambda made: made.slope > 10,
}  # fmt: skip

LANDMARKS = {"baseline": "baseline", "c2": "C2"}
# Said of every study before, and true of none of these.
NEVER = (
    "NAC (primary)",
    "No measurement was repeated",
    "prespecified around the prevalence",
    "no feature is from surgery",
    "other definitions are sensitivity runs",
)


@pytest.mark.parametrize("made", STUDIES, ids=lambda made: made.name)
def test_a_sentence_stands_in_the_report_of_the_studies_of_which_it_is_true(made: Made) -> None:
    said = {sentence: sentence in report(made) for sentence in SENTENCES}
    assert said == {sentence: true_of(made) for sentence, true_of in SENTENCES.items()}
    assert [sentence for sentence in NEVER if sentence in report(made)] == []


@pytest.mark.parametrize("made", STUDIES, ids=lambda made: made.name)
def test_a_landmarks_page_says_what_is_true_of_its_study(made: Made) -> None:
    landmark = made.landmarks[-1]
    people = cohort_of(made, 40)
    html = landmark_page(
        **given(described=description(landmark=landmark), cohort=people)
        | {"settings": SETTINGS, "study": study_of(made) | {"features": STUDY["features"]}}
    )
    text = Reader(html).text
    rules, several = made.rules != "none", len(made.arms) > 1
    said = {
        f"reported by the decision at landmark {LANDMARKS[landmark]}": made.dates,
        "the data do not say when they were reported": not made.dates,
        "and by protocol branch": rules,
        "Arms and branches": rules,
        "all arms, 95 % intervals": several,
        "all patients, 95 % intervals": not several,
        "resamples and centres": made.centres > 1,
        "No centre has at least 20 patients": made.centres > 1,
        "In the adaptive arm": made.adaptive,
    }
    assert {sentence: sentence in text for sentence in said} == said
    # Without rules, no row and no branch of theirs.
    assert ('<th scope="row">Rules</th>' in html) == rules
    assert ('"branch":null' in html) == (not rules)


@pytest.mark.parametrize("made", STUDIES, ids=lambda made: made.name)
def test_card_and_terminal_name_what_the_model_is_compared_with(made: Made) -> None:
    facts = facts_of(made)
    rules = measures(made, auc=ONE) if facts.rules else Measures()
    difference = Measures(delta_log_loss=ONE)
    judged = measures(made, auc=ONE)
    evaluation = Evaluation(
        facts.patients,
        facts.comparator,
        100,
        90,
        judged,
        rules,
        rules,
        difference,
        rules,
        Measures(),
        Measures(),
        {},
    )
    card = version_card(DOCUMENT, evaluation, recipe("a", "0", Origin("abc")))
    json_one = {"value": 0.7, "low": 0.6, "high": 0.8}
    metrics = {"chosen": dict.fromkeys(("n", "events", "auc", "brier"), json_one), "rules": {"auc": json_one}}
    row = summary_row("c2", metrics, {"chosen-rules": {"delta_log_loss": json_one}}, "logistic", facts)
    assert ("100 randomised patients" in card) == made.randomised
    assert ("| inputs of the rules |" in card) == ("Model minus inputs of the rules" in card) == facts.rules
    assert ("| rules |" in card) == ("AUC\nrules" in row) == (made.rules != "none")
    assert ("pCR rate" in card) == any("pCR rate" in header for header in row) == (made.rules == "none")
    assert "the trial" not in card


DOCUMENT: dict[str, Any] = {
    "model": "m", "simulated": False, "estimand": "probability of pCR", "landmark": "c2", "outcome": "ypT0",
    "candidate": "logistic", "tuned": "0.1", "requirements": [], "study": "made", "features": [],
    "calibration": {"intercept": 0.0, "slope": 1.0},
    "training": {"patients": 90, "events": 40, "by_arm": {}},
    "serving": {"support": {"limit": 3.0, "quantile": 0.99}, "required": ["arm"]},
}  # fmt: skip


def test_a_measure_beyond_its_limit_is_an_error_with_the_reason_and_one_within_is_as_it_was() -> None:
    limits = {"calibration_slope": 10.0}
    wide = Estimate(1.1, extra={"approximate_low": -21.9, "approximate_high": 40.0})
    found = bounded(Measures(calibration_slope=wide, auc=Estimate(192.0)), limits)
    assert found["calibration_slope"].value is None
    assert found["calibration_slope"].reason == "its interval, -21.9, lies beyond ±10: too few patients"
    assert found["auc"].value == 192.0
    usual = Measures(calibration_slope=Estimate(1.1, 0.8, 1.4))
    assert bounded(usual, limits) == usual
    new = Estimate(1.0, 0.8, 1.2, extra={"prediction_low": -15.0, "prediction_high": 17.0, "tau2": 0.1})
    assert bounded(Measures(calibration_slope=new), limits)["calibration_slope"].extra == {"tau2": 0.1}


def test_a_prediction_interval_without_variance_between_centres_says_why_it_is_the_pooled_one() -> None:
    for tau2 in (0.0, 0.2):
        same = Estimate(0.7, 0.6, 0.8, extra={"prediction_low": 0.6, "prediction_high": 0.8, "tau2": tau2})
        groups = Subgroups(
            {}, {"S1": measures(ALL_OF_IT, auc=ONE), "S2": measures(ALL_OF_IT, auc=ONE)}, Measures(auc=same)
        )
        results = results_of(ALL_OF_IT)
        charts, _ = subgroups_part(
            Results(**vars(results) | {"subgroups": {"c2": groups}}),
            "c2",
            ["c2"],
            Privacy(5, suppress=False),
            PLAIN,
        )
        assert (SAME_AS_POOLED in str(charts["centres-auc"])) == (tau2 == 0)


def test_a_branch_is_virtual_in_every_arm_that_the_rules_do_not_treat() -> None:
    assert "R1;" in branch_line("R1", "B", "B", PLAIN)
    assert "R1 (virtual: treated as assigned)" in branch_line("R1", "A", "B", PLAIN)
    assert "R1 (virtual" in branch_line("R1", "A", None, PLAIN)
    assert "branch: none;" in branch_line(None, "A", "B", PLAIN)


def test_branches_are_told_only_where_rules_tell_patients_apart() -> None:
    branch, whole = pd.Series(["R1", "R2"]), pd.Series(["ALL", "ALL"])
    assert told_branches(branch, facts_of(ALL_OF_IT)) is branch
    assert told_branches(whole, facts_of(ALL_OF_IT)) is None
    assert told_branches(branch, facts_of(STUDIES[2])) is None
    assert undivided_landmarks({"baseline": whole, "c2": branch, "c4": None}) == ("baseline", "c4")


def test_text_of_a_study_is_shown_letter_by_letter_in_the_tables_of_a_card() -> None:
    names = ("A|B", "5 <b> mg", "*x* [y](z)", "er_pct", "two\nlines", "_a_", "\\")
    by_arm = {name: {"patients": 4, "events": 2} for name in names}
    card = model_card({**DOCUMENT, "training": {"patients": 90, "events": 40, "by_arm": by_arm}})
    rows = [line.removesuffix(" | 4 | 2 |") for line in card.split("\n") if line.endswith(" | 4 | 2 |")]
    expected = ["A\\|B", "5 \\<b\\> mg", "\\*x\\* \\[y\\](z)", "er_pct", "two lines", "\\_a\\_", "\\\\"]
    assert rows == [f"| {text}" for text in expected]


def test_candidates_that_need_assays_are_named_only_where_the_study_has_some() -> None:
    assert offered(MODELS["candidates"], assays=False) == ["core", "logistic", "lightgbm"]
    assert offered(MODELS["candidates"], assays=True) == list(MODELS["candidates"])
