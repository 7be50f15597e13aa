"""Stage cohort: all randomised patients with outcome, eligibility and who is at risk at each landmark."""

from typing import Literal

from features.cohort import build_cohort, other_outcomes
from models.packaging.served_eligibility import served_eligibility
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_eligibility
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.ELIGIBILITY, paths.CONTRACT),
    writes=(paths.COHORT_FOLDER,),
    params={paths.STUDY: ("landmarks", "outcome", "schedule", "visits")},
)

SCHEDULED: tuple[Literal["visits", "landmarks", "schedule"], ...] = ("visits", "landmarks", "schedule")


def main(run: Run) -> None:
    """Read raw tables, build the cohort, write it with its flow, and what later stages need of the study."""
    eligibility, study = read_eligibility(run.path(paths.ELIGIBILITY)), run.study()
    tables = run.tables(paths.RAW)
    cohort = build_cohort(tables, study, eligibility)
    with replacing(run.path(paths.COHORT_FOLDER)) as new:
        write_table(new / "cohort.parquet", cohort.frame)
        write_table(new / "other_outcomes.parquet", other_outcomes(tables, study))
        write_json(new / "schedule.json", {key: study.document[key] for key in SCHEDULED})
        write_json(new / "flow.json", cohort.flow)
        contract = read_contract(run.path(paths.CONTRACT))
        write_json(new / "eligibility.json", served_eligibility(eligibility, contract))


if __name__ == "__main__":
    STAGE.run(main)
