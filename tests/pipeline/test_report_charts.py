"""Charts of the pages: from frames to Vega-Lite, in the order given, with a description and their facts."""

from typing import Any

import pandas as pd
import pytest

from pipeline.report.calibration_chart import HEIGHT, MIDDLE, calibration_chart
from pipeline.report.decision_curves import ABOVE, LETTER, TALL, benefit_chart, line_labels
from pipeline.report.drawing import GREY, PALETTE, Spec, data_of, fitting, spec_of
from pipeline.report.shap_charts import (
    beeswarm_chart,
    dependence_chart,
    domain_shares_chart,
    ranking_chart,
    split_chart,
    trajectory_chart,
    waterfall_chart,
)
from pipeline.report.study_charts import (
    STATES,
    courses_chart,
    forest_chart,
    instability_chart,
    shares_chart,
)

ABOUT = {"n": 40, "events": 20, "scale": "log-odds", "sampling": "out of fold"}
COLOURS = {"clinical": PALETTE[0], "ctDNA": PALETTE[1]}


def datasets(spec: Spec) -> list[str]:
    return [data for data in spec.get("datasets", {}).values() if isinstance(data, str)]


def sort_of(spec: Spec) -> Any:
    return spec["layer"][-1]["encoding"]["y"]["sort"]


def test_data_are_csv_with_four_digits_and_their_types() -> None:
    data = data_of(pd.DataFrame({"label": ["a"], "x": [0.123456]})).to_dict()
    assert data["values"] == "label,x\na,0.1235\n"
    assert data["format"]["parse"] == {"label": "string", "x": "number"}


def test_every_chart_is_as_wide_as_the_page_and_says_what_it_shows() -> None:
    rows = pd.DataFrame({"label": ["a"], "value": [1.0], "low": [0.0], "high": [2.0]})
    spec = forest_chart(rows.assign(n=9, detail="", mark="no"), "Difference", "difference", "out of fold")
    assert spec["width"] == "container"
    assert spec["usermeta"]["about"] == {
        "n": 9, "events": None, "scale": "difference", "sampling": "out of fold",
    }  # fmt: skip
    assert spec["description"] == "Difference, with intervals: 1 rows."
    assert "$schema" not in spec


def test_a_forest_keeps_its_order_and_draws_a_reference_only_if_there_is_one() -> None:
    rows = pd.DataFrame(
        {"label": ["b", "a"], "value": 1.0, "low": 0.0, "high": 2.0, "detail": "", "mark": "no"}
    )
    at_one, without = (forest_chart(rows, "Ratio", "ratio", reference=at) for at in (1.0, None))
    assert sort_of(at_one) == ["b", "a"]
    assert (len(at_one["layer"]), len(without["layer"])) == (3, 2)
    assert {"reference": 1.0} in [row for data in at_one["datasets"].values() if data for row in data if row]


def test_a_forest_says_each_value_and_its_interval_beside_it() -> None:
    rows = pd.DataFrame(
        {"label": ["it's"], "value": -0.016, "low": -1.0, "high": 2.0, "detail": "", "mark": "no"}
    )
    told = [forest_chart(rows, "Difference", "difference", digits=digits) for digits in (2, 3)]
    texts = [spec["layer"][-1]["encoding"]["y"]["axis"]["labelExpr"] for spec in told]
    assert texts == [
        '{"it\'s": "\N{MINUS SIGN}0.02 (\N{MINUS SIGN}1.00 to 2.00)"}[datum.value]',
        '{"it\'s": "\N{MINUS SIGN}0.016 (\N{MINUS SIGN}1.000 to 2.000)"}[datum.value]',
    ]


def curves(**lines: Any) -> pd.DataFrame:
    rows = [(name, t / 10, value(t / 10)) for name, value in lines.items() for t in range(11)]
    return pd.DataFrame(rows, columns=["strategy", "threshold", "value"])


def test_the_name_of_a_line_stands_by_it_inside_the_chart() -> None:
    lines = {"model": lambda t: 0.5 - 0.3 * t, "rules": lambda t: 0.5 - 0.4 * t, "treat all": lambda t: t - 5}
    names = line_labels(curves(**lines), -0.1, 0.6).set_index("strategy")
    assert set(names.index) == {"model", "rules"}, "a line outside the chart has no name"
    away = names.loc["model", "height"] - (0.5 - 0.3 * names.loc["model", "at"])
    assert abs(away) == pytest.approx(0.7 * ABOVE)


