"""Who may ask, and how often: bearer tokens, and what is left of a client's allowance."""

import hashlib
import hmac
import re
import time

from features.errors import UserError
from pipeline.service.settings import ServiceSettings
from pipeline.service.tables import RefusedError

MIN_TOKEN_CHARACTERS = 16
BUCKETS_KEPT = 10_000


def require_strong(token: str, name: str) -> None:
    """Refuse a token that could be guessed: the valid one is answered at any time, however many were not.

    Raises
    ------
    UserError
        If it is too short, or has what no header can carry. `name`: where it is from.
    """
    if token and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN_CHARACTERS},}}", token):
        raise UserError(
            f"{name} must have at least {MIN_TOKEN_CHARACTERS} characters of ASCII without spaces, "
            "as `openssl rand -hex 16` makes them"
        )


class Allowances:
    """How often each client may do something within a minute, and what is left of it; 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._left: dict[bytes, tuple[float, float]] = {}

    def take(self, client: bytes) -> bool:
        """Take one from what is left to a client; tell whether there was one."""
        if not self._most:
            return True
        now = time.monotonic()
        left, at = self._left.get(client, (self._most, now))
        left = min(self._most, left + self._most / 60 * (now - at))
        # The client that has asked least lately stands first, and is the first to be forgotten.
        self._left.pop(client, None)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > BUCKETS_KEPT:
            del self._left[next(iter(self._left))]
        return left >= 1


class Admission:
    """Lets requests in, or refuses them.

    Tokens that are not valid have an allowance of their own, so that they neither come at full speed nor use
    up that of who has the valid one from the same address.
    """

    def __init__(self, token: str, settings: ServiceSettings) -> None:
        self._token = hashlib.sha256(token.encode()).digest() if token else b""
        self._requests = Allowances(settings.requests_per_minute)
        self._invalid = Allowances(settings.invalid_tokens_per_minute)

    def admit(self, sent: list[bytes], client: bytes) -> None:
        """Refuse who has no valid token, or more than one, or asks too often.

        Parameters
        ----------
        sent : list of bytes
            Every `Authorization` header of the request.
        client : bytes
            The other end of its connection.

        Raises
        ------
        RefusedError
            401 without a valid token, 429 beyond an allowance.
        """
        if self._token and not self._is_valid(sent):
            raise RefusedError(401 if self._invalid.take(client) else 429)
        if not self._requests.take(client):
            raise RefusedError(429)

    def _is_valid(self, sent: list[bytes]) -> bool:
        scheme, _, given = (sent[0] if len(sent) == 1 else b"").partition(b" ")
        # Digests, compared whatever the scheme: the time tells neither length nor beginning of the token.
        same = hmac.compare_digest(hashlib.sha256(given.strip()).digest(), self._token)
        return same and scheme.lower() == b"bearer"
