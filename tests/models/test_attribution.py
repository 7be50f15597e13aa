import numpy as np
import pandas as pd
import pytest

from models.explanation import attribution
from models.explanation.clusters import clusters
from models.explanation.plan import Expectation
from tests.patients import feature

FEATURES = [
    feature("hr", ["pos", "neg"], domain="pathology"),
    feature("ki67", domain="pathology"),
    feature("age"),
]
EXPECTED = [
    Expectation("HR negative", ("hr",), "higher", "", of=("neg",), against=("pos",)),
    Expectation("Ki-67", ("ki*",), "lower", ""),
    Expectation("Age", ("age",), "uncertain", ""),
]


def rows(n: int = 300, repeats: int = 2) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Return contributions, values (rows alike) and the centres of patients."""
    rng = np.random.default_rng(5)
    ids = [f"P{i:04d}" for i in range(n)]
    values = pd.DataFrame({"hr": rng.choice(["pos", "neg"], n), "ki67": rng.uniform(0, 90, n), "age": 50.0})
    values = pd.concat([values] * repeats, ignore_index=True)
    explained = pd.DataFrame(
        {
            "usubjid": ids * repeats,
            "repeat": np.repeat(range(repeats), n),
            "fold": np.tile(np.arange(n) % 5, repeats),
            "hr": np.where(values["hr"] == "neg", 0.3, -0.3),
            "ki67": (values["ki67"] - 45) / 90,
            "age": 0.0,
        }
    )
    return explained, values, pd.Series([f"S{i % 6}" for i in range(n)], index=ids)


def weights(samples: int = 60) -> np.ndarray:
    explained, _, centres = rows()
    return attribution.resample_weights(explained, centres, samples, np.random.default_rng(1))


def test_resamples_draw_whole_centres_and_fits_and_depend_on_the_seed_alone() -> None:
    explained, _, centres = rows()
    drawn = weights()
    assert (drawn == weights()).all()
    site = explained["usubjid"].map(centres).to_numpy()
    for row in drawn:
        absent = [s for s in np.unique(site) if not row[site == s].any()]
        assert absent, "six of six centres in every resample would not be a bootstrap of centres"
        break
    by_fit = pd.Series(drawn[0]).groupby([explained["repeat"], explained["fold"]]).sum()
    assert (by_fit == 0).any()


def test_one_centre_means_that_patients_are_drawn() -> None:
    explained, _, centres = rows()
    drawn = attribution.resample_weights(
        explained, pd.Series(np.nan, index=centres.index), 5, np.random.default_rng(1)
    )
    patients = pd.DataFrame(drawn.T).groupby(explained["usubjid"]).sum()
    assert 0.5 < (patients[0] > 0).mean() < 0.7, "about 63 % of patients are in a bootstrap sample"


def test_importance_is_the_mean_absolute_contribution_with_an_interval_around_it() -> None:
    explained, _, centres = rows()
    found = attribution.importance(
        explained, FEATURES, centres, weights(), level=0.95, top=1, min_centre_patients=10
    ).set_index("feature")
    assert found.loc["hr", "mean_abs"] == pytest.approx(0.3)
    assert found.loc["ki67", "low"] < found.loc["ki67", "mean_abs"] < found.loc["ki67", "high"]
    assert (
        found.loc["ki67", "centre_low"] <= found.loc["ki67", "mean_abs"] <= found.loc["ki67", "centre_high"]
    )
    assert found["top"].sum() == pytest.approx(1)
    assert found["rank"].tolist() == [1, 2, 3]


def test_what_cancels_inside_a_group_moves_nothing_and_shares_sum_to_one() -> None:
    explained, _, _ = rows()
    opposite = explained.assign(age=-explained["hr"])
    found = attribution.group_importance(opposite, {"both": ["hr", "age"], "ki": ["ki67"]}, weights(), 0.95)
    assert found.set_index("group")["mean_abs"]["both"] == pytest.approx(0, abs=1e-12)
    assert found["share"].sum() == pytest.approx(1)


def test_directions_are_agreed_disagreed_or_uncertain_which_is_never_a_disagreement() -> None:
    explained, values, _ = rows()
    explained["age"] = np.linspace(-1, 1, len(explained))
    values["age"] = np.linspace(20, 80, len(values))
    found = {
        d["feature"]: d
        for d in attribution.directions(explained, values, FEATURES, EXPECTED, weights(), 0.95)
    }
    assert found["hr"]["difference"] == pytest.approx(0.6)
    assert [found[name]["verdict"] for name in ("hr", "ki67", "age")] == [
        attribution.AGREES,
        attribution.DISAGREES,
        attribution.UNCERTAIN,
    ]
    assert all(d["stability"] == 1 for d in found.values())


def test_a_feature_that_the_model_does_not_use_has_no_direction() -> None:
    explained, values, _ = rows()
    values["age"] = np.linspace(20, 80, len(values))
    found = attribution.directions(explained, values, FEATURES, EXPECTED[2:], weights(), 0.95)
    assert [d["verdict"] for d in found] == [attribution.UNUSED]


def test_the_spline_follows_a_line_exactly_and_levels_get_their_means() -> None:
    explained, values, _ = rows()
    settings = {"level": 0.95, "knots": 4, "few": 6, "points": 9}
    line = attribution.dependence(explained["ki67"].to_numpy(), values["ki67"], weights(), **settings)
    assert [p["fit"] for p in line] == pytest.approx([(p["x"] - 45) / 90 for p in line], abs=1e-9)
    assert all(p["low"] - 1e-9 <= p["fit"] <= p["high"] + 1e-9 for p in line)
    levels = attribution.dependence(explained["hr"].to_numpy(), values["hr"], weights(), **settings)
    assert {p["x"]: p["fit"] for p in levels} == pytest.approx({"neg": 0.3, "pos": -0.3})
    nothing = pd.Series(np.nan, index=values.index)
    assert attribution.dependence(explained["hr"].to_numpy(), nothing, weights(), **settings) == []


def test_features_that_are_monotone_in_each_other_are_one_cluster() -> None:
    explained, values, _ = rows(repeats=1)
    values["age"] = np.exp(-values["ki67"] / 30)
    explained["age"] = -0.5 * explained["ki67"]
    (cluster,) = clusters(explained, values, FEATURES, 0.7, 0.2)
    assert cluster["features"] == ["ki67", "age"]
    assert cluster["correlation"] == pytest.approx(1)
    assert cluster["together"] == pytest.approx(0.5 * explained["ki67"].abs().mean())
    assert cluster["patients"] == 300
    assert clusters(explained, values.assign(age=50.0), FEATURES, 0.7, 0.2) == []


def test_what_is_known_of_few_patients_is_in_no_cluster() -> None:
    explained, values, _ = rows(repeats=1)
    values["age"] = (-values["ki67"]).where(values.index < 45)
    assert clusters(explained, values, FEATURES, 0.7, 0.2) == [], "15 % have both"
    (cluster,) = clusters(explained, values, FEATURES, 0.7, 0.1)
    assert cluster["patients"] == 45


def test_a_cluster_is_measured_over_all_repeats() -> None:
    explained, values, _ = rows(repeats=2)
    values["age"] = -values["ki67"]
    explained["age"] = np.where(explained["repeat"] == 0, 0.0, 0.1)
    (cluster,) = clusters(explained, values, FEATURES, 0.7, 0.2)
    assert cluster["together"] == pytest.approx((explained["ki67"] + explained["age"]).abs().mean())
    assert cluster["patients"] == 300


def test_parts_of_the_patients_are_judged_by_themselves() -> None:
    explained, _, _ = rows()
    arm = pd.Series(np.where(np.arange(len(explained)) % 300 < 100, "A", "B"))
    scaled = explained.assign(hr=explained["hr"] * np.where(arm == "A", 2, 1))
    found = attribution.by_group(scaled, {"hr": ["hr"]}, arm, weights(), 0.95).set_index("part")
    assert found["mean_abs"].to_dict() == pytest.approx({"A": 0.6, "B": 0.3})
    assert found["patients"].to_dict() == {"A": 100, "B": 200}
