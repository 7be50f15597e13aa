"""The campaign against tests/spec knows every table, sees an altered answer, and can alter the code."""

import ast

from tests.spec_campaign import ROOT, TABLES, TOPICS, altered_rows, faults


def test_every_table_of_the_specification_is_altered() -> None:
    assert set(TABLES) == {file.stem for file in (ROOT / "tests/spec").glob("*.txt")}
    assert {name for tables in TOPICS.values() for name in tables} == set(TABLES)


def test_a_row_passes_as_written_and_fails_with_any_other_answer() -> None:
    found = altered_rows("features_stage") + altered_rows("features_ctdna_course")
    assert {outcome for _, column, outcome in found if not column} == {"passed"}
    assert {outcome for _, column, outcome in found if column} == {"failed"}


def test_code_is_altered_one_place_at_a_time() -> None:
    code = "def f(x, y):\n    return not (x.ge(2) & (y < 3)) if x is None and y else ~x\n"
    altered = []
    for number in range(len(list(faults(ast.parse(code))))):
        tree = ast.parse(code)
        list(faults(tree))[number][2]()
        altered.append(ast.unparse(ast.fix_missing_locations(tree)))
    assert len(set(altered)) == len(altered) == 9
    assert ast.unparse(ast.parse(code)) not in altered
