"""Alterations of a registered study, one at a time: each must be refused or named before altered code runs.

`python -m tests.tampering` makes a study, registers, signs and promotes its model, and tries every alteration
of every file, row and alias; the tests try one of each kind.
"""

import os
import py_compile
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from features.errors import UserError
from models.serving.foreign import planted_in
from pipeline.registry.promotion import promote_model
from pipeline.registry.recorded import run_problems
from pipeline.registry.runs import track_state, tracking_store
from pipeline.registry.signing import sign_model
from pipeline.registry.state import State, workspace_state
from pipeline.registry.stored_models import open_model, served_model
from pipeline.registry.verify import all_runs, problems
from pipeline.registry.versions import version_problems
from tests.registered_study import NAME, write_study

CHAMPION, CANDIDATE = f"models:/{NAME}@champion", f"models:/{NAME}@candidate"
PRIVATE, PUBLIC = "private.pem", "public.pem"
# Tables of MLflow's database and the column that says something; a row is told by its other columns.
COLUMNS = {
    "params": "value",
    "latest_metrics": "value",
    "tags": "value",
    "model_version_tags": "value",
    "registered_model_tags": "value",
    "registered_model_aliases": "version",
    "model_versions": "description",
}
NOT_OURS = "mlflow."
# A run without its key, a commit that only the digest of the record knows, links that MLflow does not follow.
SAID_OTHERWISE = ("missing: the run", "tag pcr.record", "missing: the files of", "missing: the artifacts of")


@dataclass(frozen=True)
class Alteration:
    """What an attacker, or a failing disk, changes; `loads` if it must keep the champion from loading."""

    name: str
    word: str
    apply: Callable[[], None]
    loads: bool = False


def make_study(home: Path, *, trusted: bool = True) -> State:
    """Make a study in `home`, the current folder: tracked, signed, promoted, its outputs in DVC's cache.

    One that is not `trusted` is neither signed nor promoted, nor need it be.
    """
    write_study(home)
    for words in (
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", PRIVATE],
        ["openssl", "ec", "-in", PRIVATE, "-pubout", "-out", PUBLIC],
    ):
        subprocess.run(words, cwd=home, check=True, capture_output=True)
    signed = {"public_key": PUBLIC, "signed": "champions", "unjudged_champion": "refuse"}
    unsigned = {"public_key": "", "signed": "nothing", "unjudged_champion": "warn"}
    trust = signed if trusted else unsigned
    (home / "configs/trust.yaml").write_text(yaml.safe_dump(trust))
    state = workspace_state("made-up")
    for stage in state.stages.values():
        for out in stage.get("outs", []):
            kept = home / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(home / out["path"], kept)
    track_state(state)
    if trusted:
        sign_model(f"models:/{NAME}@candidate", home / PRIVATE)
        assert promote_model(NAME)
    return state


def code(canary: Path) -> bytes:
    """Return Python that leaves a file behind when it runs."""
    return f"open({str(canary)!r}, 'w').close()\n".encode()


def file_alterations(file: Path, name: str, canary: Path, *, loads: bool) -> Iterator[Alteration]:
    """Yield what can be done to one file."""
    content = file.read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :] if content else b"x"
    for how, changed in {
        "a bit flipped": flipped, "a byte more": content + b"\n", "cut": content[:half],
        "code before it": code(canary) + content,
    }.items():  # fmt: skip
        yield Alteration(f"{name}: {how}", name, lambda changed=changed: _write(file, changed), loads)
    yield Alteration(f"{name}: gone", name, file.unlink, loads)
    yield Alteration(f"{name}: a link", name, lambda: _link(file, canary), loads)


