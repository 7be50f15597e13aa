"""The counts of the house: how large, how untyped, how entangled and how untested the code is.

`python -m tests.house` prints them beside their limits, `--items` with what they consist of. `--check`, a
part of `make lint`, fails when one is worse than its limit. `--tighten` writes counts that got better as the
new limits; nothing but a hand loosens one.
"""

import argparse
import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.imports import PACKAGES, imported_names, module_file

ROOT = Path(__file__).parents[1]
LIMITS = ROOT / "tests" / "house_limits.yaml"
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
UNTYPED = re.compile(r"\b(?:Mapping|dict)\[str, Any\]")
FLOORS = {"test lines per source line"}
"""Counts of which more is better; of all others, less is."""

HEADER = (
    "# Limits of tests/house.py. `python -m tests.house --tighten` lowers them; only a hand raises one.\n"
)

Graph = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Count:
    """A count, and what it consists of, for the reader who wants to lower it."""

    value: float
    items: tuple[str, ...] = ()


def sources(root: Path) -> list[Path]:
    """Return the files of the three packages, sorted."""
    return [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]


def counts(root: Path) -> dict[str, Count]:
    """Return every count of the house below `root`."""
    files = sources(root)
    graph = imports(root, files)
    return {
        "modules in the largest folder": largest_folder(root, files),
        "lines of dvc.yaml": Count(_lines(root / "dvc.yaml")),
        "lines of dvc.lock": Count(_lines(root / "dvc.lock")),
        "untyped mappings": untyped_mappings(root, files),
        "untyped mappings under an alias": aliased_mappings(root, files),
        "files in an import circle": circles(graph),
        "rooms in an import circle": circles(rooms(graph)),
        "modules that no test imports": untested(root, files),
        "test lines per source line": test_share(root, files),
        f"modules over {MAX_MODULE_LINES} lines": long_modules(root, files),
        f"functions over {MAX_FUNCTION_LINES} lines": long_functions(root, files),
    }


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


def largest_folder(root: Path, files: Iterable[Path]) -> Count:
    """Count the modules of each folder; the count is that of the fullest."""
    modules = Counter(_name(root, file.parent) for file in files if file.name != "__init__.py")
    listed = tuple(f"{folder}: {number}" for folder, number in modules.most_common())
    return Count(max(modules.values(), default=0), listed)


def untyped_mappings(root: Path, files: Iterable[Path]) -> Count:
    """Count ``Mapping[str, Any]`` and ``dict[str, Any]``."""
    return _total({_name(root, f): len(UNTYPED.findall(f.read_text(encoding="utf-8"))) for f in files})


def _total(found: Mapping[str, int]) -> Count:
    most = Counter({name: number for name, number in found.items() if number}).most_common()
    return Count(sum(found.values()), tuple(f"{name}: {number}" for name, number in most))


