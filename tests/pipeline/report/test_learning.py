"""The part on what was learned: candidates passed over with their reason, and features where no model is."""

from types import SimpleNamespace
from typing import Any

from pipeline.project.estimates import parse_measures
from pipeline.report.results import Learning, PassedOver
from pipeline.report.study.learning import MAX_SINGLES, learning_part
from pipeline.report.tables import Table
from tests.labels import PLAIN


def texts(table: Table) -> list[str]:
    """Return the cells of a table, row by row."""
    return [str(row[column]) for row in table.rows for column in table.columns]


def part(learning: Learning) -> dict[str, Any]:
    results: Any = SimpleNamespace(learning={"c1": learning})
    return dict(learning_part(results, PLAIN)[1])


def test_a_landmark_where_all_candidates_were_learned_has_no_table() -> None:
    assert part(Learning(chosen="logistic")) == {}


def test_a_candidate_passed_over_is_told_with_its_folds_and_its_reason() -> None:
    passed = PassedOver(splits=2, of=6, in_all_patients=True, reason="one leaf")
    tables = part(Learning(chosen="logistic", passed_over={"lightgbm": passed}))
    assert list(tables) == ["passed"]
    assert {"2 of 6", "yes", "one leaf", "lightgbm"} <= set(texts(tables["passed"]))


def test_without_a_model_the_best_features_stand_first_and_no_more_than_the_limit() -> None:
    counts = {"n": {"value": 9}, "events": {"value": 3}}
    singles = {
        f"F{i:03d}": parse_measures(counts | {"auc": {"value": 0.5 + i / 1000, "low": 0.4, "high": 0.8}})
        for i in range(MAX_SINGLES + 5)
    }
    found = texts(part(Learning(reason="too few", singles=singles))["singles"])
    assert found.index(f"F{MAX_SINGLES + 4:03d}") < found.index("F006")
    assert "F004" not in found
