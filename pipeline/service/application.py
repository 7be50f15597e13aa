"""From a registered model to the running service."""

import os
from contextlib import ExitStack
from pathlib import Path

from features.errors import UserError
from models.serving.input_schema import assay_inputs
from models.serving.serving import model_digest
from pipeline.console import stderr
from pipeline.project.files import read_json
from pipeline.registry.stored_models import checked_model
from pipeline.service.admission import require_strong
from pipeline.service.refusals import MESSAGES
from pipeline.service.schema import pages
from pipeline.service.server import Service, serve
from pipeline.service.settings import ServiceSettings, read_service_settings
from pipeline.service.shadow import Shadow
from pipeline.service.tls import Certificate
from pipeline.service.worker import Worker

# Large tables wait for the processor rather than have single rows wait.
LARGE_NICENESS = 10
TOKEN = "PCR_SERVE_TOKEN"  # noqa: S105 - the name of the variable that holds it


def serve_model(
    model: str, host: str, port: int, shadow: str = "", certificate: Certificate | None = None
) -> None:
    """Serve a registered model until stopped, from a checked copy of its files.

    The `shadow` answers the same rows; its answers are compared and kept, not told.

    Raises
    ------
    UserError
        If there is no such model, its files were altered, configs/service.yaml is not valid or names a log
        that cannot be written, the token could be guessed, or the shadow is not another version for the same
        patients.
    """
    settings, token = read_service_settings(), os.environ.get(TOKEN, "")
    require_strong(token, TOKEN)
    scheme = "https" if certificate else "http"
    if shadow and not settings.shadow_log:
        raise UserError(f"{shadow} would leave no trace: configs/service.yaml, shadow_log, names no file")
    with ExitStack() as checked:
        folder = checked.enter_context(checked_model(model))
        beside = checked.enter_context(checked_model(shadow)) if shadow else None
        service = service_of(folder, settings, token, beside)
        stderr().print(f"{model} answers at {scheme}://{host}:{port}/invocations", highlight=False)
        if service.shadow is not None:
            stderr().print(f"{shadow} answers beside it, into {settings.shadow_log}", highlight=False)
        serve(service, host, port, certificate)


def shadow_of(folder: Path, beside: Path, settings: ServiceSettings) -> Shadow:
    """Return what compares the model in the folder `beside` with that in `folder`.

    Raises
    ------
    UserError
        If it is the same version, or of another study or landmark, or its log cannot be written.
    """
    documents = [read_json(each / "artifacts" / "model.json") for each in (folder, beside)]
    versions = [model_digest(each / "artifacts")[:12] for each in (folder, beside)]
    if versions[0] == versions[1]:
        raise UserError(f"the shadow is the model that answers ({versions[0]}): give another version")
    for key in ("study", "landmark"):
        theirs, ours = (document.get(key) for document in documents)
        if theirs != ours:
            raise UserError(
                f"the shadow's {key} is {ours}; must be {theirs}, as that of the model that answers"
            )
    worker = Worker(beside, settings, settings.answer_seconds, LARGE_NICENESS)
    return Shadow(worker, settings, versions[0], versions[1])


def service_of(
    folder: Path, settings: ServiceSettings, token: str = "", beside: Path | None = None
) -> Service:
    """Return the service of the model in a checked folder, with that of the folder `beside` as its shadow.

    Raises
    ------
    UserError
        If the shadow is not another version for the same patients, or a log cannot be written.
    """
    version = model_digest(folder / "artifacts")[:12]
    document = read_json(folder / "artifacts" / "model.json")
    settings = settings.with_room_for([c for columns in assay_inputs(document).values() for c in columns])
    workers = (
        Worker(folder, settings, settings.small_seconds),
        Worker(folder, settings, settings.answer_seconds, LARGE_NICENESS),
    )
    refusals = sorted(set(MESSAGES) - {404, 405, 503})
    shadow = shadow_of(folder, beside, settings) if beside else None
    return Service(workers, settings, version, pages(document, version, settings, refusals), token, shadow)
