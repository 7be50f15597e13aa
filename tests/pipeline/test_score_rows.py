"""Rows to be scored: ids are text, whatever they look like, and every row has the header's cells."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import UserError
from models.serving.serving import read_model
from pipeline.commands import score
from pipeline.commands.score import answered, read_parts, write_parts
from pipeline.commands.scored_tables import _read_table
from tests.malformed import GOOD
from tests.patients import patients
from tests.serving import write_served_model

READ: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, dtype="str", keep_default_na=False), ".parquet": pd.read_parquet,
}  # fmt: skip
NAMES = ["0012", "007", "1E5", "1e5", "NA", "None", "null", "1.0", "TRUE", "0x1F", "2026-01-02", "1_000"]
HEADER = ("usubjid", "age_years", "hr")


def read_frame(path: Path) -> pd.DataFrame:
    """Return all rows of a file."""
    return pd.concat([*read_parts(path)], ignore_index=True)


def as_csv(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    path.with_suffix(".csv").write_text("\n".join(",".join(map(str, row)) for row in [HEADER, *rows]) + "\n")
    return path.with_suffix(".csv")


def as_parquet(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    pd.DataFrame(rows, columns=list(HEADER)).to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def as_bytes(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    ids, ages, hr = zip(*rows, strict=True)
    columns = [pa.array([i.encode() for i in ids]), pa.array(ages), pa.array(hr)]
    pq.write_table(pa.table(columns, names=list(HEADER)), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def as_workbook(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    book = openpyxl.Workbook()
    for row in [HEADER, *rows]:
        book.active.append(row)
    book.save(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx")


WRITERS = [as_csv, as_parquet, as_bytes, as_workbook]


@pytest.mark.parametrize("write", WRITERS)
def test_ids_stay_the_text_that_they_are(
    write: Callable[[Path, list[tuple[Any, ...]]], Path], tmp_path: Path
) -> None:
    frame = read_frame(write(tmp_path / "rows", [(f" {name}", 50, "pos") for name in NAMES]))
    assert frame["usubjid"].tolist() == NAMES
    assert frame["age_years"].tolist() == [50] * len(NAMES)
    assert set(frame["hr"]) == {"pos"}


def test_ids_of_numbers_have_no_point_in_any_format(tmp_path: Path) -> None:
    for write in (as_csv, as_parquet, as_workbook):
        assert read_frame(write(tmp_path / "rows", [(756412, 50, "pos")]))["usubjid"].tolist() == ["756412"]
    rows = [(756412.0, 50, "pos"), (None, 51, "neg")]
    assert read_frame(as_parquet(tmp_path / "rows", rows))["usubjid"].tolist()[0] == "756412"


def test_leading_zeros_that_a_workbook_only_shows_are_part_of_the_id(tmp_path: Path) -> None:
    path = as_workbook(tmp_path / "rows", [(7, 50, "pos")])
    book = openpyxl.load_workbook(path)
    book.active["A2"].number_format = "000"
    book.save(path)
    assert read_frame(path)["usubjid"].tolist() == ["007"]


def test_raw_tables_of_a_folder_keep_ids_as_text(tmp_path: Path) -> None:
    for name in NAMES:
        table = _read_table(as_csv(tmp_path / "subjects", [(name, 50, "pos")]))
        assert table["usubjid"].tolist() == [name]


def test_a_row_of_too_few_cells_is_not_scored(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("usubjid,age_years,hr\n0012,50\n")
    with pytest.raises(UserError, match="line 2 has 2, the header 3"):
        read_frame(path)


@pytest.mark.parametrize(
    ("name", "content"), [("rows.xlsx", b"no workbook"), ("rows.parquet", b"none"), ("rows.csv", b"")]
)
def test_what_is_of_another_kind_is_refused_by_its_name(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read_frame(tmp_path / name)


def test_a_formula_without_a_result_is_not_scored(tmp_path: Path) -> None:
    path = as_workbook(tmp_path / "rows", [("007", "=A1", "pos")])
    with pytest.raises(UserError, match=r"formulas without a result.*B2"):
        read_frame(path)


@pytest.mark.parametrize("write", WRITERS)
def test_rows_and_their_answers_are_the_same_in_parts(
    write: Callable[[Path, list[tuple[Any, ...]]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_served_model(tmp_path / "model", "logistic")
    model = read_model(tmp_path / "model")
    rows = write(tmp_path / "rows", [(name, 40 + k, "posneg"[k % 2 :]) for k, name in enumerate(NAMES)])
    answers = {}
    for size in (100, 5):
        monkeypatch.setattr(score, "ROWS_AT_ONCE", size)
        for ending in (".csv", ".parquet"):
            out = tmp_path / f"answers-{size}{ending}"
            counts = write_parts(out, (answered(model, part) for part in read_parts(rows)))
            assert counts.total() == len(NAMES)
            answers[size, ending] = READ[ending](out)
    for ending in READ:
        pd.testing.assert_frame_equal(answers[5, ending], answers[100, ending])
        assert answers[5, ending]["usubjid"].tolist() == NAMES


@pytest.mark.parametrize("kind", ["logistic", "lightgbm"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_answers_are_the_same_bytes_from_one_process_and_from_several(
    kind: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_served_model(tmp_path / "model", kind)
    frame = patients(57, seed=4, missing=0.2)[0].assign(usubjid=[f"{k:03d}" for k in range(57)])
    frame.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(score, "ROWS_AT_ONCE", 10)
    written = []
    for several in ("1", "2", "4"):
        monkeypatch.setenv("PCR_WORKERS", several)
        out = tmp_path / f"answers-{several}{ending}"
        score.score(str(tmp_path / "model"), None, tmp_path / "rows.parquet", None, out)
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]
    answers = READ[ending](tmp_path / f"answers-2{ending}")
    assert answers["usubjid"].tolist() == frame["usubjid"].tolist()
    assert [file.name for file in tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    "columns",
    [
        {"age_years": pa.array([Decimal("50.10")])},
        {"age_years": pa.array([Decimal("50.1")], pa.decimal256(40, 3))},
        {"age_years": pa.array([50.1]).dictionary_encode()},
        *({"arm": pa.array([b"A"], kind)} for kind in (pa.binary(), pa.large_binary(), pa.binary(1))),
        {"arm": pa.array(["A"]).dictionary_encode()},
    ],
)  # fmt: skip
def test_decimals_of_databases_and_text_as_bytes_are_read_as_what_they_are(
    columns: dict[str, pa.Array], tmp_path: Path
) -> None:
    row = {name: pa.array([value]) for name, value in (GOOD | {"age_years": 50.1}).items()}
    frames = []
    for k, table in enumerate((row, row | columns)):
        pq.write_table(pa.table(table), tmp_path / f"{k}.parquet")
        frames.append(read_frame(tmp_path / f"{k}.parquet").astype({"arm": "str", "age_years": float}))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_only_statuses_that_a_row_has_are_counted(tmp_path: Path) -> None:
    write_served_model(tmp_path / "model", "logistic")
    part = pd.DataFrame([GOOD, GOOD | {"age_years": -5}])
    counts = write_parts(tmp_path / "answers.parquet", [answered(read_model(tmp_path / "model"), part)])
    assert dict(counts) == {"ok": 1, "rejected": 1}


def test_an_index_that_pandas_wrote_is_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame([GOOD, GOOD], index=[7, 9])
    frame.to_parquet(tmp_path / "rows.parquet")
    assert read_frame(tmp_path / "rows.parquet").columns.tolist() == [*GOOD]


def test_a_file_that_breaks_off_between_its_parts_leaves_no_answers(tmp_path: Path) -> None:
    def parts() -> Iterator[pd.DataFrame]:
        yield pd.DataFrame({"status": ["ok"]})
        raise UserError("broken off")

    with pytest.raises(UserError, match="broken off"):
        write_parts(tmp_path / "answers.parquet", parts())
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("odd", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "-2+3+cmd|' /C calc'!A0"])
def test_an_id_that_a_spreadsheet_would_compute_is_not_written_to_csv_and_stays_itself_elsewhere(
    odd: str, tmp_path: Path
) -> None:
    ids = ["P-1", odd, "-12", "+49"]
    answers = pd.DataFrame({"usubjid": pd.array(ids, dtype="str"), "status": pd.Categorical(["ok"] * 4)})
    with pytest.raises(score.ScoringError, match=r"1 ids begin with =, \+, - or @.*\.parquet"):
        write_parts(tmp_path / "out.csv", [answers])
    assert list(tmp_path.iterdir()) == []
    write_parts(tmp_path / "out.parquet", [answers])
    assert pd.read_parquet(tmp_path / "out.parquet")["usubjid"].tolist() == ids
    write_parts(tmp_path / "out.csv", [answers.drop(1)])
    assert READ[".csv"](tmp_path / "out.csv")["usubjid"].tolist() == ["P-1", "-12", "+49"]


def test_ids_that_several_rows_have_are_told_across_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_served_model(tmp_path / "model", "logistic")
    monkeypatch.setattr(score, "ROWS_AT_ONCE", 2)
    for ids, told in ({"P-1": 1, "P-2": 1, "": 3}, ""), ({"P-1": 3, "P-2": 2}, "3 rows have the id of a row"):
        rows = [GOOD | {"usubjid": one} for one, times in ids.items() for _ in range(times)]
        pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
        score.score(str(tmp_path / "model"), None, tmp_path / "rows.csv", None, tmp_path / "out.csv")
        assert told in (said := capsys.readouterr().out)
        assert ("have the id" in said) == bool(told)
