"""What the service says of itself: a JSON Schema of the model's inputs and an OpenAPI description."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from models.serving.serving import OUTPUTS
from pipeline.service.settings import ServiceSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NUMBERS = ("pcr_probability", "lower", "upper")


def input_schema(document: dict[str, Any], version: str, settings: ServiceSettings) -> dict[str, Any]:
    """Return the JSON Schema of one row of inputs: name, unit, levels, range, whether it is required.

    The model's version is part of its `$id`, and the limits of a request are `x-limits`.
    """
    required = set(document.get("serving", {}).get("required", ()))
    return {
        "$schema": DIALECT,
        "$id": f"urn:pcr:{document.get('model', 'model')}:{version}",
        "title": f"One row of inputs of {document.get('model', 'the model')}",
        "type": "object",
        "required": sorted(required),
        "properties": {feature["name"]: _property(feature, required) for feature in document["features"]},
        "x-model-version": version,
        "x-landmark": document.get("landmark", ""),
        "x-limits": {name: limit for name, limit in asdict(settings).items() if name.startswith("max_")},
    }  # fmt: skip


def _property(feature: dict[str, Any], required: set[str]) -> dict[str, Any]:
    blank = [] if feature["name"] in required else ["null"]
    told = {"description": feature.get("description", ""), "x-unit": feature.get("unit") or ""}
    if feature["kind"] != "numeric":
        return {"enum": [*feature["levels"], *([None] if blank else [])], **told}
    limits = {"minimum": feature.get("low"), "maximum": feature.get("high")}
    return {"type": ["number", *blank], **{k: v for k, v in limits.items() if v is not None}, **told}


def openapi(schema: dict[str, Any], statuses: Iterable[int]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the service, with the schema of its inputs."""
    rows = {"dataframe_records": {"type": "array", "minItems": 1, "items": schema}}
    answer = {name: {"type": ["number", "null"]} if name in NUMBERS else {} for name in OUTPUTS}
    refused = {
        str(status): {"description": "Refused; the body says why in a sentence."} for status in statuses
    }
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
                        "application/json": {"schema": answers}
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
    document: dict[str, Any], version: str, settings: ServiceSettings, statuses: Iterable[int]
) -> dict[str, bytes]:
    """Return the body of every address that tells of the service."""
    schema = input_schema(document, version, settings)
    content = {"/schema.json": schema, "/openapi.json": openapi(schema, statuses)}
    return {path: json.dumps(page).encode() for path, page in content.items()}
