"""Biology on the SHAP pages: ranks that intervals leave open, and sentences that numbers support."""

from typing import Any

import pandas as pd

from models.explanation.themes import group_means, open_ranks
from pipeline.report.shap_tables import without_expectation
from pipeline.report.shap_themes import landmark_titles, outside_sentence, theme_sentences, themes_table
from tests.labels import PLAIN
from tests.pipeline.report.test_labels import LABELS
from tests.pipeline.test_report import Reader, charts, page
from tests.pipeline.test_study_sections import STRICT


def theme(group: str, mean: float, low: float, high: float, ranks: tuple[int, int] = (1, 1)) -> Any:
    sizes = {"mean_abs": mean, "mean_low": low, "mean_high": high}
    first, last = ranks
    return {
        "group": group,
        "members": [group.lower()],
        "first_rank": first,
        "last_rank": last,
        "means": [],
    } | sizes


def direction(feature: str, name: str, difference: float, low: float, high: float, **more: str) -> Any:
    numbers = {"difference": difference, "low": low, "high": high}
    return {"feature": feature, "name": name, "verdict": "as expected", "of": "neg"} | numbers | more


THEMES = [
    theme("A", 0.3, 0.28, 0.33),
    theme("B", 0.2, 0.15, 0.25, (2, 3)),
    theme("C", 0.18, 0.14, 0.24, (2, 3)),
    theme("D", 0, 0, 0, (4, 4)),
]


def test_themes_whose_intervals_overlap_share_their_ranks() -> None:
    assert open_ranks(THEMES) == [(each["first_rank"], each["last_rank"]) for each in THEMES]


def test_a_theme_has_the_mean_of_its_sum_in_every_group_and_one_group_tells_nobody_apart() -> None:
    explained = pd.DataFrame({"usubjid": [*"PQPQ"], "a": [1.0, 2, 3, 4], "b": [0.5, 0, 0.5, 0]})
    groups = {"hr": pd.Series(["pos", None, "pos", None]), "arm": pd.Series([*"ABAB"])}
    assert group_means(explained, ["a", "b"], groups) == [
        {"by": "arm", "part": "A", "patients": 1, "mean": 2.5},
        {"by": "arm", "part": "B", "patients": 1, "mean": 3.0},
    ]


def test_the_largest_theme_domain_and_features_are_the_titles_of_their_figures() -> None:
    features = [{"feature": name, "mean_abs": 0.1} for name in "abcd"]
    domains = [
        {"group": "clinical", "share": 0.4, "low": 0.35, "high": 0.45},
        {"group": "ctdna", "share": 0.6, "low": 0.55, "high": 0.65},
    ]
    sizes = [
        ("ADAPTIVE", "clinical", 0.2, 90),
        ("ADAPTIVE", "ctdna", 0.3, 90),
        ("CONTROL_TCBHP", "clinical", 0.2, 80),
        ("CONTROL_TCBHP", "ctdna", 0.1, 80),
        ("few", "ctdna", 0.9, 4),
    ]
    arms = [dict(zip(("part", "group", "mean_abs", "patients"), row, strict=True)) for row in sizes]
    summary: Any = {"biology": THEMES, "domains": domains, "features": features, "splits": {"arm": arms}}
    other: Any = {"biology": [theme("C", 0.1, 0, 0.2), theme("D", 0.2, 0.1, 0.3)]}
    landmarks = {"baseline": summary, "c1": summary, "c2": other, "c4": {"biology": []}}
    assert landmark_titles(summary, {name: name.upper() for name in "abcd"}, landmarks, STRICT, LABELS) == {
        "themes": "The largest theme is A.",
        "themes-landmarks": "The largest theme: A at baseline and C1; D or C at C2.",
        "domain-shares": "The largest share is that of ctDNA, 60 %.",
        "ranking": "The largest are A, B and C.",
        "split-arm": "The largest domain: ctDNA in Adaptive; clinical in Control (TCbHP).",
    }
    close: Any = summary | {"domains": [domains[0] | {"high": 0.56}, domains[1]], "biology": THEMES[1:]}
    titles = landmark_titles(close, {name: name.upper() for name in "abcd"}, {"c1": close}, STRICT, LABELS)
    assert titles["themes"] == "The largest theme is B or C.", "what is not told apart is named together"
    assert titles["domain-shares"] == "The largest share is that of ctDNA, 60 %, or of clinical, 40 %."
    nothing: Any = {"biology": [], "domains": domains[:1], "features": [], "splits": {"arm": arms[:2]}}
    assert landmark_titles(nothing, {}, {"c1": nothing}, STRICT, LABELS) == {}
    turned: Any = {"biology": [theme("D", 0.1, 0, 0.2), theme("C", 0.2, 0.1, 0.3)]}
    titles = landmark_titles(other | nothing, {}, {"c1": other, "c2": turned}, STRICT, LABELS)
    assert titles["themes-landmarks"] == "The largest theme: D or C at C1 and C2.", "in whatever order"


