"""Stage review: what the readings of the protocol change, and whether the protocol was followed.

Writes, for people: every alternative of every reading with the number of patients whose answer it changes,
the branches under the readings in force and under the alternative that stands beside them, adherence by node,
and the faults of the decision table.
"""

from models.rules.review import review
from pipeline.project import paths
from pipeline.project.files import replacing, write_table
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.DECISIONS, paths.RULES_TABLE, paths.GENES),
    writes=(paths.REVIEW,),
)


def main(run: Run) -> None:
    """Read raw tables, cohort and decisions, review, write."""
    document = read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES))
    reviewed = review(run.tables(paths.RAW), run.table(paths.COHORT), run.table(paths.DECISIONS), document)
    with replacing(run.path(paths.REVIEW)) as new:
        for name, table in reviewed.items():
            write_table(new / f"{name}.csv", table)


if __name__ == "__main__":
    STAGE.run(main)
