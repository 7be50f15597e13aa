"""Stage rules: the adaptive rules run on every patient.

Writes the decisions of the adaptive arm with their audit, and every patient's branch at each landmark
(virtual in the other arms), which is what the rules' forecast is learned on.
"""

import pandas as pd

from models.decisions import branches, decisions
from models.rules import parse_rules
from pipeline.configs import read_rules
from pipeline.console import refusals
from pipeline.files import read_tables, read_yaml, replacing, stage_paths, write_table


def branches_by_landmark(decided: pd.DataFrame, landmarks: list[str]) -> pd.DataFrame:
    """Return usubjid and one column per landmark with the branch known by then."""
    columns = {landmark: branches(decided, landmark) for landmark in landmarks}
    return pd.DataFrame(columns).rename_axis("usubjid").reset_index()


def main() -> None:
    """Read raw tables and cohort, decide, write."""
    args = stage_paths(__doc__ or "", "study", "rules", "genes", "raw", "cohort", "out")
    study = read_yaml(args.study)
    tables, cohort = read_tables(args.raw), pd.read_parquet(args.cohort)
    with refusals():
        rules = parse_rules(read_rules(args.rules, args.genes))
        decided = decisions(tables, cohort, rules)
    with replacing(args.out) as new:
        write_table(new / "decisions.parquet", decided[~decided["virtual"]].drop(columns="virtual"))
        write_table(new / "branches.parquet", branches_by_landmark(decided, study["landmarks"]))


if __name__ == "__main__":
    main()
