"""Every exception that a docstring names under Raises can be raised by what the function calls."""

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import PACKAGES

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^Raises\n-{6}\n(.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
TREES = {
    file: ast.parse(file.read_text(encoding="utf-8"))
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}
LIBRARIES = {
    "OSError",
    "FileNotFoundError",
    "LookupError",
    "BadZipFile",
    "ParseError",
    "YamlError",
    "ArrowException",
}
"""What the system and libraries raise of themselves; nobody can see it in the code."""


def classes() -> dict[str, set[str]]:
    """Return the bases of every exception, by name, that is a class of the project."""
    return {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for file, tree in TREES.items():
        yield from ((file, node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def named(documented: ast.FunctionDef) -> list[str]:
    """Return the exceptions of the section Raises."""
    sections = SECTION.findall(ast.get_docstring(documented) or "")
    lines = [line for section in sections for line in section.splitlines() if re.match(r"\w", line)]
    return [name.strip() for line in lines for name in line.split(",")]


BASES = classes()
RAISED: dict[str, set[str]] = defaultdict(set)
CALLED: dict[str, set[str]] = defaultdict(set)
for _, function in functions():
    for part in ast.walk(function):
        if isinstance(part, ast.Raise) and part.exc is not None:
            thrown = part.exc.func if isinstance(part.exc, ast.Call) else part.exc
            RAISED[function.name].add(ast.unparse(thrown).rpartition(".")[2])
        # Functions are called, handed on, and read as properties.
        elif isinstance(part, ast.Name):
            CALLED[function.name].add(part.id)
        elif isinstance(part, ast.Attribute):
            CALLED[function.name].add(part.attr)


def reachable(start: str) -> Iterator[str]:
    """Give the exceptions raised by the function of this name, then by what it calls, and so on, by name."""
    seen, level = {start}, {start}
    while level:
        yield from (thrown for name in level for thrown in RAISED.get(name, ()))
        level = {called for name in level for called in CALLED.get(name, ()) if called in CALLED} - seen
        seen |= level


def is_kind_of(name: str, base: str) -> bool:
    return name == base or any(is_kind_of(parent, base) for parent in BASES.get(name, ()))


DOCUMENTED = {
    f"{file.relative_to(ROOT)}:{function.name}:{name}": (function.name, name)
    for file, function in functions()
    for name in named(function)
    if name not in LIBRARIES
}


@pytest.mark.parametrize(("function", "name"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_an_exception_that_is_documented_can_be_raised(function: str, name: str) -> None:
    assert name in BASES or hasattr(builtins, name), f"{name} does not exist"
    # A UserError is a ValueError, and is to be told as what it is.
    kinds = (raised for raised in reachable(function) if name != "ValueError" or raised == "ValueError")
    assert any(is_kind_of(raised, name) for raised in kinds)
