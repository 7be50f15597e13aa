"""After the whole line: a study of real patients in the same checkout."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.page_numbers import untraced
from tests.pages import WIDTHS, check_page, check_texts
from tests.statements import forbidden_statements, visible_text
from tests.workspace import Workspace

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_real_patients_run_through_and_the_default_study_comes_back_from_the_cache(
    line: Workspace, ispy2_files: Path, browser: Any
) -> None:
    lock = (line.folder / "dvc.lock").read_bytes()
    done = line.pcr("run", "--study", "ispy2", "--source", str(ispy2_files))
    assert "SIMULATED" not in done.stdout
    artifacts = line.folder / "artifacts" / "ispy2"
    metrics = json.loads((artifacts / "results" / "t0.json").read_text())
    assert (metrics["chosen"]["n"]["value"], metrics["chosen"]["events"]["value"]) == (244, 112)
    described = json.loads((artifacts / "features" / "t1.json").read_text())
    offered = {f["name"] for f in described["features"] if f["domain"] == "imaging"}
    assert "imaging_ftv_t1_change" in offered
    assert described["absent_domains"] == []
    reports = artifacts / "reports"
    for page in sorted(reports.glob("*.html")):
        check_page(browser, page, WIDTHS[1])
        for width in WIDTHS:
            check_texts(browser, page, width)
        text = visible_text(page.read_text(encoding="utf-8"))
        assert "SIMULATED" not in text
        assert forbidden_statements(text, page="shap" if page.name.startswith("shap") else "") == []
    assert untraced(artifacts, line.folder / "configs")[0] == []
    first = visible_text((reports / "index.html").read_text(encoding="utf-8"))
    for absent in (
        "Absent from this study: ctDNA",
        "no table of adverse events",
        "No arm of this study was treated by the rules",
        "not randomised with known probabilities, or the study file names no strategy",
    ):
        assert absent in first
    assert "adaptive rules" not in first, "no arm follows rules after randomisation"
    back = line.pcr("run", "--study", "nct07239271")
    assert re.findall(r"\] (\w+) \.\.\. \d+ s", back.stdout) == ["track"]
    assert (line.folder / "dvc.lock").read_bytes() == lock
