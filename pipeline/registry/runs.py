"""MLflow runs and versions of a pipeline state: what each holds, and the store that they go to.

A state is one run, with a nested run per landmark; runs and versions are found by content
(`models.serving.registry`), never by name or time.
"""

import hashlib
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.documents.study import with_defaults
from models.serving.records import Record, Release
from models.serving.registry import PARENT_TAG, Store, ensure_run, ensure_version, finish_run, known_version
from models.serving.serving import model_digest
from pipeline.project import paths
from pipeline.project.estimates import Measures
from pipeline.project.files import read_json, read_yaml
from pipeline.project.settings import read_settings
from pipeline.registry.bill import further_files
from pipeline.registry.cards import Evaluation, shortened, version_card
from pipeline.registry.contents import require_computed
from pipeline.registry.origin import PATCH, recipe
from pipeline.registry.shown import data_inputs, headline_metrics, model_params, run_note
from pipeline.registry.state import (
    ABSENT,
    STUDY,
    State,
    committed_stages,
    data_digests,
    parameter_changes,
    parameters,
    upstream,
)
from pipeline.report.facts import study_facts
from pipeline.report.limits import bounded, robust_within_limits
from pipeline.report.results import (
    CROSSED,
    MODEL,
    RULE_INPUTS,
    RULES,
    Robustness,
    performance_file,
    read_comparison,
    read_performance,
    read_robustness,
    read_subgroups,
)
from pipeline.report.settings import PageSettings

LANDMARK_STAGES = ("package", "judge@{}", "explain", "reports")
MAX_PARAM_CHARACTERS = 500
MAX_NAME_CHARACTERS = 250
REFUSED = re.compile(r"[^/\w.\- :]")
"""What no name of a parameter or metric in MLflow may hold."""
NAMED_CHANGES = 3
"""Changed parameters in the name of a run; `pcr diff` shows more."""
# PostgreSQL takes no more in a version's description.
MAX_DESCRIPTION_CHARACTERS = 5000


@dataclass(frozen=True)
class Added:
    """How much a state added to a store."""

    runs: int
    versions: int
    uri: str

    @property
    def told(self) -> str:
        """What was added, in a sentence."""
        return f"MLflow: {self.runs} runs and {self.versions} model versions added at {self.uri}"


def track_state(state: State) -> Added:
    """Add to MLflow what it lacks of a state: a run for it and each landmark, a version for each model.

    Raises
    ------
    CorruptionError
        If an artifact is not the one in dvc.lock: nothing of it is registered.
    """
    require_computed(state.stages)
    store = tracking_store(state.study)
    runs = versions = 0
    with store.locked() as client:
        record = state_record(state)
        parent, new_parent = ensure_run(client, store, record)
        _log_patch(client, parent, state, new=new_parent)
        for landmark in state.landmarks:
            new_run, new_version = _track_landmark(client, store, state, landmark, parent)
            runs += new_run
            versions += new_version
        if new_parent:
            finish_run(client, parent, record.key)
        runs += new_parent
    return Added(runs, versions, store.uri)


def _track_landmark(client: Any, store: Store, state: State, landmark: str, parent: str) -> tuple[bool, bool]:
    """Add a landmark's run and its model's version; tell which of the two was new."""
    child = landmark_record(state, landmark, parent)
    run_id, new_run = ensure_run(client, store, child)
    if client.get_run(run_id).data.tags.get(PARENT_TAG) != parent:
        client.set_tag(run_id, PARENT_TAG, parent)  # the state was recorded anew, or somebody moved the run
    new_version = _has_model(state, landmark) and _ensure_model(client, run_id, state, landmark)
    if new_run:
        client.log_text(run_id, card_text(state, landmark), "card/card.md")
        _log_patch(client, run_id, state, new=new_run)
        finish_run(client, run_id, child.key)
    return new_run, new_version


def _ensure_model(client: Any, run_id: str, state: State, landmark: str) -> bool:
    """Make sure that a landmark's model has its version; tell whether it is new."""
    folder = state.artifacts / "models" / landmark
    name = read_json(folder / "model.json")["model"]
    # What a version is made of takes longer to gather than to see that it is there.
    if known_version(client, run_id, name, model_digest(folder)) is not None:
        return False
    _, new = ensure_version(client, run_id, landmark_release(state, landmark))
    return new


def _log_patch(client: Any, run_id: str, state: State, *, new: bool) -> None:
    """Put what differed from the commit into a new run."""
    if new and state.origin.patch:
        client.log_text(run_id, state.origin.patch, PATCH)


def changed_text(state: State) -> str:
    """Return which parameters differ from the committed state's, as the end of a run's name."""
    changed = parameter_changes(committed_stages(), state.stages)
    shown = [f" {name}={now}" for name, (_, now) in list(changed.items())[:NAMED_CHANGES]]
    more = len(changed) - NAMED_CHANGES
    return "".join(shown) + (f" and {more} more" if more > 0 else "")


