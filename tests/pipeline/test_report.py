import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from models.explanation import binned_median, contribution_by_level, domain_shares, rank_scale
from pipeline import overview, present
from pipeline.card import SIMULATED
from pipeline.files import write_json, write_table
from pipeline.overview import flow_rows, overview_page
from pipeline.present import MismatchError, landmark_page
from pipeline.report.page import measure
from pipeline.report.points import dependence_points, evenly, strip_points, swarm_points

FORBIDDEN = re.compile(
    r"\b(drives?|driving|causes?|effects? of|recommended|optimal|best regimen)\b", re.IGNORECASE
)
STUDY: dict[str, Any] = {
    "study": "toy", "title": "A toy study", "simulated": True, "arms": ["A", "B"], "adaptive_arm": "B",
    "landmarks": ["baseline", "c2"], "rules": "toy",
    "features": {"domains": ["clinical", "ctdna", "imaging"]},
    "schedule": {"baseline": {"visits": ["baseline"]}, "c2": {"visits": ["baseline", "c2"]}},
    "outcome": {"definition": "ypT0/is_ypN0", "counted_as_failure": ["death"]},
}  # fmt: skip
ONE = {"value": 0.7, "low": 0.6, "high": 0.8}
METRICS = {
    "chosen": {
        "n": {"value": 40},
        "events": {"value": 20},
        "auc": ONE,
        "brier": ONE,
        "calibration_slope": ONE,
    },
    "logistic": {"n": {"value": 40}, "events": {"value": 20}, "auc": ONE},
    "rules": {"n": {"value": 40}, "events": {"value": 20}, "auc": {"error": "all predictions are the same"}},
}
PAIR = {
    "n": {"value": 40},
    "events": {"value": 20},
    "delta_log_loss": ONE,
    "delta_auc": ONE,
    "delta_brier": ONE,
}
COMPARISON = {
    "primary": {
        "declared": {
            "landmark": "c2",
            "arm": "B",
            "metric": "log_loss",
            "model": "chosen",
            "against": "rules",
        },
        "result": {"value": -0.0123, "low": -0.02, "high": 0.004},
    },
    "baseline": {"chosen-rules": PAIR},
    "c2": {
        "chosen-rules": PAIR,
        "chosen-rules@A": {"n": {"value": 9}, "events": {"value": 2}},
        "chosen-rules@B": PAIR,
    },
}
FLOW = {
    "randomised": 44, "by_arm": {"A": 11, "B": 33}, "eligible": 40, "eligible_by_arm": {"A": 10, "B": 30},
    "criteria": [{"id": "age", "text": "Age", "excluding": True, "violated": 4, "not_assessable": 1}],
    "outcome": {"missing": 4, "observed": 40}, "outcome_missing": {"lost": 4},
    "pcr": 20, "pcr_by_arm": {"B": 20},
    "landmarks": {
        "baseline": {"at_risk": 44, "by_arm": {"A": 11, "B": 33}, "not_at_risk": {}},
        "c2": {"at_risk": 41, "by_arm": {"A": 10, "B": 31}, "not_at_risk": {"progression": 3}},
    },
}  # fmt: skip
PROBLEMS = pd.DataFrame(
    {"table": ["labs"], "column": ["value"], "rule": ["high"], "rows": [41], "ids": ["P001; P002; P003"]}
)


def feature(name: str, domain: str, kind: str, **more: Any) -> dict[str, Any]:
    described = {
        "name": name,
        "domain": domain,
        "kind": kind,
        "unit": "",
        "known_at": "baseline",
        "levels": [],
    }
    return described | {"description": f"What {name} is", "share_missing": 0.0} | more


FEATURES = [
    feature("hr", "clinical", "categorical", levels=["pos", "neg"]),
    feature("age_years", "clinical", "numeric", unit="years"),
    feature("ctdna_state", "ctdna", "categorical", levels=["negative", "positive", "not_done"]),
    feature("ctdna_vaf", "ctdna", "numeric", unit="log10 fraction", share_missing=0.6),
]


