"""Updated models: a version of its own with its parent, from the parent's files and update.json.

update.json has every step since the model that the pipeline learned: what was changed, on which outcomes, by
whose decision, and how the result is calibrated in patients whom the update was not learned from. With it the
files can be made again, and compared, from those of the learned model.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from features.documents.parsing import parsed
from features.errors import UserError
from models.monitoring.recalibration import Calibration, recalibrated
from models.serving.champions import UPDATED_TAG
from models.serving.manifest import ARTIFACTS, PROVENANCE
from models.serving.records import Record, Release
from models.serving.registry import Store, ensure_run, ensure_version, finish_run
from models.serving.serving import MODEL_FILES, ModelDocument, model_digest
from pipeline.project.estimates import parse_measures
from pipeline.project.files import read_json, write_json
from pipeline.registry.bill import further_files
from pipeline.registry.cards import shortened
from pipeline.registry.change_plan import CHANGE_PLAN
from pipeline.registry.runs import MAX_DESCRIPTION_CHARACTERS, flat_metrics
from pipeline.registry.trust import CheckedVersion

UPDATE_FILE = "update.json"
PLAN_FILE = CHANGE_PLAN.name
EXAMPLE_FILE = "input_example.json"
PARENT_TAG, METHOD_TAG = "update.parent", "update.method"


@dataclass(frozen=True)
class Step:
    """One update: the recalibration, its parent's version, the patients, and what is known of it.

    `first` and `last` are the days of the outcomes. `evidence` has the measures of
    `models.monitoring.update.judged_on_others`; `plan` is the sha256 of the change plan that allowed it.
    """

    method: str
    intercept: float
    slope: float
    error: float
    parent: str
    study: str
    patients: int
    events: int
    first: str
    last: str
    alarms: tuple[str, ...]
    p_values: dict[str, float]
    decided_by: str
    plan: str
    evidence: Any

    @property
    def calibration(self) -> Calibration:
        """The recalibration on the log-odds."""
        return Calibration(self.intercept, self.slope, self.error)


@dataclass(frozen=True)
class Updates:
    """The content of update.json: the digest of the learned model, and the steps since, oldest first."""

    learned: str
    steps: tuple[Step, ...] = ()

    @property
    def last_outcome(self) -> date | None:
        """The day of the last outcome that an update was learned from, None without an update."""
        return date.fromisoformat(self.steps[-1].last) if self.steps else None

    def document(self, learned: ModelDocument) -> ModelDocument:
        """Return the document of the learned model after all steps."""
        for step in self.steps:
            learned = recalibrated(learned, step.calibration)
        return learned


def read_updates(folder: Path) -> Updates:
    """Return what was updated of the model in a registered version's folder, which was checked before."""
    file = folder / UPDATE_FILE
    if not file.is_file():
        return Updates(model_digest(folder / ARTIFACTS))
    return parsed(Updates, read_json(file), UPDATE_FILE)


def is_update_of(checked: Path, learned: Path) -> bool:
    """Tell whether a checked version's model is that of a folder, or that after the steps of its update.json.

    Parameters
    ----------
    checked : Path
        Folder of a registered version.
    learned : Path
        Folder of the model that the pipeline learned.
    """
    updates, model = read_updates(checked), checked / ARTIFACTS
    if updates.learned != model_digest(learned):
        return False
    if not updates.steps:
        return model_digest(model) == updates.learned
    same = all(_content(model / name) == _content(learned / name) for name in MODEL_FILES[1:])
    document = json.loads(json.dumps(updates.document(read_json(learned / "model.json"))))
    return same and bool(document == read_json(model / "model.json"))


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def stored_release(checked: Path) -> Release:
    """Return the release that a checked version was made from."""
    document = read_json(checked / ARTIFACTS / "model.json")
    card = (checked / "card.md").read_text(encoding="utf-8")
    return Release(
        name=document["model"],
        folder=checked / ARTIFACTS,
        tags=read_json(checked / PROVENANCE),
        example=read_json(checked / EXAMPLE_FILE),
        card=card,
        description=shortened(card, MAX_DESCRIPTION_CHARACTERS),
    )


