"""Stage rules: the adaptive rules run on every patient.

Writes the decisions of the adaptive arm with their audit, and for each landmark every patient's branch known
by then (virtual in the other arms) and the inputs of the rules: what the comparators learn from. Beside
them, the branch of every combination of those inputs, which a served model looks up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models.rules.branch_table import branch_table
from models.rules.decisions import decisions, input_levels, rule_rows
from models.rules.table import INPUT, RuleTable, rule_table
from models.rules.view import SOURCE_TABLES
from pipeline.project import paths
from pipeline.project.files import replacing, write_json
from pipeline.project.parts import (
    Part,
    appended,
    columns_of,
    of_each,
    parts_of,
    read_part,
    read_tables_of,
    taken_back,
)
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.RULES_TABLE, paths.GENES),
    writes=(paths.RULES,),
    params={paths.STUDY: ("landmarks",)},
)


DECISIONS = "decisions"


@dataclass(frozen=True)
class Work:
    """What every part is decided by; `scratch` holds the tables of parts, a file for each and name."""

    raw: Path
    cohort: Path
    scratch: Path
    rules: RuleTable
    landmarks: Sequence[str]

    def file(self, name: str, number: int) -> Path:
        """Return where a table of a part stands."""
        return self.scratch / f"{name}-{number}.feather"


def decide(work: Work, numbered: tuple[int, Part]) -> None:
    """Decide the patients of a part, and write decisions and what was known of them at each landmark."""
    number, part = numbered
    tables = read_tables_of(work.raw, part, dict.fromkeys(SOURCE_TABLES))
    decided = decisions(tables, read_part(work.cohort, part), work.rules)
    made = {DECISIONS: decided[~decided["virtual"]].drop(columns="virtual")}
    for position, landmark in enumerate(work.landmarks):
        made[landmark] = rule_rows(decided, work.rules, work.landmarks[: position + 1])
    for name, frame in made.items():
        frame.reset_index(drop=True).to_feather(work.file(name, number), compression="uncompressed")


def main(run: Run) -> None:
    """Read raw tables and cohort part by part, decide, write."""
    landmarks = run.study().landmark_names
    rules = rule_table(read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES)))
    with replacing(run.path(paths.RULES)) as new:
        new.mkdir()
        work = Work(run.path(paths.RAW), run.path(paths.COHORT), new.parent, rules, landmarks)
        numbered = list(enumerate(parts_of(work.raw)))
        for _ in of_each(partial(decide, work), numbered):
            pass
        for name in (DECISIONS, *landmarks):
            with appended(new / f"{name}.parquet") as table:
                for number, _ in numbered:
                    table.append(taken_back(work.file(name, number)))
        for position, landmark in enumerate(landmarks):
            columns = columns_of(new / f"{landmark}.parquet")
            inputs = [column for column in columns if column.startswith(INPUT)]
            levels = {column: input_levels(rules, column.removeprefix(INPUT)) for column in inputs}
            write_json(new / f"{landmark}.json", levels)
            branches = branch_table(rules, landmarks[: position + 1], INPUT)
            write_json(new / f"{landmark}-branches.json", branches)


if __name__ == "__main__":
    STAGE.run(main)