def _write(file: Path, content: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(content)


def _link(file: Path, canary: Path) -> None:
    kept = canary.with_name("elsewhere")
    shutil.copy(file, kept)
    file.unlink()
    file.symlink_to(kept)


def stored_alterations(home: Path, canary: Path) -> Iterator[Alteration]:
    """Yield alterations of the files of the registered version, and files that are added to them."""
    (folder,) = {path.parent for path in home.glob("mlartifacts/**/MLmodel")}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield from file_alterations(file, file.relative_to(folder).as_posix(), canary, loads=True)
    for added in ("sitecustomize.py", "code/numpy.py", "python_model.pkl", "artifacts/extra.json"):
        yield Alteration(
            f"{added} added", added, lambda added=added: _add(folder / added, canary), loads=True
        )
    for name, link in {
        "a link to a folder": "/etc",
        "a link to itself": "loop",
        "a link upwards": "..",
    }.items():
        yield Alteration(
            name, "the files of", lambda link=link: (folder / "loop").symlink_to(link), loads=True
        )
    yield Alteration("a pipe", "the files of", lambda: os.mkfifo(folder / "pipe"), loads=True)
    for added in (
        "Artifacts/model.json",
        "MANIFEST.SHA256",
        "se\u0301rving.py",
        "-rf",
        ".env",
        "metadata/MLmodel",
    ):
        yield Alteration(
            f"{added} added", added, lambda added=added: _add(folder / added, canary), loads=True
        )
    yield Alteration(
        "bytecode of other code", ".pyc", lambda: _plant_bytecode(folder / "__pycache__", canary), loads=True
    )
    for old, new in {
        "code: null": "code: code",
        "mlflow.pyfunc.loaders.code_model": "sitecustomize",
        "model_code_path: serving.py": "model_code_path: artifacts/serving.py",
    }.items():
        changed = (folder / "MLmodel").read_text().replace(old, new)
        yield Alteration(
            f"MLmodel: {new}",
            "MLmodel",
            lambda text=changed: _write(folder / "MLmodel", text.encode()),
            loads=True,
        )


def _plant_bytecode(guard: Path, canary: Path) -> None:
    """Put bytecode in the place of the file that keeps it out: Python would run it, and not the source."""
    source = canary.with_name("planted.py")
    source.write_bytes(code(canary))
    guard.unlink()
    guard.mkdir()
    place = guard / f"serving.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(source), str(place), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def _add(file: Path, canary: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(code(canary))


def computed_alterations(home: Path, state: State, canary: Path) -> Iterator[Alteration]:
    """Yield alterations of the workspace's outputs, of DVC's cache, and of the runs' artifacts."""
    for stage in state.stages.values():
        for out in stage.get("outs", []):
            for file in (home / out["path"], home / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]):
                yield from (
                    alteration
                    for alteration in file_alterations(file, out["path"], canary, loads=False)
                    if not alteration.name.endswith((": gone", ": a link"))
                )
    for file in sorted(home.glob("mlartifacts/pcr-made-up/*/artifacts/*/*")):
        if "models" not in file.parts:
            yield from file_alterations(file, file.name, canary, loads=False)


def row_alterations(home: Path) -> Iterator[Alteration]:
    """Yield alterations of every row of MLflow's database that tells of runs, versions and aliases."""
    with sqlite3.connect(home / "mlflow.db") as database:
        for table, column in COLUMNS.items():
            keys = [row[1] for row in database.execute(f"pragma table_info({table})") if row[5]]
            for row in database.execute(f"select {', '.join(keys)} from {table}").fetchall():  # noqa: S608
                told = dict(zip(keys, row, strict=True))
                word = str(told.get("key", told.get("alias", "card")))
                if not word.startswith(NOT_OURS):
                    yield from _of_row(home, table, column, told, word)
    database.close()


def told_otherwise(home: Path) -> Iterator[Alteration]:
    """Yield alterations of what the registry says of where a version's files are and how they were made."""
    away = home / "elsewhere"
    for name, word, statement in (
        ("files elsewhere", "the source of", f"source = '{away}', storage_location = '{away}'"),
        (
            "a source that is no address",
            "missing: the files of",
            "source = 'http://x', storage_location = 'http://x'",
        ),
        ("files of nobody", "missing: the files of", "source = 'models:/m-0', storage_location = null"),
        (
            "another run",
            "not the one that its files name",
            "run_id = iif(run_id like '0%', '1', '0') || substr(run_id, 2)",
        ),
        ("a registration that failed", "the status of pcr-made-up-c1", "status = 'FAILED_REGISTRATION'"),
    ):
        yield Alteration(name, word, lambda s=statement: _elsewhere(home, f"update model_versions set {s}"))  # noqa: S608
    name_tag = "update tags set value = value || ' approved' where key = 'mlflow.runName'"
    other = "(select run_uuid from runs where name not like '% c1%')"
    for name, word, *statements in (
        ("a run that failed", "the status of the run", "update runs set status = 'FAILED'"),
        ("another name", "the name of the run", "update runs set name = name || ' approved'", name_tag),
        ("two names", "the name of the run", "update runs set name = name || ' models.seed=1'"),
        ("a run of somebody", "the user of the run", "update runs set user_id = 'board'"),
        ("pending files", "the status of the stored files", "update logged_models set status = 1"),
        ("files of another name", "the name of the stored files", "update logged_models set name = 'x'"),
        (
            "files of another run",
            "the run of the stored files",
            f"update logged_models set source_run_id = {other}",  # noqa: S608 - our own words
        ),
        (
            "files that were deleted",
            "MLflow's entry of the stored files",
            "update logged_models set lifecycle_stage = 'deleted'",
        ),
    ):
        yield Alteration(name, word, lambda s=statements: _execute_all(home, s))


def _execute_all(home: Path, statements: list[str]) -> None:
    for statement in statements:
        _execute(home, statement, ())


def _elsewhere(home: Path, statement: str) -> None:
    (folder,) = {path.parent for path in home.glob("mlartifacts/**/MLmodel")}
    shutil.copytree(folder, home / "elsewhere", dirs_exist_ok=True)
    _execute(home, statement, ())


def _of_row(home: Path, table: str, column: str, row: dict[str, object], word: str) -> Iterator[Alteration]:
    where = " and ".join(f"{key} = ?" for key in row)
    value = "value + 1" if table == "latest_metrics" else f"{column} || '0'"
    value = "2" if table == "registered_model_aliases" else value
    statements = {"changed": f"update {table} set {column} = {value} where {where}"}  # noqa: S608
    if table != "model_versions":
        statements["gone"] = f"delete from {table} where {where}"  # noqa: S608
    for how, statement in statements.items():
        yield Alteration(
            f"{table} {word}: {how}", word, lambda s=statement: _execute(home, s, tuple(row.values()))
        )


