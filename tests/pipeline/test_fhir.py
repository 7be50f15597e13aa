"""Answers as FHIR: valid RiskAssessments that say what the service says, and nothing simulated as real."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from models.serving.serving import PcrModel, read_model
from pipeline.commands.score import ScoringError, score
from pipeline.service.fhir import MEDIA_TYPE, SIMULATED, answers_of, bundle
from pipeline.service.tables import JSON
from pipeline.service.worker import as_rows
from tests.malformed import GOOD
from tests.pipeline.test_service import SETTINGS, asked, records, service
from tests.serving import write_served_model

ROWS = [
    GOOD,
    {"arm": "A", "age_years": 50.0},
    GOOD | {"age_years": -5},
    GOOD | {"age_years": 99.5},
    GOOD | {"<b>": "x"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fhir") / "model"
    write_served_model(folder, "logistic")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> PcrModel:
    return read_model(folder)


def resources(content: Any) -> list[Any]:
    """Return the resources of a Bundle that is valid."""
    Bundle.model_validate(content)
    return [entry["resource"] for entry in content["entry"]]


def test_the_service_answers_in_fhir_who_asks_for_it_with_what_it_says_otherwise(model: PcrModel) -> None:
    plain = json.loads(asked(service(model, SETTINGS), records(*ROWS), content_type=JSON)[1])
    accept = f"text/html, {MEDIA_TYPE}; charset=utf-8"
    status, body = asked(service(model, SETTINGS), records(*ROWS), content_type=JSON, accept=accept)
    content = json.loads(body)
    found = resources(content)
    assert (status, len(found)) == (200, 5)
    assert [one["status"] for one in found] == ["final", "final", "cancelled", "final", "final"]
    for told, answer in zip(plain["predictions"], answers_of(content), strict=True):
        assert answer["status"] == told["status"]
        assert answer["pcr_probability"] == pytest.approx(told["pcr_probability"], abs=1e-12)
    ends = found[0]["prediction"][0]["extension"][0]["valueRange"]
    assert (
        ends["low"]["value"] < found[0]["prediction"][0]["probabilityDecimal"] < ends["high"]["value"] <= 100
    )
    reason = found[2]["extension"][2]["extension"]
    assert reason[:2] == [
        {"url": "code", "valueCode": "out_of_range"},
        {"url": "input", "valueString": "age_years"},
    ]
    assert "<b>" not in body


def test_a_reason_of_a_model_of_another_release_is_told_by_its_code(model: PcrModel) -> None:
    answers = as_rows(model.predict(pd.DataFrame([GOOD])))
    answers[0]["reasons"] = [{"code": "of_later", "input": None, "rule": "rule"}]
    (found,) = resources(bundle(answers, model.document))
    assert {"text": "of_later rule"} in found["note"]
    answers[0]["reasons"] = "text of models of before"
    (found,) = resources(bundle(answers, model.document))
    assert {"text": "text of models of before"} in found["note"]


def test_an_assessment_that_is_not_valid_is_seen(model: PcrModel) -> None:
    content: Any = bundle(as_rows(model.predict(pd.DataFrame([GOOD]))), model.document)
    del content["entry"][0]["resource"]["subject"]
    with pytest.raises(ValidationError):
        resources(content)


@pytest.mark.parametrize("simulated", [True, False])
def test_what_is_simulated_is_marked_as_test_data_in_every_resource(model: PcrModel, simulated: bool) -> None:
    answers = as_rows(model.predict(pd.DataFrame(ROWS)))
    content: Any = bundle(
        answers, {**model.document, "simulated": simulated}, ["P-1", None, "P-3", "P-4", "P-5"]
    )
    for resource in (content, *resources(content)):
        marks = [mark["code"] for mark in resource.get("meta", {}).get("security", [])]
        assert marks == (["HTEST"] if simulated else [])
    for resource in resources(content):
        assert ("SIMULATED DATA" in resource["text"]["div"]) == simulated
        assert ({"text": SIMULATED} in resource["note"]) == simulated
        assert {"text": "No treatment recommendation"} in resource["note"]
    subjects = [resource["subject"] for resource in resources(content)]
    assert subjects[:2] == [
        {"type": "Patient", "identifier": {"value": "P-1"}}, {"display": "row 2 of the request"}
    ]  # fmt: skip


def test_pcr_score_writes_a_bundle_of_its_patients(folder: Path, tmp_path: Path) -> None:
    pd.DataFrame([GOOD | {"usubjid": "007"}, GOOD | {"usubjid": "P-2"}]).to_csv(
        tmp_path / "r.csv", index=False
    )
    score(str(folder), None, tmp_path / "r.csv", None, tmp_path / "a.json", "fhir")
    found = resources(json.loads((tmp_path / "a.json").read_text()))
    assert [one["subject"]["identifier"]["value"] for one in found] == ["007", "P-2"]
    (tmp_path / "odd.csv").write_text("usubjid,arm\nP\x071,A\nP-2,A\n")
    with pytest.raises(ScoringError, match=r"odd\.json: 1 ids hold characters that are no text in FHIR"):
        score(str(folder), None, tmp_path / "odd.csv", None, tmp_path / "odd.json", "fhir")
    assert not (tmp_path / "odd.json").exists()
    with pytest.raises(ScoringError, match=r"written as \.json \(--format fhir\)"):
        score(str(folder), None, tmp_path / "r.csv", None, tmp_path / "a.csv", "fhir")
    with pytest.raises(ScoringError, match=r"written as \.parquet or \.csv \(--format table\)"):
        score(str(folder), None, tmp_path / "r.csv", None, tmp_path / "a.json")
