"""Stage describe: table one, missingness, courses over time, pCR by branch, adverse events, what was used."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from features.exposure import parse_regimens
from models.description.documents import Used
from models.description.plan import description_plan
from models.description.study import describe
from models.procedure.landmark_features import Landmark, landmark_features
from pipeline.project import paths
from pipeline.project.files import rounded, write_json
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.RAW,
        paths.COHORT,
        paths.SCHEDULE,
        paths.DECISIONS,
        paths.FEATURES_FOLDER,
        paths.ENVIRONMENT,
        paths.DESCRIPTION_PLAN,
        paths.REGIMENS,
    ),
    writes=(paths.DESCRIPTION,),
    params={
        paths.STUDY: ("adaptive_arm", "arms", "regimens"),
        paths.VALIDATION: ("level",),
    },
)


PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "shap", "mlflow", "dvc", "altair")


def material(files: list[Path]) -> Used:
    """Return what the results were made from: digests of files, versions of software.

    ``key`` is the sha256 over all of them: equal keys, equal material.
    """
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    versions = {name: version(name) for name in PACKAGES}
    whole = "".join(f"{name} {digest}\n" for name, digest in (digests | versions).items())
    return {"digests": digests, "versions": versions, "key": hashlib.sha256(whole.encode()).hexdigest()}


def main(run: Run) -> None:
    """Read tables and features, describe, write."""
    study = run.study()
    landmarks = [
        Landmark(
            name,
            landmark_features(run.json(paths.FEATURE_LIST, landmark=name)),
            run.table(paths.FEATURES, landmark=name).set_index("usubjid"),
        )
        for name in study.landmark_names
    ]
    description = describe(
        study,
        description_plan(run.yaml(paths.DESCRIPTION_PLAN)),
        run.tables(paths.RAW),
        run.table(paths.COHORT),
        run.table(paths.DECISIONS),
        landmarks,
        run.params(paths.VALIDATION)["level"],
        parse_regimens(run.yaml(paths.REGIMENS), paths.REGIMENS),
    )
    files = [*sorted(run.path(paths.RAW).glob("*.parquet")), run.path(paths.ENVIRONMENT)]
    write_json(run.path(paths.DESCRIPTION), rounded(description | {"used": material(files)}))


if __name__ == "__main__":
    STAGE.run(main)
