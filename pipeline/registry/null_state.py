"""Where the null check's answer is kept, and for which state of a landmark it holds."""

import hashlib
from pathlib import Path

NULL_CHECK = Path("null_check.json")
# What the check depends on, beside the landmark's own files.
SETTINGS = Path("configs/models.yaml")


def null_state(artifacts: Path, landmark: str) -> str:
    """Return the sha256 of what a null check of a landmark was made on: features, cohort, settings."""
    digest = hashlib.sha256()
    files = (
        artifacts / "features" / f"{landmark}.parquet",
        artifacts / "cohort" / "cohort.parquet",
        SETTINGS,
    )
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
