"""Stage features: one row per patient at every landmark, from what had been reported by then."""

import pandas as pd

from features.assemble import assemble
from features.omics import Assay, adjusted_assays, known_assays
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_feature_settings
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.RAW, paths.COHORT, paths.SCHEDULE, paths.CONTRACT, paths.FEATURE_SETTINGS, paths.GENES),
    writes=(paths.FEATURES_FOLDER,),
    params={paths.STUDY: ("adaptive_arm", "arms", "features", "omics", "regimens")},
)


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


def main(run: Run) -> None:
    """Read raw tables and cohort, assemble every landmark, write."""
    study, tables, cohort = run.study(), run.tables(paths.RAW), run.table(paths.COHORT)
    settings = read_feature_settings(run.path(paths.FEATURE_SETTINGS), run.path(paths.GENES))
    contract = read_contract(run.path(paths.CONTRACT))
    assays = read_assays(run)
    with replacing(run.path(paths.FEATURES_FOLDER)) as new:
        new.mkdir()
        for name, landmark in study.landmarks.items():
            assembled = assemble(tables, cohort, landmark, study, settings, contract)
            write_table(new / f"{name}.parquet", assembled.frame)
            described = assembled.description(name)
            if assays:
                at_risk = cohort.set_index("usubjid").loc[assembled.frame["usubjid"]]
                wide, late = known_assays(assays, landmark, at_risk[f"decision_{name}"])
                (new / "omics").mkdir(exist_ok=True)
                write_table(new / "omics" / f"{name}.parquet", wide)
                described["late"] = [*described.get("late", ()), *late]
                if adjusted := adjusted_assays(study.document["omics"] or {}, wide.columns):
                    described["adjusted"] = adjusted
            write_json(new / f"{name}.json", described)


if __name__ == "__main__":
    STAGE.run(main)
