"""What `pcr diff` prints: what changed against a commit or an experiment, and which figures, in ten lines."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import UserError
from pipeline.registry.origin import git_text
from pipeline.registry.state import (
    Stages,
    committed_stages,
    parameter_changes,
    parameters,
    workspace_state,
)

DECIMALS = 3
"""Figures that are the same when written so differ by rounding only."""
SHOWN_CHANGES = 3
SHOWN_FIGURES = 5

Figures = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class FigureChange:
    """A headline figure that differs; `share` is the difference in units of half its former interval."""

    name: str
    then: float
    now: float
    share: float

    def __str__(self) -> str:
        then, now, change = (f"{value:.{DECIMALS}f}" for value in (self.then, self.now, self.now - self.then))
        return f"{self.name}: {then} -> {now} ({'' if change.startswith('-') else '+'}{change})"


def differences(study: str, revision: str) -> list[str]:
    """Return what changed of a study's results against a commit, in at most ten lines.

    Raises
    ------
    UserError
        If there is no such commit, or nothing has been computed.
    """
    commit = _commit(revision)
    if not commit:
        raise UserError(f"commit {revision} does not exist: see git log, git branch, dvc exp list")
    state = workspace_state(study)
    then = committed_stages(commit)
    lines = [f"Study {study}, now against {revision} ({commit[:7]})"]
    lines += list(_what_changed(then, state.stages))
    former = {name: _committed_figures(commit, state.artifacts, name) for name in state.landmarks}
    present = {name: _figures(state.artifacts / "metrics" / f"{name}.json") for name in state.landmarks}
    return lines + list(_figure_lines(former, present, revision))


def _commit(revision: str) -> str:
    """Return the commit of a revision or of an experiment's name; empty where there is none."""
    commit = git_text("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}").strip()
    refs = git_text("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines()
    experiments = {ref.split()[0].rpartition("/")[2]: ref.split()[1] for ref in refs}
    return commit or experiments.get(revision, "")


def _what_changed(then: Stages, now: Stages) -> Iterator[str]:
    """Yield which parameters differ, and which files that stages read and none writes."""
    if not then:
        yield "The commit has no dvc.lock: what made its results is not known"
        return
    studies = [parameters(stages, sorted(stages)).get("study.study", "none") for stages in (then, now)]
    if studies[0] != studies[1]:
        yield f"The dvc.lock of the commit is of study {studies[0]}: only figures are compared"
        return
    changed = [f"{name} {old} -> {new}" for name, (old, new) in parameter_changes(then, now).items()]
    yield f"parameters: {_listed(changed)}"
    former, present = _inputs(then), _inputs(now)
    paths = sorted(path for path in former.keys() | present.keys() if former.get(path) != present.get(path))
    yield f"files: {_listed(paths)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_CHANGES} more" if len(names) > SHOWN_CHANGES else ""
    return ", ".join(names[:SHOWN_CHANGES]) + more if names else "as they were"


def _inputs(stages: Stages) -> dict[str, str]:
    """Return the digests of code, settings and raw data by path."""
    made = [f"{out['path']}/" for stage in stages.values() for out in stage.get("outs", [])]
    return {
        dep["path"]: dep["md5"]
        for stage in stages.values()
        for dep in stage.get("deps", [])
        if not any(f"{dep['path']}/".startswith(out) or out.startswith(f"{dep['path']}/") for out in made)
    }


def _figures(path: Path) -> Figures:
    return _parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _committed_figures(commit: str, artifacts: Path, landmark: str) -> Figures:
    text = git_text("show", f"{commit}:./{(artifacts / 'metrics' / f'{landmark}.json').as_posix()}")
    return _parsed(text) if text else {}


def _parsed(text: str) -> Figures:
    """Return the figures of a metrics file, of which another version may hold more than figures."""
    content = json.loads(text)
    return {model: measures for model, measures in content.items() if isinstance(measures, Mapping)}


def _figure_lines(
    former: Mapping[str, Figures], present: Mapping[str, Figures], revision: str
) -> Iterator[str]:
    """Yield the figures that differ beyond rounding, those that moved most within their interval first."""
    alone = [name for name in present if bool(former[name]) != bool(present[name])]
    if alone:
        yield f"Figures on one side only: {_listed(alone)}"
    changed = sorted(
        (change for name in present for change in figure_changes(name, former[name], present[name])),
        key=lambda change: -change.share,
    )
    yield from (str(change) for change in changed[:SHOWN_FIGURES])
    if len(changed) > SHOWN_FIGURES:
        yield f"and {len(changed) - SHOWN_FIGURES} more figures: dvc metrics diff {revision}"
    if not changed:
        yield f"No headline figure differs in its first {DECIMALS} decimals"


def figure_changes(landmark: str, then: Figures, now: Figures) -> Iterator[FigureChange]:
    """Yield the figures of a landmark that both sides have and that differ beyond rounding."""
    for model, measures in now.items():
        for measure, estimate in measures.items():
            before, after = then.get(model, {}).get(measure, {}).get("value"), estimate.get("value")
            if before is None or after is None or round(before, DECIMALS) == round(after, DECIMALS):
                continue
            old = then[model][measure]
            width = (old["high"] - old["low"]) / 2 if "low" in old else abs(before)
            share = abs(after - before) / width if width else float("inf")
            yield FigureChange(f"{landmark} {model} {measure}", before, after, share)
