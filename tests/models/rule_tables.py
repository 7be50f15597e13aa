"""Made-up patients of the trial, and the decision tables as configured, for the tests of the rules."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pandas as pd
import yaml

from models.rules.document import parse_rules
from models.rules.table import RuleTable, rule_table
from tests.features.tables import ROOT, spec_rows, table

RULES: dict[str, Any] = yaml.safe_load((ROOT / "configs/rules/nct07239271.yaml").read_text(encoding="utf-8"))
RULES["pam_genes"] = pd.read_csv(ROOT / "configs/rules/pam_genes.csv", keep_default_na=False).to_dict(
    "records"
)
ISPY2: dict[str, Any] = yaml.safe_load((ROOT / "configs/rules/ispy2.yaml").read_text(encoding="utf-8"))

CORE = "PIK3CA;AKT1;PTEN;MTOR;TSC1;TSC2"
STARTS = {1: "2026-01-08", 2: "2026-01-29", 3: "2026-02-19", 4: "2026-03-12", 5: "2026-04-02"}
DECISIONS = {"baseline": STARTS[1], "c1": STARTS[2], "c2": STARTS[3], "c4": STARTS[5]}
DRAWS = {"baseline": "2026-01-05", "c1": "2026-01-25"}
SCANS = {"c2": "2026-02-15", "c4": "2026-03-30"}
ID = {"usubjid": "P1"}
CHANGES = {"PIK3CA": "p.H1047R", "AKT1": "p.E17K"}


@cache
def rules(reading: str | None = None) -> RuleTable:
    """Return the trial's table; `reading` is ``setting=value``, None for the defaults."""
    return rule_table(parse_rules(RULES), dict([reading.split("=")]) if reading else None)


def cohort(*ids: str, arm: str = "ADAPTIVE") -> pd.DataFrame:
    """Return a cohort in which every patient has the decision dates of `DECISIONS`."""
    dates = {f"decision_{name}": pd.Timestamp(day) for name, day in DECISIONS.items()}
    frame = pd.DataFrame({"usubjid": pd.Series(ids or ("P1",), dtype="str")})
    return frame.assign(arm=arm, **dates).astype(dict.fromkeys(dates, "datetime64[us]"))


def sample(visit: str, result: str | None = "detected", **more: Any) -> dict[str, Any]:
    """Return a plasma sample, drawn and reported in time, by a panel that covers the core genes."""
    usual = {"sample_id": f"S-{visit}", "visit": visit, "planned": "Y", "qc": "pass", "result": result}
    usual |= {"draw_date": DRAWS.get(visit), "assay_type": "fixed_panel", "panel_genes": CORE}
    return ID | usual | {"lod_vaf": 0.001, "mean_vaf": 0.02, "tumour_fraction": 0.04} | more


def variant(visit: str, gene: str, **more: Any) -> dict[str, Any]:
    """Return a pathogenic variant of tumour origin in the sample of `visit`."""
    usual = {"sample_id": f"S-{visit}", "hgvsp": CHANGES.get(gene, "p.X1Y"), "vaf": 0.02}
    usual |= {"classification": "Missense_Mutation"}
    return usual | {"gene": gene, "origin": "tumor", "pathogenic": "Y"} | more


def response(visit: str, overall: str, **more: Any) -> dict[str, Any]:
    """Return a response by the investigator on MRI, assessed in time."""
    usual = {"visit": visit, "overall": overall, "reader": "INVESTIGATOR", "method": "MRI"}
    return ID | usual | {"assessment_date": SCANS.get(visit)} | more


def cycles(regimens: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the cycles given."""
    return [ID | {"cycle": c, "regimen": name, "start_date": STARTS.get(c)} for c, name in regimens.items()]


def tables(**rows: Iterable[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return contract tables from rows; cycles 1 to 4 of nab-PHP where no exposure is given."""
    given = {"exposure": cycles(dict.fromkeys(STARTS, "NAB_PHP"))} | rows
    return {name: table(name, each) for name, each in given.items()}


def spec(name: str) -> list[dict[str, Any]]:
    """Read a spec table: ``or`` stands for ``|`` within a cell, ``despite`` for its long name."""
    words = {"despite": "determined_despite_missing"}
    return [
        {k: words.get(v, v.replace(" or ", "|")) if v else v for k, v in row.items()}
        for row in spec_rows(name)
    ]
