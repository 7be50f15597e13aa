"""The JSON Schema of a model's inputs, which travels with the model and is versioned with it."""

from collections.abc import Iterator
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "inputs.schema.json"


def input_schema(document: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the JSON Schema of one row of inputs: name, unit, levels, range, whether it is required.

    The model's version is part of its `$id`. Other columns may be there; they are not used.
    """
    required = set(document.get("serving", {}).get("required", ()))
    return {
        "$schema": DIALECT,
        "$id": f"urn:pcr:{document.get('model', 'model')}:{version}",
        "title": f"One row of inputs of {document.get('model', 'the model')}",
        "type": "object",
        "required": sorted(required),
        "properties": {entry["name"]: _property(entry, required) for entry in _inputs(document)},
        "x-model-version": version,
        "x-landmark": document.get("landmark", ""),
    }  # fmt: skip


def _inputs(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the inputs, what eligibility asks for beside them, and the inputs of the rules."""
    yield from document["features"]
    serving, names = document.get("serving", {}), {entry["name"] for entry in document["features"]}
    for entry in serving.get("eligibility", {}).get("inputs", ()):
        if entry["name"] not in names:
            yield entry | {"description": "Asked for by a criterion of eligibility"}
    for name, levels in serving.get("rules", {}).get("inputs", {}).items():
        described = "Input of the adaptive rules"
        yield {"name": name, "kind": "categorical", "levels": levels, "description": described}


def _property(feature: dict[str, Any], required: set[str]) -> dict[str, Any]:
    blank = [] if feature["name"] in required else ["null"]
    told = {"description": feature.get("description", ""), "x-unit": feature.get("unit") or ""}
    if feature["kind"] != "numeric":
        return {"enum": [*feature["levels"], *([None] if blank else [])], **told}
    limits = {"minimum": feature.get("low"), "maximum": feature.get("high")}
    return {"type": ["number", *blank], **{k: v for k, v in limits.items() if v is not None}, **told}
