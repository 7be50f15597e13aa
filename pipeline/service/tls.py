"""TLS of the service itself, where no proxy stands before it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from features.errors import UserError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2 with forward secrecy; TLS 1.3 has no others, and Python offers nothing older."""


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: a certificate, with those that vouch for it below, and its key, which has no password.

    Raises
    ------
    UserError
        If they cannot be read, or do not belong together.
    """

    chain: Path
    key: Path

    def __post_init__(self) -> None:
        for file in (self.chain, self.key):
            if not file.is_file():
                raise UserError(
                    f"{file} does not exist: give the file of the certificate, and that of its key"
                )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(
                self.chain, self.key, password=""
            )  # an empty one, so that none is asked for
        except OSError as error:
            raise UserError(
                f"{self.chain} and {self.key} are not a certificate and its key without a password, in PEM "
                f"({getattr(error, 'reason', None) or error.strerror})"
            ) from None


def certificate_of(chain: Path | None, key: Path | None) -> Certificate | None:
    """Return the certificate that two options name; none where neither is given.

    Raises
    ------
    UserError
        If only one is given, or they are not valid.
    """
    if (chain is None) != (key is None):
        raise UserError(
            "give --tls-certificate and --tls-key, or neither: one is of no use without the other"
        )
    return Certificate(chain, key) if chain and key else None
