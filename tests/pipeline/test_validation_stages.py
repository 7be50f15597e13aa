"""The stages that judge: sets of domains, differences, subgroups, resampled models, curves, profiles."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from models.evaluation.comparison import added_by_domains, differences, on_common_patients
from models.evaluation.curves import benefit_curves, calibration_curves, roc_curves
from models.evaluation.performance import judge
from models.evaluation.robustness import (
    corrected_performance,
    instability,
    left_out_centres,
    temporal_validation,
)
from models.evaluation.subgroups import evaluable_domains, groupings, heterogeneity, subgroup
from models.measures.evaluate import evaluate
from models.procedure.configuration.plan import validation_plan
from models.procedure.domain_sets import domain_sets
from models.sample_size.trial import development, too_small
from pipeline.project.files import read_yaml
from pipeline.workspace.profiles import PROFILES, ProfileError, apply_profile
from tests.patients import feature

ROOT = Path(__file__).parents[2]
PLAN = validation_plan(
    read_yaml(ROOT / "configs/validation.yaml") | {"bootstrap": 200, "loess_bootstrap": 20},
    read_yaml(ROOT / "configs/measures.yaml"),
).at_thresholds(None, 0.65)
FEATURES = [
    feature("arm", ["A", "B"]),
    feature("age_years"),
    feature("hr", ["pos", "neg"], domain="pathology"),
    feature("ctdna_c1_state", ["positive", "negative", "not_done"], domain="ctdna"),
    feature("imaging_c2_state", ["done", "not_evaluable"], domain="imaging"),
]


def outcomes(n: int = 400, seed: int = 1) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return ids, outcomes and the probabilities they were drawn with."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(0.5, 1.2, n)))
    return [f"P{i:04d}" for i in range(n)], (rng.random(n) < p).astype(int), p


def tidy(model: str, ids: list[str], y: np.ndarray, p: np.ndarray, repeats: int = 2) -> pd.DataFrame:
    """Return out-of-fold predictions, a little different in every repeat."""
    parts = [
        pd.DataFrame(
            {
                "usubjid": ids, "repeat": repeat, "fold": np.arange(len(ids)) % 5, "model": model, "y": y,
                "p": np.clip(p + 0.001 * repeat, 1e-3, 1 - 1e-3),
            }
        )
        for repeat in range(repeats)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def predictions(**models: np.ndarray) -> pd.DataFrame:
    ids, y, _ = outcomes()
    return pd.concat([tidy(name, ids, y, p) for name, p in models.items()], ignore_index=True)


def by_id(values: Any) -> pd.Series:
    return pd.Series(values, index=outcomes()[0])


def test_sets_of_domains_grow_and_leave_out_each_and_keep_the_arm() -> None:
    sets = domain_sets(FEATURES)
    assert list(sets) == [
        "clinical", "clinical+pathology", "clinical+pathology+ctdna", "all",
        "without clinical", "without pathology", "without ctdna",
    ]  # fmt: skip
    assert all("arm" in [feature.name for feature in chosen] for chosen in sets.values())
    assert [f.name for f in sets["without clinical"]] == [
        "arm",
        "hr",
        "ctdna_c1_state",
        "imaging_c2_state",
    ]
    assert list(domain_sets(FEATURES[:2])) == ["all"]


def test_what_a_domain_adds_is_the_difference_to_the_set_without_it() -> None:
    _, y, p = outcomes()
    weak = 0.5 + 0.2 * (p - 0.5)
    frame = predictions(
        **{"clinical": np.full(len(y), 0.62), "clinical+pathology": weak, "all": p, "without clinical": weak}
    )
    found = added_by_domains(frame, PLAN)
    assert [name for name in found if "-" in name] == [
        "clinical+pathology-clinical", "all-clinical+pathology", "all-without clinical",
    ]  # fmt: skip
    assert found["all-clinical+pathology"] == found["all-without clinical"]
    assert found["all-clinical+pathology"]["delta_log_loss"]["high"] < 0
    adequacy = {name: each["value"] for name, each in found["adequacy"].items()}
    assert adequacy["all"] == 1
    assert adequacy["clinical"] < 0.05 < adequacy["clinical+pathology"] < 1


def test_models_are_compared_with_the_rules_and_the_simpler_ones_by_arm() -> None:
    _, y, p = outcomes()
    arm = by_id(np.where(np.arange(len(y)) % 4 == 0, "C", "A"))
    frame = predictions(chosen=p, rules=np.full(len(y), 0.6), prevalence=0.5 + 0.1 * (p - 0.5))
    found = differences(frame, arm, PLAN)
    assert set(found) == {f"chosen-{b}{a}" for b in ("rules", "prevalence") for a in ("", "@A", "@C")}
    assert found["chosen-rules"]["delta_net_benefit@0.65"]["value"] > 0
    assert found["chosen-rules"]["delta_brier"]["high"] < 0


def test_landmarks_are_compared_on_the_patients_at_risk_at_all_of_them() -> None:
    _, y, p = outcomes()
    early, late = predictions(chosen=0.5 + 0.3 * (p - 0.5)), predictions(chosen=p)
    late = late.loc[late["usubjid"] != "P0000"]
    found = on_common_patients({"c1": early, "c2": late}, PLAN)
    assert found["n"]["value"] == len(y) - 1
    assert found["c2-c1"]["delta_log_loss"]["value"] == pytest.approx(
        found["c2"]["log_loss"]["value"] - found["c1"]["log_loss"]["value"]
    )


def test_the_rules_have_observed_minus_expected_by_branch_and_no_smoothed_measures() -> None:
    _, y, p = outcomes()
    branch = by_id(np.where(p > 0.6, "R1", "R2"))
    branch.iloc[0] = "R3"
    rates = pd.Series(y, index=branch.index).groupby(branch).transform("mean").to_numpy().clip(0.05, 0.95)
    frame = predictions(chosen=p, rules=rates)
    frame.loc[frame["repeat"] == 1, "p"] = frame.loc[frame["repeat"] == 0, "p"].to_numpy()
    judged = judge(frame, by_id("A"), branch, PLAN)
    assert {"ici", "e90", "ici_null95", "net_benefit@0.65", "net_benefit_escalation@0.35"} < set(
        judged["chosen"]
    )
    assert "ici" not in judged["rules"]
    observed = judged["rules"]["observed_minus_expected@R1"]
    assert observed["value"] == pytest.approx(0, abs=1e-9)
    assert observed["n"] == (branch == "R1").sum()
    assert "observed_minus_expected@R3" not in judged["rules"], "a branch of one patient has no interval"


def test_every_model_is_smoothed_in_all_patients_and_the_chosen_one_within_arms() -> None:
    _, y, p = outcomes()
    arm = by_id(np.where(np.arange(len(y)) % 2 == 0, "C", "A"))
    frame = predictions(
        chosen=p, lightgbm=0.5 + 0.9 * (p - 0.5), prevalence=0.3 + 0.1 * p, rules=0.2 + 0.5 * p
    )
    judged = judge(frame, arm, by_id("R1"), PLAN)
    assert {name for name, found in judged.items() if "ici" in found} == {
        "chosen", "chosen@A", "chosen@C", "lightgbm",
    }  # fmt: skip
    assert all("calibration_slope" in found for found in judged.values())


def test_the_roc_curve_is_that_of_scikit_learn_with_ties_and_without() -> None:
    _, y, p = outcomes()
    grid = np.linspace(0, 1, 101)
    for probability in (p, p.round(1)):
        found = roc_curves(predictions(chosen=probability))
        one = [np.interp(grid, *roc_curve(y, probability)[:2])]
        assert found["true_positive_rate"].to_numpy() == pytest.approx(np.mean(one, axis=0), abs=1e-12)


def test_a_calibrated_model_lies_on_the_diagonal_inside_its_band() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.9, 4000)
    ids, y = [f"P{i}" for i in range(4000)], (rng.random(4000) < p).astype(int)
    curve = calibration_curves(tidy("chosen", ids, y, p), PLAN)
    assert (curve["observed"] - curve["predicted"]).abs().max() < 0.06
    assert ((curve["low"] <= curve["observed"]) & (curve["observed"] <= curve["high"])).all()
    roc = roc_curves(tidy("chosen", ids, y, p))
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    auc = evaluate(y, p, ["auc"], bootstrap=10, rng=rng)["auc"].value
    assert area == pytest.approx(auc, abs=0.002)


def test_decision_curves_hold_the_rules_allocation_for_both_decisions() -> None:
    _, y, p = outcomes()
    branch = by_id(np.where(p > 0.6, "R1", "R2"))
    frame = predictions(chosen=p, rules=np.full(len(y), 0.6))
    curves = benefit_curves(frame, branch, ["R1"], PLAN)
    assert set(curves["strategy"]) == {"chosen", "rules", "rules_allocation", "all", "none"}
    spared = (p > 0.6) * (y - (1 - y) * 0.5 / 0.5)
    at = curves.query("decision == 'de_escalation' and strategy == 'rules_allocation' and threshold == 0.5")
    assert at["value"].item() == pytest.approx(spared.mean())
    assert "rules_allocation" not in set(benefit_curves(frame, branch, [], PLAN)["strategy"])


def test_a_patient_for_whom_the_rules_decide_nothing_is_neither_de_escalated_nor_escalated() -> None:
    _, y, p = outcomes()
    frame = predictions(chosen=p, rules=np.full(len(y), 0.6))
    undecided = by_id(np.where(p > 0.6, "R1", "R1>indeterminate"))
    curves = benefit_curves(frame, undecided, ["R1"], PLAN).query("strategy == 'rules_allocation'")
    assert (curves.loc[curves["decision"] == "de_escalation", "value"] != 0).any()
    assert (curves.loc[curves["decision"] == "escalation", "value"] == 0).all()
    before = benefit_curves(frame, by_id(np.full(len(y), "ALL")), ["R1"], PLAN)
    assert "rules_allocation" not in set(before["strategy"])


def test_subgroups_are_levels_cuts_or_levels_put_together() -> None:
    frame = pd.DataFrame(
        {"age_years": [40.0, 50, np.nan], "cn": ["N0", "N2", None], "hr": ["pos", "neg", "pos"]}
    )
    configured = PLAN.subgroups
    age = subgroup(frame, configured["age"])
    assert age is not None
    assert age.tolist()[:2] == ["below 50", "from 50"]
    assert age.isna().tolist() == [False, False, True]
    nodes = subgroup(frame, configured["nodes"])
    assert nodes is not None
    assert nodes.tolist()[:2] == ["negative", "positive"]
    assert subgroup(frame, configured["ctdna"]) is None


def test_heterogeneity_counts_every_patient_once_and_pools_the_centres() -> None:
    ids, _, p = outcomes()
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"usubjid": ids, "arm": "A", "hr": rng.choice(["pos", "neg"], len(ids))})
    frame["siteid"] = [f"S{i % 4}" for i in range(len(ids))]
    frame["ctdna_c1_state"] = rng.choice(["positive", "negative", "not_done"], len(ids))
    frame["imaging_c2_state"] = rng.choice(["done", "not_evaluable"], len(ids))
    found = heterogeneity(predictions(chosen=p), frame, FEATURES, PLAN)
    assert set(found) == {"hr", "ctdna", "centre", "centre_pooled", "evaluable"}
    for name in ("hr", "centre", "evaluable"):
        assert sum(group["n"]["value"] for group in found[name].values()) == len(ids)
    assert set(found["evaluable"]) == {"ctdna and imaging", "ctdna", "imaging", "neither"}
    pooled = found["centre_pooled"]["auc"]
    assert pooled["prediction_low"] <= pooled["low"] < pooled["value"] < pooled["high"]
    assert "arm" not in groupings(frame, FEATURES, {}), "a single arm is no grouping"
    assert evaluable_domains(frame, FEATURES[:3]) is None


def resampled_frame(shrink: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return apparent predictions, and those of 30 bootstrap models, `shrink` times as spread."""
    ids, y, p = outcomes()
    rng = np.random.default_rng(4)
    apparent = tidy("chosen", ids, y, p, repeats=1).assign(drawn=1)
    samples = []
    for repeat in range(30):
        noisy = 1 / (1 + np.exp(-shrink * np.log(p / (1 - p)) + 0.1 * rng.normal(size=len(ids))))
        drawn = np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids))
        samples.append(tidy("chosen", ids, y, noisy, repeats=1).assign(repeat=repeat, drawn=drawn))
    return apparent, pd.concat(samples, ignore_index=True).sample(frac=1, random_state=1)


