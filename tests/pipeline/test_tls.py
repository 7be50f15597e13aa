"""The service by TLS: with a certificate of its own, and behind nginx as deploy/nginx.conf has it."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from features.errors import UserError
from pipeline.service.server import serve
from pipeline.service.tls import Certificate, certificate_of
from tests.pipeline.test_service import SETTINGS, service
from tests.serving import free_port

RECIPE = Path(__file__).parents[2] / "deploy/nginx.conf"
TOKEN = "a-token-of-the-test"  # noqa: S105


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    files = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*words.split(), *files], cwd=folder, check=True, capture_output=True)
    return Certificate(folder / "cert.pem", folder / "key.pem")


@contextmanager
def answering(
    certificate: Certificate | None, monkeypatch: pytest.MonkeyPatch, token: str = ""
) -> Iterator[int]:
    """Run the service, started as `pcr serve` does, in a thread; give its port."""
    started: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: started.update(options, app=app))
    port = free_port()
    serve(service(None, SETTINGS, token), "127.0.0.1", port, certificate)
    server = uvicorn.Server(uvicorn.Config(**started))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join()


def asked(port: int, path: str, trusted: Path, method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = HTTPSConnection(
        "127.0.0.1", port, timeout=20, context=ssl.create_default_context(cafile=str(trusted))
    )
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_with_a_certificate_the_service_answers_by_tls_alone_and_by_no_old_one(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(certificate, monkeypatch, TOKEN) as port:
        assert asked(port, "/health", certificate.chain)[0] == 200
        assert asked(port, "/schema.json", certificate.chain)[0] == 401
        assert asked(port, "/schema.json", certificate.chain, Authorization=f"Bearer {TOKEN}")[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            HTTPSConnection("127.0.0.1", port, timeout=20).request("GET", "/health")
        weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        weak.load_verify_locations(certificate.chain)
        weak.set_ciphers("ECDHE+AES+SHA1:@SECLEVEL=0")
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", port)) as plain:
            weak.wrap_socket(plain, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert not plain.recv(4096).startswith(b"HTTP")


def test_files_that_are_no_certificate_with_its_key_are_refused_before_anything_is_served(
    certificate: Certificate, tmp_path: Path
) -> None:
    protected, other = tmp_path / "protected.pem", tmp_path / "other.pem"
    with_password = [
        "ec",
        "-in",
        str(certificate.key),
        "-aes128",
        "-passout",
        "pass:word",
        "-out",
        str(protected),
    ]
    for words in (with_password, ["genpkey", "-algorithm", "ed25519", "-out", str(other)]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    for key in (protected, other, RECIPE):
        with pytest.raises(UserError, match="are not a certificate and its key without a password"):
            Certificate(certificate.chain, key)
    with pytest.raises(UserError, match="does not exist"):
        Certificate(certificate.chain, tmp_path / "none.pem")
    with pytest.raises(UserError, match="or neither"):
        certificate_of(certificate.chain, None)


def test_the_recipe_of_nginx_has_the_limits_of_the_service() -> None:
    text = re.sub(r"#.*", "", RECIPE.read_text())
    told = dict(re.findall(r"^\s*(\w+) ([^;{}]+);", text, re.MULTILINE))
    limits = SETTINGS
    assert told["client_max_body_size"] == told["client_body_buffer_size"] == f"{limits.max_body_mb}m"
    assert told["client_header_timeout"] == f"{limits.header_seconds:g}s"
    assert told["client_body_timeout"] == f"{limits.body_seconds:g}s"
    assert float(told["proxy_read_timeout"].rstrip("s")) > 2 * limits.answer_seconds
    assert told["ssl_protocols"] == "TLSv1.2 TLSv1.3"
    assert text.count("{") == text.count("}")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """A real nginx with the recipe before a real service; its port."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not here: install the Debian package nginx-light")
    port = free_port()
    with answering(None, monkeypatch, TOKEN) as behind:
        recipe = (
            RECIPE.read_text()
            .replace("443", f"127.0.0.1:{port}")
            .replace("127.0.0.1:5001", f"127.0.0.1:{behind}")
        )
        recipe = recipe.replace("/etc/ssl/pcr/certificate.pem", str(certificate.chain))
        (tmp_path / "pcr.conf").write_text(recipe.replace("/etc/ssl/pcr/key.pem", str(certificate.key)))
        places = "".join(
            f"{name}_temp_path {tmp_path}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
            f"http {{ access_log off; {places} include {tmp_path}/pcr.conf; }}"
        )
        words = [
            program,
            "-p",
            str(tmp_path),
            "-e",
            str(tmp_path / "log"),
            "-c",
            str(tmp_path / "nginx.conf"),
        ]
        subprocess.run([*words, "-t", "-q"], check=True)
        process = subprocess.Popen(words)
        while not listens(port):
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        yield port
        process.terminate()
        process.wait(10)


def test_behind_nginx_the_service_answers_by_tls_and_limits_each_client(
    nginx: int, certificate: Certificate
) -> None:
    trusted = certificate.chain
    assert asked(nginx, "/health", trusted)[0] == 200
    assert asked(nginx, "/schema.json", trusted)[0] == 401
    assert asked(nginx, "/schema.json", trusted, Authorization=f"Bearer {TOKEN}") == (200, "{}")
    assert asked(nginx, "/invocations", trusted, "POST", **{"Content-Length": str(33 * 1024**2)})[0] == 413
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: asked(nginx, "/health", trusted)[0], range(80)))
    assert set(found) == {200, 429}
