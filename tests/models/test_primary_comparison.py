"""The one comparison that a study declares is looked up as it was declared."""

import pytest

from features.documents.study import PrimaryComparison
from models.evaluation.comparison import primary_comparison

DELTA = {"delta_log_loss": {"value": -0.1}, "delta_auc": {"value": 0.2}}
BY_LANDMARK = {"c2": {"chosen-rules": DELTA, "chosen-rules@B": {"delta_log_loss": {"value": -0.3}}}}


@pytest.mark.parametrize(
    ("arm", "metric", "value"), [(None, "log_loss", -0.1), (None, "auc", 0.2), ("B", "log_loss", -0.3)]
)
def test_arm_and_metric_of_the_declaration_choose_the_result(
    arm: str | None, metric: str, value: float
) -> None:
    told = primary_comparison(PrimaryComparison("c2", arm, metric, "chosen", "rules"), BY_LANDMARK)
    assert told["result"]["value"] == value
    assert told["declared"] == {
        "landmark": "c2", "arm": arm, "metric": metric, "model": "chosen", "against": "rules",
    }  # fmt: skip
