"""MLflow: one run per landmark and pipeline state, one model version per model content.

A run is found by its *state key*, a version by its *model digest*; both are content hashes, so that doing the
same again changes nothing. The key is written last: a run that was interrupted has none, and is finished the
next time. No other module imports mlflow.
"""

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Object, Property
from sqlalchemy.exc import SQLAlchemyError

from features.errors import UserError
from models.serving.champions import make_candidate
from models.serving.manifest import GUARDS, MANIFEST, texts_of, write_manifest
from models.serving.records import (
    FORMAT_TAG,
    RECORD_FORMAT,
    RECORD_TAG,
    STORED_NAME,
    DataInput,
    Record,
    Release,
)
from models.serving.serving import MODEL_FILES, model_digest
from models.serving.store_errors import require_answer, told_errors
from models.serving.store_lock import advisory_lock, file_lock
from models.serving.store_place import StorePlace
from models.serving.stored_files import entry_place, local_place, require_plain, require_stored

MAX_BATCH_PARAMS = 100  # MLflow takes no more in one request.
KEY_TAG = "pcr.key"
PENDING_TAG = "pcr.pending"
DIGEST_TAG = "pcr.model_digest"
SUPERSEDED_TAG = "pcr.superseded"
"""The key that a run, or the version that a version, had before it was recorded anew."""
MANIFEST_TAG = "pcr.manifest"
"""The sha256 of the manifest of a version's files (`models.serving.manifest`)."""
SIGNED_TAG = "pcr.signature"
"""The sha256 of a version's signature, where it has one."""
PARENT_TAG, NOTE_TAG = "mlflow.parentRunId", "mlflow.note.content"


class Store(StorePlace):
    """An MLflow tracking store, to be used by one process at a time."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[MlflowClient]:
        """Give a client while no other process looks up or creates runs of this store.

        A lock file holds off processes of this computer; on PostgreSQL an advisory lock holds off others.

        Raises
        ------
        StoreError
            If the store is locked, read-only, full, damaged, of another MLflow, or does not answer; or if its
            experiment was deleted, or keeps its files elsewhere.
        """
        # What MLflow tells, the summary tells better; inputs without a schema serving.py checks row by row.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        require_answer(self.uri)
        with (
            told_errors(self.uri, mlflow.MlflowException, SQLAlchemyError),
            file_lock(self.uri, self.artifact_root),
            advisory_lock(self.uri),
        ):
            _make_database(self.uri)
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            client = MlflowClient()
            self._require_experiment(client)
            yield client

    def _require_experiment(self, client: MlflowClient) -> None:
        """Make the experiment if there is none."""
        if client.get_experiment_by_name(self.experiment) is None:
            location = None if self.is_served else self.own_location
            client.create_experiment(self.experiment, artifact_location=location, tags=self.KIND)
        self.require_usable(client.get_experiment_by_name(self.experiment))
        mlflow.set_experiment(self.experiment)


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


def ensure_run(client: MlflowClient, store: Store, record: Record) -> tuple[str, bool]:
    """Return the id of the run with the record's key, and whether it had to be made.

    A run of the same key that an interruption left unfinished is finished: everything is written again. One
    that was recorded in another format is superseded by a new one, and kept.
    """
    experiment = client.get_experiment_by_name(store.experiment).experiment_id
    for run in client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'"):
        if run.data.tags.get(FORMAT_TAG) == RECORD_FORMAT:
            return run.info.run_id, False
        supersede_run(client, run)
    left = client.search_runs([experiment], f"tags.`{PENDING_TAG}` = '{record.key}'", max_results=1)
    tags = {PENDING_TAG: record.key} | ({PARENT_TAG: record.parent} if record.parent else {})
    run = left[0] if left else client.create_run(experiment, run_name=record.name, tags=tags)
    run_id = run.info.run_id
    params = [Param(name, value) for name, value in record.params.items()]
    for start in range(0, len(params), MAX_BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + MAX_BATCH_PARAMS])
    tags |= dict(record.tags) | {RECORD_TAG: record.digest, FORMAT_TAG: RECORD_FORMAT}
    tags |= {NOTE_TAG: record.note} if record.note else {}
    metrics = [Metric(name, value, run.info.start_time, 0) for name, value in record.metrics.items()]
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])
    if record.inputs:
        client.log_inputs(run_id, [_dataset(data) for data in record.inputs])
    for folder, path in record.artifacts.items():
        log = client.log_artifacts if path.is_dir() else client.log_artifact
        log(run_id, str(path), folder or None)
    return run_id, True


def _dataset(data: DataInput) -> DatasetInput:
    size = json.dumps({"num_rows": data.rows, "num_columns": data.columns})
    dataset = Dataset(data.name, data.digest, "local", json.dumps({"uri": data.place}), profile=size)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def supersede_run(client: MlflowClient, run: Any) -> None:
    """Let a run count no longer; it stays as it is, with what was its key."""
    client.set_tag(run.info.run_id, SUPERSEDED_TAG, run.data.tags[KEY_TAG])
    client.delete_tag(run.info.run_id, KEY_TAG)


def finish_run(client: MlflowClient, run_id: str, key: str) -> None:
    """Write the key, last: from here on the run counts."""
    client.set_terminated(run_id)
    client.set_tag(run_id, KEY_TAG, key)
    client.delete_tag(run_id, PENDING_TAG)


def ensure_version(client: MlflowClient, run_id: str, release: Release) -> tuple[str, bool]:
    """Return the version with the content of a release, and whether it is new.

    The alias ``candidate`` moves to it, unless an update of this very model has it. A model is stored as its
    files and loaded as "models from code": nothing is pickled. A version without a manifest is of an earlier
    release of this project, and counts for none.
    """
    name, digest = release.name, model_digest(release.folder)
    if (known := known_version(client, run_id, name, digest)) is not None:
        return known, False
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    run = client.get_run(run_id)
    used = {stored_id(version) for version in client.search_model_versions(f"name = '{name}'")}
    for left in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'"):
        # Of an interruption between storing the files and making the version.
        if left.model_id not in used:
            client.delete_logged_model(left.model_id)
    model = client.create_logged_model(run.info.experiment_id, name=STORED_NAME, source_run_id=run_id)
    manifest = _upload(client, release, run, model.model_id)
    client.finalize_logged_model(model.model_id, "READY")
    _link(client, run_id, model.model_id)
    version = client.create_model_version(
        name,
        source=f"models:/{model.model_id}",
        run_id=run_id,
        tags=dict(release.tags) | {DIGEST_TAG: digest, MANIFEST_TAG: manifest},
        description=release.description,
        model_id=model.model_id,
    )
    make_candidate(client, name, version.version, digest)
    return str(version.version), True


def known_version(client: MlflowClient, run_id: str, name: str, digest: str) -> str | None:
    """Return the version that has a digest, made candidate and shown at a run; none if there is none."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(DIGEST_TAG) == digest and MANIFEST_TAG in version.tags:
            make_candidate(client, name, version.version, digest)
            _link(client, run_id, stored_id(version))
            return str(version.version)
    return None


