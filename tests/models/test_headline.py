"""The headline of a landmark: few figures, six digits, and errors as they are."""

from models.evaluation.headline import headline

MEASURES = {
    "chosen": {
        "n": {"value": 1929},
        "auc": {"value": 0.7397782252426098, "low": 0.7166982201919, "high": 0.7616033912752581},
        "ici": {"error": "fewer than 10 distinct predictions"},
    },
    "rules": {"auc": {"value": 0.63}},
}


def test_figures_have_six_significant_digits_and_counts_stay_whole() -> None:
    shown = headline(MEASURES, {"chosen": ["n", "auc"]})
    assert shown == {
        "chosen": {"n": {"value": 1929}, "auc": {"value": 0.739778, "low": 0.716698, "high": 0.761603}}
    }


def test_an_error_keeps_its_reason() -> None:
    assert headline(MEASURES, {"chosen": ["ici"]})["chosen"]["ici"]["error"].startswith("fewer than 10")


def test_what_a_study_does_not_have_is_left_out() -> None:
    assert headline(MEASURES, {"rules": ["auc", "brier"], "rule_inputs": ["auc"]}) == {
        "rules": {"auc": {"value": 0.63}}
    }
