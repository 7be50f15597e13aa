"""Stage track: put the state of the pipeline into MLflow, once.

A leaf without outputs, run on every `dvc repro`: what MLflow lacks is made from the artifacts, what it has is
left alone. A state is one run, with a nested run per landmark; runs and versions are found by content
(`models.serving.registry`), never by name or time. `pcr sync` does the same by hand, `pcr verify` compares.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import UserError
from models.serving.registry import Record, Store, ensure_run, ensure_version, finish_run
from models.serving.serving import model_digest
from pipeline.project.console import stdout
from pipeline.project.files import read_json, read_yaml, stage_paths
from pipeline.registry.state import current_stages, data_digests, parameters, state_key, upstream
from pipeline.registry.version_card import shortened, version_card

# What is put into MLflow; the stages that make it, with all that they are made from, are the state.
TRACKED = ("models", "metrics", "shap", "predictions", "features", "reports")
LANDMARK_STAGES = ("train@{}", "judge@{}", "explain", "reports")
MOST_PARAM_CHARACTERS = 500
# PostgreSQL takes no more in a version's description.
MOST_DESCRIPTION_CHARACTERS = 5000


@dataclass(frozen=True)
class State:
    """A pipeline state: its key, the stages it is made of, the study, and the folder of its artifacts."""

    key: str
    stages: Mapping[str, Any]
    study: Mapping[str, Any]
    artifacts: Path
    commit: str

    def landmark_key(self, landmark: str) -> str:
        """Return the key of the landmark's run below the state's."""
        return hashlib.sha256(f"{self.key} {landmark}".encode()).hexdigest()


def main() -> None:
    """Make sure that the state and its landmarks have exactly one run each, and every model one version."""
    args = stage_paths(__doc__ or "", "study", "pipeline", "lock", "artifacts")
    track(read_state(args.study, args.pipeline, args.lock, args.artifacts))


def read_state(study_file: Path, pipeline: Path, lock: Path, artifacts: Path) -> State:
    """Return the state that dvc.lock describes.

    Raises
    ------
    ValueError
        If nothing has been computed yet.
    """
    if not lock.is_file():
        raise UserError(f"there is no {lock}: run `pcr run` first")
    study = read_yaml(study_file)
    stages = current_stages(read_yaml(lock), read_yaml(pipeline)["stages"], study["landmarks"])
    tracked = [(artifacts / folder).as_posix() for folder in TRACKED]
    makers = [
        name for name, stage in stages.items()
        if any(f"{out['path']}/".startswith(f"{t}/") for out in stage.get("outs", []) for t in tracked)
    ]  # fmt: skip
    return State(state_key(stages, upstream(stages, makers)), stages, study, artifacts, git_commit())


def track(state: State) -> None:
    """Add to MLflow what it lacks of a state, and say how much that was."""
    store = tracking_store(state.study["study"])
    runs = versions = 0
    with store.locked() as client:
        record = state_record(state)
        parent, new_parent = ensure_run(client, store, record)
        for landmark in state.study["landmarks"]:
            child = landmark_record(state, landmark, parent)
            run_id, new_run = ensure_run(client, store, child)
            folder = state.artifacts / "models" / landmark
            document = read_json(folder / "model.json")
            card = landmark_card(state, landmark)
            _, new_version = ensure_version(
                client,
                run_id,
                document["model"],
                folder,
                tags=child.tags,
                example=input_example(state.artifacts / "features" / f"{landmark}.parquet", document),
                requirements=document["requirements"],
                card=shortened(card, MOST_DESCRIPTION_CHARACTERS),
            )
            if new_run:
                client.log_text(run_id, card, "card/card.md")
                finish_run(client, run_id, child.key)
            runs += new_run
            versions += new_version
        if new_parent:
            finish_run(client, parent, record.key)
        runs += new_parent
    stdout().print(f"MLflow: {runs} runs and {versions} model versions added at {store.uri}")


def tracking_store(study: str) -> Store:
    """Return where runs go: MLFLOW_TRACKING_URI, or SQLite in the main repository (for experiments too)."""
    root = Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    return Store(uri, f"pcr-{study}", root / "mlartifacts")


def state_record(state: State) -> Record:
    """Return the run of the whole state: all parameters, the comparison, the first page."""
    study, names = state.study, upstream(state.stages, state.stages)
    found = {
        "metrics": state.artifacts / "metrics",
        "reports": state.artifacts / "reports" / "index.html",
    }
    return Record(
        key=state.key,
        name=f"{study['study']} {state.key[:8]}",
        params=dict(_text_params(state, [n for n in names if n != "track"])),
        metrics={},
        tags=_tags(state),
        artifacts={folder: path for folder, path in found.items() if path.exists()},
    )


def landmark_record(state: State, landmark: str, parent: str) -> Record:
    """Return the run of one landmark: key, parameters, metrics with bounds, digests, code, artifacts."""
    artifacts = state.artifacts
    names = upstream(state.stages, [stage.format(landmark) for stage in LANDMARK_STAGES])
    return Record(
        key=state.landmark_key(landmark),
        name=f"{state.study['study']} {landmark}",
        params=dict(_text_params(state, names)),
        metrics=flat_metrics(read_json(artifacts / "metrics" / f"{landmark}.json")),
        tags={
            **_tags(state),
            "landmark": landmark,
            "model_digest": model_digest(artifacts / "models" / landmark),
            **{f"data.{path}": digest for path, digest in data_digests(state.stages, names).items()},
        },
        artifacts={
            "metrics": artifacts / "metrics" / f"{landmark}.json",
            "predictions": artifacts / "predictions" / f"{landmark}.parquet",
            "shap": artifacts / "shap" / f"{landmark}.parquet",
            "reports": artifacts / "reports" / f"shap-{landmark}.html",
        },
        parent=parent,
    )


def _tags(state: State) -> dict[str, str]:
    simulated = str(state.study["simulated"]).lower()
    return {
        "study": state.study["study"], "simulated": simulated, "git_commit": state.commit, "state": state.key,
    }  # fmt: skip


def _text_params(state: State, names: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in parameters(state.stages, names).items():
        if value:
            yield name, value[:MOST_PARAM_CHARACTERS]


def landmark_card(state: State, landmark: str) -> str:
    """Return the card of a landmark's model, from what the state's files say."""
    metrics = state.artifacts / "metrics"

    def read(name: str) -> Any:
        return read_json(metrics / name) if (metrics / name).is_file() else {}

    return version_card(
        read_json(state.artifacts / "models" / landmark / "model.json"),
        read_json(state.artifacts / "cohort" / "flow.json"),
        read(f"{landmark}.json"),
        read("comparison.json").get(landmark, {}),
        read(f"subgroups-{landmark}.json"),
        read(f"robustness-{landmark}.json"),
        key=state.landmark_key(landmark),
        commit=state.commit,
    )


def flat_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Return ``model.measure``, ``model.measure.low`` and ``.high``; measures with an error are left out."""
    flat: dict[str, float] = {}
    for model, measures in metrics.items():
        for measure, content in measures.items():
            # MLflow takes no @ and no > in names.
            base = f"{model}.{measure}".replace("@", "/").replace(">", "-")
            flat |= {
                base if part == "value" else f"{base}.{part}": float(number)
                for part, number in content.items()
                if isinstance(number, int | float)
            }
    return flat


def input_example(features: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return one made-up row in contract names and units: each input's median, or most frequent level.

    No patient's row leaves the pipeline with the model.
    """
    frame = pd.read_parquet(features)
    example: dict[str, Any] = {}
    for feature in document["features"]:
        column = frame[feature["name"]].dropna()
        if feature["kind"] == "categorical":
            example[feature["name"]] = str(column.mode().iloc[0]) if len(column) else feature["levels"][0]
        else:
            example[feature["name"]] = float(column.median()) if len(column) else 0.0
    return example


def git_commit() -> str:
    """Return the commit that is checked out, or "unknown" outside a repository."""
    answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return answer.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
