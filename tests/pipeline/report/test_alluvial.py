"""The flows of patients as ribbons: as thick as they are many, and none that would tell few."""

import io
from typing import Any

import pandas as pd

from pipeline.report.alluvial import flows_chart, flows_sentence
from pipeline.report.tables import Privacy
from tests.labels import PLAIN


def content(*patients: int) -> Any:
    cells = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    flows = [
        {"stage": "c1", "source": s, "target": t, "patients": n}
        for (s, t), n in zip(cells, patients, strict=True)
        if n
    ]
    return {"stages": ["c1", "outcome"], "patients": sum(patients), "events": 12, "flows": flows}


def ribbons(spec: Any) -> pd.DataFrame:
    texts = [text for text in spec["datasets"].values() if text.startswith("flow,")]
    return pd.read_csv(io.StringIO(texts[0]))


def test_a_ribbon_is_as_thick_as_its_patients_and_ends_inside_its_levels() -> None:
    spec = flows_chart(content(10, 20, 30, 40), PLAIN, Privacy(5, suppress=True))
    assert spec is not None
    assert spec["usermeta"]["about"] | {"scale": ""} == {
        "n": 100, "events": 12, "scale": "", "sampling": "all patients, no model",
    }  # fmt: skip
    drawn = ribbons(spec)
    assert (drawn["top"] - drawn["y"]).round(6).tolist() == drawn["patients"].tolist()
    ends = drawn[drawn["x"] == drawn["x"].max()].set_index("flow")["y"].to_dict()
    assert ends == {
        "c1 a to outcome x": 0,
        "c1 b to outcome x": 10,
        "c1 a to outcome y": 43,
        "c1 b to outcome y": 63,
    }


def test_ribbons_of_few_patients_and_those_that_would_tell_them_are_left_out() -> None:
    hidden = flows_chart(content(3, 20, 30, 40), PLAIN, Privacy(5, suppress=True))
    assert hidden is None, "of two levels each, one ribbon and the levels tell all the others"
    shown = flows_chart(content(3, 20, 30, 40), PLAIN, Privacy(5, suppress=False))
    assert shown is not None
    assert len(set(ribbons(shown)["flow"])) == 4


def test_a_level_of_few_patients_leaves_the_figure_out() -> None:
    assert flows_chart(content(3, 0, 30, 40), PLAIN, Privacy(5, suppress=True)) is None


def test_where_positive_patients_went_is_told_unless_a_count_is_small() -> None:
    given = content(10, 20, 30, 40)
    assert flows_sentence(given, PLAIN, Privacy(5, suppress=True)) == "", "nobody is positive"
    for flow in given["flows"]:
        flow["source"] = {"a": "positive"}.get(flow["source"], flow["source"])
    told = "Of patients positive at c1, at outcome: x 10, y 20."
    assert flows_sentence(given, PLAIN, Privacy(5, suppress=True)) == told
    assert flows_sentence(given, PLAIN, Privacy(11, suppress=True)) == ""
