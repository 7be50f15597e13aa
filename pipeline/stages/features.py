"""Stage features: one row per patient at every landmark, from what had been reported by then."""

import pandas as pd

from features.assemble import assemble
from features.study import parse_study
from pipeline.project.configs import read_contract, read_feature_settings
from pipeline.project.console import reported_errors
from pipeline.project.files import read_tables, read_yaml, replacing, stage_paths, write_json, write_table


def main() -> None:
    """Read raw tables and cohort, assemble every landmark, write."""
    args = stage_paths(__doc__ or "", "study", "settings", "genes", "contract", "raw", "cohort", "features")
    with reported_errors(), replacing(args.features) as new:
        new.mkdir()
        study = parse_study(read_yaml(args.study))
        tables, cohort = read_tables(args.raw), pd.read_parquet(args.cohort)
        settings, contract = read_feature_settings(args.settings, args.genes), read_contract(args.contract)
        for name, landmark in study.landmarks.items():
            assembled = assemble(tables, cohort, landmark, study, settings, contract)
            write_table(new / f"{name}.parquet", assembled.frame)
            write_json(new / f"{name}.json", assembled.description(name))


if __name__ == "__main__":
    main()
