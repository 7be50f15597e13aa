"""Twelve patients made by hand, from raw files to branch, eligibility, outcome and served answer."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from features.contract.specification import Contract
from features.study import Study, parse_study
from models.packaging.served_eligibility import served_eligibility
from models.procedure.response_model import ResponseModel
from models.rules.branch_table import branch_table
from models.rules.decisions import decisions
from models.rules.table import BRANCH, INPUT, rule_table
from models.serving.serving import PcrModel
from pipeline.commands.score import with_eligibility
from pipeline.project.configs import read_identifiers
from pipeline.project.files import read_yaml
from pipeline.sources.ingest import Ingested, ingest
from pipeline.sources.prepare import PreparedTables, prepare, read_preparation
from tests.models.rule_tables import CORE, DRAWS, SCANS, STARTS
from tests.patients import SETTINGS, feature

CONFIGS = Path(__file__).parents[2] / "configs"
PANEL = f"{CORE};TP53"
LINE = ["baseline", "c1", "c2"]
Rows = list[dict[str, Any]]


class Expected(NamedTuple):
    """What a clinician says: branch at C2, eligible, outcome, status served, and the criterion if any."""

    branch: str
    eligible: bool
    outcome: float | None
    served: str
    criterion: str = ""


PATIENTS: dict[str, tuple[dict[str, Any], Expected]] = {
    "usual": ({}, Expected("R1", True, 1, "ok")),
    "her2_group_2": (
        {"pathology": {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 2.3, "her2_copies": 3.5}},
        Expected("R1", False, 1, "ineligible", "her2_positive"),
    ),
    "ihc_1": ({"pathology": {"her2_ihc": "1+"}}, Expected("R1", False, 1, "ineligible", "her2_positive")),
    "stage_iv": (
        {"subjects": {"cm": "M1", "stage": "IV"}},
        Expected("R1", False, 1, "ineligible", "no_metastasis"),
    ),
    "ecog_2": ({"subjects": {"ecog": 2}}, Expected("R1", False, 1, "ineligible", "ecog")),
    "age_85": ({"subjects": {"age_years": 85}}, Expected("R1", False, 1, "ineligible", "age")),
    "growing_nontarget": ({"progressed": "Y"}, Expected("R2", True, 1, "ok")),
    "missed_target": (
        {"breast_at_c2": 84, "node_at_c2": None, "recorded": "NE", "surgery": {"yp_t": "ypT2"}},
        Expected("R2", True, 0, "ok"),
    ),
    "germline_pten": (
        {"ctdna": "detected", "variant": ("PTEN", "p.R335*", "germline")},
        Expected("R3", True, 1, "ok"),
    ),
    "tested_without_variants": (
        {"ctdna": "detected", "tissue": {"pten_ihc": "retained"}},
        Expected("R3", True, 1, "ok"),
    ),
    "pten_lost_by_ihc": (
        {"ctdna": "detected", "tissue": {"pten_ihc": "lost"}},
        Expected("R3", True, 1, "ok"),
    ),
    "t2_of_80_mm": ({"subjects": {"tumour_size_mm": 80}}, Expected("R1", True, 1, "ok")),
    "positive_node_before": (
        {"subjects": {"pre_nat_slnb": "positive"}, "surgery": {"yp_t": "ypT1"}},
        Expected("R1", True, None, "ok"),
    ),
}
IDS = {name: f"T-{number:02d}" for number, name in enumerate(PATIENTS)}


def records(name: str, story: dict[str, Any]) -> dict[str, Rows]:
    """Return the rows of a patient in every raw table."""
    who = {"usubjid": IDS[name]}
    subject = {
        "arm": "ADAPTIVE", "siteid": "S1", "consent_date": "2026-01-02", "rand_date": "2026-01-05",
        "sex": "F", "age_years": 50, "menopause": "post", "ecog": 0, "ct": "T2", "cn": "N1", "cm": "M0",
        "stage": "II", "tumour_size_mm": 40, "bilateral": "N", "multifocal": "N", "pre_nat_slnb": "none",
    }  # fmt: skip
    biopsy = {"her2_ihc": "3+", "er_pct": 90, "pr_pct": 10, "ki67_pct": 30, "invasive": "Y"}
    surgery = {"performed": "Y", "surgery_date": "2026-06-01", "yp_t": "ypT0", "yp_n": "ypN0"}
    samples: Rows = [
        {"sample_id": f"{IDS[name]}-{visit}", "visit": visit, "planned": "Y", "draw_date": day, "qc": "pass",
         "assay_type": "fixed_panel", "panel_genes": PANEL, "lod_vaf": 0.001,
         "mean_vaf": 0.02 if "ctdna" in story else 0, "result": story.get("ctdna", "not_detected")}
        for visit, day in DRAWS.items()
    ]  # fmt: skip
    scan = {"method": "MRI", "reader": "INVESTIGATOR"}
    sizes = {
        "baseline": (50, 20, 12),
        "c2": (
            story.get("breast_at_c2", 20),
            story.get("node_at_c2", 15),
            20 if "progressed" in story else 9,
        ),
    }
    lesions: Rows = [
        scan | {"visit": visit, "scan_date": day, "lesion_id": f"L{k}", "site": site, "axis": axis,
                "target": "nontarget" if k == 3 else "target", "diameter_mm": sizes[visit][k - 1],
                "status": "not_evaluable" if sizes[visit][k - 1] is None else "done",
                "progressed": story.get("progressed") if k == 3 and visit == "c2" else None}
        for visit, day in {"baseline": "2026-01-06", "c2": SCANS["c2"]}.items()
        for k, site, axis in ((1, "breast", "longest"), (2, "axillary", "short"), (3, "axillary", "short"))
    ]  # fmt: skip
    recorded = {"visit": "c2", "overall": story.get("recorded", "PR"), "assessment_date": SCANS["c2"]}
    tissue = {"sample_id": "B", "status": "done", "qc": "pass", "panel_genes": PANEL}
    gene, change, origin = story.get("variant", ("TP53", "p.R175H", "tumor"))
    call = {"gene": gene, "hgvsp": change, "classification": "Missense_Mutation", "vaf": 0.02}
    call |= {"origin": origin, "pathogenic": "Y"}
    rows: dict[str, Rows] = {
        "subjects": [subject | story.get("subjects", {})],
        "pathology": [biopsy | story.get("pathology", {})],
        "surgery": [surgery | story.get("surgery", {})],
        "ctdna_samples": samples,
        "lesions": lesions,
        "response": [scan | recorded],
        "exposure": [{"cycle": c, "regimen": "NAB_PHP", "start_date": day} for c, day in STARTS.items()],
        "tissue_samples": [tissue | story["tissue"]] if "tissue" in story else [],
        "ctdna_variants": [call | {"sample_id": s["sample_id"]} for s in samples if "ctdna" in story],
    }
    return {
        name: [row if name == "ctdna_variants" else who | row for row in each] for name, each in rows.items()
    }


def study(tables: dict[str, Rows], contract: Contract, **outcome: str) -> Study:
    """Return the trial's study file with files whose columns are named as the contract names them."""
    document = read_yaml(CONFIGS / "studies/nct07239271.yaml")
    files = {name: {"path": f"{name}.csv", "id": {"column": "usubjid"}} for name in tables}
    files["ctdna_variants"] = {"path": "ctdna_variants.csv"}
    columns = {
        name: {c: c for c in contract[name].columns if c != "usubjid" and any(c in row for row in rows)}
        for name, rows in tables.items()
    }
    blocks = {name: [{"file": name, "columns": of_table}] for name, of_table in columns.items()}
    mapping = {"patients": "subjects", "files": files, "tables": blocks}
    changes = {"simulated": False, "simulations": [], "response_counts": "lesions", "mapping": mapping}
    return parse_study(document | changes | {"outcome": document["outcome"] | outcome})


