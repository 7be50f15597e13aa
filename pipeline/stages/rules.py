"""Stage rules: the adaptive rules run on every patient.

Writes the decisions of the adaptive arm with their audit, and for each landmark every patient's branch known
by then (virtual in the other arms) and the inputs of the rules: what the comparators learn from. Beside
them, the branch of every combination of those inputs, which a served model looks up.
"""

import pandas as pd

from features.study import parse_study
from models.rules.branch_table import branch_table
from models.rules.decisions import decisions, input_levels, rule_rows
from models.rules.table import INPUT, parse_rules
from pipeline.project.configs import read_rules
from pipeline.project.console import reported_errors
from pipeline.project.files import read_tables, read_yaml, replacing, stage_paths, write_json, write_table


def main() -> None:
    """Read raw tables and cohort, decide, write."""
    args = stage_paths(__doc__ or "", "study", "rules", "genes", "raw", "cohort", "out")
    tables, cohort = read_tables(args.raw), pd.read_parquet(args.cohort)
    with reported_errors():
        landmarks = parse_study(read_yaml(args.study)).landmark_names
        rules = parse_rules(read_rules(args.rules, args.genes))
        decided = decisions(tables, cohort, rules)
    with replacing(args.out) as new:
        write_table(new / "decisions.parquet", decided[~decided["virtual"]].drop(columns="virtual"))
        for position, landmark in enumerate(landmarks):
            known = rule_rows(decided, rules, landmarks[: position + 1])
            write_table(new / f"{landmark}.parquet", known)
            inputs = [column for column in map(str, known) if column.startswith(INPUT)]
            levels = {column: input_levels(rules, column.removeprefix(INPUT)) for column in inputs}
            write_json(new / f"{landmark}.json", levels)
            table = branch_table(rules, landmarks[: position + 1], INPUT)
            write_json(new / f"{landmark}-branches.json", table)


if __name__ == "__main__":
    main()
