"""`pcr promote` and `pcr rollback`: who is champion, decided by the gates on the stored artifacts."""

import getpass
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from features.errors import UserError
from models.serving.champions import (
    champion,
    gate_tags,
    previous_champion,
    promote,
    rollback,
    write_gates,
)
from models.serving.history import Action, Decision, append, read_history
from models.serving.registry import MANIFEST_TAG, SIGNED_TAG
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.estimates import parse_measures
from pipeline.project.files import read_json, read_yaml
from pipeline.project.settings import read_settings
from pipeline.registry.contents import contradictions, require_computed
from pipeline.registry.runs import tracking_store
from pipeline.registry.state import LOCK, PIPELINE, data_digests, is_current, read_state
from pipeline.registry.stored_models import require_model
from pipeline.registry.trust import CheckedVersion, checked_version, read_trust
from pipeline.registry.updates import evidence_of, is_update_of
from pipeline.report.gates import Criteria, Evidence, Gate, NullCheck, gates
from pipeline.report.results import (
    COMPARISON,
    RULES,
    TRUTH,
    Robustness,
    Truth,
    performance_file,
    read_comparison,
    read_performance,
    read_robustness,
    read_truth,
    robustness_file,
)
from pipeline.workspace.study import active_study, study_file


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


def read_subject(name: str) -> Subject:
    """Return what a registered model's name stands for.

    Raises
    ------
    PromotionError
        If it is not a model of the active study.
    """
    study = active_study()
    landmarks = read_yaml(Path(paths.STUDY))["landmarks"]
    models = {f"pcr-{study}-{landmark}": landmark for landmark in landmarks}
    if name not in models:
        raise PromotionError(
            f"{name} is not a model of the active study {study}; must be one of {', '.join(models)}. A model "
            "of another study is promoted after `pcr run --study NAME`"
        )
    return Subject(name, study, models[name], Path("artifacts") / study)


def read_evidence(subject: Subject, updated: Mapping[str, Any] | None = None) -> Evidence:
    """Read what the gates are judged on, and check that it is what dvc.lock says it is.

    Of an updated model, `updated` has the calibration in later patients; all else is the learned model's.

    Raises
    ------
    PromotionError
        If a file is missing or was changed since it was computed.
    """
    metrics, results = subject.artifacts / "metrics", subject.artifacts / "results"
    landmark = subject.landmark
    simulated = read_json(subject.folder / "model.json")["simulated"]
    names = [performance_file(landmark), robustness_file(landmark), *([TRUTH] if simulated else [])]
    _require_computed([metrics / COMPARISON, *(results / name for name in names)])
    robustness = read_robustness(results, landmark) or Robustness()
    if updated is not None:
        possible = {name: why for name, why in robustness.impossible.items() if name != "temporal"}
        robustness = replace(robustness, later=parse_measures(updated), impossible=possible)
    return Evidence(
        performance=read_performance(results, landmark),
        robustness=robustness,
        difference=read_comparison(metrics).model_minus(RULES, landmark),
        truth=read_truth(results)[0].get(landmark, Truth()) if simulated else None,
        null_check=_null_check(subject),
        leakage_acknowledged=read_yaml(study_file(subject.study)).get("leakage_acknowledged") or "",
    )


def _null_check(subject: Subject) -> NullCheck | None:
    """Return the null check of a landmark; None where it was not made for the present state."""
    path = Path(paths.NULL_CHECK.format(study=subject.study, landmark=subject.landmark))
    if not path.is_file() or not is_current(f"{paths.CHECKS}:null_check@{subject.landmark}"):
        return None
    answer = read_json(path)
    return NullCheck(answer["mean"], answer["bound"], answer["permutations"])


def _require_computed(files: list[Path]) -> None:
    stages = read_yaml(LOCK)["stages"]
    outs = data_digests(stages, stages)
    for path in files:
        if not path.is_file():
            raise PromotionError(f"{path} does not exist: run `pcr run` first")
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != outs.get(path.as_posix()):
            raise PromotionError(f"{path} was changed after dvc.lock was written: run `dvc repro`")


def promote_model(name: str, override: str = "") -> bool:
    """Judge the gates of the candidate, record them, and move the champion if they hold; tell whether it did.

    What was decided, by whom, when and why is added to the promotion history before an alias moves. An
    `override` moves it although a gate failed. No override makes a model of simulated patients the champion
    of a real study, or takes files for a version that they are not.

    Raises
    ------
    PromotionError
        If the stored artifacts are not those of the candidate, or it may not be champion at all.
    UserError
        If there is no model, stored or registered, or its files, those of the workspace, or the history
        were altered.
    """
    subject = read_subject(name)
    require_model(subject.folder)
    store, trust = tracking_store(subject.study), read_trust()
    with store.locked() as client:
        with checked_version(client, store, f"models:/{name}@candidate", trust) as checked:
            _require_promotable(subject, checked)
            version, updated = checked.version, evidence_of(checked.folder)
        if not (trust.signed == "nothing" or version.tags.get(SIGNED_TAG)):
            raise PromotionError(f"{name} version {version.version} is not signed: `pcr sign` comes first")
        alarm = read_yaml(Path(paths.VALIDATION))["leakage_alarm_auc"]
        judged = gates(read_evidence(subject, updated), read_settings(Criteria, Path(paths.GATES)), alarm)
        failed = [gate.name for gate in judged if not gate.passes]
        number = str(version.version)
        decision = Decision(
            action=_action(failed, override),
            version=number,
            manifest=version.tags[MANIFEST_TAG],
            former=champion(client, name) or "",
            verdict=f"failed: {', '.join(failed)}" if failed else "all passed",
            gates={gate.name: str(gate) for gate in judged},
            reason=override if failed else "",
            user=user_name(),
        )
        _record(client, name, decision)
        former = promote(client, name, number) if decision.makes_champion else None
    stdout().print(gate_table(judged, f"{name} version {number}"))
    stdout().print(outcome_text(name, number, failed, former, override), markup=False, highlight=False)
    return decision.makes_champion


