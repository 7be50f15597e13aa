"""Stage raw: tables from the simulator or from a study's files, checked against the contract."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract import Contract, refuse, validate
from pipeline.configs import read_contract, read_rules, vocabulary
from pipeline.console import refusals
from pipeline.files import read_yaml, replacing, stage_paths


def source_tables(
    study: Mapping[str, Any], source: Path, contract: Contract, rules: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Return a study's raw tables, unchecked: simulated where `source` is a file, else from the folder."""
    if source.suffix == ".yaml":
        from pipeline.sources.simulator import simulate  # noqa: PLC0415 - a real study needs no simulator

        return simulate(read_yaml(source), rules=rules).tables
    from pipeline.sources.mapped import read_study  # noqa: PLC0415

    return read_study(study, source, contract).tables


def checked_tables(
    study: Mapping[str, Any], source: Path, contract: Contract, identifiers: Mapping[str, Any], rules: Any
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the tables as the contract has them, and the warnings.

    Raises
    ------
    ContractError
        If a rule of severity error is violated; it carries every problem.
    """
    tables, problems = validate(
        source_tables(study, source, contract, rules), contract, vocabulary(study), identifiers
    )
    refuse(problems)
    return tables, problems


def main() -> None:
    """Read, check, write."""
    args = stage_paths(__doc__ or "", "study", "contract", "identifiers", "source", "rules", "genes", "out")
    with refusals():
        tables, problems = checked_tables(
            read_yaml(args.study),
            args.source,
            read_contract(args.contract),
            read_yaml(args.identifiers),
            read_rules(args.rules, args.genes),
        )
    with replacing(args.out) as new:
        new.mkdir()
        for name, frame in tables.items():
            frame.to_parquet(new / f"{name}.parquet", index=False)
        problems.to_csv(new / "problems.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