def is_name_of(name: str, record: Record, state: State) -> bool:
    """Tell whether a run may have a name: it ends with changed parameters of the state, or none.

    Which of them had changed depends on what was committed when the run was made.
    """
    rest = name.removeprefix(record.name.removesuffix(changed_text(state)))
    if rest == name:
        return False
    changes = [f" {key}={now}" for key, now in parameters(state.stages, sorted(state.stages)).items()]
    for change in sorted(changes, key=len, reverse=True):
        rest = rest.replace(change, "", 1)
    return re.fullmatch(rf"( [^ =]+={ABSENT})*( and \d+ more)?", rest) is not None


def _has_model(state: State, landmark: str) -> bool:
    return (state.artifacts / "models" / landmark / "model.json").is_file()


def card_text(state: State, landmark: str) -> str:
    """Return the card in a landmark's run: that of its model, or why there is none."""
    if _has_model(state, landmark):
        return landmark_card(state, landmark)
    return (state.artifacts / "models" / landmark / "card.md").read_text(encoding="utf-8")


def landmark_release(state: State, landmark: str) -> Release:
    """Return what becomes a version of a landmark's model."""
    folder = state.artifacts / "models" / landmark
    document = read_json(folder / "model.json")
    features = pd.read_parquet(state.artifacts / "features" / f"{landmark}.parquet")
    card = landmark_card(state, landmark)
    return Release(
        name=document["model"],
        folder=folder,
        tags=landmark_tags(state, landmark),
        example=input_example(features, document["features"]),
        card=card,
        description=shortened(card, MAX_DESCRIPTION_CHARACTERS),
        further=further_files(document, folder),
    )


def tracking_store(study: str) -> Store:
    """Return where runs go: MLFLOW_TRACKING_URI, or SQLite in the main repository (for experiments too)."""
    root = Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    return Store(uri, f"pcr-{study}", root / "mlartifacts")


def state_record(state: State) -> Record:
    """Return the run of the whole state: all parameters, the comparison, the first page."""
    names = upstream(state.stages, state.stages)
    artifacts = {
        "metrics": state.artifacts / "metrics",
        "reports": state.artifacts / "reports" / "index.html",
    }
    return Record(
        key=state.key,
        name=f"{state.study} {state.key[:8]}{changed_text(state)}",
        params=dict(_text_params(state, [name for name in names if name != "track"])),
        metrics={},
        tags=_tags(state),
        artifacts={folder: path for folder, path in artifacts.items() if path.exists()},
    )


def landmark_record(state: State, landmark: str, parent: str) -> Record:
    """Return the run of one landmark: what is shown of it (`pipeline.registry.shown`), digests, artifacts."""
    artifacts = state.artifacts
    names = _landmark_stages(state, landmark)
    metrics = headline_metrics(artifacts, landmark)
    folder = artifacts / "models" / landmark
    document = read_json(folder / "model.json") if _has_model(state, landmark) else None
    return Record(
        key=state.landmark_key(landmark),
        name=f"{state.study} {landmark}{changed_text(state)}",
        params=model_params(document, parameters(state.stages, names), landmark),
        metrics=metrics,
        tags=landmark_tags(state, landmark),
        artifacts={
            "metrics": artifacts / "results" / performance_file(landmark),
            **_pages(artifacts, landmark),
            **_of_single_patients(artifacts, landmark),
        },
        parent=parent,
        inputs=data_inputs(artifacts, landmark, data_digests(state.stages, names)),
        note=run_note(document, metrics),
    )


def _pages(artifacts: Path, landmark: str) -> dict[str, Path]:
    """Return the figures of a landmark, and its page where that shows no patient or they may be in MLflow."""
    figures = {"figures": artifacts / "reports" / "figures" / landmark}
    shows_patients = read_settings(PageSettings, Path(paths.REPORT_PAGES)).privacy.patient_view
    if not shows_patients or patients_allowed():
        figures["reports"] = artifacts / "reports" / f"shap-{landmark}.html"
    return {name: path for name, path in figures.items() if path.exists()}


def patients_allowed() -> bool:
    """Tell whether the active study lets single patients into MLflow; by default none does."""
    return bool(with_defaults(read_yaml(STUDY))["single_patients_in_mlflow"])


def _of_single_patients(artifacts: Path, landmark: str) -> dict[str, Path]:
    """Return what has ids, outcomes and, by shares, inputs of patients, where the study allows it."""
    if not patients_allowed():
        return {}
    return {name: artifacts / name / f"{landmark}.parquet" for name in ("predictions", "shap")}