def _action(failed: list[str], override: str) -> Action:
    if not failed:
        return "promoted"
    return "promoted by override" if override else "not promoted"


def _record(client: Any, name: str, decision: Decision) -> None:
    """Add a decision to the history unless it is there already, and show its gates on the version."""
    newest = read_history(client, name).newest(decision.version)
    same = newest is not None and all(
        getattr(newest, part) == getattr(decision, part)
        for part in ("action", "manifest", "verdict", "gates", "reason")
    )
    if not same or newest != read_history(client, name).last:
        append(client, name, decision)
    write_gates(
        client, name, decision.version, gate_tags(decision.gates, decision.verdict, decision.override)
    )


def user_name() -> str:
    """Return who is at work: MLflow's user where there is one, else the one of this computer."""
    return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()


def _require_promotable(subject: Subject, checked: CheckedVersion) -> None:
    """Refuse a candidate that is not what is stored here, or that may not be champion of its study."""
    if not is_update_of(checked.folder, subject.folder):
        raise PromotionError(
            f"{subject.folder} is not the candidate of {subject.name}: run `pcr run`, or `pcr sync`"
        )
    stages = read_state(Path(paths.STUDY), PIPELINE, LOCK, subject.artifacts).stages
    require_computed(stages)
    if others := list(contradictions(stages)):
        raise PromotionError(f"the figures are not those of this model: {'; '.join(others)}. Run `pcr run`")
    document = read_json(subject.folder / "model.json")
    if document["simulated"] and not read_yaml(study_file(subject.study)).get("simulated"):
        raise PromotionError(
            f"{subject.name} was learned from simulated patients: it can never be champion of a real study"
        )


def outcome_text(name: str, number: str, failed: list[str], former: str | None, override: str) -> str:
    """Return what a promotion did, or why it did nothing."""
    if failed and not override:
        return f"Not promoted: {', '.join(failed)}. The champion is as before."
    if former == number:
        return f"{name} version {number} is the champion already."
    before = f"; version {former} is kept as @previous" if former else ""
    why = f" by override ({override}), although {', '.join(failed)} failed" if failed else ""
    return f"{name} version {number} is champion{why}{before}."


def gate_table(judged: list[Gate], title: str) -> Table:
    """Return the gates as a table."""
    shown = Table(title=title, box=SIMPLE_HEAD)
    for column in ("gate", "result", "must be", "", "verdict"):
        shown.add_column(column)
    for gate in judged:
        passes = "pass" if gate.passes else "[bold red]FAIL[/]"
        shown.add_row(gate.name, gate.result, gate.must, passes, gate.verdict)
    return shown


def rollback_model(name: str, reason: str = "") -> None:
    """Make the previous champion of a model the champion again, and record who did it and why.

    Raises
    ------
    UserError
        If there is none, or it is not what was registered.
    """
    store, trust = tracking_store(read_subject(name).study), read_trust()
    with store.locked() as client:
        back = previous_champion(client, name)
        with checked_version(client, store, f"models:/{name}/{back}", trust) as checked:
            manifest = checked.version.tags[MANIFEST_TAG]
        judged = read_history(client, name).newest(back)
        decision = Decision(
            action="rolled back",
            version=back,
            manifest=manifest,
            former=champion(client, name) or "",
            verdict=judged.verdict if judged else "",
            gates=judged.gates if judged else {},
            reason=reason,
            user=user_name(),
        )
        append(client, name, decision)
        left, back = rollback(client, name)
    stdout().print(f"{name}: version {back} is champion again, version {left} no longer.", highlight=False)


def history_table(name: str) -> Table:
    """Return the promotion history of a model as a table. Raises UserError if it was altered."""
    with tracking_store(read_subject(name).study).locked() as client:
        history = read_history(client, name)
    shown = Table(title=f"{name}: who is champion, and why", box=SIMPLE_HEAD)
    for column in ("", "time (UTC)", "user", "version", "decision", "gates", "reason", "entry"):
        shown.add_column(column)
    for entry in history.entries:
        shown.add_row(
            str(entry.number), entry.time, escape(entry.user), entry.version, entry.action, entry.verdict,
            escape(entry.reason), entry.digest[:12],
        )  # fmt: skip
    return shown
