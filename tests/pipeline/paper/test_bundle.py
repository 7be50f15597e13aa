"""The zip for a manuscript: all that the pages show, nothing that they hide, the same bytes again."""

import csv
import io
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image

from features.errors import UserError
from pipeline.commands.paper import commit_of, paper, require_current_pages
from pipeline.paper.archives import unzipped
from pipeline.paper.bundle import Source, bundle
from pipeline.paper.figures import data_csv, png, with_few_layers
from pipeline.paper.pages import PageTable, parse_page, read_page
from pipeline.paper.word import Heading, Paragraph, word_document
from pipeline.registry.contents import content_digest
from pipeline.registry.origin import Origin
from pipeline.registry.state import State
from pipeline.report.drawing import About, Spec
from pipeline.report.landmark_page import landmark_page
from pipeline.report.study.figures import svg
from pipeline.report.study.page import overview_page
from pipeline.report.study_charts import bootstrap_chart
from tests.browser import opened, show_everything
from tests.pipeline.test_report import Reader, charts, given, plain, private
from tests.pipeline.test_true_pages import ALL_OF_IT, inputs_of, results_of

SOURCE = Source("toy", "A toy study", "1a2b3c4d5", "0" * 64)


@cache
def overview() -> str:
    return overview_page(inputs_of(ALL_OF_IT), results_of(ALL_OF_IT))


@cache
def both() -> dict[str, bytes]:
    return unzipped(bundle(SOURCE, {"report": parse_page(overview()), "c2": parse_page(plain())}))


def of_kind(end: str) -> dict[str, bytes]:
    return {name: content for name, content in both().items() if name.endswith(end)}


def test_every_figure_and_table_of_a_page_is_read_with_its_number_in_the_order_of_the_page() -> None:
    for html in (overview(), plain()):
        page = parse_page(html)
        fixed = {name for name, spec in charts(html).items() if not spec["usermeta"].get("filled")}
        assert {figure.id for figure in page.figures} == fixed
        numbers = [int(figure.number.removeprefix("Figure ")) for figure in page.figures]
        assert numbers == sorted(set(numbers))
        named = {attrs["id"] for tag, attrs in Reader(html).tags if tag == "table" and "id" in attrs}
        assert {table.id for table in page.tables} == named - {"patient-domains", "patient-values"}
        assert all(table.caption and table.section for table in page.tables)
        assert max(len(table.rows) for table in page.tables) > 1


def test_files_are_named_by_study_page_and_commit_and_listed_with_their_captions() -> None:
    folder = "toy-1a2b3c4d5"
    assert {name.split("/")[0] for name in both()} == {folder}
    listed = list(csv.DictReader(io.StringIO(both()[f"{folder}/contents.csv"].decode())))
    assert {f"{folder}/{row['file']}" for row in listed} == set(both()) - {
        f"{folder}/contents.csv",
        f"{folder}/README.txt",
    }
    assert all(row["file"].split("/")[1].startswith(f"toy-{row['page']}-1a2b3c4d5-") for row in listed)
    assert all(row["caption"] for row in listed)
    assert both()[f"{folder}/README.txt"].startswith(b"SIMULATED DATA - no patients")


def test_the_same_pages_give_the_same_bytes() -> None:
    again = unzipped(bundle(SOURCE, {"c2": parse_page(plain())}))
    assert {k: v for k, v in again.items() if "-c2-" in k} == {k: v for k, v in both().items() if "-c2-" in k}


def test_every_figure_opens_as_svg_and_its_data_have_rows() -> None:
    drawings, data = of_kind(".svg"), {k: v for k, v in of_kind(".csv").items() if "/data/" in k}
    assert len(drawings) == len(data) > 8
    assert all(text.startswith(b"<svg") for text in drawings.values())
    assert all(list(csv.DictReader(io.StringIO(text.decode()))) for text in data.values())


def test_a_png_is_there_where_the_page_offers_one_and_has_300_dots_an_inch() -> None:
    assert bool(of_kind(".png")) == ('data-save="png"' in overview() + plain())
    (figure, *_) = parse_page(plain()).figures
    content = png(svg(figure.spec))
    dots_a_metre = content[content.index(b"pHYs") + 4 :][:4]
    assert round(int.from_bytes(dots_a_metre) * 0.0254) == 300


def many_lines(n: int) -> Spec:
    rows = [
        {"line": line, "sample": sample, "at": at, "value": at + k / n - 0.5}
        for k, (line, sample) in enumerate([("apparent", "")] + [("sample", str(k)) for k in range(n)])
        for at in (0.0, 1.0)
    ]
    about: About = {"n": 1, "events": 1, "scale": "", "sampling": ""}
    return bootstrap_chart(pd.DataFrame(rows), "", "x", "y", about, diagonal=True)


def layers(drawn: str) -> int:
    return len(re.findall(r"[ <](?:clip-path|opacity)=\"(?!1\")", drawn))


def test_a_picture_has_as_many_layers_for_many_lines_as_for_few_and_looks_as_drawn() -> None:
    few, many = svg(many_lines(3)), svg(many_lines(200))
    assert layers(many) > 200
    assert layers(with_few_layers(many)) == layers(with_few_layers(few)) < 10
    as_drawn, as_taken = (
        np.asarray(Image.open(io.BytesIO(vl_convert.svg_to_png(drawn, ppi=36))).convert("RGB"), dtype=int)
        for drawn in (few, with_few_layers(few))
    )
    assert np.ptp(as_drawn) > 100
    assert np.abs(as_drawn - as_taken).max() <= 2


