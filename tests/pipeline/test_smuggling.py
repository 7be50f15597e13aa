"""Requests whose end a proxy might see elsewhere, and bytes that are no request: one answer, or none."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.pipeline.test_tls import answering

HEAD = b"POST /schema.json HTTP/1.1\r\nhost: x\r\n"
INNER = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
"""What must not be answered as a request of its own."""
CHUNK = b"\r\n5\r\nhello\r\n0\r\n\r\n"
REFUSED = {
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n" + CHUNK,
    "a list of lengths": b"content-length: 5, 6\r\n\r\nhello",
    "a signed length": b"content-length: +5\r\n\r\nhello",
    "a negative length": b"content-length: -5\r\n\r\nhello",
    "a hexadecimal length": b"content-length: 0x5\r\n\r\nhello",
    "digits of another script": "content-length: ５\r\n\r\nhello".encode(),
    "a length with an underscore": b"content-length: 1_0\r\n\r\nhellohello",
    "an unknown coding": b"transfer-encoding: xchunked\r\n" + CHUNK,
    "two codings": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n" + CHUNK,
    "a compressed coding": b"transfer-encoding: gzip, chunked\r\n" + CHUNK,
    "a space before the colon": b"transfer-encoding : chunked\r\n" + CHUNK,
    "a vertical tab": b"transfer-encoding: \x0bchunked\r\n" + CHUNK,
    "a negative chunk": b"transfer-encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
    "a chunk of 0x5": b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "two hosts": b"host: y\r\ncontent-length: 0\r\n\r\n",
    "a null byte": b"x: a\x00b\r\ncontent-length: 0\r\n\r\n",
    "a header without a name": b": x\r\ncontent-length: 0\r\n\r\n",
    "a header without a colon": b"x\r\ncontent-length: 0\r\n\r\n",
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch, answering(None, patch) as found:
        yield found


def statuses(port: int, sent: bytes) -> list[str]:
    """Return the status of each answer to some bytes, until the service ends the connection or is silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as one, suppress(TimeoutError):
        one.sendall(sent)
        while part := one.recv(65536):
            answer += part
    assert b"Traceback" not in answer
    assert b"SECRET" not in answer
    return [part[:3].decode() for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_whose_end_is_not_plain_is_refused_and_what_follows_is_no_request(
    port: int, name: str
) -> None:
    assert set(statuses(port, HEAD + REFUSED[name] + INNER)) <= {"400"}


def test_a_body_that_nobody_reads_is_no_request(port: int) -> None:
    length = f"content-length: {len(INNER)}\r\n\r\n".encode()
    for line in (
        b"POST /nothing HTTP/1.1\r\n",
        b"GET /health HTTP/1.1\r\n",
        b"POST /invocations HTTP/1.1\r\n",
    ):
        assert len(statuses(port, line + b"host: x\r\n" + length + INNER)) == 1


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01", bytes(range(256)), b"GET /health\r\n\r\n", b"\r\r\r"]
)
def test_what_is_no_request_has_at_most_a_refusal(port: int, sent: bytes) -> None:
    assert set(statuses(port, sent)) <= {"400"}


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("OPTIONS *", "404"), ("CONNECT x:1", "404"), ("TRACE /health", "405"), ("get /health", "405"),
        ("GET http://x/health", "404"), ("GET /x/../health", "404"), ("GET //health", "404"),
        ("GET /health%00", "404"), ("GET /%2568ealth", "404"), ("GET /health;x", "404"),
        ("GET /%68ealth", "200"),
    ],
)  # fmt: skip
def test_odd_methods_and_addresses_are_told_as_what_they_are(port: int, line: str, status: str) -> None:
    assert statuses(port, f"{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()) == [status]


CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
ODD = {
    "an upgrade to HTTP/2": b"upgrade: h2c\r\nconnection: upgrade\r\nhttp2-settings: AA\r\n\r\n",
    "an upgrade to a socket": b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: AA\r\n\r\n",
    "an unknown expectation": b"expect: SECRET-7431\r\n\r\n",
    "another method in a header": b"x-http-method-override: DELETE\r\n\r\n",
    "another host in a header": b"x-forwarded-host: SECRET-7431\r\nx-forwarded-prefix: //SECRET-7431\r\n\r\n",
    "a range": b"range: bytes=0-99999999999,1-2\r\n\r\n",
    "a chunk with an extension": CHUNKED + b"1;a=SECRET-7431\r\nx\r\n0\r\n\r\n",
    "headers after the body": CHUNKED + b"1\r\nx\r\n0\r\ncontent-length: 5\r\nx: SECRET-7431\r\n\r\n",
    "a thousand headers": b"".join(b"x%d: SECRET-7431\r\n" % k for k in range(1000)) + b"\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_what_a_request_asks_beside_it_changes_nothing_and_is_not_repeated(port: int, name: str) -> None:
    for line, status in ((b"GET /health HTTP/1.1\r\n", "200"), (b"TRACE /invocations HTTP/1.1\r\n", "405")):
        assert statuses(port, line + b"host: x\r\n" + ODD[name]) == [status]
