"""Folders that MLflow downloads to."""

from tempfile import TemporaryDirectory


def download_folder() -> "TemporaryDirectory[str]":
    """Return a folder that is there as long as it is needed.

    Where a download fails, MLflow's threads may still write to it while it is removed: what is left of it
    then is no reason to tell of a fault in place of what is wrong with the files.
    """
    return TemporaryDirectory(ignore_cleanup_errors=True)