def description(**more: Any) -> dict[str, Any]:
    return {"landmark": "c2", "features": FEATURES, "absent_domains": ["imaging"]} | more


def artifacts(n: int = 40, repeats: int = 2) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return feature values, contributions and predictions of `n` patients."""
    rng = np.random.default_rng(3)
    ids = [f"P{i:05d}" for i in range(n)]
    values = pd.DataFrame(
        {
            "usubjid": ids,
            "hr": rng.choice(["pos", "neg"], n),
            "age_years": rng.normal(50, 9, n),
            "ctdna_state": rng.choice(["negative", "positive", "not_done"], n),
            "ctdna_vaf": np.where(np.arange(n) % 4 == 0, np.nan, rng.normal(-3, 1, n)),
        }
    ).astype({"hr": "str", "ctdna_state": "str"})
    keys = pd.DataFrame({"usubjid": ids * repeats, "repeat": np.repeat(range(repeats), n), "fold": 0})
    contributions = {f["name"]: rng.normal(size=n * repeats) for f in FEATURES}
    explained = keys.assign(model="logistic", base=0.1, **contributions)
    predictions = keys.assign(model="logistic", y=np.tile(np.arange(n) % 2, repeats) * 1.0, p=0.5)
    return values, explained, predictions


def page(study: dict[str, Any] | None = None, described: dict[str, Any] | None = None, n: int = 40) -> str:
    values, explained, predictions = artifacts(n)
    return landmark_page(
        STUDY | (study or {}), described or description(), values, explained, predictions, METRICS, 0.95
    )


def first_page(study: dict[str, Any] | None = None) -> str:
    descriptions = {name: description(landmark=name) for name in STUDY["landmarks"]}
    metrics = dict.fromkeys(STUDY["landmarks"], METRICS)
    return overview_page(STUDY | (study or {}), FLOW, metrics, COMPARISON, descriptions, PROBLEMS, 0.95)


PAGES = pytest.mark.parametrize("make", [page, first_page], ids=["landmark", "overview"])


class Reader(HTMLParser):
    """What a browser would see: tags with attributes, and the text outside the chart library."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if "vegaEmbed=" not in data:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def charts(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def rows_of(spec: dict[str, Any]) -> list[list[str]]:
    text = next(data for data in spec["datasets"].values() if isinstance(data, str))
    return [line.split(",") for line in text.strip().split("\n")]


@PAGES
def test_a_page_loads_nothing_and_forbids_the_browser_to(make: Any) -> None:
    tags = Reader(make()).tags
    assert not [attrs for tag, attrs in tags if tag in {"link", "img", "iframe", "object"} or "src" in attrs]
    assert not [attrs["href"] for tag, attrs in tags if re.match("https?:|//", attrs.get("href") or "")]
    policies = [attrs["content"] for tag, attrs in tags if attrs.get("http-equiv")]
    assert len(policies) == 1
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")
    assert "http" not in policies[0]


@PAGES
def test_styles_and_chart_specs_name_no_address(make: Any) -> None:
    html = make()
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert styles
    assert not re.search(r"url\(|@import", "".join(styles))
    assert "http" not in json.dumps(charts(html))


@PAGES
def test_the_simulated_banner_is_on_screen_and_in_print_exactly_when_data_are_simulated(make: Any) -> None:
    simulated, real = make(), make({"simulated": False})
    assert f'<p class="simulated" role="note">{SIMULATED}</p>' in simulated
    assert f'@top-center {{ content: "{SIMULATED}"' in simulated
    assert "SIMULATED" not in real
    assert "simulated data" not in Reader(real).text


@PAGES
def test_no_page_speaks_of_causes_or_recommends(make: Any) -> None:
    assert not FORBIDDEN.findall(Reader(make()).text)


@PAGES
def test_equal_input_gives_equal_bytes(make: Any) -> None:
    assert make() == make()


