"""Two people with a clone each, one MLflow server with passwords, PostgreSQL, and somebody who has no clone.

`python -m tests.two_users` starts PostgreSQL and `mlflow server --app-name basic-auth --serve-artifacts`. Ann
registers a candidate from her clone, Bob promotes it from his, and Cat, with read permission and an empty
folder, loads the champion. What a permission forbids must be refused in a sentence, without a trace.
"""

import base64
import configparser
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.malformed import GOOD
from tests.registered_study import NAME, ROOT, write_study
from tests.serving import server
from tests.test_postgresql import postgresql

ADMIN = "admin"
LOAD = """
import json, sys
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict([json.loads(sys.argv[2])])[["pcr_probability", "status"]].to_dict("list")))
"""


@dataclass(frozen=True)
class Person:
    """Somebody with a password, and the folder in which they work."""

    name: str
    folder: Path
    address: str
    password: str

    def run(self, *words: str, code: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Python with the words; without `code` nothing of this project can be imported."""
        known = {
            "MLFLOW_TRACKING_URI": self.address, "MLFLOW_TRACKING_USERNAME": self.name,
            "MLFLOW_TRACKING_PASSWORD": self.password, "PYTHONPATH": str(ROOT) if code else "",
            "DVC_ROOT": "", "DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "200",
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=os.environ | known, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def pcr(self, *words: str) -> str:
        """Run `pcr` and return what it prints."""
        done = self.run("-m", "pipeline.cli", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        """Run `pcr`, which must end with 1 and a sentence, and return that."""
        done = self.run("-m", "pipeline.cli", *words)
        told = done.stdout + done.stderr
        assert done.returncode == 1, f"exit {done.returncode}: {told}"
        assert "Traceback" not in told, told
        return told


def asked(address: str, password: str, path: str, content: Mapping[str, object]) -> str:
    """Ask the server, as its administrator."""
    login = base64.b64encode(f"{ADMIN}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.request("POST", f"/api/{path}", json.dumps(content), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return text


def authentication(folder: Path, database: str, password: str) -> dict[str, str]:
    """Install what MLflow's authentication needs, and write its settings; return the server's environment."""
    packages = ["uv", "pip", "install", "-q", "--no-deps", "--target", str(folder / "packages")]
    subprocess.run([*packages, "Flask-WTF<2", "WTForms"], check=True)
    settings = configparser.ConfigParser()
    settings["mlflow"] = {
        "default_permission": "NO_PERMISSIONS", "database_uri": database, "admin_username": ADMIN,
        "admin_password": password,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }  # fmt: skip
    with (folder / "basic_auth.ini").open("w") as file:
        settings.write(file)
    return {
        "PYTHONPATH": str(folder / "packages"), "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }  # fmt: skip


def clones(home: Path) -> tuple[Path, Path]:
    """Make a study's folder twice, with the same files, as two clones have them after `dvc pull`."""
    one, other = home / "ann", home / "bob"
    one.mkdir()
    with chdir(one):
        write_study(one)
    shutil.copytree(one, other)
    return one, other


def act(home: Path, address: str, password: str) -> list[str]:
    """Let the three work; return what happened, a line each."""
    one, other = clones(home)
    (home / "elsewhere").mkdir()
    folders = {"ann": one, "bob": other, "cat": home / "elsewhere"}
    people = {name: Person(name, folder, address, secrets.token_hex(8)) for name, folder in folders.items()}
    for person in people.values():
        login = {"username": person.name, "password": person.password}
        asked(address, password, "2.0/mlflow/users/create", login)
    ann, bob, cat = people.values()
    told = [f"ann, sync: {ann.pcr('sync').splitlines()[-1]}"]
    told.append(f"bob without permission: {bob.refused('promote', NAME).strip().splitlines()[-1]}")
    experiments = asked(address, password, "2.0/mlflow/experiments/search", {"max_results": 100})
    number = next(
        each["experiment_id"]
        for each in json.loads(experiments)["experiments"]
        if each["name"] == "pcr-made-up"
    )
    for name, right in (("bob", "EDIT"), ("cat", "READ")):
        for kind, resource in (("experiment", number), ("registered_model", NAME)):
            grant = {"username": name, "resource_type": kind, "resource_id": resource, "permission": right}
            asked(address, password, "3.0/mlflow/users/permissions/grant", grant)
    told.append(f"bob, sync: {bob.pcr('sync').splitlines()[-1]}")
    told.append(f"bob, promote: {bob.pcr('promote', NAME).splitlines()[-1]}")
    told += [f"{person.name}, verify: {person.pcr('verify').splitlines()[-1]}" for person in (ann, bob)]
    done = cat.run("-c", LOAD, f"models:/{NAME}@champion", json.dumps(GOOD), code=False)
    assert done.returncode == 0, done.stderr
    told.append(f"cat, who has no clone: {done.stdout.splitlines()[-1]}")
    guessing = Person("cat", one, address, "guessed")
    told.append(f"cat with a wrong password: {guessing.refused('verify').strip().splitlines()[-1]}")
    reading = Person("cat", other, address, cat.password)
    told.append(
        f"cat, who may only read, promotes: {reading.refused('promote', NAME).strip().splitlines()[-1]}"
    )
    return told


def main() -> None:
    """Start everything, let them work, and print what happened."""
    password = secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as scratch, postgresql() as uri:
        home = Path(scratch)
        command = [
            sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1",
            "--port", "{port}", "--workers", "1", "--backend-store-uri", uri, "--serve-artifacts",
            "--artifacts-destination", str(home / "store"),
        ]  # fmt: skip
        environment = authentication(home, uri, password)
        with server(command, home, uri, home / "server.log", ready="/health", **environment) as port:
            print("\n".join(act(home, f"http://127.0.0.1:{port}", password)))


if __name__ == "__main__":
    main()
