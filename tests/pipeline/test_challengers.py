"""Files of challengers, the commands `pcr folds` and `pcr challenge`, the study file, and the report."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.errors import UserError
from models.evaluation.challengers import judged_challengers
from pipeline.cli import app
from pipeline.commands.challenge import challenge, folds
from pipeline.project.files import read_yaml
from pipeline.report.challengers import parse_challenger
from pipeline.report.study.challengers import challengers_part
from pipeline.sources.challengers import read_forecasts
from pipeline.sources.mapped import check_study_file, source_files
from pipeline.sources.mapping.challenger import Challenger, wrong_challengers
from tests.labels import PLAIN
from tests.models.evaluation.test_challengers import ARM, PATIENTS, PLAN, Y, forecasts, predictions


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "A.PARQUET"])
def test_every_format_gives_the_same_forecasts(name: str, tmp_path: Path) -> None:
    frame = forecasts().assign(note="x")
    frame.to_parquet(tmp_path / name) if name.lower().endswith("parquet") else frame.to_csv(tmp_path / name)
    pd.testing.assert_frame_equal(read_forecasts(tmp_path / name), forecasts().astype({"fold": "int64"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("usubjid,repeat,fold\nP1,0,0\n", "has no column p; must have usubjid, repeat, fold, p"),
        ("usubjid,repeat,fold,p\nP1,0,0,secret\n", "column p: 1 cells are no number"),
        ("usubjid,repeat,fold,p\nP1,0,1.5,0.5\n", "column fold: 1 cells are no whole number"),
        ("", r"cannot be read \(EmptyDataError\)"),
        ("usubjid,repeat,fold,p\nP1,0,0,0.5,7\nP1\n1,2,3,4,5,6,7\n", "cannot be read"),
        ("usubjid,repeat,fold,p\nP1,0,0,0.5\nP2,0,0,0.4", "no line end, as in a file that is cut off"),
        ("usubjid,repeat,fold,p,p\nP1,0,0,0.5,0.6\n", "several columns are called p; keep one"),
    ],
)
def test_a_file_that_is_no_table_of_forecasts_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        read_forecasts(tmp_path / "a.csv")
    assert "secret" not in str(raised.value)
    with pytest.raises(UserError, match="does not exist"):
        read_forecasts(tmp_path / "b.csv")


def test_a_damaged_or_cut_off_gzip_file_is_refused(tmp_path: Path) -> None:
    forecasts().to_csv(tmp_path / "a.csv.gz")
    content = (tmp_path / "a.csv.gz").read_bytes()
    for damaged in (content[:-20], content[:40] + b"\xff" * 40 + content[80:], b"usubjid\n"):
        (tmp_path / "a.csv.gz").write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            read_forecasts(tmp_path / "a.csv.gz")


def test_cells_that_are_lists_are_no_numbers(tmp_path: Path) -> None:
    frame = forecasts()
    frame["p"] = pd.Series([[value] for value in frame["p"]], dtype=object)
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=f"column p: {len(frame)} cells are no number"):
        read_forecasts(tmp_path / "a.parquet")


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with configurations and the predictions of the active study at c2."""
    shutil.copytree("configs", tmp_path / "configs")
    folder = tmp_path / "artifacts" / "nct07239271"
    for part in ("predictions", "cohort"):
        (folder / part).mkdir(parents=True)
    predictions().to_parquet(folder / "predictions" / "c2.parquet")
    cohort = pd.DataFrame({"usubjid": PATIENTS, "arm": ARM.to_numpy(), "outcome": Y.astype(float)})
    cohort.to_parquet(folder / "cohort" / "cohort.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_folds_go_out_and_predictions_on_them_come_back(checkout: Path) -> None:
    run = CliRunner()
    done = run.invoke(app, ["folds", "--landmark", "c2", "--out", "folds.csv"])
    assert done.exit_code == 0, done.output
    written = pd.read_csv(checkout / "folds.csv")
    assert list(written) == ["usubjid", "repeat", "fold"]
    p = np.random.default_rng(0).uniform(0.3, 0.7, len(written))
    written.assign(p=p).to_csv(checkout / "predictions.csv", index=False)
    judged = run.invoke(app, ["challenge", "predictions.csv", "--landmark", "c2", "--name", "network"])
    assert judged.exit_code == 0, judged.output
    assert "network" in judged.output
    assert "80 patients" in judged.output
    with pytest.raises(UserError, match="c9 is unknown; must be one of baseline"):
        folds("c9", checkout / "folds.csv")
    with pytest.raises(UserError, match="run `pcr run` first"):
        challenge(checkout / "predictions.csv", "net", "c1", fixed=False)


def study(**challenger: object) -> Any:
    document = read_yaml(Path("configs/studies/transneo_blocks.yaml"))
    return document | {"challengers": {"net": {"path": "net.csv", "landmark": "baseline", **challenger}}}


def test_the_file_of_a_challenger_is_among_those_that_a_study_reads() -> None:
    check_study_file(study())
    assert "net.csv" in source_files(study())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "../net.csv"}, "inside the source folder"),
        ({"path": "net.xlsx"}, "must end in one of"),
        ({"landmark": "c9"}, "c9 is not one of `landmarks`"),
        ({"kind": "x"}, "kind"),
    ],
)
def test_a_faulty_challenger_of_the_study_file_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_study_file(study(**changes))


def test_challengers_of_a_simulated_study_and_names_that_are_no_words_are_refused() -> None:
    entry = Challenger(path="a.csv", landmark="c2")
    told = " ".join(wrong_challengers({"a-b": entry}, ["c2"], simulated=True))
    assert "a-b: must be a word" in told
    assert "studies with files" in told


def test_the_report_has_the_difference_in_words_and_only_groups_that_were_judged() -> None:
    few = pd.Series(["A"] * 5 + ["B"] * 75, index=PATIENTS)
    judged = judged_challengers(
        {"deep_net": ("baseline", forecasts(), False)}, {"baseline": predictions()}, few, PLAN
    )
    found = {name: parse_challenger(content) for name, content in judged.items()}
    tables = challengers_part(found, "all patients", PLAIN)[1]
    assert [row["group"] for row in tables["differences"].rows] == ["all patients", "B"]
    assert tables["differences"].rows[0]["name"] == "deep net"
    assert tables["differences"].rows[0]["said"] in {"better", "worse", "not distinguishable"}
    assert len(tables["measures"].rows) == 4
    assert challengers_part({}, "all", PLAIN) == ({}, {})
