"""A cluster's address: encrypted, on this computer, or unencrypted by a conscious choice."""

from dataclasses import replace

import pytest

from features.errors import UserError
from models.procedure.cluster.settings import Certificates, Cluster, ClusterSettings

PLAIN = ClusterSettings(30, 600, 3, 4)
OPEN = replace(PLAIN, plaintext=True)
TLS = replace(PLAIN, tls=Certificates("ca.pem", "client.pem", "client-key.pem"))


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        ("tcp://localhost:8786", PLAIN),
        ("tcp://127.0.0.5:8786", PLAIN),
        ("tcp://[::1]:8786", PLAIN),
        ("tcp://10.0.0.1:8786", OPEN),
        ("tls://node1:8786", TLS),
        ("tls://localhost:8786", TLS),
    ],
)
def test_data_stay_here_or_travel_encrypted_or_as_somebody_chose(
    address: str, settings: ClusterSettings
) -> None:
    assert Cluster(address, settings).address == address


@pytest.mark.parametrize(
    ("address", "settings", "reason"),
    [
        ("tcp://10.0.0.1:8786", PLAIN, "would travel unencrypted to tcp://10.0.0.1:8786"),
        ("tcp://localhost.example.org:8786", PLAIN, "would travel unencrypted"),
        ("tcp://0.0.0.0:8786", PLAIN, "would travel unencrypted"),
        ("tls://node1:8786", PLAIN, "needs certificates"),
        ("tls://node1:8786", OPEN, "needs certificates"),
        ("tcp://localhost:8786", TLS, "is not encrypted"),
        *((address, OPEN, "must be of the form") for address in (
            "node1:8786", "tcp://node1", "tcp://:8786", "http://node1:8787", "tcp://node1:8786/x",
            "tcp://me@node1:8786", "tcp://node1:many", "tcp://node1:99999", "tcp://[::1:8786", "",
        )),
    ],
)  # fmt: skip
def test_an_address_that_would_not_do_is_refused(
    address: str, settings: ClusterSettings, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        Cluster(address, settings)
