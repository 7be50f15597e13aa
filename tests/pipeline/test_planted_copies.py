"""A copy of the outcome in any domain of the simulated trial is told by its name, whatever the noise."""

import numpy as np
import pandas as pd
import pytest

from features.assemble import assemble
from models.procedure.configuration.plan import validation_plan
from models.procedure.landmark_features import LandmarkFeature, landmark_features
from models.procedure.single_features import (
    LeakageAlarmError,
    check_single_features,
    single_feature_aucs,
    suspects,
)
from pipeline.project.files import read_yaml
from pipeline.simulation_checks.populations import read_simulation_spec
from pipeline.sources.prepare import prepare
from pipeline.sources.simulation.settings import changed
from pipeline.sources.simulator import simulate
from tests.workspace import ROOT

LANDMARK = "c2"
PLAN = validation_plan(read_yaml(ROOT / "configs/validation.yaml"))
RNG = np.random.default_rng(7)
Cohort = tuple[pd.DataFrame, np.ndarray, list[LandmarkFeature]]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        spec = read_simulation_spec(ROOT / "configs/studies/nct07239271.yaml", ROOT / "configs")
    tables = simulate(changed(spec.simulation, seed=3), n=800, rules=spec.by.rules, safety=False).tables
    prepared = prepare(spec.by.checked(tables), spec.by)
    frame, by = prepared.cohort.frame, spec.by
    made = assemble(prepared.tables, frame, by.study.landmark(LANDMARK), by.study, by.features, by.contract)
    outcome = made.frame["usubjid"].map(frame.set_index("usubjid")["outcome"])
    known = outcome.notna().to_numpy()
    rows = made.frame.loc[known].reset_index(drop=True)
    features = landmark_features(made.description(LANDMARK))
    return rows, outcome[known].to_numpy(dtype=float), features


def copies(y: np.ndarray) -> dict[str, np.ndarray]:
    """Return copies of the outcome: flipped in a share of the patients, or with normal noise."""
    flipped = {f"{share:.1%} flipped": np.where(RNG.random(len(y)) < share, 1 - y, y) for share in FLIPPED}
    return flipped | {f"noise {sd}": y + RNG.normal(0, sd, len(y)) for sd in NOISE}


FLIPPED, NOISE = (0.0, 0.002, 0.05, 0.10, 0.15), (0.6, 0.8, 1.0)
# Normal with unit variance in both outcomes, this far apart: AUC .80.
STRONG = 1.19


def host(rows: pd.DataFrame, features: list[LandmarkFeature], domain: str) -> LandmarkFeature:
    """Return the number of a domain that is known in the most patients."""
    numbers = [feature for feature in features if feature.domain == domain and feature.is_numeric]
    return max(numbers, key=lambda feature: rows[feature.name].notna().sum())


@pytest.mark.parametrize("domain", ["clinical", "pathology", "ctdna", "imaging"])
def test_a_copy_in_place_of_a_feature_of_the_domain_is_named(cohort: Cohort, domain: str) -> None:
    rows, y, features = cohort
    feature = host(rows, features, domain)
    for kind, copy in copies(y).items():
        planted = rows[[feature.name]].assign(
            **{feature.name: np.where(rows[feature.name].notna(), copy, np.nan)}
        )
        singles = single_feature_aucs(rows.assign(**planted), y, features)
        named = suspects(singles, PLAN.leakage_warning_auc, PLAN.level)
        assert next(iter(named), None) == feature.name, (domain, kind)


@pytest.mark.parametrize("domain", ["clinical", "pathology", "ctdna", "imaging"])
def test_a_sound_marker_of_the_domain_is_named_and_the_run_goes_on(cohort: Cohort, domain: str) -> None:
    rows, y, features = cohort
    feature = host(rows, features, domain)
    marker = np.where(rows[feature.name].notna(), STRONG * y + RNG.normal(0, 1, len(y)), np.nan)
    singles = single_feature_aucs(rows.assign(**{feature.name: marker}), y, features)
    assert feature.name in suspects(singles, PLAN.leakage_warning_auc, PLAN.level)
    check_single_features(singles, PLAN.leakage_alarm_auc, PLAN.level, "")


@pytest.mark.parametrize("domain", ["clinical", "pathology", "ctdna", "imaging"])
def test_a_category_that_copies_the_outcome_raises_the_alarm(cohort: Cohort, domain: str) -> None:
    rows, y, features = cohort
    feature = next(f for f in features if f.domain == domain and not f.is_numeric and len(f.levels) > 1)
    levels = np.where(y == 1, *feature.levels[:2])
    singles = single_feature_aucs(rows.assign(**{feature.name: levels}), y, features)
    with pytest.raises(LeakageAlarmError, match=feature.name):
        check_single_features(singles, PLAN.leakage_alarm_auc, PLAN.level, "")


def test_where_no_feature_tells_anything_one_is_named_in_at_most_a_twentieth(cohort: Cohort) -> None:
    rows, y, features = cohort
    named = [
        bool(suspects(single_feature_aucs(rows, RNG.permutation(y), features), 0.5, PLAN.level))
        for _ in range(25)
    ]
    assert sum(named) <= 4, "binomial of 25 with .05: above 4 in 0.7 %"
