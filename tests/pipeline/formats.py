"""A small simulated trial in every format that a study may come in, for tests of the sources."""

from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.validation import validate
from features.study import parse_study
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


def taken_in(study: dict[str, Any], folder: Path) -> Ingested:
    """Return what the raw stage makes of a folder."""
    return ingest(parse_study(study), folder, CONTRACT, IDENTIFIERS, RULES)
