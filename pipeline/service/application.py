"""From a registered model to the running service."""

import os
from pathlib import Path

from models.serving.serving import model_digest
from pipeline.console import stderr
from pipeline.project.files import read_json
from pipeline.registry.stored_models import checked_model
from pipeline.service.schema import pages
from pipeline.service.server import MESSAGES, Service, serve
from pipeline.service.settings import ServiceSettings, read_service_settings
from pipeline.service.worker import Worker

# Large tables wait for the processor rather than have single rows wait.
LARGE_NICENESS = 10
TOKEN = "PCR_SERVE_TOKEN"  # noqa: S105 - the name of the variable that holds it


def serve_model(model: str, host: str, port: int) -> None:
    """Serve a registered model until stopped, from a checked copy of its files.

    Raises
    ------
    UserError
        If there is no such model, its files were altered, or configs/service.yaml is not valid.
    """
    settings = read_service_settings()
    with checked_model(model) as folder:
        service = service_of(folder, settings, os.environ.get(TOKEN, ""))
        stderr().print(f"{model} answers at http://{host}:{port}/invocations", highlight=False)
        serve(service, host, port)


def service_of(folder: Path, settings: ServiceSettings, token: str = "") -> Service:
    """Return the service of the model in a checked folder."""
    version = model_digest(folder / "artifacts")[:12]
    document = read_json(folder / "artifacts" / "model.json")
    workers = (
        Worker(folder, settings, settings.small_seconds),
        Worker(folder, settings, settings.answer_seconds, LARGE_NICENESS),
    )
    refusals = sorted(set(MESSAGES) - {404, 405, 503})
    return Service(workers, settings, version, pages(document, version, settings, refusals), token)
