"""Results computed again from stored tables, beside the stored ones, which stay as they are."""

import tempfile
from pathlib import Path
from types import ModuleType

from pipeline.project.stage import Run
from pipeline.stages import efficacy, size

WITHOUT_FITS: tuple[ModuleType, ...] = (efficacy, size)
"""Stages of a few seconds, which fit and draw nothing."""
WRITTEN = ("results", "metrics")


def computed_again(root: Path, study: str, out: Path) -> Path:
    """Run the stages of a few seconds into `out`, and return its artifacts/<study>.

    Everything else of `root` is linked there. Files of results that those stages do not write are missing.
    """
    artifacts = out / "artifacts" / study
    artifacts.mkdir(parents=True)
    for name in WRITTEN:
        (artifacts / name).mkdir()
    for path in (root / "artifacts" / study).iterdir():
        if path.name not in WRITTEN:
            (artifacts / path.name).symlink_to(path.resolve())
    for name in ("configs", "requirements.lock"):
        (out / name).symlink_to((root / name).resolve())
    for stage in WITHOUT_FITS:
        stage.main(Run(stage.STAGE, {}, out))
    return artifacts


def temporary() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for results computed again."""
    return tempfile.TemporaryDirectory(prefix="pcr-recompute-")
