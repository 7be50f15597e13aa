"""Configuration files as the functions want them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract import Contract, parse_contract
from pipeline.project.files import read_yaml


def read_contract(folder: Path) -> Contract:
    """Return the data contract: one YAML file per raw table."""
    return parse_contract([read_yaml(path) for path in sorted(folder.glob("*.yaml"))])


def read_rules(table: Path, genes: Path) -> dict[str, Any]:
    """Return a decision table's document with the list of PAM genes."""
    return {**read_yaml(table), "pam_genes": pd.read_csv(genes).to_dict("records")}


def read_feature_settings(settings: Path, genes: Path) -> dict[str, Any]:
    """Return configs/features.yaml with the core set of PAM genes filled in."""
    content: dict[str, Any] = read_yaml(settings)
    pam = pd.read_csv(genes)
    content["ctdna"]["gene_sets"]["pam"] = sorted(set(pam.loc[pam["set"] == "core", "gene"]))
    return content


def vocabulary(study: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the levels of the contract that the study decides."""
    return {name: study.get(name, []) for name in ("visits", "arms", "regimens")}