class Line(NamedTuple):
    """The patients after all steps: what was read, prepared and served."""

    raw: Ingested
    prepared: PreparedTables
    served: pd.DataFrame


@cache
def followed(folder: Path, node_removed_before: str = "missing") -> Line:
    """Write the raw files, and take the patients through every step."""
    tables: dict[str, Rows] = {}
    for name, (story, _) in PATIENTS.items():
        for table, rows in records(name, story).items():
            tables.setdefault(table, []).extend(rows)
    for table, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{table}.csv", index=False)
    contract = read_preparation(
        parse_study(read_yaml(CONFIGS / "studies/nct07239271.yaml")), CONFIGS
    ).contract
    by = read_preparation(study(tables, contract, node_removed_before=node_removed_before), CONFIGS)
    raw = ingest(by.study, folder, by.contract, read_identifiers(CONFIGS / "identifiers.yaml"), by.rules)
    prepared = prepare(raw.tables, by)
    model = served_model(prepared)
    known = prepared.rows("c2").drop(columns=BRANCH)
    known = with_eligibility(known, prepared.tables, model, "baseline")
    answers = model.predict(known.drop(columns="usubjid")).set_axis(known["usubjid"])
    return Line(raw, prepared, answers)


def served_model(prepared: PreparedTables) -> PcrModel:
    """Return a model of made-up patients that serves the trial's eligibility and rules."""
    rng, n = np.random.default_rng(1), 120
    features = [feature("arm", ["CONTROL_TCBHP", "ADAPTIVE"]), feature("tumour_size_mm", low=1.0, high=250.0)]
    rows = pd.DataFrame({"arm": rng.choice(["CONTROL_TCBHP", "ADAPTIVE"], n)})
    rows["tumour_size_mm"] = rng.normal(40, 15, n).clip(10, 120)
    y = (rng.random(n) < 0.6).astype(float)
    fitted = ResponseModel(features, SETTINGS, inner_folds=3, seed=1).fit(rows, y)
    part = {
        "required": ["arm"],
        "eligibility": served_eligibility(prepared.by.eligibility, prepared.by.contract),
        "rules": branch_table(prepared.rules, LINE, INPUT),
    }
    document = fitted.documents_["logistic"] | {"landmark": "c2", "serving": part}
    return PcrModel(json.loads(json.dumps(document)), version="abc")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("twelve"))


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_is_told_from_raw_files_to_served_answer_as_a_clinician_would(
    line: Line, name: str
) -> None:
    patient, expected = IDS[name], PATIENTS[name][1]
    decided = line.prepared.decided.set_index(["usubjid", "node"]).loc[(patient, "c2")]
    cohort = line.prepared.cohort.frame.set_index("usubjid").loc[patient]
    served = line.served.loc[patient]
    outcome = None if pd.isna(cohort["outcome"]) else cohort["outcome"]
    told = decided["branch"], bool(cohort["eligible"]), outcome, served["status"]
    assert told == expected[:4]
    assert pd.isna(served["pcr_probability"]) == (expected.served == "ineligible")
    if expected.criterion:
        assert f"eligibility, {expected.criterion}: " in served["reasons"]
        assert line.prepared.cohort.criteria.loc[patient, expected.criterion] == "violated"
        assert served["protocol_branch"] is None
    else:
        assert served["protocol_branch"] == expected.branch


