"""Which code the scheduler and the workers of a Dask cluster run."""

from collections.abc import Callable
from typing import Any

from features.errors import UserError
from models.procedure.cluster.identity import KERNELS, Identity, cluster_identity


def require_same_code(client: Any, patience: float) -> None:
    """Refuse a Dask cluster whose workers do not run this code, before anything is sent.

    Workers that were started before an edit would compute with what they loaded then. The scheduler imports
    nothing of this project, but reads what is sent by the same Python and packages.

    Parameters
    ----------
    client : distributed.Client
        Connected to the scheduler.
    patience : float
        Seconds to wait for workers, and then for each answer.

    Raises
    ------
    UserError
        Naming who differs and in what, or who did not answer.
    """
    from distributed.versions import get_versions  # noqa: PLC0415

    try:
        client.wait_for_workers(1, timeout=patience)
        scheduler = client.sync(client.scheduler.versions, callback_timeout=patience)
        answers = client.run(code_probe(), on_error="return", callback_timeout=patience)
    except OSError as error:
        raise UserError(
            f"the Dask cluster at {client.scheduler.address} did not say within {patience:g} s which code it "
            "runs: is a worker running?"
        ) from error
    here, there = (
        {name: told["packages"].get(name) for name in ("python", "dask", "distributed", "cloudpickle")}
        for told in (get_versions(), scheduler)
    )
    differences = {"the scheduler": difference(there, here)}
    for address, answer in answers.items():
        identity = {"error": str(answer)} if isinstance(answer, Exception) else answer
        differences[f"worker {address}"] = difference(identity, cluster_identity())
    for name, reason in differences.items():
        if reason:
            raise UserError(
                f"{name} of the Dask cluster does not run this code ({reason}). "
                "Start scheduler and workers again from this version, with the same packages and the same "
                f"values of {' and '.join(KERNELS)} in their environment"
            )


def difference(there: Identity, here: Identity) -> str:
    """Return in what another process differs from this one; an empty text if it does not."""
    differing = [key for key in here if there.get(key) != here[key]]
    if differing and "error" in there:
        return str(there["error"])
    return "; ".join(f"{key} is {there.get(key)}, here {here[key]}" for key in differing)


def code_probe() -> Callable[[], Identity]:
    """Return a function that tells which code another process runs, or in ``error`` why it cannot tell."""

    def probe() -> Identity:
        # A nested function travels by value: whoever cannot import the project can still say so.
        try:
            from models.procedure.cluster.identity import cluster_identity as identity  # noqa: PLC0415
        except ImportError as error:
            return {"error": f"it cannot import the project, or has another version: {error}"}
        return identity()

    return probe
