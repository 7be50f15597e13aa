"""`pcr promote` and `pcr rollback`: who is champion, decided by the gates on the stored artifacts."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from features.errors import UserError
from models.serving.champions import promote, rollback, write_gates
from models.serving.registry import DIGEST_TAG, version_of
from models.serving.serving import model_digest
from pipeline.project.console import stdout
from pipeline.project.files import read_json, read_yaml
from pipeline.project.study import active_study, study_file
from pipeline.registry.gates import Evidence, Gate, gates
from pipeline.registry.null_state import NULL_CHECK, null_state
from pipeline.stages.track import tracking_store

LOCK, VALIDATION = Path("dvc.lock"), Path("configs/validation.yaml")
GATES = Path("configs/gates.yaml")


class PromotionError(UserError):
    """A promotion that cannot even be judged, or that no override may make."""


@dataclass(frozen=True)
class Subject:
    """A model to be promoted: its registered name, study, landmark, and the folder of its artifacts."""

    name: str
    study: str
    landmark: str
    artifacts: Path

    @property
    def folder(self) -> Path:
        """The folder with the model's files."""
        return self.artifacts / "models" / self.landmark


def subject(name: str) -> Subject:
    """Return what a registered model's name stands for.

    Raises
    ------
    PromotionError
        If it is not a model of the active study.
    """
    study = active_study()
    landmarks = read_yaml(Path("configs/study.yaml"))["landmarks"]
    known = {f"pcr-{study}-{landmark}": landmark for landmark in landmarks}
    if name not in known:
        raise PromotionError(
            f"{name} is no model of the active study {study}: choose one of {', '.join(known)}, or make its "
            "study the active one with `pcr run --study NAME`"
        )
    return Subject(name, study, known[name], Path("artifacts") / study)


def evidence(of: Subject) -> Evidence:
    """Read what the gates are judged on, and check that it is what dvc.lock says it is.

    Raises
    ------
    PromotionError
        If a file is missing or was changed since it was computed.
    """
    metrics = of.artifacts / "metrics"
    names = [f"{of.landmark}.json", f"robustness-{of.landmark}.json", "comparison.json"]
    document = read_json(of.folder / "model.json")
    names += ["truth.json"] if document["simulated"] else []
    _require_computed([metrics / name for name in names])
    read = {name: read_json(metrics / name) for name in names}
    null = of.artifacts / NULL_CHECK
    made = read_json(null).get(of.landmark) if null.is_file() else None
    current = made is not None and made["state"] == null_state(of.artifacts, of.landmark)
    return Evidence(
        metrics=read[names[0]],
        robustness=read[names[1]],
        comparison=read["comparison.json"].get(of.landmark, {}),
        truth=read["truth.json"].get(of.landmark, {}) if document["simulated"] else None,
        null_check=made if current else None,
        leakage_acknowledged=read_yaml(study_file(of.study)).get("leakage_acknowledged") or "",
    )


def _require_computed(paths: list[Path]) -> None:
    outs = {
        out["path"]: out["md5"]
        for stage in read_yaml(LOCK)["stages"].values()
        for out in stage.get("outs", [])
    }
    for path in paths:
        if not path.is_file():
            raise PromotionError(f"{path} is not there: run `pcr run` first")
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != outs.get(path.as_posix()):
            raise PromotionError(f"{path} is not what dvc.lock says was computed: run `dvc repro`")


def promote_model(name: str, override: str = "") -> bool:
    """Judge the gates of the candidate, record them, and move the champion if they hold; tell whether it did.

    An `override` moves it although a gate failed, and is recorded. No override makes a model of simulated
    patients the champion of a real study, or takes files for a version that they are not.

    Raises
    ------
    PromotionError
        If the stored artifacts are not those of the candidate, or it may not be champion at all.
    """
    of = subject(name)
    store = tracking_store(of.study)
    validation = read_yaml(VALIDATION)
    with store.locked() as client:
        version = version_of(client, f"models:/{name}@candidate")
        if version.tags.get(DIGEST_TAG) != model_digest(of.folder):
            raise PromotionError(f"{of.folder} is not the candidate of {name}: run `pcr run`, or `pcr sync`")
        document = read_json(of.folder / "model.json")
        if document["simulated"] and not read_yaml(study_file(of.study))["simulated"]:
            raise PromotionError(
                f"{name} was learned from simulated patients: never champion of a real study"
            )
        judged = gates(evidence(of), read_yaml(GATES), validation["leakage_alarm_auc"])
        failed = [gate.name for gate in judged if not gate.passes]
        verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
        number = str(version.version)
        write_gates(client, name, number, {gate.name: str(gate) for gate in judged}, verdict)
        moved = not failed or bool(override)
        former = promote(client, name, number, override if failed else "") if moved else None
    stdout().print(gate_table(judged, f"{name} version {number}"))
    _tell(name, number, failed, former, override)
    return moved


def _tell(name: str, number: str, failed: list[str], former: str | None, override: str) -> None:
    if failed and not override:
        say = f"Not promoted: {', '.join(failed)}. The champion is as before."
    elif former == number:
        say = f"{name} version {number} is the champion already."
    else:
        before = f"; version {former} is kept as @previous" if former else ""
        why = f" by override ({override}), although {', '.join(failed)} failed" if failed else ""
        say = f"{name} version {number} is champion{why}{before}."
    stdout().print(say, markup=False, highlight=False)


def gate_table(judged: list[Gate], title: str) -> Table:
    """Return the gates as a table."""
    shown = Table(title=title, box=SIMPLE_HEAD)
    for column in ("gate", "found", "must be", ""):
        shown.add_column(column)
    for gate in judged:
        shown.add_row(gate.name, gate.found, gate.must, "pass" if gate.passes else "[bold red]FAIL[/]")
    return shown


def rollback_model(name: str) -> None:
    """Make the previous champion of a model the champion again.

    Raises
    ------
    ValueError
        If there is none.
    """
    of = subject(name)
    with tracking_store(of.study).locked() as client:
        left, back = rollback(client, name)
    stdout().print(f"{name}: version {back} is champion again, version {left} no longer.", highlight=False)
