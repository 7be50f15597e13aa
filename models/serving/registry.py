"""MLflow: one run per landmark and pipeline state, one model version per model content.

A run is found by its *state key*, a version by its *model digest*; both are content hashes, so that doing the
same again changes nothing. The key is written last: a run that was interrupted has none, and is finished the
next time. No other module imports mlflow.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from sqlalchemy import create_engine, text

from features.errors import UserError
from models.serving.serving import MODEL_FILES, model_digest

# MLflow takes no more parameters in one request.
MAX_BATCH_PARAMS = 100
KEY_TAG = "pcr.key"
PENDING_TAG = "pcr.pending"
DIGEST_TAG = "pcr.model_digest"
PARENT_TAG = "mlflow.parentRunId"
CANDIDATE = "candidate"
# Any number that no other application on the database uses.
ADVISORY_KEY = 7239271


@dataclass(frozen=True)
class Record:
    """What a pipeline state, or one landmark of it (below `parent`, a run id), leaves in MLflow."""

    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    parent: str | None = None


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store: its address, the experiment, and where artifacts and the lock file are."""

    uri: str
    experiment: str
    artifact_root: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[MlflowClient]:
        """Give a client while no other process looks up or creates runs of this store.

        A lock file holds off processes of this computer; on PostgreSQL an advisory lock holds off others.
        """
        self.artifact_root.mkdir(parents=True, exist_ok=True)
        # MLflow tells at INFO what the summary tells better, and warns of inputs without a schema: they are
        # checked row by row in serving.py instead.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with FileLock(self.artifact_root / ".lock"), _advisory_lock(self.uri):
            _make_database(self.uri)
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            client = MlflowClient()
            if client.get_experiment_by_name(self.experiment) is None:
                location = (self.artifact_root / self.experiment).resolve().as_uri()
                client.create_experiment(self.experiment, artifact_location=location)
            mlflow.set_experiment(self.experiment)
            yield client


def _make_database(uri: str) -> None:
    """Make a new SQLite database whole, and then put it in place.

    MLflow makes its tables step by step, and cannot go on where it was killed. (PostgreSQL undoes the steps.)
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - once per database

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        store = SqlAlchemyStore(f"sqlite:///{new}", str(Path(scratch) / "artifacts"))
        store.engine.dispose()
        new.replace(path)


@contextlib.contextmanager
def _advisory_lock(uri: str) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock of the project; nothing to do for other stores."""
    if not uri.startswith("postgresql"):
        yield
        return
    engine = create_engine(uri)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.commit()
    engine.dispose()


