"""Stage describe: table one, missingness, courses over time, pCR by branch, adverse events, what was used."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from models.description.study import describe
from models.landmark_features import Landmark, landmark_features
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_tables, read_yaml, rounded, stage_paths, write_json

PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "shap", "mlflow", "dvc", "altair")


def used(raw: Path, configs: list[Path]) -> dict[str, Any]:
    """Return what the results were made from: digests of raw tables and configurations, versions of software.

    ``key`` is the sha256 over all of them: equal keys, equal material.
    """
    files = sorted(raw.glob("*.parquet")) + configs
    digests = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    versions = {name: version(name) for name in PACKAGES}
    whole = "".join(f"{name} {digest}\n" for name, digest in (digests | versions).items())
    return {"digests": digests, "versions": versions, "key": hashlib.sha256(whole.encode()).hexdigest()}


def main() -> None:
    """Read tables and features, describe, write."""
    args = stage_paths(
        __doc__ or "",
        "study",
        "settings",
        "validation",
        "models",
        "lock",
        "raw",
        "cohort",
        "decisions",
        "features",
        "description",
    )
    with reported_errors():
        study, settings = read_yaml(args.study), read_yaml(args.settings)
        landmarks = [
            Landmark(
                name,
                landmark_features(read_json(args.features / f"{name}.json")),
                pd.read_parquet(args.features / f"{name}.parquet").set_index("usubjid"),
            )
            for name in study["landmarks"]
        ]
        content = describe(
            study,
            settings,
            read_tables(args.raw),
            pd.read_parquet(args.cohort),
            pd.read_parquet(args.decisions),
            landmarks,
            read_yaml(args.validation)["level"],
        )
        content["used"] = used(args.raw, [args.models, args.validation, args.settings, args.lock])
    write_json(args.description, rounded(content))


if __name__ == "__main__":
    main()
