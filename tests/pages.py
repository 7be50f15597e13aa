"""What holds for the pages of any study: checked in a browser, and traced to the artifacts."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from pipeline.project.settings import read_settings
from pipeline.report.labels import Labels
from pipeline.report.settings import PageSettings
from tests.browser import opened, show_everything

WIDTHS = (1280, 390)
SHEET = 274 / 25.4 * 96
"""Pixels of a sheet of A4 between the margins, from top to bottom."""


CROWDED = """() => {
  const boxes = (svg) => [...svg.querySelectorAll('text')]
    .filter((each) => getComputedStyle(each).opacity !== '0')
    .map((each) => [each.textContent, each.getBoundingClientRect()])
    .filter(([text, box]) => text.trim() && box.width && box.height);
  const found = [];
  for (const svg of document.querySelectorAll('.chart svg')) {
    const name = svg.closest('figure').id, whole = svg.getBoundingClientRect();
    if (!whole.width) continue;
    const texts = boxes(svg);
    for (const [text, box] of texts)
      if (box.left < whole.left - 2 || box.right > whole.right + 2) found.push(`${name}: cut: ${text}`);
    for (const [i, [text, a]] of texts.entries())
      for (const [other, b] of texts.slice(i + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // The halo of a name is the name drawn twice.
        if (text !== other && wide > 2 && tall > 4) found.push(`${name}: ${text} over ${other}`);
      }
  }
  for (const cell of document.querySelectorAll('main td:not(.number), main th:not(.number)')) {
    const box = cell.getBoundingClientRect(), words = cell.innerText.trim(), range = document.createRange();
    range.selectNodeContents(cell);
    const lines = range.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight);
    if (box.width && box.width < 150 && words.length > 24 && lines > 4)
      found.push(`narrow column, ${Math.round(box.width)} pixels: ${words}`);
  }
  return found;
}"""
"""Texts of figures that are cut or lie upon each other, and cells of text that are a word wide."""


def check_texts(browser: Any, path: Path, width: int) -> None:
    """No text of a figure lies upon another or is cut, and no column of text is a word wide."""
    with opened(browser, path, width) as (page, _):
        show_everything(page)
        assert page.evaluate(CROWDED) == []


def check_page(browser: Any, path: Path, width: int) -> None:
    """A page opens without network and a word on the console, draws all figures, fits the screen."""
    with opened(browser, path, width) as (page, trouble):
        show_everything(page)
        assert trouble == [], path.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        drawn = page.locator(".chart:visible").count()
        assert drawn > 3
        assert page.locator(".chart:visible :is(svg, canvas)").count() == drawn
        empty = page.evaluate(
            "[...document.querySelectorAll('main section')].filter(s => !s.innerText.trim()).map(s => s.id)"
        )
        assert empty == []
        broken = page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
            ".filter(id => !document.getElementById(id))"
        )
        assert broken == []
        _require_words(page)
    check_captions(path)


def _require_words(page: Any) -> None:
    """No underscore is seen, in the text of a page or in its figures, but for the id of the shown patient."""
    texts = page.evaluate(
        "(async () => [document.querySelector('h1').innerText, document.querySelector('main').innerText,"
        "...await Promise.all(Object.values(pcr.views).map(async ({view}) => new DOMParser()"
        ".parseFromString(await view.toSVG(), 'text/html').body.innerText))])()"
    )
    assert len(texts) > 5
    ids = page.evaluate("JSON.parse(document.getElementById('data').textContent).ids || []")
    assert {word for text in texts for word in text.split() if "_" in word} - set(ids) == set()


def check_captions(path: Path) -> None:
    """Every figure whose rows have an n says from which to which it goes; bars of shares are whole.

    A figure of points has one for each of its patients in every row.
    """
    counted = 0
    for name, spec in specs(path).items():
        if patients := _patients_drawn(spec):
            assert spec["usermeta"]["about"]["n"] == len(patients), name
        for text in spec.get("datasets", {}).values():
            table = pd.read_csv(io.StringIO(text)) if isinstance(text, str) else pd.DataFrame()
            if "n" in table and table["n"].notna().any():
                ends = sorted({int(table["n"].min()), int(table["n"].max())})
                said = spec["usermeta"]["about"]["n"]
                assert said == (ends[0] if len(ends) == 1 else f"{ends[0]:,} to {ends[1]:,}"), name
                counted += 1
            if {"feature", "contribution"} <= set(table):
                points = set(table.groupby("feature").size())
                assert points == {spec["usermeta"]["about"]["n"]}, name
                counted += 1
            if {"level", "share", "label"} <= set(table):
                assert table.groupby("label")["share"].sum().to_numpy() == pytest.approx(1, abs=1e-3), name
    assert counted


def _patients_drawn(spec: dict[str, Any]) -> set[str]:
    """Return the patients whom a figure of single patients draws."""
    texts = [text for text in spec.get("datasets", {}).values() if isinstance(text, str)]
    tables = [pd.read_csv(io.StringIO(text)) for text in texts]
    return {patient for table in tables if "patient" in table for patient in table["patient"]}


def check_print(browser: Any, path: Path, max_pages: int) -> None:
    """A page is printed with its folds closed on at most so many sheets, each figure whole.

    Afterwards it is on the screen as it was.
    """
    folded = "[...document.querySelectorAll('main details')].map(each => each.open)"
    filled = (
        "[...document.querySelectorAll('.chart')].filter(each => each.offsetParent).every(each =>"
        "Math.abs(each.clientWidth - each.querySelector('svg, canvas').getBoundingClientRect().width) < 3)"
    )
    with opened(browser, path) as (page, trouble):
        before = page.evaluate(folded)
        sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
        assert 0 < sheets <= max_pages, path.name
        drawn = page.locator(".chart:visible").count()
        assert page.locator(".chart:visible :is(svg, canvas)").count() == drawn > 0
        assert page.evaluate(folded) == before
        page.wait_for_function(filled, timeout=10_000)
        page.emulate_media(media="print")
        heights = page.evaluate("[...document.querySelectorAll('figure')].map(each => each.offsetHeight)")
        assert max(heights) < SHEET
        assert trouble == []


def check_accessible(browser: Any, path: Path) -> None:
    """axe-core finds no serious and no critical violation."""
    with opened(browser, path) as (page, _):
        show_everything(page)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        grave = {
            v["id"]: v["nodes"][0]["html"][:200] for v in found if v["impact"] in {"serious", "critical"}
        }
        assert grave == {}, path.name


def check_patient(browser: Any, artifacts: Path, landmark: str, patient: str) -> None:
    """Searching a patient shows bars that add up to the probability shown, which is the stored one."""
    stored = stored_prediction(artifacts, landmark, patient)
    with opened(browser, artifacts / "reports" / f"shap-{landmark}.html") as (page, trouble):
        page.fill("#patient-search", patient)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#patient-values[data-patient='{patient}']", state="attached")
        page.wait_for_function("pcr.specs.waterfall.datasets.steps.length > 2")
        body = page.locator("#patient-values")
        base = float(body.get_attribute("data-base"))
        parts = page.eval_on_selector_all(
            "#patient-values tr", "rows => rows.map(r => Number(r.dataset.contribution))"
        )
        steps = page.evaluate("pcr.specs.waterfall.datasets.steps")
        shown = page.locator("#patient-facts dd").first.inner_text()
        assert trouble == []
    assert 1 / (1 + np.exp(-(base + sum(parts)))) == pytest.approx(stored, abs=1e-6)
    bars = steps[0]["to"] + sum(step["to"] - step["from"] for step in steps[1:-1])
    assert 1 / (1 + np.exp(-bars)) == pytest.approx(stored, abs=1e-6)
    assert steps[-1]["to"] == pytest.approx(bars, abs=1e-9)
    assert shown.startswith(f"{100 * stored:.1f} %")


def stored_prediction(artifacts: Path, landmark: str, patient: str) -> float:
    """Return the patient's prediction by the explained candidate, first repeat."""
    model = json.loads((artifacts / "models" / landmark / "model.json").read_text())["candidate"]
    rows = pd.read_parquet(artifacts / "predictions" / f"{landmark}.parquet")
    mine = rows[(rows["usubjid"] == patient) & (rows["model"] == model) & (rows["repeat"] == 0)]
    return float(mine["p"].iloc[0])


