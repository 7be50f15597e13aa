"""Where the checkout is and where the user stands: `pcr` works from any folder."""

import os
from contextvars import ContextVar
from pathlib import Path

CODE = Path(__file__).parents[2]
_STANDS: ContextVar[Path] = ContextVar("the folder in which the user stands")


def enter_checkout() -> None:
    """Make the checkout's root the current folder, and remember the folder in which the user stands.

    The root is the nearest folder from there upwards that has the configuration; where there is none (a
    scheduler starts commands in a home folder), the checkout that this code belongs to.
    """
    stands = Path.cwd()
    root = next((folder for folder in (stands, *stands.parents) if _is_root(folder)), CODE)
    if root != stands:
        os.chdir(root)
    _STANDS.set(stands)


def user_path(text: str | Path) -> Path:
    """Return a path of the command line, which is relative to where the user stands, as seen from the root.

    Every path among the options of `pcr` is parsed by this. A default value, which is a path already, is
    relative to the root.
    """
    if isinstance(text, Path):
        return text
    stands = _STANDS.get(Path.cwd())
    return Path(text) if stands == Path.cwd() else stands / text


def model_address(text: str) -> str:
    """Return a registered model's address as it is, and the folder of a stored model like any path."""
    return text if text.startswith("models:/") else str(user_path(text))


def _is_root(folder: Path) -> bool:
    return (folder / "configs" / "study.yaml").is_file() or (folder / "configs" / "studies").is_dir()
