"""How a stored or registered model is opened, for `pcr score`, `pcr validate` and `pcr serve`."""

import tempfile
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.serving import PcrModel, read_model
from pipeline.workspace.study import active_study

REGISTERED = "models:/"


def open_model(name: str) -> PcrModel:
    """Return the model in a folder, or the registered one that ``models:/...`` names.

    Raises
    ------
    UserError
        If the folder holds no valid model, or the store has no such model.
    """
    if not name.startswith(REGISTERED):
        if not (Path(name) / "model.json").is_file():
            raise UserError(
                f"{name} has no model.json: give the folder of a stored model, or {REGISTERED}..."
            )
        try:
            return read_model(Path(name))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{name}/model.json is not a model of this pipeline: train it again") from error
    from models.serving.registry import fetch_model  # noqa: PLC0415 - a stored folder needs no MLflow
    from pipeline.registry.runs import tracking_store  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        return read_model(fetch_model(tracking_store(active_study()), name, Path(scratch)))


def served_model(name: str) -> Any:
    """Return a registered model as MLflow loads it, its files checked. Raises UserError if it is unknown."""
    from models.serving.registry import loaded_model  # noqa: PLC0415 - slow to import
    from pipeline.registry.runs import tracking_store  # noqa: PLC0415

    return loaded_model(tracking_store(active_study()), name)
