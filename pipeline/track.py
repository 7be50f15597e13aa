"""Stage track: put the state of the pipeline into MLflow, once.

A leaf without outputs, run on every `dvc repro`: what MLflow lacks is made from the artifacts, what it has is
left alone. Runs and versions are found by content (`models.registry`), never by name or time.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd

from models.registry import Record, Store, ensure_run, ensure_version, finish_run, model_digest
from pipeline.console import stdout
from pipeline.files import read_json, read_yaml, stage_paths
from pipeline.state import current_stages, data_digests, parameters, state_key, upstream

# The stages whose outputs, with all they are made from, are the state of a landmark.
LANDMARK_STAGES = ("train", "judge", "explain", "present")
MOST_PARAM_CHARACTERS = 500


def main() -> None:
    """Make sure that every landmark's state has exactly one run, and every model one version."""
    args = stage_paths(__doc__ or "", "study", "pipeline", "lock", "artifacts")
    study = read_yaml(args.study)
    stages = current_stages(read_yaml(args.lock), read_yaml(args.pipeline)["stages"], study["landmarks"])
    store = tracking_store(study["study"])
    made_runs = made_versions = 0
    with store.locked() as client:
        for landmark in study["landmarks"]:
            record = landmark_record(stages, study, landmark, args.artifacts)
            folder = args.artifacts / "models" / landmark
            run_id, new_run = ensure_run(client, store, record)
            document = read_json(folder / "model.json")
            _, new_version = ensure_version(
                client,
                run_id,
                document["model"],
                folder,
                tags=record.tags,
                example=input_example(args.artifacts / "features" / f"{landmark}.parquet", document),
                requirements=document["requirements"],
            )
            if new_run:
                finish_run(client, run_id, record.key)
            made_runs += new_run
            made_versions += new_version
    stdout().print(f"MLflow: {made_runs} runs and {made_versions} model versions added at {store.uri}")


def tracking_store(study: str) -> Store:
    """Return where runs go: MLFLOW_TRACKING_URI, or SQLite in the main repository (for experiments too)."""
    root = Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    return Store(uri, f"pcr-{study}", root / "mlartifacts")


def landmark_record(stages: dict[str, Any], study: dict[str, Any], landmark: str, artifacts: Path) -> Record:
    """Return the run of one landmark: key, parameters, metrics with bounds, digests, code, artifacts."""
    names = upstream(stages, [f"{stage}@{landmark}" for stage in LANDMARK_STAGES])
    metrics = read_json(artifacts / "metrics" / f"{landmark}.json")
    key = state_key(stages, names)
    text = parameters(stages, names)
    return Record(
        key=key,
        name=f"{study['study']} {landmark}",
        params={name: value[:MOST_PARAM_CHARACTERS] for name, value in text.items() if value},
        metrics=flat_metrics(metrics),
        tags={
            "study": study["study"],
            "landmark": landmark,
            "simulated": str(study["simulated"]).lower(),
            "git_commit": git_commit(),
            "model_digest": model_digest(artifacts / "models" / landmark),
            **{f"data.{path}": digest for path, digest in data_digests(stages, names).items()},
        },
        artifacts={
            "metrics": artifacts / "metrics" / f"{landmark}.json",
            "predictions": artifacts / "predictions" / f"{landmark}.parquet",
            "shap": artifacts / "shap" / f"{landmark}.parquet",
            "reports": artifacts / "reports" / f"shap-{landmark}.html",
            "card": artifacts / "models" / landmark / "card.md",
        },
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
