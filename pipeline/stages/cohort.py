"""Stage cohort: all randomised patients with outcome, eligibility and who is at risk at each landmark."""

from features.cohort import build_cohort
from pipeline.project.configs import read_eligibility, typed_study
from pipeline.project.console import reported_errors
from pipeline.project.files import (
    read_tables,
    replacing,
    stage_paths,
    write_json,
    write_table,
)


def main() -> None:
    """Read raw tables, build the cohort, write it with its flow."""
    args = stage_paths(__doc__ or "", "study", "eligibility", "raw", "out")
    with reported_errors():
        cohort = build_cohort(
            read_tables(args.raw), typed_study(args.study), read_eligibility(args.eligibility)
        )
    with replacing(args.out) as new:
        write_table(new / "cohort.parquet", cohort.frame)
        write_json(new / "flow.json", cohort.flow)


if __name__ == "__main__":
    main()