def updated_release(parent: Release, updates: Updates, plan: str, scratch: Path) -> Release:
    """Return the release of a parent after the last step of `updates`, its files in a new folder `scratch`.

    `plan` is the text of the change plan.
    """
    step = updates.steps[-1]
    scratch.mkdir()
    for name in MODEL_FILES[1:]:
        if (parent.folder / name).is_file():
            shutil.copyfile(parent.folder / name, scratch / name)
    document = recalibrated(read_json(parent.folder / "model.json"), step.calibration)
    write_json(scratch / "model.json", document)
    tags = {
        **parent.tags,
        "model_digest": model_digest(scratch),
        UPDATED_TAG: updates.learned,
        PARENT_TAG: step.parent,
        METHOD_TAG: step.method,
    }
    heading, _, rest = parent.card.partition("\n")
    card = f"{heading}\n\n{card_section(step)}{rest}"
    return replace(
        parent,
        folder=scratch,
        tags=tags,
        card=card,
        description=shortened(card, MAX_DESCRIPTION_CHARACTERS),
        further=further_files(document, scratch) | {UPDATE_FILE: updates_text(updates), PLAN_FILE: plan},
    )


def updates_text(updates: Updates) -> str:
    """Return update.json."""
    return json.dumps(asdict(updates), indent=1, sort_keys=True) + "\n"


def card_section(step: Step) -> str:
    """Return what the card says of an update."""
    slope = f", slope {step.slope:.3f}" if step.method == "slope" else ""
    return (
        f"## Updated from version {step.parent}\n\nIntercept {step.intercept:+.3f}{slope} on the log-odds, "
        f"chosen by the closed test on {step.patients} later patients of {step.study} ({step.events} with "
        f"pCR; outcomes from {step.first} to {step.last}), decided by {step.decided_by} "
        f"({CHANGE_PLAN.name}). What else is said of performance is of the learned model.\n"
    )


def register_update(
    client: Any, store: Store, parent: CheckedVersion, step: Step, scratch: Path
) -> tuple[str, bool]:
    """Add the version after a step to the store, as the candidate; return its number, and whether it is new.

    Doing the same again changes nothing. To be called inside `Store.locked`, with the files of the parent
    checked.
    """
    before = read_updates(parent.folder)
    updates = replace(before, steps=(*before.steps, step))
    plan = CHANGE_PLAN.read_text(encoding="utf-8")
    release = updated_release(stored_release(parent.folder), updates, plan, scratch)
    text = updates_text(updates)
    key = hashlib.sha256(f"update of {release.name}\n{text}".encode()).hexdigest()
    shown = {UPDATED_TAG: updates.learned, PARENT_TAG: step.parent, METHOD_TAG: step.method}
    record = Record(
        key=key,
        name=f"{release.name} version {step.parent} updated: {step.method}",
        params={"method": step.method, "parent version": step.parent, "decided by": step.decided_by},
        metrics={
            "intercept": step.intercept, "slope": step.slope, "patients": step.patients,
            "events": step.events, **flat_metrics({"later": parse_measures(step.evidence)}),
        },
        tags={"study": step.study, **shown},
        parent=parent.version.run_id,
    )  # fmt: skip
    run, is_new = ensure_run(client, store, record)
    number, new_version = ensure_version(client, run, release)
    if is_new:
        finish_run(client, run, key)
    return number, new_version


def rebuilt_release(learned: Release, stored: Path, scratch: Path) -> Release:
    """Return the release of a version again, whose update.json and change plan are at hand.

    Raises
    ------
    UserError
        If they are not.
    """
    if not (stored / UPDATE_FILE).is_file():
        return learned
    if not (stored / PLAN_FILE).is_file():
        raise UserError(f"{PLAN_FILE} of the version is missing")
    updates = parsed(Updates, read_json(stored / UPDATE_FILE), UPDATE_FILE)
    plan = (stored / PLAN_FILE).read_text(encoding="utf-8")
    release, scratch = learned, scratch / "steps"
    scratch.mkdir(parents=True)
    for number in range(1, len(updates.steps) + 1):
        made = replace(updates, steps=updates.steps[:number])
        release = updated_release(release, made, plan, scratch / str(number))
    return release


def evidence_of(folder: Path) -> Mapping[str, Any] | None:
    """Return the measures of a checked version's last update, None where there was none."""
    steps = read_updates(folder).steps
    return steps[-1].evidence if steps else None
