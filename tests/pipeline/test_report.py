import base64
import io
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, settings
from hypothesis import given as given_by_hypothesis
from hypothesis import strategies as st

from features.documents.parsing import parsed
from models.explanation.out_of_fold import rank_scale
from models.explanation.plan import explanation_plan
from models.explanation.summary import summarise
from models.procedure.landmark_features import landmark_features
from pipeline.commands.patient_report import PatientViewError, print_patient
from pipeline.project.estimates import Estimate, Measures, parse_estimate
from pipeline.project.files import read_yaml
from pipeline.report.facts import study_facts
from pipeline.report.labels import Labels
from pipeline.report.landmark_page import Landmark, MismatchError, landmark_page
from pipeline.report.page import measure, measure_of, missing_share, part, text_of, unit_text
from pipeline.report.points import evenly, swarm_points
from pipeline.report.results import Comparison, Declared
from pipeline.report.settings import ChecklistItem, PageSettings
from pipeline.report.study.flow import flow_chart, flow_rows
from pipeline.report.study.page import AUTHORS, checklist, difference_points, difference_rows
from pipeline.report.tables import Privacy, Table
from pipeline.wording import SIMULATED
from tests.labels import PLAIN

FORBIDDEN = re.compile(
    r"\b(drives?|driving|causes?|effects? of|recommended|optimal|best regimen)\b", re.IGNORECASE
)
ROOT = Path(__file__).parents[2]
STUDY: dict[str, Any] = {
    "study": "toy", "title": "A toy study", "simulated": True, "arms": ["A", "B"], "adaptive_arm": "B",
    "landmarks": ["baseline", "c2"], "visits": ["baseline", "c2"],
    "rules": "toy", "eligibility": "toy", "randomised": True,
    "features": {"domains": ["clinical", "ctdna", "imaging"]},
    "schedule": {"baseline": {"visits": ["baseline"]}, "c2": {"visits": ["baseline", "c2"]}},
    "outcome": {"definition": "ypT0/is_ypN0", "counted_as_failure": ["death"]},
}  # fmt: skip
ONE = Estimate(0.7, 0.6, 0.8)
JUDGED = Measures(n=Estimate(40), events=Estimate(20), auc=ONE)
PERFORMANCE = {
    "chosen": Measures(JUDGED, brier=ONE, calibration_slope=ONE),
    "logistic": JUDGED,
    "rules": Measures(JUDGED, auc=Estimate(reason="all predictions are the same")),
}
PAIR = Measures(n=Estimate(40), events=Estimate(20), delta_log_loss=ONE, delta_auc=ONE, delta_brier=ONE)
COMPARISON = Comparison(
    declared=Declared("c2", "B", "log_loss", "chosen", "rules"),
    primary=Estimate(-0.0123, -0.02, 0.004),
    landmarks={
        "baseline": {"chosen-rules": PAIR},
        "c2": {
            "chosen-rules": PAIR,
            "chosen-rules@A": Measures(n=Estimate(9), events=Estimate(2)),
            "chosen-rules@B": PAIR,
        },
    },
    domains={},
)
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


