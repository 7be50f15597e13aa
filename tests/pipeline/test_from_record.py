"""Pages draw measures from rows of the record: the same as the files', and nothing that is no row."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.project.files import write_json
from pipeline.record.result_rows import result_rows
from pipeline.report.from_record import documents, with_numbers_of
from pipeline.report.results import MODEL, RULES, Results, read_results

COUNTED: dict[str, Any] = {"n": {"value": 40}, "events": {"value": 9}}
ONE = {"value": 0.7, "low": 0.6, "high": 0.8, "scaled": 0.4, "scaled_se": 0.1}
GROUP = COUNTED | {"auc": ONE, "net_benefit@0.65": {"value": -0.01}, "ici": {"error": "too few"}}
DECLARED = {"landmark": "c2", "arm": None, "metric": "log_loss", "model": "chosen", "against": "rules"}
FILES: dict[str, Any] = {
    "results/c2.json": {"chosen": GROUP, "chosen@A": GROUP, "rules": COUNTED},
    "results/robustness-c2.json": {
        "optimism_corrected": {"auc": {"value": 0.7, "apparent": 0.8, "samples": 100, "failed": 3}},
        "instability": {"mean_absolute_prediction_error": {"value": 0.03}},
        "temporal": {"error": "nobody is dated"},
        "left_out_centres": {"pooled": {"slope": ONE}, "centres": {"North / 1.5": GROUP, "c2": GROUP}},
        "clustered": {"chosen": {"auc": ONE}},
        "learning_uncertainty": {"chosen": {"auc": ONE}, "chosen-rules@A": {"delta_log_loss": ONE}},
    },
    "results/sensitivity.json": {"baseline as landmark": GROUP},
    "results/efficacy.json": {"rows": [{"measure": "pcr", "level": "", "value": 0.5}]},
    "metrics/comparison.json": {
        "primary": {"declared": DECLARED, "result": ONE},
        "c2": {"chosen-rules": GROUP, "chosen-rules@A": COUNTED},
        "domains": {"c2": {"all-clinical": GROUP, "adequacy": {"all": {"value": 1.0}}}},
        "common_patients": {"n": {"value": 40}},
    },
}


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, content)
    return tmp_path


def stored(artifacts: Path) -> Results:
    folders = (artifacts / name for name in ("metrics", "results", "curves", "review"))
    return read_results(*folders, ["c2"])


def test_measures_of_the_record_are_those_of_the_files(artifacts: Path) -> None:
    results = stored(artifacts)
    drawn = with_numbers_of(documents(result_rows(artifacts, ["c2"])), results)
    assert drawn.landmarks == results.landmarks
    assert drawn.comparison == results.comparison
    assert drawn.robustness == results.robustness
    assert drawn.sensitivity == results.sensitivity
    robust = drawn.robustness["c2"]
    assert robust is not None
    assert set(robust.centres) == {"North / 1.5", "c2"}
    assert robust.impossible == {"temporal": "nobody is dated"}


def test_what_is_drawn_is_what_the_rows_say_and_no_longer_what_the_files_do(artifacts: Path) -> None:
    rows = result_rows(artifacts, ["c2"])
    for row in rows:
        row.update({key: 0.25 for key in ("value", "low", "high") if key in row})
    drawn = with_numbers_of(documents(rows), stored(artifacts))
    auc = drawn.landmarks["c2"][MODEL]["auc"]
    assert (auc.point, auc.interval, auc.extra["scaled"]) == (0.25, (0.25, 0.25), 0.25)
    assert drawn.comparison.primary.point == 0.25
    assert drawn.comparison.model_minus(RULES, "c2")["auc"].interval == (0.25, 0.25)
    assert drawn.comparison.domains["c2"]["all-clinical"]["auc"].point == 0.25


def test_a_measure_without_a_row_is_not_drawn(artifacts: Path) -> None:
    rows = [row for row in result_rows(artifacts, ["c2"]) if row["measure"] != "auc"]
    drawn = with_numbers_of(documents(rows), stored(artifacts))
    assert set(drawn.landmarks["c2"]) == {"chosen", "chosen@A", "rules"}
    assert drawn.landmarks["c2"][MODEL].interval_of("auc") is None
    assert drawn.comparison.model_minus(RULES, "c2").interval_of("auc") is None


def test_texts_of_the_files_stay(artifacts: Path) -> None:
    drawn = with_numbers_of({}, stored(artifacts))
    assert drawn.comparison.declared.against == RULES
    assert drawn.comparison.primary.value is None
