"""Zip files whose bytes depend on nothing but what is in them."""

import io
import zipfile
from collections.abc import Mapping

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can give to what is in it."""
READABLE = 0o644 << 16
COMPRESSED = (".png",)
"""Files that are compressed already, and stored as they are."""


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """Return files as a zip, in the order of their names: without time, owner or system."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
            entry.external_attr, entry.create_system = READABLE, 3
            archive.writestr(entry, contents[name])
    return made.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return the files of a zip by name, in its order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