def test_features_of_no_theme_that_are_larger_than_every_theme_are_told() -> None:
    sizes = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35]
    larger: Any = [
        {"feature": f"x{i}", "mean_abs": size, "low": size - 0.1, "high": size + 0.1}
        for i, size in enumerate(sizes)
    ]
    named: Any = {row["feature"]: {"name": row["feature"], "description": ""} for row in larger}
    told = outside_sentence(larger, named, {name: name.upper() for name in named}).striptags()
    assert told.startswith(
        "In no theme, and moving the log-odds more than every theme: X0 by 0.90 (0.80 to 1.00); X1"
    )
    assert told.endswith("X4 by 0.50 (0.40 to 0.60); and 2 more.")
    assert outside_sentence([], named, {}) == ""


def test_a_theme_below_a_hundredth_is_told_in_words() -> None:
    assert theme_sentences([theme("A", 0.002, 0.001, 0.007)], [], [], {}) == {
        "A": "moves the log-odds of pCR by less than a hundredth on average, rank 1 of 1."
    }


def test_a_direction_is_told_only_where_its_interval_excludes_zero_and_the_model_uses_it() -> None:
    told = theme_sentences(
        THEMES,
        [
            direction("a", "HR negative", 0.3, 0.2, 0.4),
            direction("a", "Age", -0.9, -1.0, -0.8, of="upper third", verdict="disagrees"),
            direction("b", "Grade", 0.1, -0.1, 0.3), direction("c", "TIL", 0.1, 0.1, 0.1, verdict="not used"),
        ],
        [],
        {},
    )  # fmt: skip
    assert told == {
        "A": "moves the log-odds of pCR by 0.30 on average (0.28 to 0.33), rank 1 of 4; "
        "contributions are lower in the upper third of age (against what was published), "
        "higher with HR negative.",
        "B": "moves the log-odds of pCR by 0.20 on average (0.15 to 0.25), rank 2 to 3 of 4.",
        "C": "moves the log-odds of pCR by 0.18 on average (0.14 to 0.24), rank 2 to 3 of 4.",
    }, "a theme that the model does not use has no sentence"


def test_features_of_one_name_that_disagree_are_told_once_and_as_such() -> None:
    sizes = [direction("a", "Tumour size", -0.3, -0.4, -0.2), direction("a", "Tumour size", 0.2, 0.1, 0.3)]
    told = theme_sentences(THEMES[:1], [*sizes, direction("a", "Age", -0.1, -0.2, -0.05)], [], {})
    assert told["A"].endswith(
        "contributions are lower and higher, by feature, with tumour size, lower with age."
    )


def test_a_theme_of_several_features_names_the_largest_of_them() -> None:
    both = theme("A", 0.3, 0.28, 0.33) | {"members": ["a", "b"]}
    features: Any = [{"feature": name, "mean_abs": size} for name, size in (("b", 0.2), ("a", 0.1), ("c", 9))]
    told = theme_sentences([both], [], features, {"a": "Ki-67", "b": "Grade"})
    assert told["A"].endswith("rank 1 of 1, most by Grade.")
    alone = theme_sentences([both], [], [features[0], features[1] | {"mean_abs": 0}], {})
    assert "most by" not in alone["A"], "of one feature that is used there is no largest"


def test_a_page_opens_with_biology_and_names_groups_in_words() -> None:
    text = Reader(page()).text
    assert text.rindex("Biology: what moves the predictions") < text.rindex("What is explained")
    assert "HR: pos" in text
    assert "Arm: A" in text
    assert "themes-landmarks" not in charts(page()), "one landmark has no course"


def test_a_kind_of_groups_that_has_no_room_is_left_out_whole() -> None:
    parts = {"arm": [f"arm {k}" for k in range(7)], "hr": ["neg", "pos"]}
    means = [{"by": by, "part": part, "patients": 20, "mean": 1.0} for by, of in parts.items() for part in of]
    table = themes_table([THEMES[0] | {"means": means}], STRICT, PLAIN)
    assert [name for name in table.columns if ":" in name] == ["HR: neg", "HR: pos"]
    assert table.rows[0]["HR: neg"] == "+1.000"


def test_what_nothing_is_expected_of_is_named_if_the_model_uses_it() -> None:
    summary: Any = {"directions": [{"feature": "hr"}]}
    rows: Any = [
        {"feature": "hr", "mean_abs": 1},
        {"feature": "age", "mean_abs": 1},
        {"feature": "x", "mean_abs": 0},
    ]
    assert without_expectation(summary, rows) == ["age"]