def _execute(home: Path, statement: str, values: tuple[object, ...]) -> None:
    with sqlite3.connect(home / "mlflow.db", timeout=30) as database:
        changed = database.execute(statement, values).rowcount
    database.close()
    assert changed, statement


class Kept:
    """All files of a study, so that an alteration can be taken back."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._files = {path: path.read_bytes() for path in _files(home)}
        self._folders = set(_folders(home))
        self._database = home.parent / "kept.db"
        shutil.copy(home / "mlflow.db", self._database)

    def restore(self) -> None:
        """Take back what was altered."""
        for path in _files(self.home):
            if path not in self._files:
                path.unlink()
        # Those within others first.
        for path in sorted(set(_folders(self.home)) - self._folders, reverse=True):
            path.rmdir()
        for path, content in self._files.items():
            if path.is_symlink() or not path.is_file() or not _holds(path, content):
                path.unlink(missing_ok=True)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
        with sqlite3.connect(self._database) as kept, sqlite3.connect(self.home / "mlflow.db") as live:
            kept.backup(live)
        kept.close()
        live.close()


def _holds(path: Path, content: bytes) -> bool:
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _folders(home: Path) -> Iterator[Path]:
    for part in ("artifacts", "mlartifacts", ".dvc/cache"):
        yield from (p for p in (home / part).rglob("*") if p.is_dir() and not p.is_symlink())


def _files(home: Path) -> Iterator[Path]:
    for part in ("artifacts", "mlartifacts", ".dvc/cache"):
        yield from (
            p for p in (home / part).rglob("*") if (p.is_symlink() or not p.is_dir()) and p.name != ".lock"
        )


def named(state: State, *, workspace: bool) -> list[str]:
    """Return what `pcr verify` says; of the workspace and DVC's cache only where asked for."""
    if workspace:
        return problems(state)
    store = tracking_store(state.study)
    with store.locked() as client:
        runs = all_runs(client, client.get_experiment_by_name(store.experiment).experiment_id)
        return [
            *planted_in(store.uri),
            *run_problems(state, client, runs),
            *version_problems(state, client, runs),
        ]


def outcome(alteration: Alteration, state: State, kept: Kept, canary: Path, model: str = CHAMPION) -> str:
    """Apply an alteration, try to load a model and to verify, take it back; return what went wrong."""
    alteration.apply()
    try:
        refused = 0
        for load in (served_model, open_model):
            with suppress(UserError):
                load(model)
                continue
            refused += 1
        lines = named(state, workspace=not alteration.loads)
    finally:
        kept.restore()
    if canary.exists():
        canary.unlink()
        return f"{alteration.name}: altered code ran"
    if alteration.loads and refused < 2:
        return f"{alteration.name}: was loaded"
    if not any(word in line for word in (alteration.word, *SAID_OTHERWISE) for line in lines):
        return f"{alteration.name}: not named by verify: {lines}"
    return ""


def main() -> None:
    """Try every alteration and exit with 1 if any went unnoticed."""
    # They are of this module.
    from tests.tampering_beside import beside_alterations, consistent_alterations  # noqa: PLC0415
    from tests.tampering_bytes import odd_files, odd_forms, odd_sources  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        canary = Path(scratch) / "canary"
        state = _study(home := Path(scratch) / "home", trusted=True)
        assert named(state, workspace=True) == []
        alterations = (
            *stored_alterations(home, canary),
            *odd_files(home, canary),
            *odd_sources(home),
            *computed_alterations(home, state, canary),
            *row_alterations(home),
            *told_otherwise(home),
            *beside_alterations(home),
            *consistent_alterations(home, canary),
        )
        count, wrong = _tried(alterations, state, home, canary, CHAMPION)
        state = _study(plain := Path(scratch) / "plain", trusted=False)
        more, further = _tried([*odd_forms(plain)], state, plain, canary, CANDIDATE)
    print(f"{count + more} alterations; {wrong + further} went unnoticed or ran")
    sys.exit(bool(wrong + further))


def _study(home: Path, *, trusted: bool) -> State:
    """Make a study in a new folder. MLflow keeps the address of the last store in the environment."""
    home.mkdir()
    os.chdir(home)
    os.environ |= {"MLFLOW_TRACKING_URI": "", "DVC_ROOT": str(home)}
    return make_study(home, trusted=trusted)


def _tried(
    alterations: Sequence[Alteration], state: State, home: Path, canary: Path, model: str
) -> tuple[int, int]:
    """Try alterations, print what goes wrong, and return how many there were and how many went wrong."""
    kept, wrong = Kept(home), 0
    for alteration in alterations:
        told = outcome(alteration, state, kept, canary, model)
        if told:
            wrong += 1
            print(told, flush=True)
    return len(alterations), wrong


if __name__ == "__main__":
    main()
