"""Toxicity, doses, tests on treatment and prophylaxis of the simulated trial."""

import numpy as np
import pandas as pd
import pytest

from pipeline.simulation_checks.joint_figures import (
    case_mix_figures,
    end_figures,
    odds_ratio,
    toxicity_figures,
)
from pipeline.sources.simulation import safety_records
from pipeline.sources.simulation.course import World
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.settings import Settings, changed
from pipeline.sources.simulation.toxicity import cycle_hazards, worst_grades
from pipeline.sources.simulator import Simulated


def test_a_course_gives_the_shares_of_the_table_whatever_the_frailty(settings: Settings) -> None:
    entry, names = settings.toxicity, list(settings.regimens)
    hazards = cycle_hazards(entry, names)["severe"]
    z = np.exp(entry.frailty_sd * np.random.default_rng(1).standard_normal(200_000) - entry.frailty_sd**2 / 2)
    for term in ("Diarrhoea", "Peripheral sensory neuropathy"):
        course = entry.course_cycles * hazards[names.index("NAB_PHP"), list(entry.terms).index(term)]
        assert (1 - np.exp(-course * z)).mean() == pytest.approx(
            entry.terms[term].severe["NAB_PHP"], abs=0.004
        )


def test_grades_stay_within_those_of_the_term_and_diarrhoea_comes_with_the_first_cycle(
    settings: Settings, world: World
) -> None:
    n, terms = len(world.people["age"]), settings.toxicity.terms
    pyrotinib = np.full(n, list(settings.regimens).index("PYROHT"))
    first, second = (
        worst_grades(pyrotinib, np.full(n, number), world.people, settings, Streams(number))
        for number in (0, 1)
    )
    for index, term in enumerate(terms.values()):
        grades = set(np.unique(first[:, index])) - {0}
        assert all(term.lowest_grade <= grade <= term.highest_grade for grade in grades), term.term
    diarrhoea = list(terms).index("Diarrhoea")
    assert (first[:, diarrhoea] >= 3).mean() > 1.5 * (second[:, diarrhoea] >= 3).mean()


def given(settings: Settings, n: int, regimen: str, dose: float = 1.0) -> dict[str, np.ndarray]:
    """Two cycles of one regimen for n patients."""
    shape = (n, 2)
    return {
        "kept": np.ones(shape, dtype=bool), "dose": np.full(shape, dose),
        "regimen": np.full(shape, list(settings.regimens).index(regimen)),
        "start": np.tile([10, 31], (n, 1)), "delay": np.zeros(shape, dtype=int),
        "severity": np.zeros((*shape, len(settings.toxicity.terms)), dtype=int),
    }  # fmt: skip


def test_chemotherapy_is_reduced_antibodies_are_not_and_the_first_dose_is_the_loading_dose(
    settings: Settings,
) -> None:
    people = {"age": np.zeros(1), "usubjid": np.array(["P1"], dtype=object)}
    drugs = safety_records.drug_exposure_table(
        people, given(settings, 1, "NAB_PHP", 0.8), settings, Streams(1)
    )
    of_drug = drugs.groupby(["drug", "cycle"])["dose_given"].agg(["size", "first"])
    assert of_drug.loc[("nab-paclitaxel", 1)].tolist() == [3, 100.0]
    assert of_drug["first"][[("trastuzumab", 1), ("trastuzumab", 2)]].tolist() == [8.0, 6.0]
    assert of_drug["first"][[("pertuzumab", 1), ("pertuzumab", 2)]].tolist() == [840.0, 420.0]
    assert set(drugs.loc[drugs["drug"] == "nab-paclitaxel", "modification"]) == {"reduced"}


