"""Where a state comes from: the commit, what differed from it in the files that decide, DVC's experiment."""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.documents.study import with_defaults
from pipeline.project import paths
from pipeline.project.files import read_yaml

DECIDING = ("configs", "features", "models", "pipeline", "dvc.yaml", "requirements.lock")
"""What a run is made from, but data: a state is that of a commit only if none of it differs."""
UNKNOWN = "unknown"
DIFF = ("diff", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")
PATCH = "card/changes.patch"
"""The run's artifact with what differed from the commit."""
EXPERIMENT = "DVC_EXP_NAME"
"""What DVC tells the stages of `dvc exp run` in."""


@dataclass(frozen=True)
class Origin:
    """The commit of a state, the digest of what differed from it ("" if nothing did), and the experiment.

    `patch` is what differed, as git writes it; only the origin of the workspace has it.
    """

    commit: str
    changes: str = ""
    experiment: str = ""
    patch: str = field(default="", repr=False)

    @property
    def tags(self) -> dict[str, str]:
        """The origin as tags of a run; what there is none of has no tag."""
        tags = {"git_commit": self.commit, "git_changes": self.changes, "experiment": self.experiment}
        return {name: text for name, text in tags.items() if text or name == "git_commit"}

    def is_patch(self, content: bytes) -> bool:
        """Tell whether this is what differed from the commit."""
        return digest_of(content) == self.changes


def origin_of(tags: Mapping[str, str]) -> Origin:
    """Return the origin that a run or version was recorded with."""
    return Origin(tags.get("git_commit", ""), tags.get("git_changes", ""), tags.get("experiment", ""))


def read_origin() -> Origin:
    """Return the origin of what the workspace holds."""
    commit = git_text("rev-parse", "--quiet", "--verify", "HEAD").strip()
    patch = _patch() if commit else ""
    changes = digest_of(patch.encode()) if patch else ""
    return Origin(commit or UNKNOWN, changes, os.environ.get(EXPERIMENT, ""), patch)


def recipe(study: str, key: str, origin: Origin) -> Iterator[str]:
    """Yield how the model is made again, as far as its origin tells."""
    of_experiment = f", DVC experiment `{origin.experiment}`" if origin.experiment else ""
    if origin.commit in {"", UNKNOWN}:
        yield f"Content key `{key}`. It was recorded outside a git repository: no commit makes it again.\n"
        return
    changed = f" with the changes of {PATCH} in its run" if origin.changes else ""
    apply = f"git apply {PATCH}\n" if origin.changes else ""
    yield f"Content key `{key}`, git commit `{origin.commit}`{changed}{of_experiment}. To reproduce it:\n"
    yield f"```\ngit checkout {origin.commit}\n{apply}pcr run --study {study}    # or: dvc repro\n```\n"


def digest_of(content: bytes) -> str:
    """Return the sha256 of a patch."""
    return hashlib.sha256(content).hexdigest()


def git_text(*words: str) -> str:
    """Return what git says; nothing where there is no git, no repository or no such thing in it."""
    try:
        done = subprocess.run(  # noqa: S603 - git, as the user has it
            ["git", *words],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout


def _patch() -> str:
    """Return what differs from the commit in the files that decide, new files included."""
    where = [*DECIDING, *([f":(exclude){paths.STUDY}"] if _is_copy() else [])]
    new = git_text("ls-files", "-z", "--others", "--exclude-standard", "--", *where).split("\0")[:-1]
    added = [git_text(*DIFF, "--no-index", "--", os.devnull, path) for path in new]
    return "".join([git_text(*DIFF, "HEAD", "--", *where), *added])


def _is_copy() -> bool:
    """Tell whether configs/study.yaml is what `pcr run` makes of the study's own file."""
    active = Path(paths.STUDY)
    if not active.is_file():
        return False
    content = read_yaml(active)
    original = Path("configs/studies") / f"{content['study']}.yaml"
    return original.is_file() and with_defaults(read_yaml(original)) == content