def test_what_contradicts_itself_is_named_and_nothing_else(line: Line) -> None:
    problems = line.raw.problems
    said = {(rule.split(":")[0], ids) for rule, ids in zip(problems["rule"], problems["ids"], strict=True)}
    assert ("t_contradicts_size", IDS["t2_of_80_mm"]) in said
    assert ("ish_contradicts_ratio_and_copies", IDS["her2_group_2"]) in said
    both = f"{IDS['growing_nontarget']}; {IDS['missed_target']}"
    assert ("lesions_count", both) in said
    assert len(said) == 3


def test_pten_lost_by_ihc_counts_where_the_reading_looks_at_tissue(line: Line) -> None:
    tables, cohort = line.prepared.tables, line.prepared.cohort.frame

    for source, branch in {"tissue": "R4", "either": "R4", "plasma": "R3"}.items():
        rules = rule_table(line.prepared.by.rules, {"pam_source": source})
        found = decisions(tables, cohort, rules).set_index(["usubjid", "node"])["branch"]
        assert found[(IDS["pten_lost_by_ihc"], "c2")] == branch
        assert found[(IDS["tested_without_variants"], "c2")] == "R3"


def test_residual_disease_after_a_removed_node_is_no_pcr_by_setting(tmp_path: Path) -> None:
    frame = followed(tmp_path, "residual_is_failure").prepared.cohort.frame.set_index("usubjid")
    assert frame.loc[IDS["positive_node_before"], "outcome"] == 0
    assert frame.loc[IDS["positive_node_before"], "outcome_status"] == "observed"
