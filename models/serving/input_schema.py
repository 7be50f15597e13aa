"""The JSON Schema of a model's inputs, which travels with the model and is versioned with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.serving.serving import ModelDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "inputs.schema.json"


@dataclass(frozen=True)
class Input:
    """What may be sent under a name: one of the levels, or else a number within its limits."""

    name: str
    description: str
    unit: str = ""
    levels: Sequence[str] = ()
    low: float | None = None
    high: float | None = None

    def schema(self, *, required: bool) -> dict[str, object]:
        """Return the JSON Schema of the input; null is allowed where it is not required."""
        blank: list[str | None] = [] if required else [None]
        told = {"description": self.description, "x-unit": self.unit}
        if self.levels:
            return {"enum": [*self.levels, *blank], **told}
        limits = {"minimum": self.low, "maximum": self.high}
        kinds = ["number", *(["null"] if blank else [])]
        return {"type": kinds, **{k: v for k, v in limits.items() if v is not None}, **told}


def input_schema(document: ModelDocument, version: str) -> dict[str, object]:
    """Return the JSON Schema of one row of inputs: name, unit, levels, range, whether it is required.

    The model's version is part of its `$id`. Other columns may be there; they are not used. An assay has
    thousands of columns of one kind: a pattern says what they hold, and `x-assays` lists their names.
    """
    required = set(document["serving"].get("required", ())) if "serving" in document else set()
    named = document.get("model", "model")
    assays = assay_inputs(document)
    return {
        "$schema": DIALECT,
        "$id": f"urn:pcr:{named}:{version}",
        "title": f"One row of inputs of {document.get('model', 'the model')}",
        "type": "object",
        "required": sorted(required),
        "properties": {
            **{each.name: each.schema(required=each.name in required) for each in _inputs(document)},
            **_batches(document),
        },
        **({"patternProperties": _patterns(assays), "x-assays": assays} if assays else {}),
        "x-model-version": version,
        "x-landmark": document.get("landmark", ""),
    }


def assay_inputs(document: ModelDocument) -> dict[str, list[str]]:
    """Return the columns of every assay that a model takes."""
    if "blocks" not in document:
        return {}
    blocks = document["blocks"]
    return {name: block["columns"] for name, block in blocks["blocks"].items() if name != blocks["protected"]}


def _patterns(assays: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return what the cells of assays hold, by a pattern of their columns' names."""
    return {
        f"^{re.escape(name)}:": {
            "type": ["number", "null"],
            "description": f"A value of the assay {name}; without any, the model of the others answers",
        }
        for name in assays
    }


def _batches(document: ModelDocument) -> dict[str, object]:
    """Return what may be sent as batch of the assays that are adjusted for it."""
    adjusted = document["blocks"].get("batches", {}) if "blocks" in document else {}
    return {
        batch["input"]: {
            "type": ["string", "null"],
            "description": f"Batch of the assay {name}; values of one that was not learned stay as they are",
            "x-learned": list(batch["shifts"]),
        }
        for name, batch in adjusted.items()
    }


def _inputs(document: ModelDocument) -> Iterator[Input]:
    """Yield the inputs, what eligibility asks for beside them, and the inputs of the rules."""
    for feature in document["features"]:
        yield Input(
            feature["name"], feature.get("description", ""), feature["unit"], feature["levels"],
            feature["low"], feature["high"],
        )  # fmt: skip
    if "serving" not in document:
        return
    serving, names = document["serving"], {feature["name"] for feature in document["features"]}
    if "eligibility" in serving:
        for entry in serving["eligibility"]["inputs"]:
            if entry["name"] not in names:
                yield Input(
                    entry["name"], "Asked for by a criterion of eligibility", entry["unit"],
                    entry["levels"] or (), entry["low"], entry["high"],
                )  # fmt: skip
    if "rules" in serving:
        for name, levels in serving["rules"]["inputs"].items():
            yield Input(name, "Input of the adaptive rules", levels=levels)
