"""Further alterations of a registered study: what stands beside its own, and files with their database.

Of the first kind nothing runs, but people would be misled by it. The second are of somebody who can write
both: manifest and tags are made to fit, and the signature is taken away.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from models.serving.manifest import ARTIFACTS, SIGNATURE, write_manifest
from models.serving.serving import model_digest
from tests.tampering import Alteration, code

STATEMENTS = Path(__file__).with_suffix(".sql")


def beside_alterations(home: Path) -> Iterator[Alteration]:
    """Yield what can be put into the database beside what the project wrote, and links among files."""
    for part in STATEMENTS.read_text(encoding="utf-8").split("--- ")[1:]:
        heading, _, script = part.partition("\n")
        name, word = heading.split(" | ")
        yield Alteration(name, word, partial(_execute, home, script))
    for table, place in {"runs": "artifact_uri", "logged_models": "artifact_location"}.items():
        yield Alteration(
            f"{table}: the same files elsewhere", "the place of", partial(_elsewhere, home, table, place)
        )
    yield Alteration("a folder that is a link", "missing: the files of", partial(_link, home), loads=True)


def _execute(home: Path, script: str) -> None:
    with sqlite3.connect(home / "mlflow.db", timeout=30) as database:
        database.executescript(script)
    database.close()


def _elsewhere(home: Path, table: str, column: str) -> None:
    own, other = home / "mlartifacts", home.parent / "files-elsewhere"
    shutil.copytree(own, other, dirs_exist_ok=True)
    _execute(home, f"update {table} set {column} = replace({column}, '{own}', '{other}')")  # noqa: S608


def _link(home: Path) -> None:
    folder, away = folder_of(home) / ARTIFACTS, home.parent / "away"
    shutil.copytree(folder, away, dirs_exist_ok=True)
    shutil.rmtree(folder)
    folder.symlink_to(away)


def folder_of(home: Path) -> Path:
    (folder,) = {path.parent for path in home.glob("mlartifacts/**/MLmodel")}
    return folder


def consistent_alterations(home: Path, canary: Path) -> Iterator[Alteration]:
    """Yield alterations of files after which manifest, digests and tags fit again, without a signature."""
    folder = folder_of(home)
    added: dict[str, tuple[str, bytes]] = {
        "environment_variables.txt": ("a file that no model has", b"PYTHONPATH\n"),
        "evil.pth": ("a file that no model has", b"import os\n"),
        "sitecustomize.py": ("a file that no model has", code(canary)),
        "conda.yaml": ("sets more than packages", b"variables:\n  PYTHONPATH: /tmp\n"),
        "python_env.yaml": ("sets more than packages", b"index_url: http://x\n"),
        "MLmodel": ("MLmodel: env_vars", b"env_vars: [PYTHONPATH]\n"),
        "card.md": ("card.md of", b"\nApproved for all patients.\n"),
        "inputs.schema.json": ("inputs.schema.json of", b"\n"),
        "bom.cdx.json": ("bom.cdx.json of", b"\n"),
    }
    for name, (word, text) in added.items():
        yield fitted(home, f"{name} and the database", word, partial(_append, folder / name, text))
    example = partial(replace, folder / "input_example.json", lambda _: b'{"usubjid": "P-1"}')
    yield fitted(home, "input_example.json and the database", "input_example.json of", example)
    model = folder / ARTIFACTS / "model.json"
    twice = b'{"calibration": {"intercept": 9.0, "slope": 1.0}, '
    for name, change in {
        "a key twice": lambda content: twice + content.lstrip()[1:],
        "a number that is none": lambda content: content.replace(
            b'"intercept": ', b'"intercept": NaN, "x": ', 1
        ),
    }.items():
        altered = partial(replace, model, change)
        yield fitted(home, f"model.json with {name} and the database", "with the content of", altered)


def fitted(home: Path, name: str, word: str, change: Callable[[], None]) -> Alteration:
    return Alteration(name, word, partial(_fit, home, change), loads=True)


def _fit(home: Path, change: Callable[[], None]) -> None:
    """Alter files, and let digest, manifest and tags be those of the altered ones."""
    folder = folder_of(home)
    before = model_digest(folder / ARTIFACTS)
    change()
    digest = model_digest(folder / ARTIFACTS)
    replace(folder / "MLmodel", lambda content: content.replace(before.encode(), digest.encode()))
    (folder / SIGNATURE).unlink(missing_ok=True)
    card = (folder / "card.md").read_text().replace("'", "''")
    _execute(
        home,
        f"""
        update model_version_tags set value = '{write_manifest(folder)}' where key = 'pcr.manifest';
        update model_version_tags set value = '{digest}' where key = 'pcr.model_digest';
        delete from model_version_tags where key = 'pcr.signature';
        update model_versions set description = '{card}';
        """,  # noqa: S608 - our own words
    )


def _append(file: Path, text: bytes) -> None:
    file.write_bytes((file.read_bytes() if file.exists() else b"") + text)


def replace(file: Path, change: Callable[[bytes], bytes]) -> None:
    file.write_bytes(change(file.read_bytes()))
