"""MLflow: one run per landmark and pipeline state, one model version per model content.

A run is found by its *state key*, a version by its *model digest*; both are content hashes, so that doing the
same again changes nothing. The key is written last: a run that was interrupted has none, and is thrown away
the next time. No other module imports mlflow.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

KEY_TAG = "pcr.key"
PENDING_TAG = "pcr.pending"
DIGEST_TAG = "pcr.model_digest"
MODEL_FILES = ("model.json", "booster.txt", "serving.py")
CANDIDATE = "candidate"


@dataclass(frozen=True)
class Record:
    """What one landmark of one pipeline state leaves in MLflow."""

    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifacts: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store: its address, the experiment, and where artifacts and the lock file are."""

    uri: str
    experiment: str
    artifact_root: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[MlflowClient]:
        """Give a client while no other process looks up or creates runs of this store."""
        self.artifact_root.mkdir(parents=True, exist_ok=True)
        # MLflow tells at INFO what the summary tells better, and warns of inputs without a schema: they are
        # checked row by row in serving.py instead.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with FileLock(self.artifact_root / ".lock"):
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            client = MlflowClient()
            if client.get_experiment_by_name(self.experiment) is None:
                location = (self.artifact_root / self.experiment).resolve().as_uri()
                client.create_experiment(self.experiment, artifact_location=location)
            mlflow.set_experiment(self.experiment)
            yield client


def model_digest(folder: Path) -> str:
    """Return the sha256 over names and contents of the three files that make a model."""
    digest = hashlib.sha256()
    for name in MODEL_FILES:
        path = folder / name
        content = path.read_bytes() if path.exists() else b""
        digest.update(f"{name}:{len(content)}\n".encode() + content)
    return digest.hexdigest()


def ensure_run(client: MlflowClient, store: Store, record: Record) -> tuple[str, bool]:
    """Return the id of the run with the record's key, and whether it had to be made.

    Runs of the same key that an interruption left unfinished are deleted first.
    """
    experiment = client.get_experiment_by_name(store.experiment).experiment_id
    found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'", max_results=1)
    if found:
        return found[0].info.run_id, False
    for left in client.search_runs([experiment], f"tags.`{PENDING_TAG}` = '{record.key}'"):
        client.delete_run(left.info.run_id)
    run = client.create_run(experiment, run_name=record.name, tags={PENDING_TAG: record.key})
    run_id = run.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, run.info.start_time, 0) for name, value in record.metrics.items()],
        params=[Param(name, value) for name, value in record.params.items()],
        tags=[RunTag(name, value) for name, value in record.tags.items()],
    )
    for folder, path in record.artifacts.items():
        log = client.log_artifacts if path.is_dir() else client.log_artifact
        log(run_id, str(path), folder or None)
    return run_id, True


def finish_run(client: MlflowClient, run_id: str, key: str) -> None:
    """Write the key, last: from here on the run counts."""
    client.set_terminated(run_id)
    client.set_tag(run_id, KEY_TAG, key)
    client.delete_tag(run_id, PENDING_TAG)


def ensure_version(
    client: MlflowClient,
    run_id: str,
    name: str,
    folder: Path,
    *,
    tags: Mapping[str, str],
    example: Mapping[str, object],
    requirements: Sequence[str],
) -> tuple[str, bool]:
    """Return the version of registered model `name` with the content of `folder`, and whether it is new.

    The alias ``candidate`` moves to it either way. A model is stored as its three files and loaded as "models
    from code": nothing is pickled.

    Parameters
    ----------
    folder : Path
        model.json, serving.py and, for a boosted model, booster.txt.
    example : mapping
        One row of inputs in contract names and units.
    requirements : sequence of str
        Pinned packages that serving needs.
    """
    digest = model_digest(folder)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(DIGEST_TAG) == digest:
            client.set_registered_model_alias(name, CANDIDATE, version.version)
            return str(version.version), False
    model_id = _log_model(run_id, folder, example, requirements)
    version = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        tags=dict(tags) | {DIGEST_TAG: digest},
        model_id=model_id,
    )
    client.set_registered_model_alias(name, CANDIDATE, version.version)
    return str(version.version), True


def fetch_model(store: Store, uri: str, folder: Path) -> Path:
    """Download a registered model (``models:/name@alias`` or ``models:/name/version``) and return its files.

    Raises
    ------
    ValueError
        If the store has no such model.
    """
    with store.locked():
        try:
            downloaded = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
        except mlflow.MlflowException as error:
            raise ValueError(f"{store.uri} has no model {uri}: `mlflow ui` lists those there are") from error
    return next(downloaded.rglob("model.json")).parent


def signature() -> ModelSignature:
    """Return the served model's signature: outputs and the parameter ``explain``, no typed inputs.

    A typed input schema would answer one bad cell by refusing every row and quoting the value; serving.py
    checks inputs row by row instead.
    """
    outputs = [
        ColSpec("double", "pcr_probability", required=False),
        ColSpec("string", "status"),
        ColSpec("string", "reasons"),
        ColSpec("boolean", "not_a_recommendation"),
        ColSpec("string", "landmark"),
        ColSpec("string", "explanation"),
    ]
    return ModelSignature(
        outputs=Schema(outputs), params=ParamSchema([ParamSpec("explain", "boolean", default=False)])
    )


def _log_model(run_id: str, folder: Path, example: Mapping[str, object], requirements: Sequence[str]) -> str:
    files = {path.stem: str(path.resolve()) for path in sorted(folder.iterdir()) if path.name in MODEL_FILES}
    code = files.pop("serving")
    with (
        tempfile.TemporaryDirectory() as scratch,
        _inside(Path(scratch)),
        mlflow.start_run(run_id=run_id),
    ):
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=code,
            artifacts=files,
            signature=signature(),
            input_example=dict(example),
            pip_requirements=list(requirements),
        )
    return str(info.model_id)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in `folder`: MLflow leaves files of its own in the current directory."""
    former = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(former)