@pytest.mark.parametrize("apart", [0.0, 0.01, 0.3])
def test_names_do_not_touch_even_where_lines_lie_upon_each_other(apart: float) -> None:
    lines = {
        name: lambda t, i=i: 0.4 - 0.3 * t - apart * i
        for i, name in enumerate(["model", "rules", "rules' inputs", "rules' allocation", "treat all"])
    }
    names = line_labels(curves(**lines), -0.1, 0.6).to_dict("records")
    assert len(names) >= 2
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            wide = LETTER * (len(one["strategy"]) + len(other["strategy"])) / 2
            across, up = abs(one["at"] - other["at"]), abs(one["height"] - other["height"]) / 0.7
            assert across >= wide - 1e-9 or up >= TALL - 1e-9, (one, other)


def test_the_scale_of_net_benefit_ends_a_little_below_zero() -> None:
    curve = pd.DataFrame({"strategy": ["model", "treat all"], "threshold": 0.5, "value": [0.2, -3.0]})
    spec = benefit_chart(curve.assign(low=0.1, high=0.3), "Net benefit", ABOUT)
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == pytest.approx([-0.05, 0.22])


def test_a_strategy_has_the_same_colour_whichever_others_are_drawn() -> None:
    def colours(*strategies: str) -> dict[str, str]:
        curve = pd.DataFrame({"strategy": strategies, "threshold": 0.5, "value": 0.2})
        spec = benefit_chart(curve.assign(low=0.1, high=0.3), "Net benefit", ABOUT)
        scale = spec["layer"][1]["encoding"]["color"]["scale"]
        return dict(zip(scale["domain"], scale["range"], strict=True))

    some = colours("model", "treat all")
    assert some.items() <= colours("model", "rules", "rules' allocation", "treat all", "treat none").items()


def test_calibration_has_the_diagonal_of_a_perfect_model() -> None:
    curve = pd.DataFrame({"model": ["model"], "predicted": 0.5, "observed": 0.4, "low": 0.3, "high": 0.5})
    spec = calibration_chart(curve, None, [], "Calibration", ABOUT)
    line = next(data for data in spec["datasets"].values() if isinstance(data, list))
    assert line == [{"a": 0, "b": 0}, {"a": 1, "b": 1}]


def test_predictions_of_patients_with_pcr_go_up_and_of_the_others_down() -> None:
    curve = pd.DataFrame({"model": ["model"], "predicted": 0.5, "observed": 0.4, "low": 0.3, "high": 0.5})
    densities = pd.DataFrame({"outcome": ["pCR", "no pCR"], "predicted": 0.5, "density": [2.0, 1.0]})
    spec = calibration_chart(curve, densities, ["slope 1.00 (0.90 to 1.10)"], "Calibration", ABOUT)
    drawn = next(text for text in datasets(spec) if text.startswith("outcome,")).splitlines()[1:]
    assert [float(line.split(",")[-1]) for line in drawn] == pytest.approx(
        [MIDDLE + HEIGHT, MIDDLE - HEIGHT / 2]
    )
    assert any("slope 1.00 (0.90 to 1.10)" in text for text in datasets(spec))


def test_what_was_not_measured_is_grey_and_results_are_coloured() -> None:
    counts = pd.DataFrame({"label": ["c1"] * 2, "level": ["positive", "none"], "share": [0.7, 0.3], "n": 40})
    spec = shares_chart(counts, {"none": "not_done", "positive": "positive"}, "States", "share")
    assert spec["encoding"]["color"]["scale"]["range"] == [STATES["not_done"], STATES["positive"]]
    assert "positive,0.7,40,1" in datasets(spec)[0], "levels are stacked in the order given"


def test_courses_and_instability_draw_what_they_are_given() -> None:
    points = pd.DataFrame(
        {"visit": ["c1"], "group": ["A, pCR"], "n": [9], "median": 1.0, "q25": 0.5, "q75": 2.0}
    )
    course = courses_chart(points, ["baseline", "c1"], "FTV over the visits", "FTV", "log1p cc")
    assert course["usermeta"]["about"]["n"] == 9
    assert course["layer"][0]["encoding"]["x"]["sort"] == ["baseline", "c1"]
    spec = instability_chart(pd.DataFrame({"original": [0.5, 0.6], "prediction": [0.4, 0.7]}), ABOUT)
    assert "2 predictions" in spec["description"]


