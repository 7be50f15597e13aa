"""The simulated trial: reproducible, causal, inside the published figures, and silent about its own truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.checks.across_tables import cross_problems
from features.cohort import build_cohort
from features.contract.validation import validate
from features.documents.study import parse_study
from features.errors import UserError
from features.exposure import derived_exposure
from features.safety import EjectionFractionFall, ejection_fraction_falls
from models.rules.decisions import decisions
from models.rules.table import rule_table
from pipeline.project.configs import read_contract, read_eligibility, read_identifiers, read_regimens
from pipeline.project.files import read_yaml
from pipeline.project.rule_files import read_rules
from pipeline.simulation_checks.targets import (
    Target,
    TargetRange,
    by_patient,
    ctdna_calls,
    targets,
    targets_page,
    with_presurgery,
)
from pipeline.sources.simulation.settings import changed, read_rows, read_settings
from pipeline.sources.simulator import Simulated, simulate

CONFIGS = Path(__file__).parents[2] / "configs"
SETTINGS = read_settings(CONFIGS / "simulation.yaml", CONFIGS / "simulation")
RANGES = read_rows(CONFIGS / "simulation_targets.csv", TargetRange)
STUDY = read_yaml(CONFIGS / "studies" / "nct07239271.yaml")
FAILURES = ["death", "progression", "inoperable"]
SMALL = 400


@pytest.fixture(scope="module")
def cohort() -> Simulated:
    return simulate(with_presurgery(SETTINGS), 20_000, safety=False)


@pytest.fixture(scope="module")
def small() -> Simulated:
    return simulate(SETTINGS, SMALL)


@pytest.fixture(scope="module")
def checked(small: Simulated) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    contract = read_contract(CONFIGS / "contract")
    return validate(
        small.tables, contract, parse_study(STUDY).vocabulary, read_identifiers(CONFIGS / "identifiers.yaml")
    )


def test_the_same_seed_gives_identical_tables(small: Simulated) -> None:
    again = simulate(SETTINGS, SMALL)
    pd.testing.assert_frame_equal(again.truth, small.truth, check_exact=True)
    assert list(again.tables) == list(small.tables)
    for name, table in small.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table, check_exact=True)


def test_another_seed_gives_other_patients_of_the_same_centres(small: Simulated) -> None:
    other = simulate(changed(SETTINGS, seed=SETTINGS.seed + 1), SMALL)
    assert (other.truth["p_control"] != small.truth["p_control"]).all()
    pd.testing.assert_frame_equal(other.tables["sites"], small.tables["sites"])


def test_leaving_out_a_visit_leaves_all_other_tables_as_they_were(small: Simulated) -> None:
    settings = changed(SETTINGS, ctdna=changed(SETTINGS.ctdna, visits=["c1", "presurgery"]))
    more = simulate(settings, SMALL)
    for name in ("subjects", "labs", "lesions", "exposure", "adverse_events"):
        pd.testing.assert_frame_equal(more.tables[name], small.tables[name])
    pd.testing.assert_frame_equal(more.truth, small.truth)


def test_the_contract_has_nothing_to_say_against_the_tables(
    checked: tuple[dict[str, pd.DataFrame], pd.DataFrame],
) -> None:
    tables, problems = checked
    assert problems.empty, problems.to_string()
    assert set(read_contract(CONFIGS / "contract")) - set(tables) == {"biomarkers"}


def test_no_raw_table_holds_the_truth(cohort: Simulated) -> None:
    truth = cohort.truth.set_index("usubjid")
    assert {"p_control", "p_adaptive", "y_control", "y_adaptive"} < set(truth.columns)
    for name, table in cohort.tables.items():
        assert not set(truth.columns) & set(table.columns), name
        per_patient = (
            table.drop_duplicates("usubjid").set_index("usubjid") if "usubjid" in table else table[:0]
        )
        numbers = per_patient.select_dtypes("number").astype(float)
        for column in numbers.columns[numbers.std() > 0]:
            alike = truth.loc[numbers.index].corrwith(numbers[column]).abs()
            assert alike.max() < 0.95, (name, column, alike.idxmax())


def test_the_observed_outcome_is_the_potential_outcome_of_the_arm(cohort: Simulated) -> None:
    patients, truth = by_patient(cohort), cohort.truth.set_index("usubjid")
    adaptive = patients["arm"] == "ADAPTIVE"
    expected = truth["y_adaptive"].where(adaptive, truth["y_control"])
    known = patients["y"].notna()
    assert (patients.loc[known, "y"] == expected[known]).all()
    assert 0.02 < 1 - known.mean() < 0.04


def test_potential_outcomes_follow_their_probabilities(cohort: Simulated) -> None:
    for arm in ("control", "adaptive"):
        p, y = cohort.truth[f"p_{arm}"], cohort.truth[f"y_{arm}"]
        assert y.mean() == pytest.approx(p.mean(), abs=0.01)
        high = p > p.median()
        assert y[high].mean() == pytest.approx(p[high].mean(), abs=0.015)


def test_residual_cancer_burden_is_zero_only_in_pathological_complete_response(cohort: Simulated) -> None:
    scored = cohort.tables["surgery"].dropna(subset=["rcb_index"])
    pcr = scored["yp_t"].isin(["ypT0", "ypTis"]) & (scored["yp_n"] == "ypN0")
    assert ((scored["rcb_index"] == 0) == pcr).all()
    assert ((scored["rcb_class"] == "0") == pcr).all()


def test_every_published_figure_of_the_targets_is_met(cohort: Simulated) -> None:
    compared = targets(cohort, RANGES)
    assert len(compared) == len(RANGES) >= 40
    assert [target for target in compared if not target.holds] == []


def test_a_target_that_nothing_computes_is_refused_with_the_nearest_figure(cohort: Simulated) -> None:
    other = RANGES[0].model_copy(update={"figure": "pCR, controll arm"})
    with pytest.raises(UserError, match=r"pCR, controll arm .*pCR, control arm"):
        targets(cohort, [other, *RANGES[1:]])


def test_a_missed_target_is_shown_as_missed() -> None:
    page = targets_page([Target(RANGES[0], 0.7)], 10)
    assert "0 of 1 targets hold" in page
    assert "| pCR, control arm | 0.58 to 0.66 | 0.700 | NO |" in page


def test_the_targets_stand_on_the_page_as_measured() -> None:
    page = (CONFIGS.parent / "docs/simulation-targets.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    told = [(entry.figure, f"{entry.low:g} to {entry.high:g}", entry.source) for entry in RANGES]
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [(row[0], row[1], row[4]) for row in cells] == told
    assert {row[3] for row in cells} == {"yes"}


def test_patients_who_died_have_an_event_of_grade_5_and_nobody_else(cohort: Simulated) -> None:
    events, left = cohort.tables["adverse_events"], cohort.tables["disposition"]
    fatal = events.loc[events["grade"] == 5]
    assert fatal["usubjid"].is_unique
    assert set(fatal["usubjid"]) == set(left.loc[left["reason"] == "death", "usubjid"])
    assert set(fatal["action"]) == {"stop_treatment"}


def test_the_drugs_given_make_the_regimens_given_and_measurements_contradict_no_event(
    checked: tuple[dict[str, pd.DataFrame], pd.DataFrame],
) -> None:
    tables, _ = checked
    study, contract = parse_study(STUDY), read_contract(CONFIGS / "contract")
    regimens = read_regimens(CONFIGS / "regimens.yaml")
    problems = cross_problems(tables, contract, study.visits, regimens, study.regimens)
    assert set(problems["rule"].str.partition(":")[0]) <= {"target_too_small", "foci_differ_in_her2"}
    derived = derived_exposure(tables["drug_exposure"], regimens, study.regimens)
    same = ["usubjid", "cycle", "regimen", "start_date", "delay_days"]
    pd.testing.assert_frame_equal(derived[same], tables["exposure"][same])
    events = tables["adverse_events"]
    low = set(events.loc[events["term"] == "Ejection fraction decreased", "usubjid"])
    fell = ejection_fraction_falls(tables, EjectionFractionFall("LVEF", 10, 50))
    assert set(fell.index[fell]) <= low
    assert fell.any()


def test_tables_that_nobody_learns_from_can_be_left_out_and_change_no_other(small: Simulated) -> None:
    fewer = simulate(SETTINGS, SMALL, safety=False).tables
    assert set(small.tables) - set(fewer) == {"drug_exposure", "safety_measurements", "supportive_care"}
    for name, frame in fewer.items():
        pd.testing.assert_frame_equal(frame, small.tables[name])


def test_later_patients_have_another_assay_and_fewer_complete_responses(cohort: Simulated) -> None:
    samples = cohort.tables["ctdna_samples"]
    first = samples.loc[(samples["visit"] == "baseline") & samples["assay_id"].notna()]
    day = first["usubjid"].map(cohort.tables["subjects"].set_index("usubjid")["rand_date"])
    change = pd.Timestamp(SETTINGS.cohort.first_day) + pd.Timedelta(days=SETTINGS.drift.assay_change.day)
    assert (day[first["assay_id"] == "panel_a"] < change).all()
    assert (day[first["assay_id"] == "panel_a2"] >= change).all()
    steady = changed(
        SETTINGS, drift=changed(SETTINGS.drift, per_year=dict.fromkeys(SETTINGS.drift.per_year, 0.0))
    )
    late = cohort.truth["p_control"].iloc[-5_000:].mean()
    assert late < simulate(steady, 20_000, safety=False).truth["p_control"].iloc[-5_000:].mean() - 0.04


def test_outcomes_are_missing_at_random_only_where_the_setting_says_so() -> None:
    often = changed(SETTINGS.fate, consent_withdrawn=0.2, lost=0.1)
    rates = {}
    for shift in (0.0, 1.0):
        fate = changed(often, leaving_if_residual=shift)
        made = simulate(changed(SETTINGS, fate=fate), 5_000, safety=False)
        patients, truth = by_patient(made), made.truth
        missing, adaptive = patients["y"].isna().to_numpy(), patients["arm"].to_numpy() == "ADAPTIVE"
        y, p = (
            truth[f"{name}_adaptive{end}"].where(adaptive, truth[f"{name}_control{end}"])
            for name, end in (("y", ""), ("p", "_given_fate"))
        )
        missing, y = missing[p > 0], y[p > 0]
        rates[shift] = missing[y == 0].mean() - missing[y == 1].mean()
    assert abs(rates[0.0]) < 0.03
    assert rates[1.0] > 0.1


def test_response_agrees_with_the_lesions(cohort: Simulated) -> None:
    recorded = cohort.tables["response"].set_index(["usubjid", "visit", "reader"]).sort_index()
    expected = recist(cohort.tables["lesions"])
    assert (recorded["overall"].loc[expected.index] == expected).all()
    assert len(expected) == recorded["overall"].isin(["CR", "PR", "SD", "PD"]).sum()


def recist(lesions: pd.DataFrame) -> pd.Series:
    """RECIST 1.1 from the rows of the lesions alone, where a scan can be compared with the first."""
    rows = lesions.loc[lesions["status"] == "done"]
    key = ["usubjid", "reader", "visit"]
    node = rows["axis"] == "short"
    rows = rows.assign(
        target_mm=rows["diameter_mm"].where(rows["target"] == "target", 0.0),
        left=np.where(node, rows["diameter_mm"] >= 10, rows["diameter_mm"] > 0),
        is_new=rows["target"] == "new",
    )
    scans = rows.groupby(key).agg(
        total=("target_mm", "sum"), left=("left", "any"), new=("is_new", "any"), method=("method", "first")
    )
    first = scans.xs("baseline", level="visit")
    answers = []
    for visit, earlier in (("c2", []), ("c4", ["c2"])):
        now = scans.xs(visit, level="visit").join(first.add_suffix("_first"), how="inner")
        now = now.loc[now["method"] == now["method_first"]]
        nadir = now["total_first"]
        for before in earlier:
            seen = scans.xs(before, level="visit").join(first["method"].rename("method_first"))
            seen = seen.loc[seen["method"] == seen["method_first"], "total"].reindex(now.index)
            nadir = np.fmin(nadir, seen)
        growth = now["total"] - nadir
        progressed = now["new"] | ((growth >= 5) & (growth >= 0.2 * nadir - 1e-9))
        shrunk = now["total"] <= 0.7 * now["total_first"] + 1e-9
        answer = np.select([progressed, ~now["left"], shrunk], ["PD", "CR", "PR"], "SD")
        answers.append(pd.DataFrame({"overall": answer, "visit": visit}, index=now.index))
    bound = pd.concat(answers).reset_index().set_index(["usubjid", "visit", "reader"]).sort_index()
    return bound["overall"]


def test_treatment_follows_the_rules_or_says_why_not(
    checked: tuple[dict[str, pd.DataFrame], pd.DataFrame],
) -> None:
    tables, _ = checked
    cohort = build_cohort(
        tables, parse_study(STUDY), read_eligibility(CONFIGS / "eligibility" / "nct07239271.yaml")
    ).frame
    document = read_rules(CONFIGS / "rules" / "nct07239271.yaml", CONFIGS / "rules" / "pam_genes.csv")
    answers = decisions(tables, cohort, rule_table(document))
    decided = answers.loc[(answers["arm"] == "ADAPTIVE") & answers["node"].isin(["c2", "c4"])]
    decided = decided.loc[decided["regimen_after"].notna() & decided["at_risk"]]
    unanswered = decided["status"] == "indeterminate"
    followed = [
        g in str(r).split("|") for g, r in zip(decided["regimen_after"], decided["regimen"], strict=True)
    ]
    assert (decided["change_reason"].isna() == (np.array(followed) & ~unanswered)).all()
    assert 0.9 < np.mean(np.array(followed)[~unanswered]) < 1.0


def test_the_literal_reading_of_r4_concerns_as_many_as_expected(cohort: Simulated) -> None:
    called = ctdna_calls(cohort)
    variants = cohort.tables["ctdna_variants"]
    genes = pd.read_csv(CONFIGS / "rules" / "pam_genes.csv").query("set == 'core'")["gene"]
    mutated = variants["gene"].isin(genes) & (variants["origin"] == "tumor") & (variants["pathogenic"] == "Y")
    in_plasma = called.index + "-P-baseline"
    only_before = (called["baseline"] == "detected") & (called["c1"] != "detected")
    literal = only_before & in_plasma.isin(variants.loc[mutated, "sample_id"])
    assert 0.07 < literal.mean() < 0.24


@pytest.mark.parametrize("domain", ["ctdna", "imaging"])
def test_a_domain_not_planned_for_the_control_arm_has_no_results_there(domain: str, small: Simulated) -> None:
    simulated = simulate(changed(SETTINGS, **{f"control_{domain}": "not_planned"}), SMALL)
    subjects = simulated.tables["subjects"].set_index("usubjid")
    control = subjects.index[subjects["arm"] == "CONTROL_TCBHP"]
    samples = simulated.tables["ctdna_samples"]
    mine = samples.loc[samples["usubjid"].isin(control)]
    lesions = simulated.tables["lesions"]["usubjid"].isin(control)
    if domain == "ctdna":
        assert len(mine) == len(small.tables["ctdna_samples"]["usubjid"].loc[lambda u: u.isin(control)])
        assert (mine["planned"] == "N").all()
        assert (mine["qc"] == "not_done").all()
        assert (mine["result"] == "not_evaluable").all()
        assert mine[["draw_date", "report_date", "mean_vaf", "lod_vaf", "assay_id"]].isna().all(axis=None)
        assert not simulated.tables["ctdna_variants"]["sample_id"].isin(mine["sample_id"]).any()
        assert lesions.any()
    else:
        assert not lesions.any()
        assert not simulated.tables["response"]["usubjid"].isin(control).any()
        assert not simulated.tables["imaging_features"]["usubjid"].isin(control).any()
        assert (mine["planned"] == "Y").all()
    pd.testing.assert_frame_equal(simulated.truth, small.truth)


def test_every_state_of_a_plasma_sample_occurs(cohort: Simulated) -> None:
    samples = cohort.tables["ctdna_samples"]
    detected = samples["result"] == "detected"
    below = detected & (samples["mean_vaf"] < samples["lod_vaf"])
    assert set(samples["qc"]) == {"pass", "fail", "not_done"}
    assert set(samples["assay_type"].dropna()) == {"fixed_panel", "tumor_informed"}
    for state in (below, detected & ~below, samples["result"] == "not_detected"):
        assert 0.01 < state.mean() < 0.9
    courses = set(zip(*(ctdna_calls(cohort)[v] for v in ("baseline", "c1")), strict=True))
    assert {(a, b) for a in ("detected", "not_detected") for b in ("detected", "not_detected")} <= courses


def test_variants_of_every_origin_are_called_and_some_stay_of_unknown_origin(cohort: Simulated) -> None:
    variants = cohort.tables["ctdna_variants"]
    assert set(variants["origin"]) == {"tumor", "ch", "germline", "unknown"}
    assert variants.loc[variants["origin"] == "unknown", "wbc_vaf"].isna().all()
    assert set(variants["in_tissue"]) == {"Y", "N", "not_tested"}
    np.testing.assert_allclose(variants["vaf"], variants["t_alt_count"] / variants["t_depth"])


def test_a_sample_not_taken_has_its_row_and_nothing_else(cohort: Simulated) -> None:
    samples = cohort.tables["ctdna_samples"]
    not_taken = samples.loc[samples["qc"] == "not_done"]
    named = ["sample_id", "usubjid", "visit", "planned", "qc", "result"]
    assert not_taken.drop(columns=named).isna().all(axis=None)
    assert (not_taken["result"] == "not_evaluable").all()


@pytest.mark.parametrize(("table", "visit", "cycle"), [("ctdna_samples", "c1", 2), ("lesions", "c2", 3)])
def test_a_few_results_arrive_after_the_decision(
    table: str, visit: str, cycle: int, cohort: Simulated
) -> None:
    exposure = cohort.tables["exposure"]
    decision = exposure.loc[exposure["cycle"] == cycle].set_index("usubjid")["start_date"]
    rows = cohort.tables[table]
    rows = rows.loc[rows["visit"] == visit].drop_duplicates("usubjid").set_index("usubjid")
    late = (rows["report_date"] > decision.reindex(rows.index))[rows["report_date"].notna()]
    assert 0.01 < late.mean() < 0.15


def test_missing_scans_depend_on_the_centre(cohort: Simulated) -> None:
    lesions = cohort.tables["lesions"]
    rows = lesions.loc[lesions["visit"] == "c2"].drop_duplicates("usubjid")
    site = rows["usubjid"].map(cohort.tables["subjects"].set_index("usubjid")["siteid"])
    missing = rows["status"] == "not_done"
    by_site = missing.groupby(site).agg(["mean", "size"])
    variance = missing.mean() * (1 - missing.mean()) / by_site["size"]
    assert ((by_site["mean"] - missing.mean()) ** 2 / variance).mean() > 2.5, "no more than chance (1.0)"


def test_eligibility_is_violated_by_a_few_and_recorded_for_most(cohort: Simulated) -> None:
    subjects = cohort.tables["subjects"]
    old = subjects.loc[subjects["age_years"] >= 71, "usubjid"]
    assert 0 < len(old) / len(subjects) < 0.01
    deviations = cohort.tables["deviations"]
    assert set(deviations["category"]) == {"eligibility", "regimen", "sample", "visit"}
    assert old.isin(deviations.loc[deviations["category"] == "eligibility", "usubjid"]).all()


def test_settings_without_a_visit_that_the_rules_need_are_refused() -> None:
    with pytest.raises(ValueError, match=r"imaging\.visits: the rules need c4"):
        changed(SETTINGS, imaging=changed(SETTINGS.imaging, visits=["c2"]))
    with pytest.raises(ValueError, match="'collected' or 'not_planned'"):
        changed(SETTINGS, control_ctdna="none")


def test_one_patient_can_be_simulated() -> None:
    tables = simulate(SETTINGS, 1).tables
    assert len(tables["subjects"]) == 1