def check_hover(browser: Any, artifacts: Path, landmark: str) -> None:
    """A feature's description shows on hover, in the text and in the charts."""
    described = json.loads((artifacts / "features" / f"{landmark}.json").read_text())["features"]
    settings = read_settings(PageSettings, Path("configs/report_pages.yaml")).labels
    labels = Labels(settings, list({feature["known_at"] for feature in described}))
    about = {each["name"]: labels.described(each["name"], each["description"]) for each in described}
    with opened(browser, artifacts / "reports" / f"shap-{landmark}.html") as (page, _):
        for link in page.locator("a[data-feature]").all()[:30]:
            name = link.get_attribute("data-feature")
            assert link.get_attribute("title") == f"{about[name]} ({name})"
        page.locator("#ranking").scroll_into_view_if_needed()
        page.wait_for_selector("#ranking svg")
        page.locator("#ranking svg .mark-rect path").first.hover()
        tooltip = page.locator("#vg-tooltip-element.visible")
        tooltip.wait_for()
        first = page.locator("#feature-chosen option").first.get_attribute("value")
        assert about[first] in tooltip.inner_text()


def check_saving(browser: Any, artifacts: Path, landmark: str) -> None:
    """A figure is saved as SVG, and its data as CSV with n, events, scale and sampling in every row."""
    metrics = json.loads((artifacts / "results" / f"{landmark}.json").read_text())
    with opened(browser, artifacts / "reports" / f"shap-{landmark}.html") as (page, trouble):
        with page.expect_download() as waiting:
            page.locator("button[data-save=png][data-figure=domain-shares]").click()
        assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")
        for figure in ("domain-shares", "feature-1", "waterfall"):
            saved = {}
            for kind in ("svg", "csv"):
                with page.expect_download() as waiting:
                    page.locator(f"button[data-save={kind}][data-figure={figure}]").click()
                saved[kind] = Path(waiting.value.path()).read_text(encoding="utf-8")
            assert re.match(r"<svg[^>]*>", saved["svg"])
            rows = list(csv.DictReader(io.StringIO(saved["csv"])))
            assert rows
            assert {row["figure_sampling"] for row in rows} == {"out of fold"}
            expected = 1 if figure == "waterfall" else metrics["chosen"]["n"]["value"]
            assert {row["figure_n"] for row in rows} == {str(expected)}
        assert trouble == []


