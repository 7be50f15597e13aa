"""The counts of the house see what they claim to see, on a small house built for each test."""

from pathlib import Path

import pytest

from tests.house import Count, circles, counts, imports, rooms, sources, tightened, worse


@pytest.fixture
def house(tmp_path: Path) -> Path:
    write(tmp_path, "features/read.py", "x = 1\n")
    write(tmp_path, "models/fit.py", "from features.read import x\n")
    write(tmp_path, "pipeline/run.py", "from models import fit\n")
    write(tmp_path, "tests/test_fit.py", "from models.fit import x\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text, encoding="utf-8")


def test_a_house_without_faults_has_none(house: Path) -> None:
    found = counts(house)
    faulty = {name for name, count in found.items() if count.value and "circle" in name}
    assert not faulty
    assert found["untyped mappings"].value == 0


def test_an_import_inside_a_function_closes_a_circle_of_files_and_of_rooms(house: Path) -> None:
    write(house, "features/read.py", "def late():\n    import models.fit\n")
    graph = imports(house, sources(house))
    assert circles(graph).items == ("features/read.py <-> models/fit.py",)
    assert circles(rooms(graph)).items == ("features/read.py <-> models/fit.py",)


def test_a_name_of_a_package_is_an_import_of_its_module_and_no_circle_with_the_package(house: Path) -> None:
    assert imports(house, sources(house))["pipeline/run.py"] == {"models/fit.py"}


def test_a_module_counts_as_tested_where_a_test_imports_it_by_name(house: Path) -> None:
    assert counts(house)["modules that no test imports"].items == ("features/read.py", "pipeline/run.py")


def test_an_untyped_mapping_is_seen_also_under_another_name(house: Path) -> None:
    write(house, "features/read.py", "from typing import Any\nSettings = dict[str, Any]\n")
    write(house, "models/fit.py", "from features.read import Settings\ndef fit(s: Settings) -> None: ...\n")
    found = counts(house)
    assert found["untyped mappings"].items == ("features/read.py: 1",)
    assert found["untyped mappings under an alias"].items == ("models/fit.py: 1",)


def test_a_class_is_no_mapping_because_another_module_calls_a_mapping_so(house: Path) -> None:
    write(house, "features/read.py", "from typing import Any\nSettings = dict[str, Any]\n")
    write(house, "features/study.py", "class Settings: ...\n")
    write(house, "models/fit.py", "from features.study import Settings\ndef fit(s: Settings) -> None: ...\n")
    assert counts(house)["untyped mappings under an alias"].value == 0


def test_the_docstring_of_a_function_is_not_counted_as_its_length(house: Path) -> None:
    body = "\n".join(f"    x{i} = {i}" for i in range(60))
    docstring = '    """' + "\n    word" * 30 + '\n    """\n'
    write(house, "models/fit.py", f"def short():\n{docstring}    return 1\n\n\ndef long():\n{body}\n")
    assert counts(house)["functions over 60 lines"].items == ("models/fit.py: long, 61",)


def test_a_count_beyond_its_limit_is_told_with_what_it_consists_of() -> None:
    counted = {"circles": Count(2, ("a <-> b",)), "test lines per source line": Count(0.4)}
    told = worse(counted, {"circles": 1, "test lines per source line": 0.5})
    assert told == [
        "circles: 2, the limit is 1\n    a <-> b",
        "test lines per source line: 0.4, the limit is 0.5",
    ]
    assert worse(counted, {"circles": 2, "test lines per source line": 0.4}) == []


def test_a_count_without_a_limit_and_a_limit_without_a_count_are_refused() -> None:
    told = worse({"circles": Count(0)}, {"lines": 3})
    assert told == ["lines: no such count; delete its limit", "circles: has no limit; add one"]


def test_tightening_takes_what_got_better_and_loosens_nothing() -> None:
    counted = {"circles": Count(1), "long": Count(9), "test lines per source line": Count(0.6)}
    limits = {"circles": 3, "long": 2, "test lines per source line": 0.5}
    assert tightened(counted, limits) == {"circles": 1, "long": 2, "test lines per source line": 0.6}
