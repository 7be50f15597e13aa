"""The comparison of two arms against R: metafor, rms, survival and own scripts, on three data sets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from models.efficacy.ordinal import proportional_odds
from models.efficacy.proportions import (
    Arms,
    arms,
    difference,
    miettinen_nurminen,
    newcombe_difference,
    odds_ratio,
    ratio,
    score,
)
from models.efficacy.rates import TimeToEvent, log_rank, rate, rate_ratio
from models.measures.common import Measure

REFERENCE = Path(__file__).parents[2] / "reference"
LEVEL = 0.95
SETS = ("trial", "small", "single")
MEASURES = {"RD": difference, "RR": ratio, "OR": odds_ratio, "miettinen_nurminen": miettinen_nurminen}


def table(name: str, data_set: str) -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE / f"efficacy_{name}.csv")
    return rows[rows["set"] == data_set]


def expected(data_set: str, quantity: str) -> list[float]:
    values = table("expected", data_set).set_index("quantity")["value"]
    return [values[f"{quantity}{end}"] for end in ("", "_low", "_high") if f"{quantity}{end}" in values]


def counts(data_set: str, *, pooled: bool = False) -> Arms:
    rows = table("strata", data_set)[["events", "n", "events_reference", "n_reference"]]
    return arms(*(rows.sum() if pooled else rows.to_numpy().T))


def shown(measure: Measure) -> list[float]:
    return [np.nan if number is None else number for number in (measure.value, measure.low, measure.high)]


@pytest.mark.parametrize("data_set", SETS)
def test_differences_without_strata_are_those_of_r(data_set: str) -> None:
    crude = counts(data_set, pooled=True)
    assert shown(newcombe_difference(crude, LEVEL)) == pytest.approx(expected(data_set, "newcombe"), abs=1e-6)
    for name, measure in MEASURES.items():
        assert shown(measure(crude, LEVEL)) == pytest.approx(expected(data_set, name), rel=1e-6, abs=1e-6)
    assert score(crude, -0.1) == pytest.approx(expected(data_set, "score_at_minus_0.1")[0], rel=1e-6)


@pytest.mark.parametrize("data_set", SETS)
def test_estimates_over_strata_are_those_of_metafor_and_of_the_score(data_set: str) -> None:
    for name, measure in MEASURES.items():
        wanted = expected(data_set, f"{name}_stratified")
        assert shown(measure(counts(data_set), LEVEL)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("data_set", ["trial", "small"])
def test_the_score_at_no_difference_is_the_cochran_mantel_haenszel_test(data_set: str) -> None:
    assert score(counts(data_set), 0) ** 2 == pytest.approx(expected(data_set, "cmh")[0], rel=1e-9)


@pytest.mark.parametrize("data_set", SETS)
def test_proportional_odds_and_their_check_are_those_of_r(data_set: str) -> None:
    rows = table("classes", data_set)
    fit = proportional_odds(rows["treated"].to_numpy(float), rows["reference"].to_numpy(float), LEVEL)
    assert shown(fit.odds_ratio) == pytest.approx(expected(data_set, "proportional_odds"), rel=1e-6)
    assert fit.statistic == pytest.approx(expected(data_set, "not_proportional")[0], abs=1e-6)
    assert fit.freedom == len(rows) - 2


@pytest.mark.parametrize("data_set", SETS)
def test_rates_and_their_ratio_have_the_exact_intervals_of_poisson_test(data_set: str) -> None:
    row = table("rates", data_set).iloc[0]
    events, events_reference = int(row["events"]), int(row["events_reference"])
    assert shown(rate(events, row["time"], LEVEL)) == pytest.approx(expected(data_set, "rate"), rel=1e-6)
    compared = rate_ratio(events, row["time"], events_reference, row["time_reference"], LEVEL)
    assert shown(compared) == pytest.approx(expected(data_set, "rate_ratio"), rel=1e-6)


@pytest.mark.parametrize("data_set", SETS)
def test_median_times_and_the_log_rank_test_are_those_of_survival(data_set: str) -> None:
    treated, reference = (
        TimeToEvent(rows["days"].to_numpy(float), rows["seen"].to_numpy(bool))
        for _, rows in sorted(table("times", data_set).groupby("arm"), reverse=True)
    )
    wanted = expected(data_set, "median")
    assert shown(treated.median(LEVEL)) == pytest.approx(wanted, abs=1e-6, nan_ok=True)
    p_value = chi2.sf(expected(data_set, "log_rank")[0], 1)
    assert log_rank(treated, reference).value == pytest.approx(p_value, rel=1e-6)
