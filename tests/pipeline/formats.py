"""A small simulated trial in every format that a study may come in, for tests of the sources."""

from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.validation import validate
from features.documents.study import parse_study
from pipeline.project.configs import (
    read_contract,
    read_eligibility,
    read_feature_settings,
    read_identifiers,
)
from pipeline.project.files import read_yaml
from pipeline.project.rule_files import read_rules
from pipeline.sources.ingest import Ingested, ingest
from pipeline.sources.simulation.settings import read_settings
from pipeline.sources.simulator import simulate

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
CONTRACT = read_contract(CONFIGS / "contract")
STUDY: dict[str, Any] = read_yaml(CONFIGS / "studies" / "nct07239271.yaml")
ELIGIBILITY = read_eligibility(CONFIGS / "eligibility" / "nct07239271.yaml")
IDENTIFIERS = read_identifiers(CONFIGS / "identifiers.yaml")
RULES = read_rules(CONFIGS / "rules" / "nct07239271.yaml", CONFIGS / "rules" / "pam_genes.csv")
SETTINGS = read_feature_settings(CONFIGS / "features.yaml", CONFIGS / "rules" / "pam_genes.csv")
FORMATS: dict[str, list[str]] = {
    "SDTM XPT": ["sdtm"],
    "SDTM Dataset-JSON": ["sdtm", "sdtm-json"],
    "REDCap": ["redcap"],
    "REDCap with MAF": ["redcap", "variants-maf"],
    "SDTM with VCF": ["sdtm", "variants-vcf"],
    "SDTM with plain VCF": ["sdtm", "variants-vcf", "variants-vcf-plain"],
}


def study_of(standards: list[str], **more: Any) -> dict[str, Any]:
    """Return the trial's study file with its tables in files of the given standards."""
    own = {"simulated": False, "simulations": [], "source": "data/trial", "standards": standards}
    return STUDY | own | {"mapping": None} | more


def trial_tables(n: int) -> dict[str, pd.DataFrame]:
    """Return checked raw tables of n simulated patients, those of safety included."""
    settings = read_settings(CONFIGS / "simulation.yaml", CONFIGS / "simulation")
    raw = simulate(settings, n=n, rules=RULES).tables
    return validate(raw, CONTRACT, parse_study(STUDY).vocabulary)[0]


def shown(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what patients (`usubjid`) show (`what`): levels and names; filled and empty cells by visit."""
    levels = parse_study(STUDY).vocabulary
    patient_of = tables["ctdna_samples"].set_index("sample_id")["usubjid"]
    shown = []
    for name, frame in tables.items():
        spec = CONTRACT[name]
        patient = (
            frame["usubjid"] if "usubjid" in frame else frame.get("sample_id", pd.Series()).map(patient_of)
        )
        visit = frame[spec.timing.visit] if spec.timing.visit else ""
        for column, cells in frame.items() if len(patient) else ():
            what = cells.notna().map({True: "filled", False: "empty"}) + " " + visit
            shown.append(pd.DataFrame({"usubjid": patient, "what": f"{name}.{column} " + what}))
            if spec.columns[column].allowed(levels) or column == spec.named_by:
                shown.append(
                    pd.DataFrame({"usubjid": patient, "what": f"{name}.{column} = " + cells}).dropna()
                )
    return pd.concat(shown).drop_duplicates()


def telling_patients(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of a few patients who between them show whatever all of them show."""
    left, chosen = shown(tables), []
    while len(left):
        chosen.append(left["usubjid"].value_counts().sort_index().idxmax())
        left = left[~left["what"].isin(left.loc[left["usubjid"] == chosen[-1], "what"])]
    samples = tables["ctdna_samples"].loc[tables["ctdna_samples"]["usubjid"].isin(chosen), "sample_id"]
    kept = {"usubjid": chosen, "sample_id": samples}
    result = {}
    for name, frame in tables.items():
        by = next((column for column in kept if column in frame), None)
        result[name] = frame if by is None else frame[frame[by].isin(kept[by])].reset_index(drop=True)
    return result


def taken_in(study: dict[str, Any], folder: Path) -> Ingested:
    """Return what the raw stage makes of a folder."""
    return ingest(parse_study(study), folder, CONTRACT, IDENTIFIERS, RULES)