def feature(name: str, domain: str, kind: str, **more: Any) -> dict[str, Any]:
    described = {
        "name": name,
        "domain": domain,
        "kind": kind,
        "unit": "",
        "known_at": "baseline",
        "levels": [],
        "low": None,
        "high": None,
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


DOCUMENT: dict[str, Any] = read_yaml(ROOT / "configs/report_pages.yaml")
SETTINGS = parsed(PageSettings, DOCUMENT, "report_pages.yaml")
EXPLANATION = explanation_plan(read_yaml(ROOT / "configs/explanation.yaml"))


def private(**changes: bool) -> PageSettings:
    """Return the settings with another privacy."""
    return replace(SETTINGS, privacy=replace(SETTINGS.privacy, **changes))


def cohort(n: int) -> pd.DataFrame:
    ids = [f"P{i:05d}" for i in range(n)]
    return pd.DataFrame(
        {
            "usubjid": ids,
            "siteid": [f"S{i % 3}" for i in range(n)],
            "arm": ["A" if i % 4 == 0 else "B" for i in range(n)],
            "rand_date": pd.Timestamp("2025-01-01"),
            "decision_baseline": pd.Timestamp("2025-01-08"),
            "decision_c2": pd.Timestamp("2025-02-12"),
        }
    )


def given(n: int = 40, described: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return what `landmark_page` is made from, as its named arguments."""
    values, explained, predictions = artifacts(n)
    about, people = described or description(), cohort(n)
    branches = pd.Series(["R1" if i % 2 else "R2" for i in range(n)], index=people["usubjid"])
    summary = summarise(
        explained, values, about["landmark"], landmark_features(about), people, branches, EXPLANATION,
        seed=1, level=0.95,
    )  # fmt: skip
    landmark = Landmark(about, values, explained, predictions)
    return {
        "study": STUDY, "settings": SETTINGS, "landmarks": {about["landmark"]: landmark},
        "name": about["landmark"], "summary": summary | {"interactions": []},
        "cohort": people, "branches": branches,
        "performance": PERFORMANCE, "domains_added": {}, "split_by": EXPLANATION.split_by,
    } | changed  # fmt: skip


@cache
def plain() -> str:
    return landmark_page(**given())


def page(study: dict[str, Any] | None = None, described: dict[str, Any] | None = None, n: int = 40) -> str:
    if study is None and described is None and n == 40:
        return plain()
    return landmark_page(**given(n, described, study=STUDY | (study or {})))


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found.group(1))


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


def test_a_measure_that_could_not_be_pooled_says_so() -> None:
    note = "at least two groups are needed to pool; got 1"
    told = measure(parse_estimate({"pooled": 1, "counted_only": 19, "note": note}))
    assert "not computable" in told
    assert "at least two groups" in told


def test_a_page_loads_nothing_and_forbids_the_browser_to() -> None:
    tags = Reader(page()).tags
    assert not [attrs for tag, attrs in tags if tag in {"link", "img", "iframe", "object"} or "src" in attrs]
    assert not [attrs["href"] for tag, attrs in tags if re.match("https?:|//", attrs.get("href") or "")]
    policies = [attrs["content"] for tag, attrs in tags if attrs.get("http-equiv")]
    assert len(policies) == 1
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")
    assert "http" not in policies[0]


def test_styles_and_chart_specs_name_no_address() -> None:
    html = page()
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert styles
    assert not re.search(r"url\(|@import", "".join(styles))
    assert "http" not in json.dumps(charts(html))


def test_the_simulated_banner_is_on_screen_and_in_print_exactly_when_data_are_simulated() -> None:
    simulated, real = page(), page({"simulated": False})
    assert f'<p class="simulated" role="note">{SIMULATED}</p>' in simulated
    assert f'@top-center {{ content: "{SIMULATED}"' in simulated
    assert "SIMULATED" not in real
    assert "simulated data" not in Reader(real).text


def test_no_page_speaks_of_causes_or_recommends() -> None:
    assert not FORBIDDEN.findall(Reader(page()).text)


def test_equal_input_gives_equal_bytes() -> None:
    assert page() == page()


def test_a_page_has_a_language_one_title_and_headings_in_order() -> None:
    tags = Reader(page()).tags
    assert ("html", {"lang": "en"}) in tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_its_place_a_description_and_the_width_of_the_page() -> None:
    html = page()
    places = [str(attrs["id"]) for _, attrs in Reader(html).tags if attrs.get("class") == "chart"]
    assert sorted(name for name in charts(html) if not name.startswith("feature-")) == sorted(places)
    assert all(spec["description"] and spec["width"] == "container" for spec in charts(html).values())


def test_the_patient_view_can_be_left_out_and_no_id_is_then_on_the_page() -> None:
    html = landmark_page(**given(settings=private(patient_view=False)))
    assert not re.search(r"P000\d\d", html)
    assert 'id="patient-search"' not in html
    assert re.search(r"P000\d\d", page())
    assert data_of(html)["n"] == 0
    assert all(feature["values"] == feature["shap"] == "" for feature in data_of(html)["features"])
    assert "beeswarm" in charts(page())
    assert "beeswarm" not in charts(html)
    # What is left is drawn from summaries: no chart has as many rows as there are patients.
    drawn = [text for spec in charts(html).values() for text in spec.get("datasets", {}).values()]
    assert drawn
    assert all(text.count("\n") < 40 for text in drawn if isinstance(text, str))


def test_single_patients_are_not_printed_either_where_the_study_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/study.yaml").write_text("study: s\nlandmarks: [c2]\n", encoding="utf-8")
    document = DOCUMENT | {"privacy": DOCUMENT["privacy"] | {"patient_view": False}}
    (tmp_path / "configs/report_pages.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PatientViewError, match="shows no single patients"):
        print_patient(tmp_path, "c2", "P00001", 5)


@settings(deadline=None)
@example([[9, 7, 3, 5, 2], [6, 4, 7, 5, 5], [3, 5, 5, 5, 3], [6, 2, 7, 3, 6]], 5)
@given_by_hypothesis(
    st.integers(2, 5).flatmap(
        lambda arms: st.lists(
            st.lists(st.integers(0, 12), min_size=arms, max_size=arms), min_size=2, max_size=6
        )
    ),
    st.integers(2, 6),
)
def test_no_hidden_count_follows_from_those_that_are_shown(table: list[list[int]], smallest: int) -> None:
    privacy = Privacy(smallest, suppress=True)
    arms = [*range(len(table[0])), "all"]
    counts = {
        (i, arm): n for i, row in enumerate(table) for arm, n in zip(arms, [*row, sum(row)], strict=True)
    }
    down = [{(i, arm): 1 for i in range(len(table))} for arm in arms]
    across = [{(i, arm): -1 if arm == "all" else 1 for arm in arms} for i in range(len(table))]
    hidden = privacy.hidden(counts, [*down, *across])
    assert {cell for cell, n in counts.items() if 0 < n < smallest} <= hidden
    # All that a reader knows: the sums, and the cells that are shown.
    cells = list(counts)
    known = [[line.get(cell, 0) for cell in cells] for line in (*down, *across)]
    known += [[int(cell == shown) for cell in cells] for shown in cells if shown not in hidden]
    rank = np.linalg.matrix_rank(np.array(known))
    for cell in hidden:
        more = [*known, [int(cell == other) for other in cells]]
        assert np.linalg.matrix_rank(np.array(more)) == rank + 1, f"{cell} follows from what is shown"
    assert Privacy(smallest, suppress=False).hidden(counts, down) == set()


def test_the_order_of_rows_does_not_matter() -> None:
    parts = given()
    here = parts["landmarks"]["c2"]
    shuffled = [f.sample(frac=1, random_state=1) for f in (here.measured, here.explained, here.predictions)]
    assert landmark_page(**parts | {"landmarks": {"c2": Landmark(description(), *shuffled)}}) == page()


def test_names_on_the_page_are_the_models_features_in_its_order_whatever_the_order_of_the_values() -> None:
    names = [f["name"] for f in FEATURES]
    parts = given()
    here = parts["landmarks"]["c2"]
    turned = here.measured[here.measured.columns[::-1]]
    html = landmark_page(
        **parts | {"landmarks": {"c2": Landmark(description(), turned, here.explained, here.predictions)}}
    )
    assert [f["name"] for f in data_of(html)["features"]] == names
    table = html.split('<table id="inputs">')[1].split("</table>")[0]
    shown = re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', table)
    labels = Labels(SETTINGS.labels, STUDY["visits"])
    assert shown == [labels.feature(name) for name in names]
    for feature in data_of(html)["features"]:
        codes = np.frombuffer(
            base64.b64decode(feature["values"]), "<f4" if feature["kind"] == "numeric" else "<i1"
        )
        column = here.measured[feature["name"]]
        if feature["kind"] == "numeric":
            np.testing.assert_allclose(codes, column.to_numpy(dtype="float32"))
        else:
            assert [feature["levels"][code] for code in codes] == column.tolist()
        drawn = np.frombuffer(base64.b64decode(feature["shap"]), "<i4") * data_of(html)["scale"]
        np.testing.assert_allclose(drawn, here.explained[feature["name"]].iloc[:40], atol=1e-8)


def test_contributions_whose_columns_are_in_another_order_are_refused() -> None:
    values, explained, predictions = artifacts()
    swapped = explained[[*explained.columns[:5], "age_years", "hr", "ctdna_state", "ctdna_vaf"]]
    with pytest.raises(MismatchError, match="in their order"):
        landmark_page(**given(landmarks={"c2": Landmark(description(), values, swapped, predictions)}))


def test_contributions_of_other_patients_than_those_predicted_are_refused() -> None:
    values, explained, predictions = artifacts()
    with pytest.raises(MismatchError, match="not those that logistic predicted"):
        landmark_page(
            **given(landmarks={"c2": Landmark(description(), values, explained, predictions.iloc[1:])})
        )


def test_the_bars_of_the_domains_are_the_shares_of_the_summed_contributions() -> None:
    _, explained, _ = artifacts()
    sums = pd.DataFrame(
        {
            "clinical": (explained["hr"] + explained["age_years"]).abs(),
            "ctDNA": (explained["ctdna_state"] + explained["ctdna_vaf"]).abs(),
        }
    ).mean()
    header, *rows = rows_of(charts(page())["domain-shares"])
    drawn = {row[header.index("domain")]: float(row[header.index("share")]) for row in rows}
    assert drawn == pytest.approx((sums / sums.sum()).to_dict(), abs=5e-5)


def test_small_groups_and_cells_are_hidden_only_where_the_setting_says_so() -> None:
    assert "&lt; 5" in Privacy(5, suppress=True).cell(4, 40)
    assert str(Privacy(5, suppress=False).cell(4, 40)).startswith("4")
    assert str(Privacy(5, suppress=True).cell(0, 40)).startswith("0")
    shown = Privacy(5, suppress=True).proportion(38, 40, Estimate(0.95, 0.8, 1.0))
    assert "too few" in shown, "the two without would be told"


def test_arms_that_are_too_small_are_not_drawn() -> None:
    parts = given()
    parts["summary"]["splits"]["arm"][0]["patients"] = 4
    drawn = charts(landmark_page(**parts))
    assert "A (n = 4)" not in json.dumps(drawn)
    shown = charts(landmark_page(**parts | {"settings": private(suppress_small_cells=False)}))
    assert "A (n = 4)" in json.dumps(shown)


def test_every_figure_says_n_events_scale_and_sampling() -> None:
    for name, spec in charts(page()).items():
        assert set(spec["usermeta"]["about"]) == {"n", "events", "scale", "sampling"}, name


def test_an_item_is_filled_from_the_run_or_left_to_the_authors() -> None:
    items = [
        ChecklistItem(
            item="8a", topic="Outcome", asks="Definition", where="flow",
            answer="pCR as {{ study.outcome.definition }}",
        ),
        ChecklistItem(item="17", topic="Ethics", asks="Approval"),
    ]  # fmt: skip
    filled, left = checklist(items, {"study": STUDY}, PLAIN, "tripod", "").rows
    assert (filled["answer"], filled["where"]) == ("pCR as ypT0/is ypN0", '<a href="#flow">flow</a>')
    assert AUTHORS in left["answer"]


def test_a_domain_without_data_is_said_to_be_absent_and_not_drawn() -> None:
    html = page()
    assert re.search(r'<th scope="row">imaging</th><td class="number">0</td><td class="number">absent', html)
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
    labels = {row[header.index("label")] for row in rows}
    assert {"ctDNA VAF (60 % missing)", "Age"} <= labels


def test_more_patients_than_are_drawn_are_thinned_evenly_and_the_page_says_so() -> None:
    html = page(n=2100)
    assert "2,000 of 2,100 patients are drawn" in Reader(html).text
    assert len(rows_of(charts(html)["beeswarm"])) == 1 + 2000 * len(FEATURES)
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


def test_ranks_are_fractions_with_ties_shared_and_missing_kept() -> None:
    ranks = rank_scale(np.array([3.0, 1.0, np.nan, 3.0, 2.0]))
    np.testing.assert_allclose(ranks, [2.5 / 3, 0, np.nan, 2.5 / 3, 1 / 3])
    np.testing.assert_allclose(rank_scale(np.array([np.nan, 7.0])), [np.nan, 0.5])


def test_a_measure_is_a_value_with_interval_or_the_reason_for_none() -> None:
    assert "0.700</span>" in measure(ONE)
    assert "(0.600 to 0.800)" in measure(ONE)
    assert "+0.70" in measure(ONE, 2, difference=True)
    assert 'title="no events">not computable' in measure(Estimate(reason="no events"))
    assert "(no events)" in measure(Estimate(reason="no events"))
    assert "not evaluated" in measure(None)


def test_what_is_printed_as_zero_has_no_sign_and_a_part_of_patients_is_neither_none_nor_all() -> None:
    for value in (0.001, -0.001, 0.0):
        assert text_of(measure(Estimate(value, -0.01, 0.02), 2, difference=True)) == (
            "0.00 (\N{MINUS SIGN}0.01 to +0.02)"
        )
    assert [part(share) for share in (0, 0.001, 0.37, 0.996, 1)] == [
        "0 %",
        "< 1 %",
        "37 %",
        "> 99 %",
        "100 %",
    ]
    assert (part(0.0004, 1), part(0.9996, 1)) == ("< 0.1 %", "> 99.9 %")
    told = [missing_share(share) for share in (0, 0.003, 0.281, 0.9995, 1)]
    assert told == ["0 %", "0.3 %", "28 %", "> 99.9 %", "100 %"]


def test_powers_of_a_unit_are_raised_and_other_numbers_are_not() -> None:
    raised = ["10\u207b\u00b3 mm\u00b2/s", "kg/m\u00b2", "molecules/mL", "%", "log10 ratio"]
    assert [unit_text(unit) for unit in ("10^-3 mm2/s", "kg/m2", *raised[2:])] == raised


def test_a_reason_that_cells_share_is_told_once_below_the_table_and_one_of_its_own_in_its_cell() -> None:
    cells = [measure(Estimate(reason=why)) for why in ("few <groups>", "few <groups>", "no events")]
    table = Table.of("t", "T", {"name": "Name", "auc": "AUC"}, [{"name": "x", "auc": cell} for cell in cells])
    assert [text_of(row["auc"]) for row in table.rows] == ["not computable"] * 2 + [
        "not computable (no events)"
    ]
    assert table.notes == ("Not computable: few &lt;groups&gt;.",)


def test_a_value_that_is_printed_as_zero_has_no_minus_sign_and_its_limits_keep_theirs() -> None:
    told = measure(Estimate(-0.001, -0.004, 0.1), 2)
    assert ">0.00</span>" in told
    assert "(\N{MINUS SIGN}0.00 to 0.10)" in told
    assert ">\N{MINUS SIGN}0.01</span>" in measure(Estimate(-0.006, -0.1, 0.1), 2)


def test_who_were_only_counted_were_too_few_and_nobody_was_not_evaluated() -> None:
    counted = Measures(n=Estimate(9), events=Estimate(2))
    assert "too few events" in measure_of(counted, "auc")
    assert "not evaluated" in measure_of(Measures(), "auc")
    assert "not evaluated" in measure_of(JUDGED, "brier")


def test_groups_that_are_too_small_are_counted_in_the_table_and_not_drawn() -> None:
    rows = difference_rows(STUDY, COMPARISON, study_facts(STUDY, cohort(40)))
    assert [row["group"] for row in rows] == ["all arms", "all arms", "A", "B"]
    assert difference_points(rows, "delta_log_loss", PLAIN)["label"].tolist() == [
        "baseline: all arms",
        "c2: all arms",
        "c2: B (primary)",
    ]
    assert not any(row["alike"] for row in rows)
    undecided = difference_rows(STUDY, COMPARISON, study_facts(STUDY, cohort(40)), ["c2"])
    assert [row["group"] for row in undecided if row["alike"]] == ["A", "B"], "an arm has one forecast"
    assert difference_points(rows, "delta_log_loss", PLAIN, "beside").empty, "no model on the rules' inputs"


def test_the_flow_goes_from_randomised_to_pcr_by_way_of_every_landmark() -> None:
    rows = flow_rows(STUDY, FLOW, study_facts(STUDY, cohort(40), {"toy": "TOY"}), PLAIN)
    assert rows[1]["label"] == "Eligible for TOY"
    assert [row["all"] for row in rows] == [44, 40, 44, 41, 20]
    assert rows[3]["detail"] == {"progression": 3}


def test_the_flow_diagram_has_the_counts_of_the_table_but_not_who_is_eligible() -> None:
    facts = study_facts(STUDY, cohort(40), {"toy": "TOY"})
    rows = flow_rows(STUDY, FLOW, facts, PLAIN)
    text = next(iter(flow_chart(rows, ["A", "B"], facts, PLAIN)["datasets"].values()))
    boxes = pd.read_csv(io.StringIO(text)).pivot_table(index="place", columns="arm", values="n")
    assert boxes.to_numpy().tolist() == [[11, 33], [11, 33], [10, 31], [0, 20]]
    whole = flow_chart(rows, [], facts, PLAIN)
    assert whole["usermeta"]["about"]["n"] == "20 to 44"
    assert "Eligible" not in str(whole["datasets"])


@pytest.mark.parametrize(("features", "patients"), [(4, 2000), (80, 2000), (160, 1000), (10**6, 2)])
def test_a_page_of_many_features_holds_fewer_patients(features: int, patients: int) -> None:
    assert SETTINGS.drawing.patients(features) == patients


def test_a_page_of_a_million_values_is_below_five_megabytes() -> None:
    n, names = 12_000, [f"x{i}" for i in range(80)]
    about = description(features=[*FEATURES, *(feature(name, "clinical", "numeric") for name in names)])
    values, explained, predictions = artifacts(n)
    rng = np.random.default_rng(5)
    more = pd.DataFrame(rng.normal(size=(n, len(names))), columns=names)
    twice = pd.concat([more, more / 3], ignore_index=True)
    landmark = Landmark(about, values.join(more), explained.join(twice), predictions)
    few = explained["usubjid"] < f"P{60:05d}"
    # Summaries are of as many lines whatever the patients: those of sixty are drawn beside the points of all.
    summary = summarise(
        landmark.explained[few].reset_index(drop=True), landmark.measured.iloc[:60], "c2",
        landmark_features(about), cohort(60), None, EXPLANATION, seed=1, level=0.95,
    )  # fmt: skip
    html = landmark_page(
        **given(40) | {
            "landmarks": {"c2": landmark, "c4": landmark, "c6": landmark, "c8": landmark},
            "summary": summary | {"interactions": []}, "cohort": cohort(n), "branches": None,
        }
    )  # fmt: skip
    assert f"{160_000 // 84:,} of 12,000 patients are drawn" in Reader(html).text
    assert len(html.encode()) < 5_000_000
