"""Stage features: one row per patient at every landmark, from what had been reported by then."""

from features.assemble import assemble
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_feature_settings
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.CONTRACT, paths.FEATURE_SETTINGS, paths.GENES),
    writes=(paths.FEATURES_FOLDER,),
    params={
        paths.STUDY: (
            "adaptive_arm", "arms", "features", "landmarks", "regimens", "schedule", "visits",
        )
    },
)  # fmt: skip


def main(run: Run) -> None:
    """Read raw tables and cohort, assemble every landmark, write."""
    study, tables, cohort = run.study(), run.tables(paths.RAW), run.table(paths.COHORT)
    settings = read_feature_settings(run.path(paths.FEATURE_SETTINGS), run.path(paths.GENES))
    contract = read_contract(run.path(paths.CONTRACT))
    with replacing(run.path(paths.FEATURES_FOLDER)) as new:
        new.mkdir()
        for name, landmark in study.landmarks.items():
            assembled = assemble(tables, cohort, landmark, study, settings, contract)
            write_table(new / f"{name}.parquet", assembled.frame)
            write_json(new / f"{name}.json", assembled.description(name))


if __name__ == "__main__":
    STAGE.run(main)
