"""`pcr ard`: the record of the active study's results, filtered, exported, compared, computed again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from features.errors import UserError
from features.keys import unknown_name
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.files import read_yaml, write_json, write_table
from pipeline.project.settings import read_settings
from pipeline.record.again import repeated
from pipeline.record.export import analysis_results, dataset_json
from pipeline.record.result_rows import KEY
from pipeline.record.rows import differences, record
from pipeline.registry.state import State, workspace_state
from pipeline.report.gates import Criteria
from pipeline.workspace.study import active_study

PRINTED = [
    "landmark",
    "population",
    "model",
    "group",
    "part",
    "measure",
    "method",
    "value",
    "low",
    "high",
    "n",
]
MAX_PRINTED = 200


def ard(filters: Mapping[str, str], out: Path | None, against: Path | None, *, recompute: bool) -> int:
    """Print the record, or differences from another; return how many differ.

    Parameters
    ----------
    filters : mapping
        Text that a column of the record must contain, by column.
    out : Path, optional
        Folder for ard.parquet (the record), ard.csv and ard.json (a row for each statistic).
    against : Path, optional
        The ard.parquet of another state.
    recompute : bool
        Compute everything again from stored tables, fits and predictions, and compare.

    Raises
    ------
    UserError
        If there are no results, or a filter or file does not exist.
    """
    state = workspace_state(active_study())
    whole = record_of(state, state.artifacts)
    present = filtered(whole, filters)
    if out is not None:
        write_record(present, out)
    if recompute:
        with repeated(state, None, fits=False) as again:
            anew = record_of(state, again.root / state.artifacts)
        differ = tell_differences(present, filtered(anew, filters), "computed again")
        return differ + len(again.failed)
    if against is not None:
        if not against.is_file():
            raise UserError(f"{against} does not exist; write one with `pcr ard --out FOLDER`")
        return tell_differences(filtered(pd.read_parquet(against), filters), present, str(against))
    shown = present[PRINTED].head(MAX_PRINTED)
    stdout().print(shown.to_string(index=False, na_rep=""), markup=False, highlight=False, soft_wrap=True)
    stdout().print(f"{len(shown)} of {len(present)} rows", highlight=False)
    return 0


def record_of(state: State, artifacts: Path) -> pd.DataFrame:
    """Return the record of the results below `artifacts` as those of a state."""
    prefix = f"{state.artifacts.as_posix()}/"
    stages = {
        out["path"].removeprefix(prefix): name.partition("@")[0]
        for name, stage in state.stages.items()
        for out in stage.get("outs", [])
    }
    level = read_yaml(Path(paths.VALIDATION))["level"]
    criteria = read_settings(Criteria, Path(paths.GATES))
    return record(artifacts, state.study, state.landmarks, level, stages, state.key, criteria)


def filtered(whole: pd.DataFrame, filters: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows whose columns contain the texts.

    Raises
    ------
    UserError
        If there is no such column.
    """
    rows = pd.Series(True, index=whole.index)
    for column, text in filters.items():
        if column not in KEY:
            raise UserError(f"column {unknown_name(column, KEY)}")
        rows &= whole[column].str.contains(text, regex=False)
    return whole.loc[rows].reset_index(drop=True)


def write_record(present: pd.DataFrame, out: Path) -> None:
    """Write the record and its analysis results data into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    results = analysis_results(present)
    write_table(out / "ard.parquet", present)
    write_table(out / "ard.csv", results)
    write_json(out / "ard.json", dataset_json(results, datetime.now(UTC)))


def tell_differences(former: pd.DataFrame, present: pd.DataFrame, other: str) -> int:
    """Print in which rows two records differ, and return how many they are."""
    found = differences(former, present)
    if len(found):
        shown = found.drop(columns="file").head(MAX_PRINTED)
        stdout().print(shown.to_string(index=False, na_rep=""), markup=False, highlight=False, soft_wrap=True)
    stdout().print(
        f"{len(found)} of {max(len(former), len(present))} rows differ ({other})",
        markup=False,
        highlight=False,
    )
    return len(found)
