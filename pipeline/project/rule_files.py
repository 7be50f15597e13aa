"""The files of configs/rules, read.

Apart from `pipeline.project.configs`, so that cohort and features do not depend on the code of the rules.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from models.rules.document import RuleDocument, parse_rules
from pipeline.project.files import read_yaml


def read_rules(table: Path, genes: Path) -> RuleDocument:
    """Return a decision table with the list of PAM genes.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a name refers to nothing.
    """
    content = read_yaml(table)
    if isinstance(content, Mapping):
        content = {**content, "pam_genes": pd.read_csv(genes, keep_default_na=False).to_dict("records")}
    return parse_rules(content, str(table))