@PAGES
def test_a_page_has_a_language_one_title_and_headings_in_order(make: Any) -> None:
    tags = Reader(make()).tags
    assert ("html", {"lang": "en"}) in tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@PAGES
def test_every_chart_has_its_place_a_description_and_the_width_of_the_page(make: Any) -> None:
    html = make()
    places = [attrs["id"] for _, attrs in Reader(html).tags if attrs.get("class") == "chart"]
    assert sorted(charts(html)) == sorted(str(place) for place in places)
    assert all(spec["description"] and spec["width"] == "container" for spec in charts(html).values())


@PAGES
def test_no_patient_id_is_on_a_page(make: Any) -> None:
    assert not re.search(r"P0\d\d", Reader(make()).text)


def test_the_order_of_rows_does_not_matter() -> None:
    values, explained, predictions = artifacts()
    shuffled = [frame.sample(frac=1, random_state=1) for frame in (values, explained, predictions)]
    assert landmark_page(STUDY, description(), *shuffled, METRICS, 0.95) == page()


def test_the_inputs_on_the_page_are_the_models_features_in_its_order() -> None:
    table = page().split('<table id="inputs">')[1].split("</table>")[0]
    assert re.findall(r'<th scope="row"><code>(.*?)</code>', table) == [f["name"] for f in FEATURES]


def test_contributions_whose_columns_are_in_another_order_are_refused() -> None:
    values, explained, predictions = artifacts()
    swapped = explained[[*explained.columns[:5], "age_years", "hr", "ctdna_state", "ctdna_vaf"]]
    with pytest.raises(MismatchError, match="in their order"):
        landmark_page(STUDY, description(), values, swapped, predictions, METRICS, 0.95)


def test_contributions_of_other_patients_than_those_predicted_are_refused() -> None:
    values, explained, predictions = artifacts()
    with pytest.raises(MismatchError, match="not those that logistic predicted"):
        landmark_page(STUDY, description(), values, explained, predictions.iloc[1:], METRICS, 0.95)


def test_the_bars_of_the_domains_are_the_shares_of_the_summed_contributions() -> None:
    _, explained, _ = artifacts()
    per_repeat = pd.DataFrame(
        {
            "clinical": (explained["hr"] + explained["age_years"]).abs().groupby(explained["repeat"]).mean(),
            "ctDNA": (explained["ctdna_state"] + explained["ctdna_vaf"])
            .abs()
            .groupby(explained["repeat"])
            .mean(),
        }
    )
    expected = per_repeat.div(per_repeat.sum(axis=1), axis=0).mean()
    header, *rows = rows_of(charts(page())["domain-shares"])
    drawn = {row[header.index("domain")]: float(row[header.index("share")]) for row in rows}
    assert drawn == pytest.approx(expected.to_dict(), abs=5e-5)


def test_a_domain_without_data_is_said_to_be_absent_and_not_drawn() -> None:
    html = page()
    assert re.search(r'<th scope="row">imaging</th><td class="number">0</td><td colspan="3">absent', html)
    assert "imaging" not in json.dumps(charts(html)["domain-shares"]["datasets"])


@pytest.mark.parametrize(
    ("study", "landmark", "warned"),
    [
        ({}, "c2", True),
        ({}, "baseline", False),
        ({"rules": "none"}, "c2", False),
        ({"adaptive_arm": None}, "c2", False),
    ],
)
def test_the_rules_warning_stands_where_an_arm_is_treated_by_what_the_landmark_sees(
    study: dict[str, Any], landmark: str, warned: bool
) -> None:
    assert ("no evidence for or against a drug" in page(study, description(landmark=landmark))) == warned


def test_a_feature_that_is_mostly_missing_says_so_in_the_ranking() -> None:
    header, *rows = rows_of(charts(page())["ranking"])
    labels = {row[header.index("feature")]: row[header.index("label")] for row in rows}
    assert labels["ctdna_vaf"] == "ctdna_vaf (60 % missing)"
    assert labels["age_years"] == "age_years"