def landmark_tags(state: State, landmark: str) -> dict[str, str]:
    """Return the tags of a landmark's run and version: study, state, commit, digests of model and data."""
    data = data_digests(state.stages, _landmark_stages(state, landmark))
    return {
        **_tags(state),
        "landmark": landmark,
        "model_digest": model_digest(state.artifacts / "models" / landmark),
        **{f"data.{path}": digest for path, digest in data.items()},
    }


def _landmark_stages(state: State, landmark: str) -> list[str]:
    return upstream(state.stages, [stage.format(landmark) for stage in LANDMARK_STAGES])


def _tags(state: State) -> dict[str, str]:
    return {
        "study": state.study, "simulated": str(state.simulated).lower(), "state": state.key,
        **state.origin.tags,
    }  # fmt: skip


def _text_params(state: State, names: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in parameters(state.stages, names).items():
        if value:
            yield mlflow_name(name), value[:MAX_PARAM_CHARACTERS]


def landmark_card(state: State, landmark: str) -> str:
    """Return the card of a landmark's model, from what the state's files say."""
    document = read_json(state.artifacts / "models" / landmark / "model.json")
    return version_card(
        document,
        landmark_evaluation(state.artifacts, landmark, read_yaml(STUDY)),
        recipe(state.study, state.landmark_key(landmark), state.origin),
    )


def landmark_evaluation(artifacts: Path, landmark: str, study: Mapping[str, Any]) -> Evaluation:
    """Return how a landmark's model was judged, from the stored results; `study` is the study file."""
    limits = read_settings(PageSettings, Path(paths.REPORT_PAGES)).limits
    facts = study_facts(study, pd.read_parquet(artifacts / "cohort" / "cohort.parquet"))
    results, flow = artifacts / "results", read_json(artifacts / "cohort" / "flow.json")
    performance = read_performance(results, landmark)
    robustness = robust_within_limits(read_robustness(results, landmark) or Robustness(), limits)
    groups = read_subgroups(results, landmark).groups
    comparison = read_comparison(artifacts / "metrics")

    def of_rules(name: str) -> Measures:
        return bounded(performance.get(name, Measures()), limits) if facts.rules else Measures()

    return Evaluation(
        everybody=facts.patients,
        comparator=facts.comparator,
        patients=flow["randomised"],
        at_risk=flow["landmarks"][landmark]["at_risk"],
        model=bounded(performance.get(MODEL, Measures()), limits),
        rules=of_rules(RULES),
        rule_inputs=of_rules(RULE_INPUTS),
        difference=comparison.model_minus(RULES, landmark),
        beside=comparison.model_minus(RULE_INPUTS, landmark) if facts.rules else Measures(),
        later=robustness.later,
        left_out_centres=robustness.left_out_centres,
        subgroups={
            f"{kind}: {name}": bounded(measures, limits)
            for kind, part in groups.items()
            if kind != CROSSED
            for name, measures in part.items()
        },
    )


def mlflow_name(name: str) -> str:
    """Return a name of a parameter or measure as MLflow takes it, and no other name alike.

    @ becomes / and > becomes -; what else MLflow refuses, such as the plus of an arm named A+B, its number in
    Unicode between colons. A name that is too long ends with its digest.
    """
    plain = REFUSED.sub(_code, name.replace("@", "/").replace(">", "-"))
    if posixpath.normpath(plain) != plain or plain.startswith(("/", ".")):
        plain = re.sub(r"[/.]", _code, plain)
    if len(plain) <= MAX_NAME_CHARACTERS:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: MAX_NAME_CHARACTERS - 9]}:{digest}"


def _code(character: re.Match[str]) -> str:
    return f":{ord(character[0]):x}:"


def flat_metrics(performance: Mapping[str, Measures]) -> dict[str, float]:
    """Return ``model.measure``, ``model.measure.low`` and ``.high``; measures with an error are left out."""
    flat: dict[str, float] = {}
    for model, measures in performance.items():
        for measure, estimate in measures.items():
            base = mlflow_name(f"{model}.{measure}")
            parts = {"value": estimate.value, "low": estimate.low, "high": estimate.high, **estimate.extra}
            flat |= {
                base if part == "value" else f"{base}.{part}": number
                for part, number in parts.items()
                if number is not None
            }
    return flat


def input_example(rows: pd.DataFrame, features: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one made-up row in contract names and units: each input's median, or most frequent level.

    No patient's row leaves the pipeline with the model.

    Parameters
    ----------
    rows : DataFrame
        A row per patient, a column per feature.
    features : list of mappings
        The ``features`` of model.json.
    """
    example: dict[str, Any] = {}
    for feature in features:
        column = rows[feature["name"]].dropna()
        if feature["kind"] == "categorical":
            example[feature["name"]] = str(column.mode().iloc[0]) if len(column) else feature["levels"][0]
        else:
            example[feature["name"]] = float(column.median()) if len(column) else 0.0
    return example