def specs(path: Path) -> dict[str, Any]:
    """Return the charts of a page by the id of their figure."""
    found = re.search(
        r'<script type="application/json" id="charts">(.*?)</script>', path.read_text(), re.DOTALL
    )
    assert found
    return json.loads(found.group(1))


def table_of(spec: dict[str, Any], column: str) -> pd.DataFrame:
    """Return the table that a chart is drawn from, the one with `column`."""
    texts = [data for data in spec["datasets"].values() if isinstance(data, str)]
    return pd.read_csv(io.StringIO(next(text for text in texts if column in text.split("\n")[0])))


def drawn(spec: dict[str, Any], key: str, value: str) -> dict[str, float]:
    """Return what a chart draws: `value` by `key`."""
    return dict(table_of(spec, value).set_index(key)[value])


CLOSE = {"rel": 2e-3, "abs": 2e-4}


def check_traced(artifacts: Path, landmark: str) -> int:
    """Figures of the pages are recomputed from the artifacts; return how many were."""
    cohort = pd.read_parquet(artifacts / "cohort" / "cohort.parquet").set_index("usubjid")
    first_page = specs(artifacts / "reports" / "index.html")
    return (
        _traced_shap(artifacts, landmark, cohort)
        + _traced_models(artifacts, landmark, first_page)
        + _traced_raw(artifacts, first_page, cohort)
    )


def _same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found
    assert {k: expected[k] for k in found} == pytest.approx(found, **CLOSE)


def _traced_shap(artifacts: Path, landmark: str, cohort: pd.DataFrame) -> int:
    """Trace five figures of a SHAP page to shap/<landmark>.parquet."""
    page = specs(artifacts / "reports" / f"shap-{landmark}.html")
    features = json.loads((artifacts / "features" / f"{landmark}.json").read_text())["features"]
    shap = pd.read_parquet(artifacts / "shap" / f"{landmark}.parquet")
    domains = {f["domain"]: [g["name"] for g in features if g["domain"] == f["domain"]] for f in features}
    sums = _named(pd.DataFrame({d: shap[columns].sum(axis=1).abs() for d, columns in domains.items()}))
    _same(drawn(page["domain-shares"], "domain", "share"), (sums.mean() / sums.mean().sum()).to_dict())
    _same(
        drawn(page["ranking"], "key", "mean_abs"), shap[[f["name"] for f in features]].abs().mean().to_dict()
    )
    points = table_of(page["beeswarm"], "rank")
    top = json.loads((artifacts / "shap" / f"{landmark}.json").read_text())["features"][0]["feature"]
    stored = shap[shap["repeat"] == 0].sort_values("usubjid")[top].to_numpy()
    one = points.loc[points["feature"] == points["feature"].iloc[0], "contribution"].to_numpy()
    assert one == pytest.approx(stored, rel=2e-3, abs=1e-4)
    themes = json.loads((artifacts / "shap" / f"{landmark}.json").read_text())["biology"]
    groups = {g["group"]: shap[g["members"]].sum(axis=1).abs().mean() for g in themes}
    _same(drawn(page["themes"], "label", "mean_abs"), groups)
    arm = shap["usubjid"].map(cohort["arm"])
    split = table_of(page["split-arm"], "mean_abs")
    for row in split.itertuples():
        expected = sums.loc[(arm == row.key).to_numpy(), row.domain].mean()
        assert row.mean_abs == pytest.approx(expected, **CLOSE)
    return 5


