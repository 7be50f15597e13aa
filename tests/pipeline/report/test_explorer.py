"""The patient explorer of a SHAP page in a browser: filters, compares, keeps the patient in the address."""

from pathlib import Path
from typing import Any

from tests.browser import opened
from tests.pipeline.test_report import page

LIST = "#patient-list tr"


def shown(page: Any) -> Any:
    return page.evaluate("pcr.landmark.current()")


def test_patients_are_filtered_sorted_compared_and_kept_in_the_address(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "shap-c2.html"
    path.write_text(page(), encoding="utf-8")
    with opened(browser, path) as (view, trouble):
        assert view.locator(LIST).count() == 40
        view.select_option("#patient-filters select[data-kind=arm]", "A")
        view.select_option("#patient-filters select[data-kind=outcome]", "pCR")
        assert view.locator(LIST).count() == 0, "of the toy, arm A has the even patients, who have no pCR"
        view.select_option("#patient-filters select[data-kind=outcome]", "")
        assert view.locator("#patient-count").inner_text() == "10 of 40 patients on this page."
        view.locator(f"{LIST} a").nth(2).click()
        view.wait_for_function("pcr.landmark.current() === 'P00008'")
        view.fill("#patient-other", "P00003")
        view.locator("#patient-other").blur()
        cells = view.locator("#patient-differences tr").all_inner_texts()
        parts = [row.split("\t")[-1].replace("\N{MINUS SIGN}", "-") for row in cells]
        assert view.locator("#patient-compared").get_attribute("data-patients") == "P00008 P00003"
        assert any(row.startswith("Arm\tA\tB") for row in cells)
        [(first, second)] = [row.split("\t")[1:3] for row in cells if row.startswith("Branch\t")]
        assert first.endswith("(virtual)"), "arm B is treated by the rules, arm A is not"
        assert "virtual" not in second
        contributions = [float(part) for part in parts[1:] if part]
        wanted = view.evaluate(
            "pcr.landmark.data.features.map((_, k) => pcr.landmark.contribution(k, 8)"
            " - pcr.landmark.contribution(k, 3)).reduce((sum, gap) => sum + gap)"
        )
        assert abs(sum(contributions) - wanted) < 0.05
        assert view.url.endswith("#patient=P00008")
        links = [link.get_attribute("href") for link in view.locator("header nav a").all()]
        assert links == ["index.html", "shap-baseline.html#patient=P00008", "shap-c2.html#patient=P00008"]
        view.reload()
        view.wait_for_function("pcr.landmark.current() === 'P00008'")
        assert trouble == []


def test_a_patient_who_is_not_on_the_page_is_said_and_kept_for_the_next_one(
    browser: Any, tmp_path: Path
) -> None:
    path = tmp_path / "shap-c2.html"
    path.write_text(page(), encoding="utf-8")
    with opened(browser, path) as (view, trouble):
        view.evaluate("location.hash = 'patient=P%3C1'")
        view.wait_for_function("document.getElementById('patient-status').textContent.includes('P<1')")
        link = view.locator("header nav a").nth(1).get_attribute("href")
        assert link == "shap-baseline.html#patient=P%3C1"
        assert shown(view) == "P00000"
        assert trouble == []
