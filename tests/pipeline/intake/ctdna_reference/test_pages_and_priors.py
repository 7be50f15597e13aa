"""The library's page and the simulator's piece say what the figures say, with their counts."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.intake.ctdna_reference.library import Library
from pipeline.intake.ctdna_reference.page import percent
from pipeline.intake.ctdna_reference.priors import PriorsError, apply_priors
from pipeline.intake.ctdna_reference.report import fingerprints, make_library_report
from pipeline.project.files import read_yaml
from pipeline.sources.ingest import Ingested
from tests.features.tables import ROOT

BASE = ROOT / "configs/simulation.yaml"


def applied(folder: Path, text: str) -> tuple[list[str], Any]:
    """Put a piece into a copy of the simulator's settings; return what was said, and the copy."""
    (folder / "piece.yaml").write_text(text)
    said = apply_priors(folder / "piece.yaml", BASE, folder / "mine.yaml", kinetics=False)
    return said, read_yaml(folder / "mine.yaml")


def test_a_library_without_variants_has_none_instead_of_an_empty_table() -> None:
    raw = Ingested({"ctdna_samples": pd.DataFrame()}, pd.DataFrame(), pd.DataFrame())
    settings: Any = None
    assert Library(raw, pd.DataFrame(), {}, settings, {}).variants is None


def test_a_share_is_shown_in_per_cent_with_its_interval_and_of_nobody_as_a_dash() -> None:
    assert percent({"n": 8, "value": 0.25, "low": 0.071, "high": 0.591}) == "25.0 % (7.1 to 59.1)"
    assert percent({"n": 0}) == "-"


def test_a_value_replaces_the_former_one_and_says_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    said, mine = applied(tmp_path, "genome: {ch_vaf_median: 0.5}\n")
    former = read_yaml(BASE)["genome"]["ch_vaf_median"]
    assert said == [f"genome.ch_vaf_median: {former} -> 0.5"]
    assert mine["genome"] == read_yaml(BASE)["genome"] | {"ch_vaf_median": 0.5}


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        ("genome: {speed: 1}\n", r"genome\.speed is not a setting of the simulator"),
        ("genome: {ch_vaf_median: high}\n", r"genome\.ch_vaf_median must be one number"),
        ("ctdna: {plasma_ml: 1}\n", r"nothing to take over \(kinetics only with --kinetics\)"),
    ],
)
def test_what_is_no_setting_or_no_number_is_refused(
    tmp_path: Path, piece: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(PriorsError, match=message):
        applied(tmp_path, piece)
    assert not (tmp_path / "mine.yaml").exists()


def test_a_study_with_an_outcome_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=r"study ispy2 has an outcome: pcr run --study ispy2"):
        make_library_report("ispy2", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_fingerprint_of_a_file_changes_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_yaml(ROOT / "configs/studies/ispy2.yaml")
    path = next(iter(study["mapping"]["files"].values()))["path"]
    prints = []
    for text in ("x\n1\n", "x\n2\n"):
        (tmp_path / path).write_text(text)
        prints.append(fingerprints(study, tmp_path))
    assert [list(found) for found in prints] == [[path], [path]], "files that are not there have none"
    assert prints[0][path] != prints[1][path]
