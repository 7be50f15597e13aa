"""Stage review: what the readings of the protocol change, and whether the protocol was followed.

Writes, for people: every alternative of every reading with the number of patients whose answer it changes,
the branches under the readings in force and under the alternative that stands beside them, adherence by node,
and the faults of the decision table.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from models.rules.decisions import adherence
from models.rules.review import branch_tables, readings_effect, table_faults
from models.rules.table import parse_rules
from pipeline.project.configs import read_rules
from pipeline.project.console import reported_errors
from pipeline.project.files import read_tables, replacing, stage_paths, write_table


def review(
    tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, decided: pd.DataFrame, document: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """Return the tables of the review by name; a decision table that treats no arm leaves them empty."""
    return {
        "readings": readings_effect(tables, cohort, document),
        "branches": branch_tables(tables, cohort, document, document.get("beside") or {}),
        "adherence": adherence(decided),
        "faults": table_faults(parse_rules(document)),
    }


def main() -> None:
    """Read raw tables, cohort and decisions, review, write."""
    args = stage_paths(__doc__ or "", "rules", "genes", "raw", "cohort", "decisions", "out")
    with reported_errors():
        found = review(
            read_tables(args.raw),
            pd.read_parquet(args.cohort),
            pd.read_parquet(args.decisions),
            read_rules(args.rules, args.genes),
        )
    with replacing(args.out) as new:
        for name, table in found.items():
            write_table(new / f"{name}.csv", table)


if __name__ == "__main__":
    main()
