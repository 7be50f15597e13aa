"""Settings of a Dask cluster: where its scheduler is, how it is reached, and how long it is waited for."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from features.documents.parsing import Between, Count, Positive
from features.errors import UserError

SCHEMES = ("tcp", "tls")


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: the authority that signed all certificates of the cluster, and the client's own."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True)
class ClusterSettings:
    """How a cluster is reached, and what may fail.

    Parameters
    ----------
    patience : float
        Seconds to wait for each answer of scheduler and workers, above all before the tasks begin.
    reconnect : float
        Seconds to wait for a scheduler or the last worker that was lost.
    attempts : int
        How many workers a task may end before it is named and the run stops; how often the scheduler may be
        lost before another task is finished.
    straggler : float
        A task that takes this many times the median is started on an idle worker, too.
    plaintext : bool
        Whether patients' data may travel unencrypted to another computer.
    tls : Certificates, optional
        For an address ``tls://``.
    """

    patience: Positive
    reconnect: Positive
    attempts: Count
    straggler: Annotated[float, Between(1)]
    plaintext: bool = False
    tls: Certificates | None = None


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, such as ``tls://host:8786``, with the settings.

    Raises
    ------
    UserError
        If the address is not of this form, data would travel unencrypted without `plaintext`, or certificates
        are missing or not needed.
    """

    address: str
    settings: ClusterSettings

    def __post_init__(self) -> None:
        parts = _parts(self.address)
        encrypted, local = parts.scheme == "tls", _is_this_computer(str(parts.hostname))
        if encrypted and self.settings.tls is None:
            raise UserError(f"{self.address} needs certificates: cluster.tls in configs/runtime.yaml")
        if not encrypted and self.settings.tls is not None:
            raise UserError(
                f"there are certificates (cluster.tls), but {self.address} is not encrypted; must be tls://..."
            )
        if not (encrypted or local or self.settings.plaintext):
            raise UserError(
                f"patients' data would travel unencrypted to {self.address}: use tls://... with certificates "
                "(docs/cluster.md), or say `plaintext: true` under cluster in configs/runtime.yaml where the "
                "network itself is trusted"
            )


def _parts(address: str) -> SplitResult:
    """Return the parts of an address; a wrong one is refused."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in SCHEMES and bool(parts.hostname) and bool(parts.port)
        valid = valid and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        valid = False
    if not valid:
        raise UserError(
            f"address of the Dask scheduler is {address!r}; must be of the form tls://HOST:PORT or tcp://HOST:PORT"
        )
    return parts


def _is_this_computer(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
