"""Whether the files of a stored model fit together: numpy would stretch what is too short, and answer."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.serving.serving import BlocksDocument, ModelDocument

Shaped = tuple[object, tuple[int | None, ...]]
"""An array, and its shape; None stands for any length."""
BOOSTER_END = "\nend of trees\n"


def require_fitting(document: ModelDocument) -> None:
    """Check that arrays have an entry for each column, that all are finite and that inputs are there once.

    Raises
    ------
    ValueError
        If not; and KeyError or TypeError if parts are not there.
    """
    names = [feature["name"] for feature in document["features"]]
    encoding, serving = document["encoding"], document.get("serving", {})
    columns = len(encoding["columns"])
    arrays: list[Shaped] = [
        *((encoding[part], (columns,)) for part in ("mean", "scale", "low", "high")),
        (encoding["imputation"], (columns, columns)),
        (list(document["calibration"].values()), (2,)),
    ]
    if "linear" in document:
        linear = document["linear"]
        arrays += [(linear[part], (len(linear["terms"]),)) for part in ("mean", "scale", "coefficients")]
    # To the interval, what an assay adds is one more column.
    assays = 0
    if "blocks" in document:
        assays = len(document["blocks"]["blocks"]) - 1
        arrays += _of_blocks(document["blocks"], columns)
    if "support" in serving:
        arrays.append((serving["support"]["root"], (columns, None)))
    if "interval" in serving:
        arrays.append((serving["interval"]["spread"], (None, 1 + columns + assays)))
    if len(set(names)) < len(names):
        raise ValueError("an input is there twice")
    if not all(_fits(values, shape) for values, shape in arrays):
        raise ValueError("a part does not fit the others")


def _of_blocks(blocks: BlocksDocument, columns: int) -> Iterator[Shaped]:
    """Yield the arrays of a model of blocks; the encoded `columns` are the protected block's."""
    for name, block in blocks["blocks"].items():
        size = columns if name == blocks["protected"] else len(block["columns"])
        yield block["mean"], (size,)
        yield block["weight"], (size,)
        used = [model["parts"][name]["row"] for model in blocks["models"] if name in model["parts"]]
        # A block that every model leaves out has no row.
        if used:
            yield block["coefficients"], (1 + max(used), size)
        for shift in blocks["batches"][name]["shifts"].values() if name in blocks.get("batches", {}) else ():
            yield shift, (size,)


def _fits(values: object, shape: tuple[int | None, ...]) -> bool:
    """Tell whether values are finite numbers of a shape; None stands for any length."""
    array = np.asarray(values, dtype=float)
    lengths = zip(array.shape, shape, strict=False)
    same = array.ndim == len(shape) and all(wanted in {None, length} for length, wanted in lengths)
    return same and bool(np.isfinite(array).all())


def require_whole_booster(folder: Path) -> None:
    """Check that LightGBM's text, where there is one, is whole: it ends the process on one that is cut.

    Raises
    ------
    ValueError
        If it is not.
    """
    file = folder / "booster.txt"
    text = file.read_text(encoding="utf-8") if file.is_file() else None
    if text is not None and not (text.startswith("tree\n") and BOOSTER_END in text):
        raise ValueError("booster.txt is not whole")
