"""Signatures of registered models: bundles of OpenSSF Model Signing, which its own command checks anywhere.

`model_signing verify key FOLDER --signature FOLDER/model.sig --public_key KEY` needs nothing of this project.
Keys are on elliptic curves (P-256, P-384, P-521), in PEM files; no network is asked.
"""

import hashlib
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.manifest import DOWNLOAD_NOTE, SIGNATURE, IntegrityError


def sign(folder: Path, private_key: Path, password: str) -> Path:
    """Sign every file of a folder, and return the signature's file in it.

    Raises
    ------
    UserError
        If the key cannot be used.
    """
    signing = _library().signing
    hashing = (
        _library()
        .hashing.Config()
        .set_ignored_paths(paths=[folder / SIGNATURE, folder / DOWNLOAD_NOTE], ignore_git_paths=False)
    )
    out = folder / SIGNATURE
    try:
        signer = signing.Config().use_elliptic_key_signer(
            private_key=private_key, password=password.encode() or None
        )
        signer.set_hashing_config(hashing).sign(folder, out)
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{private_key} cannot sign ({type(error).__name__}): `openssl ecparam -name prime256v1 -genkey "
            "-noout -out private.pem` makes a key that can; PCR_SIGNING_PASSWORD has its password, if any"
        ) from None
    return out


def signature_digest(folder: Path) -> str:
    """Return the sha256 of a folder's signature; empty where it has none."""
    file = folder / SIGNATURE
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def check_signature(folder: Path, public_key: Path) -> None:
    """Refuse a folder that was not signed with the private key of a public one, or was changed since.

    Raises
    ------
    IntegrityError
        If so; what is wrong is named, as far as it is known.
    UserError
        If there is no such key.
    """
    if not public_key.is_file():
        raise UserError(f"configs/trust.yaml: public_key: {public_key} does not exist")
    library = _library()
    try:
        verifier = library.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
        verifier.verify(folder, folder / SIGNATURE)
    except Exception as error:  # noqa: BLE001 - the library's own errors and those of cryptography and protobuf have no common kind
        raise IntegrityError(
            f"{SIGNATURE} is not the signature of these files by {public_key} ({type(error).__name__})"
        ) from None


def _library() -> Any:
    """Return OpenSSF Model Signing, which is slow to import and needed by those who sign only."""
    try:
        import model_signing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UserError(
            f'signatures need model-signing: uv pip install "model-signing" "pyopenssl" ({error})'
        ) from None
    return model_signing
