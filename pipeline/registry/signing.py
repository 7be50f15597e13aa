"""`pcr sign`: sign the files of a registered model, after they were checked."""

import os
from dataclasses import replace
from pathlib import Path

from models.serving.registry import store_signature
from pipeline.registry.runs import tracking_store
from pipeline.registry.signatures import check_signature, sign, signature_digest
from pipeline.registry.trust import checked_version, read_trust
from pipeline.workspace.study import active_study

PASSWORD = "PCR_SIGNING_PASSWORD"  # noqa: S105 - the name of the variable that holds it


def sign_model(uri: str, private_key: Path) -> str:
    """Sign all files of a registered model, and return what was done.

    Raises
    ------
    UserError
        If there is no such model, its files were altered, or the key cannot sign.
    """
    store, trust = tracking_store(active_study()), read_trust()
    # What is not signed yet cannot be asked to be.
    unsigned = replace(trust, signed="nothing", public_key="")
    with store.locked() as client, checked_version(client, store, uri, unsigned) as checked:
        file = sign(checked.folder, private_key, os.environ.get(PASSWORD, ""))
        if trust.public_key:
            check_signature(checked.folder, Path(trust.public_key))
        store_signature(client, checked.version, file, signature_digest(checked.folder))
        version = checked.version
    return f"{version.name} version {version.version} is signed"