def test_numeric_features_have_their_unit_on_the_axis() -> None:
    titles = re.findall(r'"title":"(age_years[^"]*)"', json.dumps(charts(page()), separators=(",", ":")))
    assert set(titles) == {"age_years (years)"}


def test_more_patients_than_are_drawn_are_thinned_evenly_and_the_page_says_so() -> None:
    html = page(n=3100)
    assert "3,000 of 3,100 patients are drawn" in Reader(html).text
    assert len(rows_of(charts(html)["beeswarm"])) == 1 + 3000 * len(FEATURES)
    assert evenly(pd.DataFrame({"x": range(7)}), 3)["x"].tolist() == [0, 3, 6]


def test_text_from_the_data_cannot_end_a_script_or_open_an_element() -> None:
    evil = FEATURES[0] | {"description": "</script><b id=evil>"}
    html = page(described=description(features=[evil, *FEATURES[1:]]))
    assert "evil" not in [attrs.get("id") for _, attrs in Reader(html).tags]


def test_missing_and_categorical_values_have_no_colour_rank_in_the_swarm() -> None:
    values, explained, _ = artifacts()
    points = swarm_points(explained.iloc[:40], values.drop(columns="usubjid"), FEATURES)
    assert points.groupby("kind")["rank"].count().to_dict() == {"categorical": 0, "missing": 0, "numeric": 70}
    assert (points.loc[points["kind"] == "missing", "value"] == "missing").all()
    assert points["offset"].between(-1, 1).all()


def test_a_dependence_plot_leaves_out_missing_numbers_and_keeps_missing_levels() -> None:
    values = pd.DataFrame({"age": [50.0, np.nan], "hr": pd.Series(["pos", None], dtype="str")})
    explained = pd.DataFrame({"age": [0.1, 0.2], "hr": [0.3, 0.4]})
    assert dependence_points(explained, values, "age", "hr")["x"].tolist() == [50.0]
    assert dependence_points(explained, values, "hr", None)["x"].tolist() == ["pos", "missing"]


def test_points_of_one_level_that_contribute_the_same_lie_side_by_side() -> None:
    points = pd.DataFrame({"x": ["a"] * 3, "contribution": [0.5] * 3, "group": ""})
    assert strip_points(points)["offset"].nunique() == 3


def test_ranks_are_fractions_with_ties_shared_and_missing_kept() -> None:
    ranks = rank_scale(np.array([3.0, 1.0, np.nan, 3.0, 2.0]))
    np.testing.assert_allclose(ranks, [2.5 / 3, 0, np.nan, 2.5 / 3, 1 / 3])
    np.testing.assert_allclose(rank_scale(np.array([np.nan, 7.0])), [np.nan, 0.5])


def test_binned_medians_hold_about_as_many_patients_each_and_never_divide_a_value() -> None:
    x = np.array([0.0] * 50 + list(np.linspace(1, 2, 50)) + [np.nan])
    line = binned_median(x, np.where(x > 0, 1.0, -1.0), bins=4)
    assert line["n"].sum() == 100
    assert line["n"].iloc[0] >= 50
    assert line["median"].tolist() == [-1.0, *[1.0] * (len(line) - 1)]
    assert binned_median(np.array([1.0, 2.0, 2.0]), np.array([5.0, 1.0, 3.0]), 4)["median"].tolist() == [
        5.0,
        2.0,
    ]


def test_levels_are_listed_by_falling_median_with_missing_as_a_level() -> None:
    values = pd.DataFrame({"hr": pd.Series(["neg", "pos", "pos", None], dtype="str")})
    levels = contribution_by_level(pd.DataFrame({"hr": [0.4, -0.2, -0.4, 0.0]}), values, ["hr"], "missing")
    assert levels["level"].tolist() == ["neg", "missing", "pos"]
    assert levels["n"].tolist() == [1, 1, 2]
    assert levels["median"].tolist() == pytest.approx([0.4, 0.0, -0.3])