def _traced_models(artifacts: Path, landmark: str, first_page: dict[str, Any]) -> int:
    """Trace four figures on models to predictions/ and curves/."""
    predictions = pd.read_parquet(artifacts / "predictions" / f"{landmark}.parquet")
    both = predictions[predictions["model"].isin(["chosen", "rules"])]
    loss = -(both["y"] * np.log(both["p"]) + (1 - both["y"]) * np.log(1 - both["p"]))
    wide = both.assign(loss=loss).pivot_table(index=["usubjid", "repeat"], columns="model", values="loss")
    difference = (wide["chosen"] - wide["rules"]).groupby("repeat").mean().mean()
    found = drawn(first_page["differences"], "label", "value")
    assert found[f"{landmark.upper()}: all arms"] == pytest.approx(difference, **CLOSE)
    calibration = pd.read_csv(artifacts / "curves" / f"{landmark}-calibration.csv").query("model == 'chosen'")
    shown = table_of(first_page[f"calibration-{landmark}"], "observed")
    assert shown["observed"].to_numpy() == pytest.approx(calibration["observed"].to_numpy(), **CLOSE)
    chosen = predictions[predictions["model"] == "chosen"]
    for decision, event in (("de-escalation", 1), ("escalation", 0)):
        t = 0.5
        act = (chosen["p"] >= t) if event else (1 - chosen["p"] >= t)
        hit, false = ((act & (chosen["y"] == y)).groupby(chosen["repeat"]).mean() for y in (event, 1 - event))
        curve = table_of(first_page[f"benefit-{decision}-{landmark}"], "threshold")
        at = curve[(curve["strategy"] == "model") & np.isclose(curve["threshold"], t)]["value"].iloc[0]
        assert at == pytest.approx((hit - false * t / (1 - t)).mean(), **CLOSE)
    return 4


def _traced_raw(artifacts: Path, first_page: dict[str, Any], cohort: pd.DataFrame) -> int:
    """Trace what the study report says of patients, where the study has it."""
    traced = 0
    if "branches" in first_page:
        decisions = pd.read_parquet(artifacts / "rules" / "decisions.parquet")
        decisions = decisions[(decisions["arm"] == "ADAPTIVE") & decisions["at_risk"]]
        outcome = decisions["usubjid"].map(cohort["outcome"])
        rate = outcome.groupby(decisions["node"] + ": " + decisions["branch"]).mean()
        for branch, value in drawn(first_page["branches"], "detail", "value").items():
            assert value == pytest.approx(rate[branch], abs=1e-4)
        traced += 1
    if "toxicity-differences" in first_page:
        adverse = pd.read_parquet(artifacts / "raw" / "adverse_events.parquet")
        severe = set(adverse.loc[adverse["grade"] >= 3, "usubjid"])
        treated = cohort[
            cohort.index.isin(pd.read_parquet(artifacts / "raw" / "exposure.parquet")["usubjid"])
        ]
        rate = pd.Series(treated.index.isin(severe), index=treated.index).groupby(treated["arm"]).mean()
        shown = drawn(first_page["toxicity-differences"], "label", "value")["Any event, grade 3 or more"]
        assert shown == pytest.approx(100 * (rate["ADAPTIVE"] - rate["CONTROL_TCBHP"]), abs=0.01)
        traced += 1
    if "states" in first_page:
        baseline = pd.read_parquet(artifacts / "features" / "baseline.parquet")
        counts = baseline["ctdna_baseline_state"].value_counts()
        rows = table_of(first_page["states"], "share").query("label == 'ctDNA baseline, all'")
        shown = rows.set_index("level")["share"]
        assert {"negative", "positive"} <= set(shown.index)
        for level in ("negative", "positive"):
            assert shown[level] == pytest.approx(counts[level] / len(baseline), abs=1e-4)
        traced += 1
    return traced


def _named(by_domain: Any) -> Any:
    return by_domain.rename(**({"index" if by_domain.ndim == 1 else "columns": {"ctdna": "ctDNA"}}))