def test_a_patient_gets_one_conjugate_throughout(settings: Settings) -> None:
    people = {"age": np.zeros(400), "usubjid": np.array([f"P{i:03}" for i in range(400)], dtype=object)}
    drugs = safety_records.drug_exposure_table(people, given(settings, 400, "ADC"), settings, Streams(1))
    assert len(drugs[["usubjid", "drug"]].drop_duplicates()) == 400
    assert (drugs["drug"] == "trastuzumab rezetecan").mean() == pytest.approx(0.6, abs=0.08)


def test_prophylaxis_begins_with_the_first_cycle_of_its_regimen(settings: Settings) -> None:
    people = {"age": np.zeros(400), "usubjid": np.array([f"P{i:03}" for i in range(400)], dtype=object)}
    care = safety_records.supportive_care_table(people, given(settings, 400, "PYROHT"), settings, Streams(1))
    assert set(care["cycle"]) == {1}
    assert not care.duplicated(["usubjid", "care_id"]).any()
    loperamide = (care["drug"] == "loperamide").sum() / 400
    assert loperamide == pytest.approx(0.5, abs=0.08)


def test_joint_figures_are_counts_of_the_tables() -> None:
    patients = pd.DataFrame(
        {
            "her2": "pos", "her2_ihc": ["3+", "3+", "2+", "3+"], "her2_cep17": [5.0, 1.5, 2.5, None],
            "cn": ["N0", "N1", "N2", "N3"], "age_years": [40, 50, 60, 70], "er_pct": [0.0, 5.0, 50.0, 90.0],
            "ki67_pct": [60.0, 40.0, 30.0, 10.0], "grade": [3, 3, 2, 2], "hr": ["neg", "pos", "pos", "pos"],
            "tumour_size_mm": [25.0, 30.0, 40.0, 60.0],
        }
    )  # fmt: skip
    found = case_mix_figures(patients)
    assert found["HER2 ratio below 2, of those positive and with ISH"] == pytest.approx(1 / 3)
    assert found["ER 1 to 10 %"] == 0.25
    assert found["rank correlation of age and ER"] == pytest.approx(1.0)
    assert found["rank correlation of size and nodes"] == pytest.approx(1.0)
    assert odds_ratio(0.5, 0.25) == pytest.approx(3.0)


def test_toxicity_and_surgery_are_counted_by_patient() -> None:
    day = pd.to_datetime
    events = pd.DataFrame(
        {
            "usubjid": ["A", "A", "C"], "term": ["Nausea", "Nausea", "Diarrhoea"], "grade": [3, 3, 3],
            "start_date": day(["2026-01-02", "2026-02-02", "2026-03-04"]),
        }
    )  # fmt: skip
    exposure = pd.DataFrame(
        {
            "usubjid": ["A", "B", "C", "D"], "regimen": ["NAB_PHP", "NAB_PHP", "PYROHT", "TCBHP"],
            "start_date": day(["2026-01-01", "2026-01-01", "2026-03-01", "2026-01-01"]),
        }
    )  # fmt: skip
    surgery = pd.DataFrame({"rcb_class": ["I", "0", None], "yp_n": ["ypN0i+", "ypN0", "ypN1"]})
    simulated = Simulated(
        {"exposure": exposure, "adverse_events": events, "surgery": surgery}, pd.DataFrame()
    )
    found = toxicity_figures(simulated)
    assert found["nausea of grade 3, nab-PHP"] == 0.5
    assert found["day of the first diarrhoea of grade 3 or more, pyrotinib, median"] == 4
    end = end_figures(simulated, pd.Series([1.0, None, 0.0, 1.0]))
    assert list(end.values()) == [0.5, 0.5, 0.25]


def test_laboratories_change_their_assay_for_one_that_is_known(settings: Settings, world: World) -> None:
    assert set(np.unique(world.people["assay"])) == {"panel_a", "panel_a2", "panel_b", "informed_c"}
    with pytest.raises(ValueError, match=r"drift\.assay_change: panel_z is unknown"):
        change = changed(settings.drift.assay_change, replaced_by={"panel_z": "panel_b"})
        changed(settings, drift=changed(settings.drift, assay_change=change))