def test_shares_of_domains_are_told_in_the_description_and_keep_their_colours() -> None:
    shares = pd.DataFrame({"domain": ["ctDNA", "clinical"], "features": 3, "share": [0.7, 0.3]})
    spec = domain_shares_chart(shares.assign(low=0.1, high=0.8), COLOURS, ABOUT)
    assert "ctDNA 70%; clinical 30%" in spec["description"]
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {
        "domain": ["clinical", "ctDNA"], "range": list(COLOURS.values()),
    }  # fmt: skip


def test_a_ranking_names_only_the_domains_that_it_shows() -> None:
    row = {"label": "hr", "domain": "clinical", "mean_abs": 0.1, "low": 0.0, "high": 0.2}
    spec = ranking_chart(pd.DataFrame([row | {"description": "Status", "more": ""}]), COLOURS, ABOUT)
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == ["clinical"]


@pytest.mark.parametrize("kinds", [("categorical", "missing", "numeric"), ("numeric",)])
def test_the_swarm_tells_the_kinds_of_values_apart_that_there_are(kinds: tuple[str, ...]) -> None:
    points = pd.DataFrame({"feature": "hr", "contribution": 0.1, "offset": 0.0, "kind": list(kinds)})
    spec = beeswarm_chart(points.assign(rank=None, value="x"), ABOUT)
    drawn = [layer["transform"][0]["filter"] for layer in spec["layer"] if "transform" in layer]
    assert drawn == [f"datum.kind == '{kind}'" for kind in kinds]


def test_parts_are_drawn_one_row_each() -> None:
    parts = pd.DataFrame(
        {"label": ["A", "A", "B"], "domain": ["clinical", "ctDNA", "clinical"], "mean_abs": 0.1}
    )
    spec = split_chart(parts.assign(low=0.0, high=0.2, n=[30, 30, 10]), COLOURS)
    assert spec["usermeta"]["about"]["n"] == "10 to 30"
    assert sort_of(spec) == ["A", "B"]


def test_charts_that_the_pages_script_fills_have_no_data_of_their_own() -> None:
    charts = {
        "points": dependence_chart("numeric", ABOUT), "steps": waterfall_chart(ABOUT),
        "trajectory": trajectory_chart(["baseline", "c2"], ABOUT),
    }  # fmt: skip
    for name, spec in charts.items():
        assert datasets(spec) == []
        assert f"'name': '{name}'" in str(spec)
    assert "jitter" in str(dependence_chart("categorical", ABOUT))
    assert "jitter" not in str(charts["points"])


def test_a_spec_can_be_drawn_on_a_canvas() -> None:
    import altair as alt  # noqa: PLC0415

    chart = alt.Chart(data_of(pd.DataFrame({"x": [1]}))).mark_point(color=GREY).encode(x="x:Q")
    assert spec_of(chart, "d", 10, canvas=True)["usermeta"]["embedOptions"] == {"renderer": "canvas"}
    assert spec_of(chart, "d", 10)["usermeta"] == {"embedOptions": {"renderer": "svg"}, "about": {}}


def test_an_axis_of_logarithms_has_the_values_as_they_were_measured() -> None:
    points = pd.DataFrame(
        {"visit": ["c1"], "group": ["pCR"], "n": [9], "median": [-3.0], "q25": [-4.0], "q75": [-2.0]}
    )
    spec = courses_chart(points, ["c1"], "VAF over the visits", "VAF", "log10 fraction")
    y = spec["layer"][0]["encoding"]["y"]
    assert y["title"] == "Per cent, log axis"
    assert y["axis"]["values"] == pytest.approx([0.01, 0.1, 1])
    assert (y["scale"]["type"], y["scale"]["domain"]) == ("log", pytest.approx([0.01, 1]))
    assert spec["usermeta"]["about"]["scale"] == "VAF (%)"
    assert "c1,pCR,9,0.1,0.01,1\n" in datasets(spec)[0], "what is saved is in the unit of the axis"


@pytest.mark.parametrize(
    ("names", "columns"), [(["pCR", "no pCR"], 3), (["below the limit of detection", "x"], 1), ([], 3)]
)
def test_a_legend_has_as_many_columns_as_a_phone_has_room_for(names: list[str], columns: int) -> None:
    assert fitting(names, 3) == columns
