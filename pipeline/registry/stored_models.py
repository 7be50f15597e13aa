"""How a stored or registered model is opened, for `pcr score`, `pcr validate` and `pcr serve`.

Its files are checked first: a registered model by its manifest (`pipeline.registry.trust`), the model of a
study of this checkout by dvc.lock.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving import serving
from models.serving.serving import PcrModel, read_model
from pipeline.console import stderr
from pipeline.project.files import read_yaml
from pipeline.registry.cards import NO_MODEL
from pipeline.registry.contents import content_digest, outputs
from pipeline.registry.forms import require_fitting, require_whole_booster
from pipeline.registry.state import LOCK
from pipeline.workspace.study import active_study

REGISTERED = "models:/"
NOT_A_MODEL = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a document of another form ends in."""


def open_model(name: str) -> PcrModel:
    """Return the model in a folder, or the registered one that ``models:/...`` names.

    Raises
    ------
    UserError
        If the folder holds no valid model, the store has no such model, or files were altered.
    """
    if not name.startswith(REGISTERED):
        return _open_folder(Path(name))
    with _checked(name) as checked:
        _warn_of_other_code(checked.model, name)
        return read_model(checked.model)


def _warn_of_other_code(folder: Path, name: str) -> None:
    """Say that this checkout's code answers for a model whose own, which `pcr serve` runs, is another."""
    if (folder / "serving.py").read_bytes() != Path(serving.__file__).read_bytes():
        stderr().print(
            f"[yellow]Warning.[/] {name} was registered with another serving.py than that of this checkout, "
            "which reads it here: answers may differ from those of `pcr serve`",
            highlight=False,
            soft_wrap=True,
        )


def _open_folder(folder: Path) -> PcrModel:
    require_model(folder)
    _require_as_computed(folder)
    try:
        require_whole_booster(folder)
        model = read_model(folder)
        require_fitting(model.document)
        _ = model.desk
    except NOT_A_MODEL as error:
        raise UserError(f"{folder}/model.json is not a model of this pipeline: train it again") from error
    return model


def require_model(folder: Path) -> None:
    """Refuse a folder without a model; where none could be learned, with the reason that its card gives.

    Raises
    ------
    UserError
        If the folder has no model.json.
    """
    if (folder / "model.json").is_file():
        return
    card = folder / "card.md"
    heading, _, reason = card.read_text(encoding="utf-8").partition("\n") if card.is_file() else ("", "", "")
    if heading.startswith(NO_MODEL):
        raise UserError(f"{folder} has no model: {reason.strip()}")
    raise UserError(f"{folder} has no model.json: give the folder of a stored model, or {REGISTERED}...")


def _require_as_computed(folder: Path) -> None:
    """Refuse a model of this checkout that is not the one in dvc.lock; of other folders nothing is known."""
    if not LOCK.is_file() or not folder.resolve().is_relative_to(Path.cwd().resolve()):
        return
    path = folder.resolve().relative_to(Path.cwd().resolve()).as_posix()
    expected = outputs(read_yaml(LOCK)["stages"]).get(path)
    if expected is not None and content_digest(folder) != expected:
        raise UserError(f"{path} was changed after dvc.lock was written: `pcr sync` or `pcr run` mends it")


@contextmanager
def checked_model(name: str) -> Iterator[Path]:
    """Give the folder of a registered model that MLflow loads, its files checked. Raises as `open_model`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        with _checked(name) as checked:
            shutil.copytree(checked.folder, folder)
        yield folder


def served_model(name: str) -> Any:
    """Return a registered model as MLflow loads it, its files checked before. Raises as `open_model`."""
    from models.serving.registry import load_package  # noqa: PLC0415 - slow to import

    with checked_model(name) as folder:
        return load_package(folder)


@contextmanager
def _checked(name: str) -> Iterator[Any]:
    # A stored folder needs no MLflow.
    from pipeline.registry.runs import tracking_store  # noqa: PLC0415
    from pipeline.registry.trust import checked_version, read_trust  # noqa: PLC0415

    store, trust = tracking_store(active_study()), read_trust()
    with store.locked() as client, checked_version(client, store, name, trust) as checked:
        yield checked
