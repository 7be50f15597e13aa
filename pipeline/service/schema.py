"""What the service says of itself: the JSON Schema of its model's inputs and an OpenAPI description."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from models.serving.input_schema import input_schema
from models.serving.serving import OUTPUTS, REASONS, ModelDocument
from pipeline.service.fhir import MEDIA_TYPE, NUMBERS
from pipeline.service.settings import ServiceSettings

PARTS_OF_A_REASON = {
    "code": {"enum": sorted(REASONS)},
    "input": {"type": ["string", "null"]},
    "rule": {"type": "string"},
}
REASON = {
    "type": "object",
    "required": ["code", "input", "rule"],
    "properties": PARTS_OF_A_REASON,
}
REFUSAL = {
    "type": "object",
    "required": ["error", "status", "reasons"],
    "properties": {
        "error": {"type": "string"},
        "status": {"type": "integer"},
        "reasons": {
            "type": "array",
            "items": {**REASON, "properties": {**PARTS_OF_A_REASON, "code": {"type": "string"}}},
        },
    },
}


def openapi(schema: dict[str, object], statuses: Iterable[int]) -> dict[str, object]:
    """Return the OpenAPI 3.1 description of the service, with the schema of its inputs."""
    rows = {"dataframe_records": {"type": "array", "minItems": 1, "items": schema}}
    answer: dict[str, object] = {
        name: {"type": ["number", "null"]} if name in NUMBERS else {} for name in OUTPUTS
    }
    answer["reasons"] = {"type": "array", "items": REASON}
    refusal = {"application/json": {"schema": REFUSAL}}
    refused = {str(status): {"description": "Refused, and why", "content": refusal} for status in statuses}
    items = {"type": "object", "properties": answer, "required": OUTPUTS}
    answers = {"type": "object", "properties": {"predictions": {"type": "array", "items": items}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": schema["title"], "version": schema["x-model-version"]},
        "paths": {
            "/invocations": {
                "post": {
                    "summary": "Probability of pCR for each row; no treatment recommendation",
                    "requestBody": {"required": True, "content": {
                        "application/json": {"schema": {"type": "object", "properties": rows}},
                        "text/csv": {"schema": {"type": "string"}},
                    }},
                    "responses": {"200": {"description": "An answer for each row, in order", "content": {
                        "application/json": {"schema": answers},
                        MEDIA_TYPE: {"schema": {"type": "object", "title": "Bundle of RiskAssessments"}},
                    }}, **refused},
                }
            },
            **{path: {"get": {"responses": {"200": {"description": text}}}} for path, text in {
                "/health": "The service is up", "/ready": "It has loaded its model",
                "/metrics": "Counts, for Prometheus", "/schema.json": "JSON Schema of one row of inputs",
            }.items()},
        },
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}, {}],
    }  # fmt: skip


def pages(
    document: ModelDocument, version: str, settings: ServiceSettings, statuses: Iterable[int]
) -> dict[str, bytes]:
    """Return the body of every address that tells of the service."""
    limits = {name: limit for name, limit in asdict(settings).items() if name.startswith("max_")}
    schema = input_schema(document, version) | {"x-limits": limits}
    content = {"/schema.json": schema, "/openapi.json": openapi(schema, statuses)}
    return {path: json.dumps(page).encode() for path, page in content.items()}
