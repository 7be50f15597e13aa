"""Stage cohort: all randomised patients with outcome, eligibility and who is at risk at each landmark."""

from features.cohort import build_cohort
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


def main(run: Run) -> None:
    """Read raw tables, build the cohort, write it with its flow and what a served model asks."""
    eligibility = read_eligibility(run.path(paths.ELIGIBILITY))
    cohort = build_cohort(run.tables(paths.RAW), run.study(), eligibility)
    with replacing(run.path(paths.COHORT_FOLDER)) as new:
        write_table(new / "cohort.parquet", cohort.frame)
        write_json(new / "flow.json", cohort.flow)
        contract = read_contract(run.path(paths.CONTRACT))
        write_json(new / "eligibility.json", served_eligibility(eligibility, contract))


if __name__ == "__main__":
    STAGE.run(main)
