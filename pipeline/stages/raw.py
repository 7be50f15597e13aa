"""Stage raw: tables from the simulator or from a study's files, checked against the contract."""

from pipeline.project import paths
from pipeline.project.configs import read_contract, read_identifiers, read_regimens
from pipeline.project.files import replacing
from pipeline.project.parts import rows_of_a_part
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage
from pipeline.sources.ingest import ingest

STAGE = Stage(
    reads=(
        paths.CONTRACT, paths.IDENTIFIERS, paths.MAPPINGS, paths.RULES_TABLE, paths.GENES, paths.SOURCE,
        paths.SIMULATION_TABLES, paths.GENE_SYMBOLS, paths.UNITS, paths.LABORATORY_UNITS, paths.REGIMENS,
    ),
    writes=(paths.RAW,),
    params={
        paths.STUDY: (
            "arms", "mapping", "omics", "regimens", "response_counts", "source", "standards", "study",
            "visits", "waivers",
        )
    },
)  # fmt: skip


def main(run: Run) -> None:
    """Read, check, write."""
    raw = ingest(
        run.study(),
        run.path(paths.SOURCE),
        read_contract(run.path(paths.CONTRACT)),
        read_identifiers(run.path(paths.IDENTIFIERS)),
        read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES)),
        read_regimens(run.path(paths.REGIMENS)),
    )
    with replacing(run.path(paths.RAW)) as new:
        new.mkdir()
        patients = len(raw.tables["subjects"])
        for name, frame in raw.tables.items():
            rows = rows_of_a_part(len(frame), patients)
            frame.to_parquet(new / f"{name}.parquet", index=False, row_group_size=rows)
        for name, table in raw.omics.items():
            # By columns, as wide as the assay is: a row per cell would be a hundred times as large.
            (new / "omics").mkdir(exist_ok=True)
            table.frame.to_parquet(new / "omics" / f"{name}.parquet", index=False)
            table.samples.to_parquet(new / "omics" / f"{name}.samples.parquet", index=False)
        raw.problems.drop(columns="by_centre").to_csv(new / "problems.csv", index=False, lineterminator="\n")
        raw.dropped.to_csv(new / "dropped.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    STAGE.run(main)
