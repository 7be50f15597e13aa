"""What a registered model must show before anything of it is run: manifest, form, signature, history."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from features.errors import UserError
from models.serving.champions import CHAMPION, aliases_of
from models.serving.history import read_history
from models.serving.manifest import ARTIFACTS, SIGNATURE, IntegrityError, manifest_faults, package_faults
from models.serving.registry import (
    DIGEST_TAG,
    MANIFEST_TAG,
    SIGNED_TAG,
    Store,
    download_version,
    find_version,
)
from models.serving.serving import model_digest
from pipeline.console import stderr
from pipeline.project import paths
from pipeline.project.settings import read_settings
from pipeline.registry.downloads import download_folder
from pipeline.registry.signatures import check_signature, signature_digest

NO_MANIFEST = (
    f"it has no tag {MANIFEST_TAG}: it was registered before there were manifests, or altered; `pcr sync` "
    "registers the model of the workspace anew"
)


@dataclass(frozen=True)
class TrustSettings:
    """configs/trust.yaml."""

    public_key: str
    signed: Literal["nothing", "champions", "everything"]
    unjudged_champion: Literal["warn", "refuse"]

    def __post_init__(self) -> None:
        if self.signed != "nothing" and not self.public_key:
            raise UserError(
                f"{paths.TRUST}: signed: {self.signed} needs the public_key that checks signatures"
            )


def read_trust() -> TrustSettings:
    """Return configs/trust.yaml. Raises UserError if it is not valid."""
    return read_settings(TrustSettings, Path(paths.TRUST))


@dataclass(frozen=True)
class CheckedVersion:
    """A version whose files were downloaded and checked: MLflow's version, and the folder."""

    version: Any
    folder: Path

    @property
    def model(self) -> Path:
        """The folder with model.json, serving.py and booster.txt."""
        return self.folder / ARTIFACTS


@contextmanager
def checked_version(client: Any, store: Store, uri: str, trust: TrustSettings) -> Iterator[CheckedVersion]:
    """Give the files of a registered model in a folder of their own, after they were checked.

    What is loaded afterwards is this very copy: the store is not read again. To be called inside
    `Store.locked`.

    Raises
    ------
    IntegrityError
        If a file, the manifest, the signature or the alias is not what was registered and promoted.
    UserError
        If there is no such model, or its files are gone.
    """
    version = find_version(client, store, uri)
    champion = aliases_of(client, version.name).get(CHAMPION) == str(version.version)
    with download_folder() as scratch:
        folder = download_version(version, Path(scratch))
        faults = version_faults(version, folder)
        if faults:
            raise IntegrityError(f"{_told(version)} is not loaded: {'; '.join(faults)}. See `pcr verify`")
        _check_signed(version, folder, trust, champion=champion)
        if champion:
            _check_promoted(client, version, trust)
        yield CheckedVersion(version, folder)


def version_faults(version: Any, folder: Path) -> list[str]:
    """Return what is wrong with the files of a version, a phrase each; nothing of them is run."""
    tags = version.tags
    if MANIFEST_TAG not in tags:
        return [NO_MANIFEST]
    if faults := manifest_faults(folder, tags[MANIFEST_TAG]):
        return faults
    if faults := package_faults(folder):
        return faults
    document = json.loads((folder / ARTIFACTS / "model.json").read_text(encoding="utf-8"))
    faults = []
    if document.get("model", version.name) != version.name:
        faults.append("its files are those of a model of another name")
    if tags.get(DIGEST_TAG) != model_digest(folder / ARTIFACTS):
        faults.append(f"its tag {DIGEST_TAG} is not the digest of its files")
    if signature_digest(folder) != tags.get(SIGNED_TAG, ""):
        faults.append(f"{SIGNATURE} is not the one of the tag {SIGNED_TAG}")
    return faults


def _check_signed(version: Any, folder: Path, trust: TrustSettings, *, champion: bool) -> None:
    signed = (folder / SIGNATURE).is_file()
    if not signed and (trust.signed == "everything" or (trust.signed == "champions" and champion)):
        raise IntegrityError(
            f"{_told(version)} is not signed: `pcr sign` does it (configs/trust.yaml, signed: {trust.signed})"
        )
    if signed and trust.public_key:
        try:
            check_signature(folder, Path(trust.public_key))
        except IntegrityError as error:
            raise IntegrityError(f"{_told(version)} is not loaded: {error}") from None


def _check_promoted(client: Any, version: Any, trust: TrustSettings) -> None:
    """Compare a champion with the promotion history; warn of, or refuse, one that was never judged."""
    history = read_history(client, version.name)
    entry = history.newest(history.champion)
    if entry is None:
        told = f"{_told(version)} is champion, but no gates were recorded: its alias was set by hand"
        if trust.unjudged_champion == "refuse":
            raise IntegrityError(f"{told}; `pcr promote {version.name}` judges it")
        stderr().print(f"[yellow]Warning.[/] {told}", highlight=False, soft_wrap=True)
    elif (entry.version, entry.manifest) != (str(version.version), version.tags[MANIFEST_TAG]):
        raise IntegrityError(
            f"{_told(version)} is not loaded: alias {CHAMPION} was moved by hand or a promotion interrupted. "
            f"By the promotion history version {entry.version} is champion; `pcr promote` or `pcr rollback` "
            "settles it"
        )


def _told(version: Any) -> str:
    return f"{version.name} version {version.version}"
