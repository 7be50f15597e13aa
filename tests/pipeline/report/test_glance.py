"""The first screen and the titles of figures: true of the run, or not there."""

from dataclasses import replace
from typing import Any

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.results import Comparison, Declared, Robustness
from pipeline.report.study.findings import findings
from pipeline.report.study.glance import comparison_sentence, glance, response_by_arm
from pipeline.report.tables import Privacy
from tests.labels import PLAIN
from tests.pipeline.test_study_sections import FACTS, OPEN, STRICT, measures, results

BELOW, ABOVE, AROUND = Estimate(-0.1, -0.2, -0.05), Estimate(0.1, 0.05, 0.2), Estimate(0.01, -0.1, 0.1)


def comparison(rules: Estimate, inputs: Estimate) -> Comparison:
    pairs = {
        "chosen-rules@B": Measures(delta_log_loss=rules),
        "chosen-rules": measures(delta_log_loss=rules),
        "chosen-rule_inputs": measures(delta_log_loss=inputs),
    }
    return Comparison(Declared("c2", "B", "log_loss", "chosen", "rules"), rules, {"c2": pairs}, {})


def test_the_model_is_called_better_or_worse_only_where_its_interval_says_so() -> None:
    told = comparison_sentence(comparison(BELOW, AROUND), None, FACTS, PLAIN)
    assert told == (
        "At c2, in arm B, the model predicts pCR better than the rules and not distinguishably better "
        "or worse than a small model on the rules' inputs (log loss, out of fold)."
    )
    assert "worse than the rules" in comparison_sentence(comparison(ABOVE, BELOW), None, FACTS, PLAIN)
    assert comparison_sentence(comparison(Estimate(), Estimate()), None, FACTS, PLAIN) == ""


def test_the_interval_that_allows_for_who_was_learned_from_decides() -> None:
    wider = Robustness(learning_uncertainty={"chosen-rules@B": Measures(delta_log_loss=AROUND)})
    told = comparison_sentence(comparison(BELOW, BELOW), wider, FACTS, PLAIN)
    assert "not distinguishably better or worse than the rules and better than a small model" in told


def arms(events: int) -> dict[str, Measures]:
    return {
        "A": Measures(pcr=Estimate(events / 40, 0.0, 0.9, extra={"n": 40, "events": events})),
        "B": Measures(pcr=Estimate(0.5, 0.3, 0.7, extra={"n": 40, "events": 20})),
        "B - A": Measures(risk_difference=Estimate(0.1, -0.1, 0.3, extra={"n": 80})),
    }


def test_no_difference_between_arms_is_told_where_an_arms_count_is_hidden() -> None:
    assert list(response_by_arm(arms(20), STRICT, PLAIN)) == ["A", "B", "B \N{MINUS SIGN} A, points"]
    assert list(response_by_arm(arms(2), STRICT, PLAIN)) == ["A", "B"]
    assert len(response_by_arm(arms(2), OPEN, PLAIN)) == 3
    assert response_by_arm({}, OPEN, PLAIN) == {}


def test_without_rules_the_first_screen_has_the_model_alone() -> None:
    study: Any = {"landmarks": ["c2"]}
    for rules, forecasts in ((True, ["Model", "Rules"]), (False, ["Model"])):
        first = glance(study, results(), replace(FACTS, rules=rules), Privacy(5, suppress=True), PLAIN)
        assert list(first.forecasts) == forecasts
        assert first.charts["auc-landmarks"]["usermeta"]["about"]["n"] == 40


def test_a_figure_has_a_title_only_where_the_numbers_say_something() -> None:
    titles = findings(results(comparison=comparison(BELOW, AROUND)), {"c2": []}, FACTS, PLAIN)
    assert titles == {
        "auc-landmarks": "The model's AUC is 0.70 at c2.",
        "differences": "In all patients, the model against the rules: better at c2.",
        "differences-inputs": (
            "In all patients, the model against the small model on the rules' inputs: "
            "not distinguishable at c2."
        ),
    }
    few = Measures(o_e=Estimate(0.8, 0.7, 0.9))
    judged = results(landmarks={"c2": {"chosen": few}})
    assert findings(judged, {"c2": []}, FACTS, PLAIN)["calibration-c2"] == (
        "At c2, fewer patients had pCR than predicted (O:E 0.80)."
    )
