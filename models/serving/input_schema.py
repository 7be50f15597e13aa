"""The JSON Schema of a model's inputs, which travels with the model and is versioned with it."""

from collections.abc import Iterator, Sequence
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

    The model's version is part of its `$id`. Other columns may be there; they are not used.
    """
    required = set(document["serving"].get("required", ())) if "serving" in document else set()
    named = document.get("model", "model")
    return {
        "$schema": DIALECT,
        "$id": f"urn:pcr:{named}:{version}",
        "title": f"One row of inputs of {document.get('model', 'the model')}",
        "type": "object",
        "required": sorted(required),
        "properties": {each.name: each.schema(required=each.name in required) for each in _inputs(document)},
        "x-model-version": version,
        "x-landmark": document.get("landmark", ""),
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