def aliased_mappings(root: Path, files: Iterable[Path]) -> Count:
    """Count annotations by a name that only stands for such a mapping, where it is defined or imported."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    aliases = {_module(root, file): _aliases(tree) for file, tree in trees.items()}
    return _total({_name(root, f): _uses(tree, _module(root, f), aliases) for f, tree in trees.items()})


def _module(root: Path, file: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts)


def _aliases(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to an untyped mapping."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and UNTYPED.fullmatch(ast.unparse(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _uses(tree: ast.Module, module: str, aliases: Mapping[str, set[str]]) -> int:
    named = set(aliases[module])
    named |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in aliases.get(node.module or "", ())
    }
    annotations = [
        getattr(node, key)
        for node in ast.walk(tree)
        for key in ("annotation", "returns")
        if getattr(node, key, None) is not None
    ]
    return sum(isinstance(n, ast.Name) and n.id in named for a in annotations for n in ast.walk(a))


def imports(root: Path, files: Iterable[Path]) -> dict[str, set[str]]:
    """Return the first-party modules that each file imports, also inside functions."""
    graph = {}
    for file in files:
        names = imported_names(file)
        deeper = {name for name in names if module_file(root, name) is not None}
        # `from package import module` names both; the package itself is imported only for a name of its own.
        for name in sorted(names - deeper):
            parent = name.rpartition(".")[0]
            deeper |= {parent} if module_file(root, parent) is not None else set()
        taken = {_name(root, module_file(root, n)) for n in deeper if n.split(".")[0] in PACKAGES}  # type: ignore[arg-type]
        plain = {name for name in taken if not name.endswith("__init__.py")}
        graph[_name(root, file)] = plain - {_name(root, file)}
    return graph


def rooms(graph: Graph) -> dict[str, set[str]]:
    """Return which rooms import which others: folders, and modules that stand in none of a package."""
    between: dict[str, set[str]] = defaultdict(set)
    for file, used in graph.items():
        between[_room(file)] |= {_room(name) for name in used} - {_room(file)}
    return dict(between)


def _room(file: str) -> str:
    folder = file.rpartition("/")[0]
    return file if folder in PACKAGES else folder


def circles(graph: Graph) -> Count:
    """Count the nodes that reach themselves; the items are the circles."""
    reach = {node: _reached(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach.get(other, set())))
        for node in graph
        if node in reach[node]
    }
    return Count(sum(map(len, groups)), tuple(" <-> ".join(group) for group in sorted(groups)))


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


def untested(root: Path, files: Iterable[Path]) -> Count:
    """Count the modules that no file of tests/ imports by name."""
    names = {name for test in (root / "tests").rglob("*.py") for name in imported_names(test)}
    modules = {_name(root, f): ".".join(f.relative_to(root).with_suffix("").parts) for f in files}
    missing = [
        file for file, name in modules.items() if name not in names and not file.endswith("__init__.py")
    ]
    return Count(len(missing), tuple(missing))


def test_share(root: Path, files: Iterable[Path]) -> Count:
    """Return lines of tests/ per line of the packages, to two decimals."""
    lines = sum(map(_lines, files))
    return Count(round(sum(map(_lines, (root / "tests").rglob("*.py"))) / max(lines, 1), 2))


def long_modules(root: Path, files: Iterable[Path]) -> Count:
    """Count the modules that are longer than one idea."""
    found = {_name(root, file): _lines(file) for file in files if _lines(file) > MAX_MODULE_LINES}
    return Count(len(found), tuple(f"{name}: {lines}" for name, lines in found.items()))


def long_functions(root: Path, files: Iterable[Path]) -> Count:
    """Count the functions whose lines without the docstring are too many."""
    found = tuple(
        f"{_name(root, file)}: {name}, {lines}"
        for file in files
        for name, lines in _functions(file)
        if lines > MAX_FUNCTION_LINES
    )
    return Count(len(found), found)


def _functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
            hidden = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - hidden


def worse(counted: Mapping[str, Count], limits: Mapping[str, float]) -> list[str]:
    """Return a line for every count beyond its limit, and for every limit or count without the other."""
    complaints = [f"{name}: no such count; delete its limit" for name in limits if name not in counted]
    for name, count in counted.items():
        if name not in limits:
            complaints.append(f"{name}: has no limit; add one")
        elif _is_worse(name, count.value, limits[name]):
            listed = "".join(f"\n    {item}" for item in count.items)
            complaints.append(f"{name}: {count.value:g}, the limit is {limits[name]:g}{listed}")
    return complaints


def _is_worse(name: str, value: float, limit: float) -> bool:
    return value < limit if name in FLOORS else value > limit


def tightened(counted: Mapping[str, Count], limits: Mapping[str, float]) -> dict[str, float]:
    """Return the limits, with today's count where it is better; none is loosened."""
    best = {name: max if name in FLOORS else min for name in counted}
    return {name: best[name](count.value, limits.get(name, count.value)) for name, count in counted.items()}


def main() -> None:
    """Print, check or tighten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a count is worse than its limit")
    parser.add_argument("--tighten", action="store_true", help="write better counts as the new limits")
    parser.add_argument("--items", action="store_true", help="print what every count consists of")
    args = parser.parse_args()
    counted = counts(ROOT)
    limits = yaml.safe_load(LIMITS.read_text(encoding="utf-8")) if LIMITS.exists() else {}
    if args.tighten:
        limits = tightened(counted, limits)
        LIMITS.write_text(HEADER + yaml.safe_dump(limits, sort_keys=False), encoding="utf-8")
    if not args.check:
        for name, count in counted.items():
            print(f"{name:<34}{count.value:>8g}   limit {limits.get(name, '-')}")
            print("".join(f"    {item}\n" for item in count.items) if args.items else "", end="")
    complaints = worse(counted, limits)
    if args.check and complaints:
        raise SystemExit("The house got worse:\n" + "\n".join(complaints))


if __name__ == "__main__":
    main()