def test_the_corrected_value_is_the_apparent_one_minus_the_optimism() -> None:
    found = corrected_performance(*resampled_frame(1.0), level=0.95)
    for each in found.values():
        assert each["value"] == pytest.approx(each["apparent"] - each["optimism"])
        assert each["approximate_low"] < each["value"] < each["approximate_high"]
    # Models that did not see their sample are no better in it than elsewhere.
    assert abs(found["auc"]["optimism"]) < 3 * found["auc"]["monte_carlo_error"]


def test_instability_is_nothing_where_all_models_agree() -> None:
    apparent, samples = resampled_frame(1.0)
    found, points = instability(apparent, samples, [0.5])
    assert 0 < found["mean_absolute_prediction_error"]["value"] < 0.05
    assert 0 < found["classified_differently@0.5"]["value"] < 0.1
    assert len(points) == 30 * 200
    same = samples.assign(p=samples["usubjid"].map(apparent.set_index("usubjid")["p"]))
    assert instability(apparent, same, [0.5])[0]["mean_absolute_prediction_error"]["value"] == 0


def test_later_patients_and_left_out_centres_are_judged_or_only_counted() -> None:
    ids, y, p = outcomes()
    rows = tidy("chosen", ids, y, p, repeats=1)
    later = temporal_validation(rows, PLAN)
    slope = later["calibration_slope"]
    assert slope["scaled"] == pytest.approx(slope["value"])
    assert slope["high"] - slope["low"] == pytest.approx(2 * 1.96 * slope["scaled_se"], rel=0.25)
    assert 0.7 < later["calibration_slope"]["value"] < 1.3
    assert set(temporal_validation(rows.head(12), PLAN)) == {"n", "events"}
    found = left_out_centres(rows, by_id([f"S{i % 5}" for i in range(len(ids))]), PLAN)
    assert found["pooled"]["slope"]["pooled"] == 5
    assert found["pooled"]["o_e"]["scaled"] == pytest.approx(np.log(found["pooled"]["o_e"]["value"]))
    assert sum(each["n"]["value"] for each in found["centres"].values()) == len(ids)


