"""Stage cohort: all randomised patients with outcome, eligibility and who is at risk at each landmark."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import Literal

from features.cohort import added_flows, build_cohort, other_outcomes, require_two_classes
from features.documents.flow import Flow
from features.documents.study import Study
from features.eligibility import Criterion, tables_read
from features.feature import Answers, Seen, together
from models.packaging.served_eligibility import served_eligibility
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_eligibility
from pipeline.project.files import replacing, write_json
from pipeline.project.parts import Part, appended, of_each, parts_of, read_tables_of, taken_back
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.ELIGIBILITY, paths.CONTRACT),
    writes=(paths.COHORT_FOLDER,),
    params={paths.STUDY: ("landmarks", "outcome", "schedule", "visits")},
)

SCHEDULED: tuple[Literal["visits", "landmarks", "schedule"], ...] = ("visits", "landmarks", "schedule")
TABLES = ("cohort", "other_outcomes")


@dataclass(frozen=True)
class Work:
    """What every part is made by; `scratch` holds the tables of parts, a file for each and name."""

    raw: Path
    scratch: Path
    study: Study
    criteria: Sequence[Criterion]

    def file(self, name: str, number: int) -> Path:
        """Return where a table of a part stands."""
        return self.scratch / f"{name}-{number}.feather"


@dataclass(frozen=True)
class Task:
    """A part, and what all parts have (`features.feature.Seen`)."""

    number: int
    part: Part
    seen: Answers = field(default_factory=dict)


def build(work: Work, task: Task) -> tuple[Flow, Answers]:
    """Build the cohort of a part and write its tables; return its counts and the answers it was built by."""
    # What a criterion asks for, and what outcome, decisions and departures are read from.
    wanted = {*tables_read(work.criteria), "surgery", "exposure", "disposition"}
    tables = read_tables_of(work.raw, task.part, dict.fromkeys(sorted(wanted)))
    seen = Seen(task.seen)
    cohort = build_cohort(tables, work.study, work.criteria, outcome_needed=False, seen=seen)
    frames = cohort.frame, other_outcomes(tables, work.study)
    for name, frame in zip(TABLES, frames, strict=True):
        frame.to_feather(work.file(name, task.number), compression="uncompressed")
    return cohort.flow, seen.answers


def build_all(work: Work, parts: Sequence[Part]) -> Flow:
    """Build every part, again where it lacks what another has, and return the counts of all."""
    tasks = [Task(number, part) for number, part in enumerate(parts)]
    built: dict[int, tuple[Flow, Answers]] = {}
    while tasks:
        for task, found in zip(tasks, of_each(partial(build, work), tasks), strict=True):
            built[task.number] = found
        everywhere = together(seen for _, seen in built.values())
        stale = sorted(number for number, (_, seen) in built.items() if seen != everywhere)
        tasks = [Task(number, parts[number], everywhere) for number in stale]
    return reduce(added_flows, (built[number][0] for number in sorted(built)))


def main(run: Run) -> None:
    """Read raw tables part by part, build the cohort, write it with its flow, and what later stages need."""
    eligibility, study = read_eligibility(run.path(paths.ELIGIBILITY)), run.study()
    with replacing(run.path(paths.COHORT_FOLDER)) as new:
        new.mkdir()
        work = Work(run.path(paths.RAW), new.parent, study, eligibility)
        parts = parts_of(work.raw)
        flow = build_all(work, parts)
        require_two_classes(flow, study.outcome.definition)
        for name in TABLES:
            with appended(new / f"{name}.parquet") as table:
                for number in range(len(parts)):
                    table.append(taken_back(work.file(name, number)))
        write_json(new / "schedule.json", {key: study.document[key] for key in SCHEDULED})
        write_json(new / "flow.json", flow)
        contract = read_contract(run.path(paths.CONTRACT))
        write_json(new / "eligibility.json", served_eligibility(eligibility, contract))


if __name__ == "__main__":
    STAGE.run(main)
