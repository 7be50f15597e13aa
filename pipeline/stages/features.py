"""Stage features: one row per patient at every landmark, from what had been reported by then."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.assemble import Assembled, assemble
from features.errors import UserError
from features.landmarks import parse_landmarks
from pipeline.project.configs import read_contract, read_feature_settings
from pipeline.project.console import reported_errors
from pipeline.project.files import read_tables, read_yaml, replacing, stage_paths, write_json, write_table


def description(landmark: str, assembled: Assembled) -> dict[str, Any]:
    """Return what features/<landmark>.json says: every feature, what is absent, what came late."""
    missing = assembled.frame.isna().mean()
    features = [
        feature.as_dict() | {"share_missing": float(missing[feature.name])} for feature in assembled.features
    ]
    return {
        "landmark": landmark,
        "patients": len(assembled.frame),
        "features": features,
        "absent_domains": list(assembled.absent_domains),
        "absent_features": list(assembled.absent),
        "late": assembled.late.to_dict("records"),
    }


def require_landmark(landmark: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Raise ValueError if a landmark is not one of the study's."""
    if landmark not in known:
        raise UserError(f"unknown landmark {landmark!r}: configs/study.yaml has {', '.join(known)}")


def main() -> None:
    """Read raw tables and cohort, assemble every landmark, write."""
    args = stage_paths(__doc__ or "", "study", "settings", "genes", "contract", "raw", "cohort", "features")
    study = read_yaml(args.study)
    with reported_errors(), replacing(args.features) as new:
        new.mkdir()
        tables, cohort = read_tables(args.raw), pd.read_parquet(args.cohort)
        settings, contract = read_feature_settings(args.settings, args.genes), read_contract(args.contract)
        for name, landmark in parse_landmarks(study).items():
            assembled = assemble(tables, cohort, landmark, study, settings, contract)
            write_table(new / f"{name}.parquet", assembled.frame)
            write_json(new / f"{name}.json", description(name, assembled))


if __name__ == "__main__":
    main()
