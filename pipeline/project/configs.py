"""Configuration files as the functions want them."""

import contextlib
from pathlib import Path

import pandas as pd

from features.contract.identifiers import IdentifierPatterns, parse_identifiers
from features.contract.validation import Contract, parse_contract
from features.documents.study import Study, parse_study, with_defaults
from features.eligibility import Criterion, parse_eligibility
from features.errors import UserError
from features.exposure import Regimens, parse_regimens
from features.keys import unknown_name
from features.settings import FeatureSettings, parse_feature_settings
from pipeline.project.files import read_study, read_yaml


def read_contract(folder: Path) -> Contract:
    """Return the data contract: one YAML file per raw table.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a name refers to nothing; the message names the file.
    """
    return parse_contract({str(path): read_yaml(path) for path in sorted(folder.glob("*.yaml"))})


def read_feature_settings(settings: Path, genes: Path) -> FeatureSettings:
    """Return configs/features.yaml with the core set of PAM genes filled in.

    Raises
    ------
    UserError
        If a key is unknown or missing.
    """
    content = read_yaml(settings)
    pam = pd.read_csv(genes, keep_default_na=False)
    core = {
        row["gene"]: {"rule": row["rule"], "changes": list(filter(None, row["changes"].split(";")))}
        for row in pam.loc[pam["set"] == "core"].sort_values("gene").to_dict("records")
    }
    for domain in ("ctdna", "tissue"):
        with contextlib.suppress(KeyError, TypeError):  # a missing section is named by the parser
            content[domain]["gene_sets"]["pam"] = core
    return parse_feature_settings(content, str(settings))


def chosen_file(folder: Path, name: str, key: str) -> Path:
    """Return the YAML file of a folder that the study file names under `key`.

    Raises
    ------
    UserError
        If the folder has none of that name.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        raise UserError(f"study file, {key}: {unknown_name(name, names)} ({folder})")
    return folder / f"{name}.yaml"


def read_eligibility(path: Path) -> tuple[Criterion, ...]:
    """Return the criteria of a file in configs/eligibility."""
    return parse_eligibility(read_yaml(path), str(path))


def read_regimens(path: Path) -> Regimens:
    """Return the drugs of regimens (configs/regimens.yaml)."""
    return parse_regimens(read_yaml(path), str(path))


def read_identifiers(path: Path) -> IdentifierPatterns:
    """Return the patterns of configs/identifiers.yaml."""
    return parse_identifiers(read_yaml(path), str(path))


def typed_study(path: Path) -> Study:
    """Return a study file with types.

    Raises
    ------
    UserError
        If it is not YAML, or the study has no outcome: it is never pooled with models of pCR.
    """
    return parse_study(with_defaults(read_study(path)))
