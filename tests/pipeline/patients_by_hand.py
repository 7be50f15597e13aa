"""Patients made by hand: their raw files, and how they are taken through every step to a served answer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.contract.specification import Contract
from features.documents.branch import BRANCH
from features.documents.study import Study, parse_study
from models.packaging.served_eligibility import served_eligibility
from models.procedure.response_model import ResponseModel
from models.rules.branch_table import branch_table
from models.rules.decisions import decisions
from models.rules.table import INPUT, rule_table
from models.serving.serving import PcrModel
from models.serving.serving import told as in_words
from pipeline.commands.scored_tables import with_eligibility
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
Story = dict[str, Any]


class Expected(NamedTuple):
    """What a clinician says: branch at C2, eligible, outcome, status served, and the criterion if any."""

    branch: str
    eligible: bool
    outcome: float | None
    served: str
    criterion: str = ""


def breast(diameter: float | None, name: str = "L1", **more: Any) -> tuple[Any, ...]:
    """Return a target lesion of the breast."""
    return name, "target", "breast", "longest", diameter, more


def node(diameter: float | None, name: str = "L2", target: str = "target", **more: Any) -> tuple[Any, ...]:
    """Return an axillary node."""
    return name, target, "axillary", "short", diameter, more


def call(gene: str, change: str, origin: str = "tumor", **more: Any) -> dict[str, Any]:
    """Return a variant that was called."""
    return {"gene": gene, "hgvsp": change, "origin": origin} | more


def ids_of(patients: Mapping[str, Any]) -> dict[str, str]:
    """Return a pseudonymous id for each patient."""
    return {name: f"T-{number:02d}" for number, name in enumerate(patients)}


def records(patient: str, story: Story) -> dict[str, Rows]:
    """Return the rows of a patient in every raw table; a story says what differs from the usual patient.

    `targets`: visit -> lesions, each (id, target, site, axis, diameter or None, further columns), in place of
    the usual ones. `variants`: those of both plasma samples. `samples`: visit -> columns. `more`: table ->
    rows.
    """
    who = {"usubjid": patient}
    subject = {
        "arm": "ADAPTIVE", "siteid": "S1", "consent_date": "2026-01-02", "rand_date": "2026-01-05",
        "sex": "F", "age_years": 50, "menopause": "post", "ecog": 0, "ct": "T2", "cn": "N1", "cm": "M0",
        "stage": "II", "tumour_size_mm": 40, "bilateral": "N", "multifocal": "N", "pre_nat_slnb": "none",
    }  # fmt: skip
    biopsy = {"her2_ihc": "3+", "er_pct": 90, "pr_pct": 10, "ki67_pct": 30, "invasive": "Y"}
    surgery = {"performed": "Y", "surgery_date": "2026-06-01", "yp_t": "ypT0", "yp_n": "ypN0"}
    samples: Rows = [
        {"sample_id": f"{patient}-{visit}", "visit": visit, "planned": "Y", "draw_date": day, "qc": "pass",
         "assay_type": "fixed_panel", "panel_genes": PANEL, "lod_vaf": 0.001,
         "mean_vaf": 0.02 if "ctdna" in story else 0, "result": story.get("ctdna", "not_detected")}
        | story.get("samples", {}).get(visit, {})
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
    if "targets" in story:
        days = {"baseline": "2026-01-06", "c2": SCANS["c2"]}
        names = ("lesion_id", "target", "site", "axis", "diameter_mm")
        lesions = [
            scan
            | {"visit": visit, "scan_date": days[visit], "status": "done"}
            | dict(zip(names, lesion[:5], strict=True))
            | (lesion[5] if len(lesion) > 5 else {})
            for visit, found in story["targets"].items()
            for lesion in found
        ]  # fmt: skip
    recorded = {"visit": "c2", "overall": story.get("recorded", "PR"), "assessment_date": SCANS["c2"]}
    tissue = {"sample_id": "B", "status": "done", "qc": "pass", "panel_genes": PANEL}
    gene, change, origin = story.get("variant", ("TP53", "p.R175H", "tumor"))
    calls = story.get("variants", [{"gene": gene, "hgvsp": change, "origin": origin}])
    usual = {"classification": "Missense_Mutation", "vaf": 0.02, "pathogenic": "Y"}
    rows: dict[str, Rows] = {
        "subjects": [subject | story.get("subjects", {})],
        "pathology": [biopsy | story.get("pathology", {})],
        "surgery": [surgery | story.get("surgery", {})],
        "ctdna_samples": samples,
        "lesions": lesions,
        "response": [scan | recorded],
        "exposure": [{"cycle": c, "regimen": "NAB_PHP", "start_date": day} for c, day in STARTS.items()],
        "tissue_samples": [tissue | story["tissue"]] if "tissue" in story else [],
        "ctdna_variants": [
            usual | _class_of(call) | call | {"sample_id": s["sample_id"]}
            for s in samples
            for call in (calls if {"ctdna", "variants"} & set(story) else [])
        ],
    } | story.get("more", {})
    return {
        name: [row if name == "ctdna_variants" else who | row for row in each] for name, each in rows.items()
    }


def _class_of(variant: dict[str, Any]) -> dict[str, Any]:
    """Return the class that fits a variant's protein change."""
    stops = str(variant["hgvsp"]).endswith("*")
    return {"classification": "Nonsense_Mutation" if stops else "Missense_Mutation"}


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


def followed(
    folder: Path, patients: Mapping[str, tuple[Story, Expected]], node_removed_before: str = "missing"
) -> Line:
    """Write the raw files, and take the patients through every step."""
    tables: dict[str, Rows] = {}
    for name, patient in ids_of(patients).items():
        for table, rows in records(patient, patients[name][0]).items():
            tables.setdefault(table, []).extend(rows)
    tables = {table: rows for table, rows in tables.items() if rows}
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


def told(line: Line, patient: str) -> tuple[str, bool, float | None, str]:
    """Return branch at C2, whether eligible, outcome and served status of a patient."""
    decided = line.prepared.decided.set_index(["usubjid", "node"]).loc[(patient, "c2")]
    cohort = line.prepared.cohort.frame.set_index("usubjid").loc[patient]
    outcome = None if pd.isna(cohort["outcome"]) else float(cohort["outcome"])
    return decided["branch"], bool(cohort["eligible"]), outcome, line.served.loc[patient, "status"]


def assert_told(line: Line, patient: str, expected: Expected) -> None:
    """Fail where a patient is not told as expected."""
    assert told(line, patient) == expected[:4]
    if expected.criterion:
        assert f"eligibility, {expected.criterion}: " in in_words(line.served.loc[patient, "reasons"])


def branches_under(line: Line, **readings: str) -> dict[str, str]:
    """Return the branch at C2 by patient, with the rules read as `readings` say."""
    rules = rule_table(line.prepared.by.rules, readings)
    decided = decisions(line.prepared.tables, line.prepared.cohort.frame, rules)
    at_c2 = decided[decided["node"] == "c2"]
    return dict(zip(at_c2["usubjid"], at_c2["branch"], strict=True))


def problems(line: Line) -> set[tuple[str, str]]:
    """Return what was said of the raw files: rule and patients."""
    found = line.raw.problems
    return {(rule.split(":")[0], ids) for rule, ids in zip(found["rule"], found["ids"], strict=True)}