def test_shares_of_domains_sum_to_one_and_lie_in_their_range() -> None:
    shares = domain_shares(artifacts()[1], FEATURES)
    assert shares["share"].sum() == pytest.approx(1)
    assert ((shares["low"] <= shares["share"]) & (shares["share"] <= shares["high"])).all()


def test_a_measure_is_a_value_with_interval_or_the_reason_for_none() -> None:
    assert "0.700</span>" in measure(ONE)
    assert "(0.600 to 0.800)" in measure(ONE)
    assert "+0.70" in measure(ONE, 2, difference=True)
    assert 'title="no events">not computable' in measure({"error": "no events"})
    assert "too few events" in measure(None)


def test_the_overview_puts_the_primary_comparison_first_with_its_interval() -> None:
    text = Reader(first_page()).text
    result = "\N{MINUS SIGN}0.0123 (\N{MINUS SIGN}0.0200 to +0.0040)"
    assert f"Landmark c2, arm B: difference in log loss, chosen model minus rules {result}" in text
    assert text.index(result) < text.index("By landmark")


def test_groups_that_are_too_small_are_counted_in_the_table_and_not_drawn() -> None:
    html = first_page()
    assert re.search(r"<td>A</td>\s*<td class=.number.>9</td>.*?too few events", html, re.DOTALL)
    _, *rows = rows_of(charts(html)["differences"])
    assert [row[0] for row in rows] == ["baseline: all arms", "c2: all arms", "c2: B (primary)"]


def test_the_flow_goes_from_randomised_to_pcr_by_way_of_every_landmark() -> None:
    rows = flow_rows(STUDY, FLOW)
    assert [row["all"] for row in rows] == [44, 40, 44, 41, 20]
    assert rows[3]["detail"] == {"progression": 3}


def test_the_overview_links_every_landmark_and_counts_warnings_of_the_input() -> None:
    html = first_page()
    addresses = [attrs.get("href") for tag, attrs in Reader(html).tags if tag == "a"]
    assert {"shap-baseline.html", "shap-c2.html"} <= set(addresses)
    assert re.search(r"labs</th><td>value</td><td>high</td><td class=.number.>41<", html)


def run(stage: Any, monkeypatch: pytest.MonkeyPatch, **paths: Path) -> None:
    arguments = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    stage.main()


def test_the_stages_write_pages_below_eight_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, frame in zip(("values", "shap", "predictions"), artifacts(2000), strict=True):
        write_table(tmp_path / f"{name}.parquet", frame)
    for landmark in STUDY["landmarks"]:
        write_json(tmp_path / "features" / f"{landmark}.json", description(landmark=landmark))
        write_json(tmp_path / "metrics" / f"{landmark}.json", METRICS)
    write_json(tmp_path / "metrics" / "comparison.json", COMPARISON)
    write_json(tmp_path / "flow.json", FLOW)
    write_table(tmp_path / "problems.csv", PROBLEMS)
    for name, content in (("study", STUDY), ("validation", {"level": 0.95})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    common = {name: tmp_path / f"{name}.yaml" for name in ("study", "validation")}
    run(
        present, monkeypatch, **common,
        features=tmp_path / "values.parquet", description=tmp_path / "features" / "c2.json",
        shap=tmp_path / "shap.parquet", predictions=tmp_path / "predictions.parquet",
        metrics=tmp_path / "metrics" / "c2.json", page=tmp_path / "reports" / "shap-c2.html",
    )  # fmt: skip
    run(
        overview, monkeypatch, **common,
        flow=tmp_path / "flow.json", metrics=tmp_path / "metrics", description=tmp_path / "features",
        problems=tmp_path / "problems.csv", page=tmp_path / "reports" / "index.html",
    )  # fmt: skip
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "reports").iterdir()}
    assert set(sizes) == {"index.html", "shap-c2.html"}
    assert max(sizes.values()) < 8_000_000
