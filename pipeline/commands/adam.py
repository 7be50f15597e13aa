"""`pcr adam`: the active study's analysis datasets, as sponsors exchange them."""

from pathlib import Path

import pandas as pd

from features.documents.study import parse_study
from features.errors import UserError
from pipeline.adam.conformance import violations
from pipeline.adam.datasets import analysis_datasets
from pipeline.adam.files import write_datasets
from pipeline.adam.specification import read_specification
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.files import read_tables, read_yaml
from pipeline.registry.contents import require_computed
from pipeline.registry.state import workspace_state
from pipeline.workspace.study import active_study

SPECIFICATION = Path("configs/adam.yaml")


def adam(out: Path) -> None:
    """Write ADSL, ADEFF and, where there are the tables, ADRS and ADTR, with define.xml.

    Raises
    ------
    UserError
        If there are no results, if they were altered, or if a dataset breaks a rule of ADaM.
    """
    state = workspace_state(active_study())
    require_computed(state.stages)
    study = parse_study(read_yaml(Path(paths.STUDY)))
    specification = read_specification(SPECIFICATION)
    built = analysis_datasets(
        study,
        read_tables(state.artifacts / "raw"),
        pd.read_parquet(state.artifacts / "cohort/cohort.parquet"),
        pd.read_parquet(state.artifacts / "rules/decisions.parquet"),
    )
    frames = {
        name: frame.reindex(columns=[*specification.datasets[name].variables])
        for name, frame in built.items()
    }
    if broken := violations(frames, specification):
        raise UserError(f"nothing is written: {'; '.join(broken)}")
    write_datasets(frames, specification, study, out)
    for name, frame in frames.items():
        stdout().print(f"{name}: {len(frame):,} records, {frame.shape[1]} variables", highlight=False)
    kept = [name for name in specification.datasets if name not in frames]
    if kept:
        stdout().print(f"not written, the study has no such table: {', '.join(kept)}", highlight=False)
    stdout().print(f"{out / 'define.xml'}", highlight=False, markup=False, soft_wrap=True)
