"""Whether files of workspace and DVC's cache are what dvc.lock says: by content, never by time or size."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from features.errors import UserError
from pipeline.project.files import replacing
from pipeline.registry.state import Stages

FOLDER_SUFFIX = ".dir"
ASIDE = Path(".pcr/altered")


class CorruptionError(UserError):
    """Files that are not what was computed."""


def content_digest(path: Path) -> str:
    """Return the digest that DVC gives to a file, or to a folder by its list of files."""
    if path.is_file():
        return _md5(path.read_bytes())
    return _md5(json.dumps(_listed(path), sort_keys=True).encode()) + FOLDER_SUFFIX


def _listed(folder: Path) -> list[dict[str, str]]:
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return [{"md5": _md5((folder / name).read_bytes()), "relpath": name} for name in files]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def outputs(stages: Stages) -> dict[str, str]:
    """Return the digest of every output by its path."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def altered_outputs(stages: Stages) -> list[str]:
    """Return the outputs in the workspace whose content is not the one in dvc.lock; absent ones are none."""
    return [
        path
        for path, digest in outputs(stages).items()
        if Path(path).exists() and content_digest(Path(path)) != digest
    ]


def require_computed(stages: Stages) -> None:
    """Refuse a workspace whose outputs are not those that dvc.lock names.

    Raises
    ------
    CorruptionError
        If one differs; each is named.
    """
    if altered := altered_outputs(stages):
        raise CorruptionError(
            f"corrupt: {', '.join(altered)}: not the content in dvc.lock: changed after it was computed, "
            "or from a corrupt cache. `pcr sync` repairs what it can, `pcr run` computes the rest again"
        )


def contradictions(stages: Stages) -> Iterator[str]:
    """Yield the stages that ran on another content of a file than the stage that makes it now says."""
    made = outputs(stages)
    for name, stage in stages.items():
        for dep in stage.get("deps", []):
            if made.get(dep["path"], dep["md5"]) != dep["md5"]:
                yield f"{name} was computed from another {dep['path']}"


class Cache:
    """DVC's cache of a checkout: contents by their digests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files" / "md5"

    def place(self, digest: str) -> Path:
        """Return where a content is, or would be."""
        return self.folder / digest[:2] / digest[2:]

    def sound(self, digest: str) -> bytes | None:
        """Return a content; None where it is absent or is not the one of its digest."""
        file = self.place(digest)
        content = file.read_bytes() if file.is_file() else b""
        return content if _md5(content) == digest.removesuffix(FOLDER_SUFFIX) else None

    def files(self, path: str, digest: str) -> dict[str, str] | None:
        """Return the digest of every file of an output by its path; None if a folder's list is not sound."""
        if not digest.endswith(FOLDER_SUFFIX):
            return {path: digest}
        listed = self.sound(digest)
        return None if listed is None else {f"{path}/{e['relpath']}": e["md5"] for e in json.loads(listed)}

    def corrupt(self, stages: Stages) -> Iterator[tuple[str, str]]:
        """Yield path and digest of every content that is there and is not the one of its digest."""
        for path, digest in outputs(stages).items():
            if self.place(digest).is_file() and self.sound(digest) is None:
                yield path, digest
            elif digest.endswith(FOLDER_SUFFIX):
                for file, inner in (self.files(path, digest) or {}).items():
                    if self.place(inner).is_file() and self.sound(inner) is None:
                        yield file, inner

    def repair(self, stages: Stages, others: Iterable[Path] = ()) -> list[str]:
        """Put sound contents in the place of corrupt ones; return what was done, a line each.

        A sound content is looked for in the workspace, and in `others`, such as the files of a registered
        model. A corrupt content that nothing can replace is taken out: DVC then computes it again.
        """
        done = []
        for path, digest in list(self.corrupt(stages)):
            content = _content_with(digest, [Path(path), *others])
            self.place(digest).unlink()
            if content is None:
                done.append(f"corrupt: {path} in DVC's cache is taken out; `pcr run` computes it again")
                continue
            with replacing(self.place(digest)) as new:
                new.write_bytes(content)
            done.append(f"repaired: {path} in DVC's cache, from what is sound")
        return done


def _content_with(digest: str, paths: Iterable[Path]) -> bytes | None:
    """Return the content, or the list of files, with a digest, from the first path that has it."""
    for path in paths:
        if digest.endswith(FOLDER_SUFFIX):
            content = json.dumps(_listed(path), sort_keys=True).encode() if path.is_dir() else b""
        else:
            content = path.read_bytes() if path.is_file() else b""
        if _md5(content) == digest.removesuffix(FOLDER_SUFFIX):
            return content
    return None


def read_cache() -> Cache:
    """Return the cache that DVC uses here.

    Raises
    ------
    UserError
        If this is no checkout with DVC, or its configuration cannot be read.
    """
    from dvc.config import Config  # noqa: PLC0415 - only what looks into the cache needs it
    from dvc.exceptions import DvcException  # noqa: PLC0415

    try:
        config = Config.from_cwd()
    except DvcException as error:
        raise UserError(f"the configuration of DVC cannot be read: {error}") from error
    folder = config["cache"].get("dir")
    if folder is None and config.dvc_dir is None:
        raise UserError(f"{Path.cwd()} is no checkout with DVC: there is no .dvc in it or above it")
    return Cache(Path(folder or Path(config.dvc_dir) / "cache"))


def repair_workspace(stages: Stages, cache: Cache) -> list[str]:
    """Bring altered outputs back from DVC's cache where that is sound; return what was done, a line each.

    What was there is moved to .pcr/altered, so that nothing is lost.
    """
    done = []
    for path in altered_outputs(stages):
        files = cache.files(path, outputs(stages)[path]) or {"": ""}
        contents = {name: cache.sound(digest) for name, digest in files.items()}
        if any(content is None for content in contents.values()):
            continue
        aside = ASIDE / path
        if aside.exists():
            shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, aside)
        for name, content in contents.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(content or b"")
        done.append(f"repaired: {path}, from DVC's cache; what was there is {aside}")
    return done