def ensure_run(client: MlflowClient, store: Store, record: Record) -> tuple[str, bool]:
    """Return the id of the run with the record's key, and whether it had to be made.

    A run of the same key that an interruption left unfinished is finished: everything is written again.
    """
    experiment = client.get_experiment_by_name(store.experiment).experiment_id
    found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'", max_results=1)
    if found:
        return found[0].info.run_id, False
    left = client.search_runs([experiment], f"tags.`{PENDING_TAG}` = '{record.key}'", max_results=1)
    tags = {PENDING_TAG: record.key} | ({PARENT_TAG: record.parent} if record.parent else {})
    run = left[0] if left else client.create_run(experiment, run_name=record.name, tags=tags)
    run_id = run.info.run_id
    params = [Param(name, value) for name, value in record.params.items()]
    for start in range(0, len(params), MAX_BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + MAX_BATCH_PARAMS])
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, run.info.start_time, 0) for name, value in record.metrics.items()],
        tags=[RunTag(name, value) for name, value in (dict(record.tags) | tags).items()],
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
    card: str = "",
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
    card : str
        The model card, Markdown: the version's description.
    """
    digest = model_digest(folder)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(DIGEST_TAG) == digest:
            client.set_registered_model_alias(name, CANDIDATE, version.version)
            return str(version.version), False
    experiment = client.get_run(run_id).info.experiment_id
    for left in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        # Of an interruption between storing the files and making the version.
        client.delete_logged_model(left.model_id)
    model_id = _log_model(run_id, folder, example, requirements)
    version = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        tags=dict(tags) | {DIGEST_TAG: digest},
        description=card,
        model_id=model_id,
    )
    client.set_registered_model_alias(name, CANDIDATE, version.version)
    return str(version.version), True


def fetch_model(store: Store, uri: str, folder: Path) -> Path:
    """Download a registered model (``models:/name@alias`` or ``models:/name/version``) and return its files.

    Raises
    ------
    UserError
        If the store has no such model.
    """
    with store.locked():
        try:
            downloaded = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
        except mlflow.MlflowException as error:
            raise _absent(store, uri) from error
    return next(downloaded.rglob("model.json")).parent


def stored_model(name: str, version: str, folder: Path) -> str | None:
    """Return the digest of a version's stored files, downloaded to `folder`; None where they are gone.

    The code that MLflow would run must be the file that the digest covers: otherwise the digest is of none.
    """
    with contextlib.suppress(mlflow.MlflowException, OSError):
        root = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(folder)))
        found = next(root.rglob("model.json"), None)
        if found is None:
            return None
        code = root / "serving.py"
        same = code.is_file() and code.read_bytes() == (found.parent / "serving.py").read_bytes()
        return model_digest(found.parent) if same else ""
    return None


def loaded_model(store: Store, uri: str) -> Any:
    """Return a registered model as MLflow loads it, with pickle forbidden, and its digest checked.

    Raises
    ------
    UserError
        If the store has no such model, or its files are not those that were registered.
    """
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    with store.locked() as client:
        try:
            version = version_of(client, uri)
            model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
        except mlflow.MlflowException as error:
            raise _absent(store, uri) from error
        except ValueError as error:  # serving.py's own, which imports nothing of the project
            raise UserError(f"{uri}: {error}") from error
        expected = (model.model_config or {}).get("model_digest")
    if version.tags.get(DIGEST_TAG) != expected:
        raise UserError(f"{uri}: its files are not those that were registered; see `pcr verify`")
    return model


def _absent(store: Store, uri: str) -> UserError:
    return UserError(f"{store.uri} has no model {uri}: `mlflow ui` lists those there are")


def version_of(client: MlflowClient, uri: str) -> Any:
    """Return the model version that ``models:/name@alias`` or ``models:/name/version`` names."""
    name, _, alias = uri.removeprefix("models:/").partition("@")
    if alias:
        return client.get_model_version_by_alias(name, alias)
    return client.get_model_version(*name.rsplit("/", 1)) if "/" in name else _unknown(uri)


def _unknown(uri: str) -> Any:
    raise mlflow.MlflowException(f"{uri} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")


def scoring_app(model: Any) -> Any:
    """Return MLflow's own scoring server for a loaded model, as an ASGI application."""
    from mlflow.pyfunc import scoring_server  # noqa: PLC0415 - only a server needs FastAPI

    return scoring_server.init(model)


def signature() -> ModelSignature:
    """Return the served model's signature: outputs and the parameter ``explain``, no typed inputs.

    A typed input schema would answer one bad cell by refusing every row and quoting the value; serving.py
    checks inputs row by row instead.
    """
    outputs = [
        *(ColSpec("double", name, required=False) for name in ("pcr_probability", "lower", "upper")),
        ColSpec("string", "status"),
        ColSpec("string", "reasons"),
        ColSpec("string", "protocol_branch", required=False),
        ColSpec("string", "protocol_status"),
        ColSpec("boolean", "not_a_recommendation"),
        *(ColSpec("string", name) for name in ("landmark", "model_version", "explanation")),
    ]
    return ModelSignature(
        outputs=Schema(outputs), params=ParamSchema([ParamSpec("explain", "boolean", default=False)])
    )


def _log_model(run_id: str, folder: Path, example: Mapping[str, object], requirements: Sequence[str]) -> str:
    files = {path.stem: str(path.resolve()) for path in sorted(folder.iterdir()) if path.name in MODEL_FILES}
    code, digest = files["serving"], model_digest(folder)
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
            # Comes back when the model is loaded, which refuses files that were altered.
            model_config={"model_digest": digest},
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
