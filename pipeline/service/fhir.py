"""Answers as FHIR R4: a Bundle of RiskAssessments; those of a model of simulated patients are test data.

Structure: https://hl7.org/fhir/R4/riskassessment.html. Probabilities are percentages there. What FHIR has no
element for (status and reasons of a row, the interval) stands in extensions whose addresses begin with
``urn:pcr:``. A row without a number is a cancelled assessment, and says why.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from models.serving.serving import REASONS, ModelDocument, told

MEDIA_TYPE = "application/fhir+json"
URN = "urn:pcr:"
SIMULATED = "SIMULATED DATA: learned from simulated patients, not for any patient's care"
NO_ADVICE = "No treatment recommendation"
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST",
    "display": "test health data",
}  # fmt: skip
"""The label by which FHIR tells test data from patients'."""

NUMBERS = ("pcr_probability", "lower", "upper")
PERCENT = {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
Element = dict[str, object]


def bundle(
    answers: Sequence[Any], document: ModelDocument, ids: Sequence[str | None] | None = None
) -> Element:
    """Return a collection of RiskAssessments in the order of the answers.

    Parameters
    ----------
    answers : sequence of dict
        `models.serving.serving.OUTPUTS` of each row.
    ids : sequence of str, optional
        The patients' pseudonymous ids; without one a subject is the number of its row.
    """
    subjects: list[Element] = [
        {"type": "Patient", "identifier": {"value": one}} if one else {"display": f"row {row} of the request"}
        for row, one in enumerate(ids or [None] * len(answers), start=1)
    ]
    resources = [
        risk_assessment(answer, document, subject) for answer, subject in zip(answers, subjects, strict=True)
    ]
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", **_marked(document), "type": "collection", "entry": entries}


def risk_assessment(answer: Any, document: ModelDocument, subject: Element) -> Element:
    """Return the RiskAssessment of one answer."""
    p = answer["pcr_probability"]
    reasons = answer["reasons"] if isinstance(answer["reasons"], list) else []  # text in models of before
    why = "; ".join(map(_told, reasons)) if reasons else str(answer["reasons"] or "")
    notes = [SIMULATED] * bool(document.get("simulated")) + [NO_ADVICE] + [why] * bool(why)
    method = {
        "system": f"{URN}model", "code": document.get("model", "model"), "version": answer["model_version"],
    }  # fmt: skip
    return {
        "resourceType": "RiskAssessment",
        **_marked(document),
        "text": _narrative([_in_words(answer), *notes]),
        "extension": [
            {"url": f"{URN}status", "valueCode": answer["status"]},
            {"url": f"{URN}landmark", "valueCode": answer["landmark"]},
            *({"url": f"{URN}reason", "extension": _parts(reason)} for reason in reasons),
        ],
        "status": "cancelled" if p is None else "final",
        "method": {"coding": [method]},
        "code": {"text": document.get("estimand", "probability of pCR")},
        "subject": subject,
        **({} if p is None else {"prediction": [_prediction(answer, document)]}),
        "note": [{"text": note} for note in notes],
    }


def answers_of(content: Any) -> list[Any]:
    """Return status and probability of every row of an answer, whether a Bundle or the service's own form."""
    if "predictions" in content:
        return list(content["predictions"])
    return [
        {
            "status": resource["extension"][0]["valueCode"],
            "pcr_probability": resource["prediction"][0]["probabilityDecimal"] / 100
            if "prediction" in resource
            else None,
        }
        for resource in (entry["resource"] for entry in content["entry"])
    ]


def _told(reason: Any) -> str:
    """Return a reason in words; those of models of another release may be unknown here."""
    return told([reason]) if reason["code"] in REASONS else f"{reason['code']} {reason['rule']}".strip()


def _marked(document: ModelDocument) -> Element:
    return {"meta": {"security": [TEST_DATA]}} if document.get("simulated") else {}


def _prediction(answer: Any, document: ModelDocument) -> Element:
    outcome = document.get("outcome")
    named = f"pathological complete response ({outcome})" if outcome else "pathological complete response"
    percent = {name: round(100 * answer[name], 10) for name in NUMBERS if answer[name] is not None}
    prediction: Element = {"outcome": {"text": named}, "probabilityDecimal": percent["pcr_probability"]}
    if "lower" in percent:
        ends = {"low": PERCENT | {"value": percent["lower"]}, "high": PERCENT | {"value": percent["upper"]}}
        prediction["extension"] = [{"url": f"{URN}interval", "valueRange": ends}]
    return prediction


def _parts(reason: Any) -> list[Element]:
    """Return a reason's parts; FHIR has no empty text."""
    kinds = {"code": "valueCode", "input": "valueString", "rule": "valueString"}
    return [{"url": name, kind: reason[name]} for name, kind in kinds.items() if reason[name]]


def _in_words(answer: Any) -> str:
    if answer["pcr_probability"] is None:
        return f"No probability of pCR ({answer['status']})"
    between = "" if answer["lower"] is None else f" ({answer['lower']:.0%} to {answer['upper']:.0%})"
    return f"Probability of pCR {answer['pcr_probability']:.0%}{between}, {answer['status']}"


def _narrative(sentences: Sequence[str]) -> Element:
    text = escape(". ".join(sentences))
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}.</div>'}