def test_each_figure_is_drawn_once_and_its_picture_made_of_the_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    for name in ("vegalite_to_svg", "vegalite_to_png", "svg_to_png"):
        drawn = getattr(vl_convert, name)
        monkeypatch.setattr(
            vl_convert, name, lambda *a, _n=name, _d=drawn, **k: calls.append(_n) or _d(*a, **k)
        )
    page = parse_page(plain())
    told: list[str] = []
    bundle(SOURCE, {"c2": page}, told.append)
    assert told == ["c2"]
    pictures = sum("png" in figure.offers for figure in page.figures)
    assert Counter(calls) == {"vegalite_to_svg": len(page.figures), "svg_to_png": pictures}


def test_the_data_of_a_figure_are_those_of_the_pages_button(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(plain(), encoding="utf-8")
    page = read_page(tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as (shown, _):
        show_everything(shown)
        saved = {figure.id: shown.evaluate(f"pcr.csv('{figure.id}')") for figure in page.figures}
    assert {figure.id: data_csv(figure.spec) for figure in page.figures} == saved


def test_without_the_patient_view_no_file_tells_of_a_single_patient() -> None:
    html = landmark_page(**given(settings=private(patient_view=False)))
    files = unzipped(bundle(SOURCE, {"c2": parse_page(html)}))
    assert not [name for name in files if "beeswarm" in name]
    assert [name for name in both() if "beeswarm" in name]
    assert not [name for name, content in files.items() if b"P0000" in content]


def test_a_document_has_each_table_whole_below_its_section_and_the_label_on_every_page() -> None:
    (content,) = [v for k, v in of_kind(".docx").items() if "report" in k]
    document, page = docx.Document(io.BytesIO(content)), parse_page(overview())
    assert document.sections[0].header.paragraphs[0].text == "SIMULATED DATA - no patients"
    read = [tuple(tuple(c.text for c in row.cells) for row in table.rows) for table in document.tables]
    assert read == [(table.header, *table.rows) for table in page.tables]
    assert {table.section for table in page.tables} <= {p.text for p in document.paragraphs}


def test_a_document_depends_on_its_words_alone() -> None:
    table = PageTable("t", "Table 1", "", "Ages", ("", "n"), (("a", "1"), ("b <c> & d", "")), (False, True))
    blocks = [Heading("Methods"), Paragraph("One sentence."), table]
    assert word_document("A", "", blocks) == word_document("A", "", blocks)
    assert word_document("A", "", blocks) != word_document("A", "label", blocks)
    assert docx.Document(io.BytesIO(word_document("A", "", [table]))).sections[0].header.is_linked_to_previous


def state(tmp_path: Path, **origin: str) -> State:
    page, configuration = Path("reports/index.html"), Path("configs/report_pages.yaml")
    for path in (page, configuration):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was", encoding="utf-8")
    stage: Any = {
        "deps": [{"path": str(configuration), "md5": content_digest(configuration)}],
        "outs": [{"path": "reports", "md5": content_digest(Path("reports"))}],
    }
    return State(
        "0" * 64, {"reports": stage}, "toy", (), True, tmp_path, Origin(**{"commit": "a" * 40} | origin)
    )


@pytest.mark.parametrize("altered", ["reports/index.html", "configs/report_pages.yaml"])
def test_pages_that_were_altered_or_made_under_other_settings_are_refused(
    altered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = state(tmp_path)
    require_current_pages(made)
    Path(altered).write_text("patient_view: false", encoding="utf-8")
    with pytest.raises(UserError, match=altered.partition("/")[0]):
        require_current_pages(made)


def test_without_pages_one_is_told_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run `pcr run` first"):
        require_current_pages(State("", {}, "toy", (), True, tmp_path, Origin("")))
    with pytest.raises(UserError, match="run `pcr run` first"):
        read_page(tmp_path / "index.html")


def test_pcr_paper_writes_the_pages_of_the_state_into_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = state(tmp_path)
    standing = plain()[: plain().index("<main")] + "<main></main>" + plain()[plain().index("</main>") + 7 :]
    (tmp_path / "reports/index.html").write_text(standing, encoding="utf-8")
    made.stages["reports"]["outs"][0]["md5"] = content_digest(Path("reports"))
    Path("configs/study.yaml").write_text("title: A toy study", encoding="utf-8")
    monkeypatch.setattr("pipeline.commands.paper.workspace_state", lambda _: made)
    monkeypatch.setattr("pipeline.commands.paper.active_study", lambda: "toy")
    path = paper(Path("out"))
    assert path == Path(f"out/toy-{'a' * 9}.zip")
    assert set(unzipped(path.read_bytes())) == {f"toy-{'a' * 9}/{x}" for x in ("README.txt", "contents.csv")}


def test_a_name_says_where_the_files_differ_from_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commit_of(state(tmp_path)) == "a" * 9
    assert commit_of(state(tmp_path, changes="b")) == f"{'a' * 9}-changed"


def test_a_page_of_patients_has_no_label() -> None:
    standing = '<p class="simulated" role="note">SIMULATED DATA - no patients</p>'
    assert parse_page(plain()).label == "SIMULATED DATA - no patients"
    assert parse_page(plain().replace(standing, "")).label == ""
