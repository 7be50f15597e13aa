"""Stage features: one row per patient at every landmark, from what had been reported by then."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from features.assemble import (
    Columns,
    Counts,
    assemble_part,
    columns_read,
    concluded,
    nobody_at_risk,
)
from features.contract.validation import Contract
from features.documents.feature import Feature, FeatureList
from features.documents.study import Study
from features.feature import Answers, together
from features.omics import Assay, adjusted_assays, known_assays
from features.settings import FeatureSettings
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_feature_settings
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.parts import Part, appended, of_each, parts_of, read_part, read_tables_of, taken_back
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.SCHEDULE, paths.CONTRACT, paths.FEATURE_SETTINGS, paths.GENES),
    writes=(paths.FEATURES_FOLDER,),
    params={paths.STUDY: ("adaptive_arm", "arms", "features", "omics", "regimens")},
)


@dataclass(frozen=True)
class Work:
    """What every part is built by; `scratch` holds the tables of parts, a file for each and landmark."""

    raw: Path
    cohort: Path
    scratch: Path
    study: Study
    settings: FeatureSettings
    contract: Contract

    def file(self, number: int, landmark: str) -> Path:
        """Return where the table of a part stands."""
        return self.scratch / f"{landmark}-{number}.feather"


@dataclass(frozen=True)
class Task:
    """A part to be built at some landmarks, each with what all parts have there (`features.feature.Seen`)."""

    number: int
    part: Part
    seen: Mapping[str, Answers]


@dataclass(frozen=True)
class Built:
    """What is told of a part at a landmark; its table is in a file."""

    number: int
    features: list[Feature]
    seen: Answers
    counts: Counts


def build(work: Work, task: Task) -> dict[str, Built]:
    """Build a part at its landmarks and write the tables; where none of it is at risk, there is no table."""
    tables = read_tables_of(work.raw, task.part, columns_read(work.contract))
    cohort = read_part(work.cohort, task.part)
    built = {}
    for name, seen in task.seen.items():
        landmark = work.study.landmarks[name]
        part = assemble_part(tables, cohort, landmark, work.study, work.settings, work.contract, seen)
        if part is not None:
            part.frame.to_feather(work.file(task.number, name), compression="uncompressed")
            built[name] = Built(task.number, part.features, dict(part.seen), part.counts)
    return built


def build_all(work: Work, parts: Sequence[Part]) -> dict[str, list[Built]]:
    """Build every part at every landmark: by landmark those with patients at risk, in order.

    A part that lacks what another has (a visit, an assay) is built again, knowing that.
    """
    built: dict[str, dict[int, Built]] = {name: {} for name in work.study.landmarks}
    tasks = [Task(number, part, {name: {} for name in built}) for number, part in enumerate(parts)]
    while tasks:
        for found in of_each(partial(build, work), tasks):
            for name, one in found.items():
                built[name][one.number] = one
        again: dict[int, dict[str, Answers]] = defaultdict(dict)
        for name, of in built.items():
            everywhere = together(one.seen for one in of.values())
            for number in (number for number, one in of.items() if one.seen != everywhere):
                again[number][name] = everywhere
        tasks = [Task(number, parts[number], seen) for number, seen in sorted(again.items())]
    return {name: [one for _, one in sorted(of.items())] for name, of in built.items()}


@dataclass(frozen=True)
class Joining:
    """The parts of a landmark, and where their table goes."""

    landmark: str
    numbers: Sequence[int]
    columns: Columns
    path: Path


def join(work: Work, joining: Joining) -> None:
    """Write the parts of a landmark one below the other."""
    with appended(joining.path) as table:
        for number in joining.numbers:
            table.append(taken_back(work.file(number, joining.landmark), joining.columns.names))


def read_assays(run: Run) -> dict[str, Assay]:
    """Return the assays of the study by name, in the order of the study file."""
    return {
        name: Assay(
            pd.read_parquet(run.path(f"{paths.OMICS}/{name}.parquet")),
            pd.read_parquet(run.path(f"{paths.OMICS}/{name}.samples.parquet")),
            visit,
        )
        for name, visit in run.study().assays.items()
    }


def add_assays(run: Run, new: Path, name: str, described: FeatureList) -> None:
    """Write what was known of the assays at a landmark, of all parts at once, and say what came late."""
    study, assays = run.study(), read_assays(run)
    if not assays:
        return
    at_risk = pd.read_parquet(new / f"{name}.parquet", columns=["usubjid"])["usubjid"]
    decisions = run.table(paths.COHORT).set_index("usubjid").loc[at_risk, f"decision_{name}"]
    wide, late = known_assays(assays, study.landmarks[name], decisions)
    (new / "omics").mkdir(exist_ok=True)
    write_table(new / "omics" / f"{name}.parquet", wide)
    described["late"] = [*described.get("late", ()), *late]
    if adjusted := adjusted_assays(study.document["omics"] or {}, wide.columns):
        described["adjusted"] = adjusted


def main(run: Run) -> None:
    """Read raw tables and cohort part by part, assemble every landmark, write."""
    study = run.study()
    settings = read_feature_settings(run.path(paths.FEATURE_SETTINGS), run.path(paths.GENES))
    with replacing(run.path(paths.FEATURES_FOLDER)) as new:
        new.mkdir()
        work = Work(
            run.path(paths.RAW), run.path(paths.COHORT), new.parent, study, settings,
            read_contract(run.path(paths.CONTRACT)),
        )  # fmt: skip
        joinings, descriptions = [], {}
        for name, built in build_all(work, parts_of(work.raw)).items():
            if not built:
                raise nobody_at_risk(study.landmarks[name], len(run.table(paths.COHORT)))
            columns = concluded(built[0].features, sum((b.counts for b in built), Counts()), study, settings)
            joinings.append(Joining(name, [one.number for one in built], columns, new / f"{name}.parquet"))
            descriptions[name] = columns.description(name)
        several = len(joinings) if len(joinings[0].numbers) > 1 else 1
        for _ in of_each(partial(join, work), joinings, several):
            pass
        for name, described in descriptions.items():
            add_assays(run, new, name, described)
            write_json(new / f"{name}.json", described)


if __name__ == "__main__":
    STAGE.run(main)
