"""Simulated populations as an analysis sees them: the rows of every landmark, with the truth beside them.

Only checks of simulated studies use this (`truth_check`, `coverage`, `attainable`). Patients are made in
blocks, each with a seed of its own, by the same code that makes the study: simulator, contract, cohort,
rules, features. A population is large, so that a model's values in it are those that its trial estimates.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from features.documents.study import Study, parse_study, with_defaults
from features.errors import UserError
from models.procedure.backends import side_by_side, workers
from pipeline.project.files import read_yaml
from pipeline.sources.prepare import Preparation, prepare, read_preparation
from pipeline.sources.simulation.settings import Settings, changed, read_settings
from pipeline.sources.simulator import simulate

TRUTH = "truth_"
"""Prefix of what no analysis may see: truth_p = P(pCR | latents, fate) in the patient's own arm."""
BLOCK = 10_000


@dataclass(frozen=True)
class SimulationSpec:
    """Everything that decides how a simulated patient becomes a row of an analysis."""

    simulation: Settings
    by: Preparation

    @property
    def study(self) -> Study:
        """The simulated study."""
        return self.by.study


def read_simulation_spec(study: Path, configs: Path) -> SimulationSpec:
    """Read the spec of a simulated study from its file and the folder of configurations.

    Raises
    ------
    UserError
        If the study is not simulated.
    """
    content = parse_study(with_defaults(read_yaml(study)))
    if not content.simulated:
        raise UserError(
            f"{study}: study {content.name} is not simulated, so there is no truth to check against"
        )
    simulation = read_settings(Path(content.source), configs / "simulation")
    return SimulationSpec(simulation, read_preparation(content, configs))


def digest(spec: SimulationSpec) -> str:
    """Return the sha256 of what makes a population, whatever its size and seed.

    Who is eligible is no part of it: all randomised patients are analysed.
    """
    simulation = spec.simulation.model_dump(mode="json", exclude={"seed": True, "cohort": {"n"}})
    if not spec.simulation.omics:
        # What is not there does not make another simulation of one that was made before it could be.
        del simulation["omics"]
    study = {name: spec.study.document[name] for name in ("visits", "schedule", "outcome", "features")}
    content = [simulation, study, asdict(spec.by.features), asdict(spec.by.rules)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def simulated_rows(
    spec: SimulationSpec, n: int, seed: int, landmarks: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Simulate `n` patients and return the rows of each landmark: those at risk, sorted by id.

    Columns: usubjid, the features, branch and inputs of the rules (as in rules/<landmark>.parquet),
    ``outcome`` (NaN where missing), and the truth: ``truth_p`` (given fate, in the patient's own arm),
    ``truth_control`` and ``truth_adaptive`` (of both strategies, fate averaged).
    """
    made = simulate(changed(spec.simulation, seed=seed), n=n, rules=spec.by.rules, safety=False)
    prepared = prepare(spec.by.checked(made.tables), spec.by)
    beside = prepared.cohort.frame[["usubjid", "arm", "outcome"]].merge(made.truth, on="usubjid")
    adaptive = beside["arm"] == spec.study.adaptive_arm
    own_arm = beside["p_adaptive_given_fate"].where(adaptive, beside["p_control_given_fate"])
    truth = {"p": own_arm, "control": beside["p_control"], "adaptive": beside["p_adaptive"]}
    beside = beside[["usubjid", "outcome"]].assign(**{TRUTH + name: values for name, values in truth.items()})
    return {
        landmark: prepared.rows(landmark)
        .merge(beside, on="usubjid")
        .sort_values("usubjid", ignore_index=True)
        for landmark in landmarks
    }


def block_sizes(n: int) -> list[int]:
    """Return the sizes of the blocks that `n` patients are simulated in."""
    return [min(BLOCK, n - start) for start in range(0, n, BLOCK)]


def population(spec: SimulationSpec, n: int, seed: int, landmarks: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of `n` simulated patients by landmark, as `simulated_rows`; ids are unique.

    Equal for any number of workers.
    """
    parts = side_by_side(
        [partial(block, *of_block) for of_block in _blocks(spec, block_sizes(n), seed, landmarks)]
    )
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in landmarks}


def blocks(
    spec: SimulationSpec, sizes: Sequence[int], seed: int, landmarks: Sequence[str]
) -> Iterator[dict[str, pd.DataFrame]]:
    """Yield the rows of every block by landmark, in order, as they are ready."""
    pool = Parallel(n_jobs=min(workers(), len(sizes)), return_as="generator")
    yield from pool(delayed(block)(*of_block) for of_block in _blocks(spec, sizes, seed, landmarks))


def _blocks(
    spec: SimulationSpec, sizes: Sequence[int], seed: int, landmarks: Sequence[str]
) -> list[tuple[SimulationSpec, int, int, Sequence[str], int]]:
    """Return what `block` takes, for every block."""
    seeds = np.random.SeedSequence(seed).generate_state(len(sizes))
    return [
        (spec, size, int(own), landmarks, number)
        for number, (size, own) in enumerate(zip(sizes, seeds, strict=True))
    ]


def block(
    spec: SimulationSpec, n: int, seed: int, landmarks: Sequence[str], number: int
) -> dict[str, pd.DataFrame]:
    """Return the rows of one block; its number goes before the ids, which are unique in the population so."""
    rows = simulated_rows(spec, n, seed, landmarks)
    return {name: frame.assign(usubjid=f"{number}-" + frame["usubjid"]) for name, frame in rows.items()}


def split_truth(rows: pd.DataFrame) -> tuple[pd.DataFrame, Mapping[str, np.ndarray]]:
    """Return the rows without the truth, and the truth by name (p, control, adaptive), each of shape (n,)."""
    secret = [column for column in map(str, rows) if column.startswith(TRUTH)]
    values = {column.removeprefix(TRUTH): rows[column].to_numpy(dtype=float) for column in secret}
    return rows.drop(columns=secret), values
