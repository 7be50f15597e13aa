"""Stage rules: the adaptive rules run on every patient.

Writes the decisions of the adaptive arm with their audit, and for each landmark every patient's branch known
by then (virtual in the other arms) and the inputs of the rules: what the comparators learn from. Beside
them, the branch of every combination of those inputs, which a served model looks up.
"""

from models.rules.branch_table import branch_table
from models.rules.decisions import decisions, input_levels, rule_rows
from models.rules.table import INPUT, rule_table
from pipeline.project import paths
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.RULES_TABLE, paths.GENES),
    writes=(paths.RULES,),
    params={paths.STUDY: ("landmarks",)},
)


def main(run: Run) -> None:
    """Read raw tables and cohort, decide, write."""
    landmarks = run.study().landmark_names
    rules = rule_table(read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES)))
    decided = decisions(run.tables(paths.RAW), run.table(paths.COHORT), rules)
    with replacing(run.path(paths.RULES)) as new:
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
    STAGE.run(main)
