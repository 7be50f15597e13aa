"""What a module of the project imports, read from its source."""

import ast
from pathlib import Path

PACKAGES = ("features", "models", "pipeline")


def module_file(root: Path, name: str) -> Path | None:
    """Return the file of a first-party module or package, or None."""
    path = root.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def imported_names(file: Path) -> set[str]:
    """Return the dotted names of all imports of a file, also those inside functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def first_party_closure(root: Path, module: str) -> set[str]:
    """Return the files, relative to `root`, that running a module reads, through any number of imports."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        parents = [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 2)]
        for part in parents:
            file = module_file(root, part) if part.split(".")[0] in PACKAGES else None
            if file is not None and file not in found:
                found.add(file)
                waiting += sorted(imported_names(file))
    return {file.relative_to(root).as_posix() for file in found}
