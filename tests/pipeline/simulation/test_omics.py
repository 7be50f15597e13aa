"""Assays with known truth: modules, signal and batches as configured, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from features.documents.study import parse_study, with_defaults
from features.errors import UserError
from pipeline.project.configs import read_contract, read_identifiers
from pipeline.project.files import read_yaml
from pipeline.simulation_checks.populations import SimulationSpec, digest, read_simulation_spec
from pipeline.sources.assays import made_assays
from pipeline.sources.ingest import ingest
from pipeline.sources.mapped import check_study_file
from pipeline.sources.mapping.assay import Assay, wrong_assays
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.omics import AssayParameters, DrawnAssay, assay_tables, draw_assay
from pipeline.sources.simulation.settings import Settings, changed, read_settings
from pipeline.sources.simulator import Simulated, simulate
from pipeline.stages.raw import STAGE

ASSAYS: dict[str, dict[str, Any]] = read_yaml(Path("configs/simulation_omics.yaml"))


def drawn(n: int = 4000, seed: int = 3, **changes: Any) -> DrawnAssay:
    parameters = ASSAYS["expression"] | {"features": 60, "modules": 2, "missing_share": 0.0} | changes
    luminal = np.random.default_rng(1).standard_normal(n)
    return draw_assay(
        "rna", AssayParameters.model_validate(parameters), {"luminal": luminal}, n, Streams(seed)
    )


def test_features_of_a_module_correlate_as_configured_and_others_with_none() -> None:
    correlation = np.corrcoef(drawn(batch_sd=0.0).measured.T)
    inside = correlation[:25, :25][~np.eye(25, dtype=bool)]
    assert inside.mean() == pytest.approx(0.5, abs=0.03)
    assert np.abs(correlation[:25, 50:]).max() < 0.08


def test_the_signal_is_that_of_the_true_features_and_leans_on_its_latent() -> None:
    assay = drawn(batch_sd=0.0)
    assert assay.true.sum() == 5
    z = (assay.measured - 6.0) / 1.5
    assert np.corrcoef(assay.signal, z[:, assay.true].sum(axis=1))[0, 1] == pytest.approx(1)
    assert assay.signal.std() == pytest.approx(1, abs=0.05)
    luminal = np.random.default_rng(1).standard_normal(4000)
    # 0.3 through a factor that is sqrt(25 x 0.5 / (5 + 20 x 0.5)) of the signal.
    assert np.corrcoef(assay.signal, luminal)[0, 1] == pytest.approx(0.3 * np.sqrt(12.5 / 15), abs=0.04)


def test_batches_move_features_and_missing_patients_have_none() -> None:
    assay = drawn(batch_sd=2.0, missing_share=0.3)
    has = ~np.isnan(assay.measured).all(axis=1)
    assert has.mean() == pytest.approx(0.7, abs=0.03)
    means = pd.DataFrame(assay.measured[has]).groupby(assay.batch[has]).mean()
    assert (means.std() / 1.5).mean() == pytest.approx(2.0, abs=0.6)


def test_more_patients_missing_leaves_all_other_draws_as_they_were() -> None:
    first, second = drawn(200), drawn(200, missing_share=0.5)
    has = ~np.isnan(second.measured).all(axis=1)
    assert (first.measured[has] == second.measured[has]).all()
    assert (drawn(200, scale="linear").measured == np.exp2(first.measured)).all()


@pytest.mark.parametrize(
    "changes",
    [{"modules": 9}, {"true_features": 26}, {"correlation": -0.1}, {"effects": 1},
     {"leans_on": {"luminal": 0.8, "frailty": 0.7}}, {"leans_on": {"nothing": 0.1}}],
)  # fmt: skip
def test_impossible_parameters_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        drawn(10, **changes)


@pytest.fixture(scope="module", name="settings")
def _settings() -> Settings:
    return read_settings(Path("configs/simulation.yaml"))


@pytest.fixture(scope="module", name="with_assays")
def _with_assays(settings: Settings) -> Simulated:
    return simulate(changed(settings, omics=ASSAYS), n=300, safety=False)


def test_by_default_there_is_no_assay_and_assays_change_outcomes_alone(
    settings: Settings, with_assays: Simulated
) -> None:
    plain = simulate(settings, n=300, safety=False)
    assert plain.assays == {}
    changed_tables = {
        name for name, table in plain.tables.items() if not table.equals(with_assays.tables[name])
    }
    assert changed_tables <= {"surgery", "follow_up"}
    moved = np.corrcoef(with_assays.assays["expression"].signal, with_assays.truth["p_adaptive"])[0, 1]
    assert moved > 0.3


def test_another_simulation_is_one_with_assays() -> None:
    spec = read_simulation_spec(Path("configs/studies/nct07239271.yaml"), Path("configs"))
    assert digest(SimulationSpec(changed(spec.simulation, omics=ASSAYS), spec.by)) != digest(spec)


def test_tables_have_who_has_the_assay_sorted_with_the_batch(with_assays: Simulated) -> None:
    patients = with_assays.truth["usubjid"].to_numpy()
    frame, samples = assay_tables(with_assays.assays["expression"], patients[::-1])
    assert frame["usubjid"].is_monotonic_increasing
    assert 150 < len(frame) < 260
    assert set(samples["batch"]) == {"B1", "B2", "B3", "B4"}
    assert frame.shape[1] == 2001


def test_a_simulated_study_reads_the_assays_that_its_simulator_makes(
    settings: Settings, tmp_path: Path
) -> None:
    small = {name: entry | {"features": 50, "modules": 1} for name, entry in ASSAYS.items()}
    source = tmp_path / "simulation.yaml"
    content = read_yaml(Path("configs/simulation.yaml"))
    source.write_text(yaml.safe_dump(content | {"omics": small, "cohort": content["cohort"] | {"n": 150}}))
    document = read_yaml(Path("configs/studies/nct07239271.yaml"))
    document["omics"] = {"expression": {"path": "simulated", "type": "expression", "visit": "baseline"}}
    check_study_file(document)
    # As stage raw sees the study: by the keys that it declares.
    whole = with_defaults(document)
    declared: Any = {key: whole.get(key) for key in STAGE.params["configs/study.yaml"]}
    raw = ingest(
        parse_study(declared), source, read_contract(Path("configs/contract")),
        read_identifiers(Path("configs/identifiers.yaml")), None,
    )  # fmt: skip
    assert raw.omics["expression"].frame.shape[1] == 51
    assert len(raw.omics["expression"].samples) == len(raw.omics["expression"].frame)
    with pytest.raises(UserError, match=r"omics, rna: the simulator's settings .* they have expression"):
        made_assays(["rna"], {"expression": (pd.DataFrame(), pd.DataFrame())})


def test_simulated_is_a_path_of_simulated_studies_alone() -> None:
    entry = Assay(path="simulated", type="expression", visit="baseline")
    assert not list(wrong_assays({"rna": entry}, ["baseline"], simulated=True))
    assert "must be simulated in a simulated study" in next(
        iter(wrong_assays({"rna": entry}, ["baseline"], simulated=False))
    )
