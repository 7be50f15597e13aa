"""Further alterations of a version's bytes: names, kinds and sizes of files, forms that readers read apart.

`odd_files` are of somebody who writes files, `odd_sources` of somebody who writes the database: nothing may
be copied from where links and addresses lead. `odd_forms` are of somebody who writes both, of a model that is
neither signed nor promoted: manifest, digests and tags fit, and still the form is none of a registered model.
"""

import hashlib
import os
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from models.serving.manifest import ARTIFACTS, MANIFEST
from tests.tampering import Alteration, code
from tests.tampering_beside import fitted, folder_of, replace

DEEP = 20_000
HUGE = 60 * 1024**3
TYPED = '[{"type": "double", "name": "age_years", "required": true}]'


def odd_files(home: Path, canary: Path) -> Iterator[Alteration]:
    """Yield files that are named, or made, as no file of a model is."""
    folder = folder_of(home)
    for told, name in {
        "bytes that are no UTF-8": b"\xff\xfe.py",
        "a line of its own": b"card.md\nsound: nothing was altered.py",
        "what clears a terminal": b"\x1b[2J\x1b]0;sound\x07.py",
        "markup": b"[bold]sound[blink].py",
        "a mark that turns the writing": b"\xe2\x80\xaeyp.gnivres",
        "200 characters": b"x" * 200,
    }.items():
        add = partial(_write, os.fsencode(folder) + b"/" + name, code(canary))
        yield Alteration(f"a name with {told}", "the files of", add, loads=True)
    yield Alteration("an empty folder", "numpy was added", (folder / "numpy").mkdir, loads=True)
    yield Alteration("folders 150 deep", "d was added", lambda: _deep(folder, 150), loads=True)
    yield Alteration("a socket", "the files of", partial(_socket, folder / "socket"), loads=True)
    yield Alteration(
        "a link to all files", "the files of", lambda: (folder / "all").symlink_to("/"), loads=True
    )
    yield Alteration(
        "a file of 60 GB", "the files of", lambda: os.truncate(folder / "card.md", HUGE), loads=True
    )
    yield Alteration("10,000 files", "the files of", lambda: _many(folder / "more"), loads=True)
    for name in ("card.md", f"{ARTIFACTS}/model.json", MANIFEST):
        yield Alteration(
            f"{name} as a folder", "the files of", lambda name=name: _as_folder(folder / name), loads=True
        )
    note = folder / "registered_model_meta"
    yield Alteration("MLflow's note as a link", "the files of", lambda: _note(note, canary), loads=True)
    yield Alteration("MLflow's note as a folder", "the files of", note.mkdir, loads=True)


def _write(place: bytes, content: bytes) -> None:
    Path(os.fsdecode(place)).write_bytes(content)


def _deep(folder: Path, levels: int) -> None:
    deep = folder.joinpath(*["d"] * levels)
    deep.mkdir(parents=True)


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        # Its own name may be too long for an address.
        here = os.open(place.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/{place.name}")
        os.close(here)


def _many(folder: Path) -> None:
    folder.mkdir()
    for number in range(10_000):
        (folder / str(number)).touch()


def _as_folder(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / file.name).write_bytes(content)


def _note(note: Path, canary: Path) -> None:
    victim = canary.with_name("victim")
    victim.write_text("mine")
    note.symlink_to(victim)


def odd_forms(home: Path) -> Iterator[Alteration]:
    """Yield files of another form, to which manifest, digests and tags were made to fit."""
    folder = folder_of(home)
    for name, what, change in (
        (
            "MLmodel",
            "an example elsewhere",
            _swap("artifact_path: input_example.json", "artifact_path: ../x"),
        ),
        ("MLmodel", "an artifact elsewhere", _swap("uri: artifacts/model.json", "uri: http://127.0.0.1:1/x")),
        ("MLmodel", "a signature of its own", _swap("  inputs: null", f"  inputs: '{TYPED}'")),
        ("MLmodel", "a key that no model has", _more("bomb: [x]\n")),
        ("MLmodel", "brackets without end", _more(f"more: {'[' * DEEP}{']' * DEEP}\n")),
        ("python_env.yaml", "another interpreter", _first_line("python: /tmp/python")),
        ("python_env.yaml", "an option of the installer", _first_line('python: "3.11 --with evil"')),
        ("conda.yaml", "an environment of another name", _swap("name: mlflow-env", "name: base")),
        ("conda.yaml", "a key beside pip", _swap("- pip:\n", "- uv: [x]\n  pip:\n")),
        ("requirements.txt", "a line of an option", _more("\n-r /tmp/more.txt")),
        (f"{ARTIFACTS}/model.json", "brackets without end", _nested),
        (f"{ARTIFACTS}/model.json", "another model's name", _swap("pcr-made-up-c1", "pcr-made-up-c2")),
    ):
        word = "with the content of" if "model.json" in name else "the files of"
        yield fitted(home, f"{name}: {what}", word, partial(replace, folder / name, change))
    yield fitted(home, "an old MLflow in all that names it", "the files of", partial(_older, folder))
    for what, change in {
        "a remark": _more("# all is well\n"),
        "bytes that are no UTF-8": lambda content: content + b"\xff\n",
        "a file twice": lambda content: b"0" * 64 + b"  card.md\n" + content,
        "lines of another system": lambda content: content.replace(b"\n", b"\r\n"),
        "lines that only Python sees": lambda content: content.replace(b"\n", "\u2028".encode(), 1),
    }.items():
        yield _manifest(home, f"{MANIFEST}: {what}", change)


def _older(folder: Path) -> None:
    for name in ("requirements.txt", "conda.yaml"):
        replace(folder / name, lambda content: re.sub(rb"mlflow==[0-9.]+", b"mlflow==1.0.0", content))


def _swap(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content, old
        return content.replace(old.encode(), new.encode(), 1)

    return change


def _more(text: str) -> Callable[[bytes], bytes]:
    return lambda content: content + text.encode()


def _first_line(text: str) -> Callable[[bytes], bytes]:
    return lambda content: text.encode() + b"\n" + content.partition(b"\n")[2]


def _nested(content: bytes) -> bytes:
    return b'{"more": ' + b"[" * DEEP + b"]" * DEEP + b", " + content.lstrip()[1:]


def _manifest(home: Path, name: str, change: Callable[[bytes], bytes]) -> Alteration:
    def apply() -> None:
        file = folder_of(home) / MANIFEST
        replace(file, change)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        tell(home, "update model_version_tags set value = ? where key = 'pcr.manifest'", digest)

    return Alteration(name, MANIFEST, apply, loads=True)


def odd_sources(home: Path) -> Iterator[Alteration]:
    """Yield places that the database gives as those of a version's files."""
    for place in (
        "models:/pcr-made-up-c1/1", "models:/pcr-made-up-c1@champion", "s3://bucket/model", "gs://bucket/model",
        "hdfs://host/model", "dbfs:/model", "mlflow-artifacts:/model", "runs:/0/model", "file:///dev",
        "/proc/self", "/", "", "\x00", "sftp://user:pass@127.0.0.1:1/x", "http://127.0.0.1:1/x",
    ):  # fmt: skip
        apply = partial(tell, home, "update model_versions set source = ?1, storage_location = ?1", place)
        yield Alteration(f"files at {place!r}", "missing: the files of", apply, loads=True)


def tell(home: Path, statement: str, value: str) -> None:
    """Change the database."""
    with sqlite3.connect(home / "mlflow.db", timeout=30) as database:
        assert database.execute(statement, (value,)).rowcount
    database.close()
