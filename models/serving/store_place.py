"""Where a tracking store and its files are, and whether an experiment's files are where they should be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from models.serving.store_errors import deleted_experiment, moved_files, unshared_files


@dataclass(frozen=True)
class StorePlace:
    """An MLflow tracking store: its address, the experiment, and where artifacts and the lock file are."""

    uri: str
    experiment: str
    artifact_root: Path

    # The page of the experiment is that of model training; MLflow would guess, from what is logged.
    KIND: ClassVar = {"mlflow.experimentKind": "custom_model_development"}

    @property
    def is_served(self) -> bool:
        """Whether a server is asked, which keeps the files itself."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def own_location(self) -> str:
        """Where files of the experiment are in the checkout, as MLflow writes it."""
        return (self.artifact_root / self.experiment).resolve().as_uri()

    @property
    def own_database(self) -> Path | None:
        """The SQLite database beside the artifacts, which belongs to the checkout; None for any other."""
        path = Path(self.uri.removeprefix("sqlite:///"))
        beside = path.resolve().parent == self.artifact_root.resolve().parent
        return path if beside and self.uri.startswith("sqlite:///") else None

    def require_usable(self, experiment: Any) -> None:
        """Refuse MLflow's experiment if it was deleted, or its files are where others' are, or nobody's.

        Raises
        ------
        StoreError
            If so, with the command that helps.
        """
        location, number = str(experiment.artifact_location), experiment.experiment_id
        if experiment.lifecycle_stage == "deleted":
            raise deleted_experiment(self.uri, self.experiment, number)
        if self.is_served and location.startswith(("/", "file:")):
            raise unshared_files(self.uri, self.experiment, number)
        if self.own_database and location != self.own_location:
            raise moved_files(self.uri, location)