def _link(client: MlflowClient, run_id: str, model_id: str) -> None:
    """Show stored files as what a run made."""
    outputs = client.get_run(run_id).outputs
    if not any(entry.model_id == model_id for entry in (outputs.model_outputs if outputs else ())):
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def _upload(client: MlflowClient, release: Release, run: Any, model_id: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        manifest = write_package(release, Path(scratch) / "model", run, model_id)
        client.log_model_artifacts(model_id, str(Path(scratch) / "model"))
    return manifest


def write_package(release: Release, out: Path, run: Any, model_id: str) -> str:
    """Write the folder that MLflow stores for a release, and return the sha256 of its manifest.

    In one environment the same release, run and id make the same bytes: files that were lost or altered can
    be made again.
    """
    names = [path.name for path in sorted(release.folder.iterdir()) if path.name in MODEL_FILES]
    digest = model_digest(release.folder)
    document = json.loads((release.folder / "model.json").read_text(encoding="utf-8"))
    release_folder = release.folder.resolve()
    model = Model(
        artifact_path="model", run_id=run.info.run_id, model_id=model_id, model_uuid=model_id,
        utc_time_created=str(datetime.fromtimestamp(run.info.start_time / 1000, UTC)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        # MLflow imports the code from where it lies, and Python leaves compiled code beside it.
        files = {Path(name).stem: shutil.copy(release_folder / name, scratch) for name in names}
        mlflow.pyfunc.save_model(
            str(out),
            python_model=files["serving"],
            artifacts=files,
            signature=signature(),
            input_example=dict(release.example),
            pip_requirements=list(document["requirements"]),
            # Comes back when the model is loaded, which refuses files that were altered.
            model_config={"model_digest": digest},
            mlflow_model=model,
        )
    flavor = model.flavors["python_function"]
    # MLflow writes where the files came from: paths of this computer.
    flavor["model_code_path"] = "serving.py"
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    model.save(str(out / "MLmodel"))
    for compiled in out.rglob("__pycache__"):
        shutil.rmtree(compiled)
    for name, text in {**texts_of(release), **GUARDS}.items():
        (out / name).write_text(text, encoding="utf-8")
    return write_manifest(out)


def stored_id(version: Any) -> str:
    """Return the id of a version's files: its source, as databases tell no `model_id`."""
    return str(version.source).removeprefix("models:/")


def download_version(version: Any, folder: Path) -> Path:
    """Download the files of a version as they are stored, and return where they are.

    Nothing of them is read or run here. To be called inside `Store.locked`.

    Raises
    ------
    UserError
        If they are gone, are no plain files, or their source is no address of stored files.
    """
    uri = f"models:/{version.name}/{version.version}"
    try:
        require_stored(version.source, MlflowClient().get_model_version_download_uri(*uri[8:].rsplit("/", 1)))
        stored = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    except (mlflow.MlflowException, ImportError, OSError, ValueError) as error:
        raise UserError(f"the files of {uri} are missing, or links: `pcr sync` makes them again") from error
    if not (stored / "MLmodel").exists() and not (stored / MANIFEST).exists():
        raise UserError(f"the files of {uri} are missing: `pcr sync` makes them again")
    return stored


def download_run_artifacts(run_id: str, folder: Path) -> Path:
    """Download all artifacts of a run. To be called inside `Store.locked`; raises UserError if it cannot."""
    folder.mkdir()
    try:
        require_plain(MlflowClient().get_run(run_id).info.artifact_uri)
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(folder)))
    except (mlflow.MlflowException, OSError, ValueError) as error:
        raise UserError(f"the artifacts of run {run_id} are missing") from error


def store_files(client: MlflowClient, version: Any, folder: Path, wrong: Iterable[str] = ()) -> None:
    """Store the files of a folder in the place of a version's; what is `wrong` there goes before."""
    _store(entry_location(client, version), folder, wrong)


def files_place(client: MlflowClient, version: Any) -> Path | None:
    """Return where the files of a version are, if they are on this computer."""
    return local_place(entry_location(client, version))


def entry_location(client: MlflowClient, version: Any) -> str:
    """Return where MLflow has the files of a version; raises GoneError if it no longer has it, or its run."""
    return entry_place(client, version, mlflow.MlflowException)


def remove_files(client: MlflowClient, version: Any, names: Iterable[str]) -> None:
    """Remove files or folders, by their paths, from the files of a version."""
    _store(entry_location(client, version), None, names)


def store_run_files(client: MlflowClient, run_id: str, folder: Path, wrong: Iterable[str]) -> None:
    """Store the files of a folder as the artifacts of a run; what is `wrong` there goes before."""
    _store(client.get_run(run_id).info.artifact_uri, folder, wrong)


def _store(location: str, folder: Path | None, wrong: Iterable[str]) -> None:
    artifacts = get_artifact_repository(location)
    for name in wrong:
        artifacts.delete_artifacts(name)
    if folder is not None:
        artifacts.log_artifacts(str(folder))


def store_signature(client: MlflowClient, version: Any, file: Path, digest: str) -> None:
    """Store a signature beside the files of a version that it is of, and its digest on the version."""
    entry_location(client, version)
    client.log_model_artifact(stored_id(version), str(file))
    client.set_model_version_tag(version.name, version.version, SIGNED_TAG, digest)


def load_package(folder: Path) -> Any:
    """Return the model of a folder as MLflow loads it, with pickle forbidden; the folder was checked before.

    Raises
    ------
    UserError
        If serving.py refuses its files.
    """
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    try:
        return mlflow.pyfunc.load_model(str(folder))
    except ValueError as error:  # serving.py's own, which imports nothing of the project
        raise UserError(f"the model is not loaded: {error}") from error


def find_version(client: MlflowClient, store: Store, uri: str) -> Any:
    """Return the version that ``models:/name@alias`` or ``models:/name/version`` names.

    Raises
    ------
    UserError
        If the store has no such model.
    """
    try:
        return version_of(client, uri)
    except mlflow.MlflowException as error:
        raise UserError(f"{store.uri} has no model {uri}: `mlflow ui` lists those there are") from error


def version_of(client: MlflowClient, uri: str) -> Any:
    """Return the model version that ``models:/name@alias`` or ``models:/name/version`` names."""
    name, _, alias = uri.removeprefix("models:/").partition("@")
    if alias:
        return client.get_model_version_by_alias(name, alias)
    if "/" not in name:
        raise mlflow.MlflowException(f"{uri} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")
    return client.get_model_version(*name.rsplit("/", 1))


_REASON = Object([Property(name, DataType.string, required=False) for name in ("code", "input", "rule")])


def signature() -> ModelSignature:
    """Return the served model's signature: outputs and the parameter ``explain``, no typed inputs.

    With those, one bad cell would refuse every row and be quoted; serving.py checks row by row instead.
    """
    outputs = [
        *(ColSpec("double", name, required=False) for name in ("pcr_probability", "lower", "upper")),
        ColSpec("string", "status"),
        ColSpec(Array(_REASON), "reasons"),
        ColSpec("string", "protocol_branch", required=False),
        ColSpec("string", "protocol_status"),
        ColSpec("boolean", "not_a_recommendation"),
        *(ColSpec("string", name) for name in ("landmark", "model_version", "explanation")),
    ]
    return ModelSignature(
        outputs=Schema(outputs), params=ParamSchema([ParamSpec("explain", "boolean", default=False)])
    )
