"""The tables of a landmark's SHAP page."""

from typing import Any

import pytest

from features.documents.feature import LandmarkFeatureEntry
from models.explanation.documents import Direction, FeatureContribution, GroupContribution
from pipeline.project.estimates import parse_measures
from pipeline.report.shap_tables import (
    AS_BLOCK,
    described,
    directions_table,
    domains_table,
    largest,
    stability_table,
)
from tests.labels import PLAIN

FEATURE: LandmarkFeatureEntry = {
    "name": "til_<b>_pct", "domain": "pathology", "kind": "numeric", "known_at": "baseline", "levels": [],
    "unit": "%", "description": 'TIL "stromal"', "share_missing": 0.1, "low": 0, "high": 100,
}  # fmt: skip
CONTRIBUTION: FeatureContribution = {
    "feature": "til", "domain": "pathology", "rank": 1, "mean_abs": 0.2, "low": 0.1, "high": 0.3,
    "top": 0.9, "centre_low": None, "centre_high": None,
}  # fmt: skip
DIRECTION: Direction = {
    "name": "TIL", "feature": "til", "expected": "up", "source": "3.1", "of": "upper third", "against": "",
    "difference": -0.2, "low": -0.3, "high": -0.1, "stability": 0.8, "verdict": "disagrees",
}  # fmt: skip


SHOWN = {FEATURE["name"]: "TILs <b>"}
NOTHING: dict[str, Any] = {"directions": [], "left_out": []}


def test_labels_and_descriptions_are_escaped_and_the_key_is_in_the_tooltip() -> None:
    link = described(FEATURE, SHOWN)
    assert "<b>" not in link
    assert ">TILs &lt;b&gt;</a>" in link
    assert 'title="TIL &#34;stromal&#34; (til_&lt;b&gt;_pct)"' in link


@pytest.mark.parametrize(
    ("change", "has_centres"), [({}, False), ({"centre_low": 0.1, "centre_high": 0.2}, True)]
)
def test_the_range_over_centres_is_a_column_only_where_there_are_centres(
    change: dict[str, Any], has_centres: bool
) -> None:
    summary: Any = {"features": [CONTRIBUTION | change], "top": 10, "resamples": 25} | NOTHING
    table = stability_table(summary, {"til": FEATURE}, SHOWN, PLAIN)
    assert ("centres" in table.columns) is has_centres


def test_a_feature_that_the_model_does_not_use_has_no_interval() -> None:
    summary: Any = {"features": [CONTRIBUTION | {"mean_abs": 0}], "top": 10, "resamples": 25} | NOTHING
    (row,) = stability_table(summary, {"til": FEATURE}, SHOWN, PLAIN).rows
    assert (row["top"], row["centres"]) == ("", "")


def test_every_ranked_feature_has_its_expectation_none_included() -> None:
    second = CONTRIBUTION | {"feature": "age", "rank": 2}
    told = {"directions": [DIRECTION, DIRECTION | {"of": "pos", "against": "neg"}], "left_out": ["PAM"]}
    summary: Any = {"features": [CONTRIBUTION, second], "top": 10, "resamples": 25} | told
    table = stability_table(summary, {"til": FEATURE, "age": FEATURE}, SHOWN, PLAIN)
    assert [row["expected"] for row in table.rows] == ["up (upper third); up (pos against neg)", "none"]
    assert table.caption.endswith("no expectation is held against PAM here")


def test_a_direction_against_the_expectation_is_marked() -> None:
    rows = [DIRECTION, DIRECTION | {"verdict": "agrees"}]
    against, agrees = directions_table(rows, {"til": FEATURE}, SHOWN, PLAIN).rows
    assert (against["class"], agrees["class"]) == ("is-primary", "")
    assert "<strong>disagrees</strong>" in against["verdict"]


def test_a_domain_adds_to_the_others_or_is_the_only_one_and_absent_ones_are_named() -> None:
    group: GroupContribution = {"group": "ctdna", "features": 3, "share": 0.4, "low": 0.3, "high": 0.5}
    added = {
        "all-without ctdna": parse_measures(
            {"delta_auc": {"value": 0.05}, "delta_net_benefit@0.2": {"value": 0.01}}
        )
    }
    with_others = domains_table([group], added, ["imaging"])
    assert with_others.rows[0]["auc"] != "only domain"
    assert with_others.columns["benefit"] == "Adds: net benefit at 0.2"
    assert with_others.rows[1]["share"].startswith("absent")
    assert domains_table([group], {}, []).rows[0]["auc"] == "only domain"


def test_a_domain_beside_assays_is_compared_with_the_other_domains_and_an_assay_as_a_block() -> None:
    groups: Any = [
        {"group": name, "features": 3, "share": 0.4, "low": 0.3, "high": 0.5}
        for name in ("clinical", "pathology", "rna")
    ]
    added = {pair: parse_measures({"delta_auc": {"value": value}}) for pair, value in (
        ("all-without clinical", 0.03), ("all-clinical", 0.05))}  # fmt: skip
    told = [row["auc"] for row in domains_table(groups, added, [], ["rna"]).rows]
    assert ["0.030" in told[0], "0.050" in told[1], told[2]] == [True, True, AS_BLOCK]
    assert domains_table(groups[::2], {}, [], ["rna"]).rows[0]["auc"] == "only domain"


def test_features_that_the_model_does_not_use_are_not_drawn_among_the_largest() -> None:
    rows = [
        CONTRIBUTION | {"feature": name, "mean_abs": mean}
        for name, mean in (("a", 0.2), ("b", 0.1), ("c", 0))
    ]
    summary: Any = {"features": rows}
    assert [[row["feature"] for row in largest(summary, n)] for n in (1, 3)] == [["a"], ["a", "b"]]
    assert largest({"features": rows[2:]}, 3) == rows[2:]  # type: ignore[typeddict-item]
