"""Stage raw: tables from the simulator or from a study's files, checked against the contract."""

from pipeline.project.configs import read_contract, read_identifiers, read_rules, typed_study
from pipeline.project.console import reported_errors
from pipeline.project.files import replacing, stage_paths
from pipeline.sources.ingest import ingest


def main() -> None:
    """Read, check, write."""
    args = stage_paths(__doc__ or "", "study", "contract", "identifiers", "source", "rules", "genes", "out")
    with reported_errors():
        raw = ingest(
            typed_study(args.study),
            args.source,
            read_contract(args.contract),
            read_identifiers(args.identifiers),
            read_rules(args.rules, args.genes),
        )
    with replacing(args.out) as new:
        new.mkdir()
        for name, frame in raw.tables.items():
            frame.to_parquet(new / f"{name}.parquet", index=False)
        raw.problems.drop(columns="by_centre").to_csv(new / "problems.csv", index=False, lineterminator="\n")
        raw.dropped.to_csv(new / "dropped.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