def test_a_trial_too_small_for_its_parameters_says_so() -> None:
    learned = development(500, 0.6, 40, PLAN)
    assert (learned["parameters_supported"], learned["enough"]) == (8, 0)
    assert "500 patients support about 8 candidate parameters" in too_small("c2", learned)
    assert development(5000, 0.6, 40, PLAN)["enough"] == 1


def test_where_no_parameter_is_supported_the_criterion_that_is_not_met_is_named() -> None:
    few, rare = (
        development(60, 0.6, 5, PLAN),
        development(100, 0.02, 5, PLAN),
    )
    said = "60 patients support no candidate parameter (the overall risk alone needs 369 patients) by Riley"
    assert said in too_small("c2", few)
    assert (few["needed_overall_risk"], rare["needed_overall_risk"]) == (369, 31)
    assert "(shrinkage asks for more patients even for one)" in too_small("c2", rare)


def test_the_committed_settings_are_the_default_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    before = (ROOT / "configs/validation.yaml").read_text(encoding="utf-8")
    (tmp_path / "configs/validation.yaml").write_text(before, encoding="utf-8")
    (tmp_path / PROFILES).symlink_to(ROOT / PROFILES)
    monkeypatch.chdir(tmp_path)
    assert not apply_profile("default")
    assert apply_profile("full")
    assert read_yaml(Path("configs/validation.yaml"))["resampling"]["bootstrap"] == 200
    assert apply_profile("default")
    assert Path("configs/validation.yaml").read_text(encoding="utf-8") == before
    with pytest.raises(ProfileError, match="unknown profile 'huge': configs/profiles has default, full"):
        apply_profile("huge")
    Path("configs/validation.yaml").write_text("bootstrap: 5\n", encoding="utf-8")
    with pytest.raises(ProfileError, match="has no setting repeats"):
        apply_profile("default")
