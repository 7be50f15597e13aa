"""Whether every row of tests/spec can fail, and whether a wrong line of code fails one.

`python -m tests.spec_campaign` (`make spec-campaign`) alters the expected answers of every row, one cell at
a time, to another answer of that column, and asks the row's own test: it must pass as written and fail as
altered. `python -m tests.spec_campaign --code 25` alters the code instead: that many faults a module, drawn
at random (a comparison turned, `and` for `or`, a number one higher, a `not` dropped), each in a process of
its own against the tables of its topic. A fault that no table sees is named by its line, for a reader.
"""

import argparse
import ast
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
Row = dict[str, str | None]


@dataclass(frozen=True)
class Table:
    """A table of tests/spec: who asks it, and which of its columns are answers.

    `test` takes a row, where the table is its parameter; otherwise it reads the table itself, and `calls` are
    its arguments.
    """

    module: str
    test: str
    answers: tuple[str, ...]
    by_row: bool = False
    calls: tuple[tuple[str, ...], ...] = ((),)


RULE = ("rule", "regimen", "status")
PCR = ("ypT0/is_ypN0", "ypT0_ypN0", "ypT0/is", "rcb_0_1", "recorded")
REMOVED = "test_residual_disease_after_a_positive_node_was_removed_is_no_pcr_where_the_study_says_so"
ANSWERED = "test_the_table_answers_as_the_specification_says"
F, M = "tests.features.", "tests.models."
TABLES = {
    "eligibility": Table(
        F + "test_eligibility",
        "test_every_criterion_is_judged_as_the_specification_says",
        ("state", "eligible"),
        True,
    ),
    "features_at_risk": Table(
        F + "test_cohort", "test_the_set_at_risk_follows_the_specification", ("at_risk", "reason"), True
    ),
    "features_ctdna_course": Table(
        F + "test_ctdna", "test_the_course_follows_the_specification", ("course_c1", "course_c2"), True
    ),
    "features_ctdna_genes": Table(
        F + "test_ctdna", "test_gene_status_follows_the_specification", ("status",), True
    ),
    "features_ctdna_state": Table(
        F + "test_ctdna", "test_the_state_of_a_sample_follows_the_specification", ("state",), True
    ),
    "features_gene_rules": Table(
        F + "test_mutations", "test_a_variant_counts_by_the_rule_of_its_gene", ("counts",), True
    ),
    "features_her2": Table(
        F + "test_definitions",
        "test_her2_is_read_from_ihc_ish_ratio_and_copies_as_the_specification_says",
        ("group", "ish_status", "her2"),
    ),
    "features_imaging_state": Table(
        F + "test_imaging",
        "test_states_and_sums_follow_the_specification",
        ("state_baseline", "sum_baseline", "state_c2", "sum_c2", "change_c2"),
        True,
    ),
    "features_outcome": Table(
        F + "test_cohort",
        "test_the_outcome_and_its_status_follow_the_specification",
        ("outcome", "status", "missing_reason"),
        True,
    ),
    "features_overall_response": Table(
        F + "test_recist", "test_the_overall_response_follows_from_its_parts", ("overall",)
    ),
    "features_pcr": Table(
        F + "test_cohort",
        "test_pcr_follows_the_specification_under_every_definition",
        PCR,
        calls=tuple((name,) for name in PCR),
    ),
    "features_pcr_node_removed": Table(
        F + "test_cohort", REMOVED, PCR[:4], calls=tuple((name,) for name in PCR[:4])
    ),
    "features_recist": Table(
        F + "test_recist", "test_the_category_is_that_of_the_published_rules", ("at_c2", "at_c4"), True
    ),
    "features_stage": Table(
        F + "test_definitions", "test_the_stage_group_follows_clinical_t_n_and_m", ("stage",)
    ),
    "features_t_and_er": Table(
        F + "test_definitions", "test_size_gives_t_and_stained_nuclei_the_er_category", ("t", "category")
    ),
    "features_tissue_genes": Table(
        F + "test_mutations", "test_tissue_says_what_was_tested_and_what_was_lost", ("state",)
    ),
    "features_visibility": Table(
        F + "test_landmarks", "test_a_row_is_visible_as_the_specification_says", ("visible", "counted"), True
    ),
    "rules_c1": Table(M + "test_rules", ANSWERED, ("rule", "status"), calls=(("rules_c1", "c1"),)),
    "rules_c2": Table(
        M + "test_rules", ANSWERED, (*RULE, "missing", "conflicts"), calls=(("rules_c2", "c2"),)
    ),
    "rules_c2_readings": Table(M + "test_rules", ANSWERED, RULE, calls=(("rules_c2_readings", "c2"),)),
    "rules_c4": Table(M + "test_rules", ANSWERED, RULE, calls=(("rules_c4", "c4"),)),
    "rules_ctdna_call": Table(
        M + "test_rule_inputs",
        "test_the_ctdna_call_is_the_laboratorys_or_derived_from_the_variants",
        ("value", "reason"),
    ),
    "rules_ispy2": Table(
        M + "test_decisions",
        "test_ispy2_classes_follow_from_the_decrease_in_volume",
        ("class_t1", "class_t2", "branch_t2"),
    ),
    "rules_pam": Table(
        M + "test_rule_inputs",
        "test_pam_is_read_from_a_plasma_sample_with_evidence_for_either_answer",
        ("pam", "reason"),
    ),
    "rules_pam_time": Table(
        M + "test_rule_inputs",
        "test_pam_is_taken_from_the_samples_and_sources_that_the_reading_names",
        ("pam", "reason"),
    ),
    "rules_reference": Table(
        M + "test_rule_inputs",
        "test_the_response_at_c4_is_against_the_sum_that_the_reading_names",
        ("response", "reason"),
    ),
    "rules_response": Table(
        M + "test_rule_inputs",
        "test_the_response_is_by_the_reader_and_a_method_of_baseline",
        ("response", "reason"),
    ),
    "rules_start": Table(
        M + "test_decisions",
        "test_an_escalation_may_start_as_soon_as_ctdna_is_reported",
        ("rule", "regimen", "start_cycle", "regimen_after"),
    ),
    "rules_windows": Table(
        M + "test_rule_inputs", "test_samples_and_scans_count_within_their_windows", ("value", "reason")
    ),
}

TOPICS = {
    "features/definitions.py": ("features_her2", "features_stage", "features_t_and_er", "features_pcr",
                                "features_pcr_node_removed", "features_ctdna_state", "features_recist",
                                "features_imaging_state"),
    "features/recist.py": ("features_recist", "features_overall_response"),
    "features/mutations.py": ("features_gene_rules", "features_tissue_genes", "features_ctdna_genes",
                              "rules_pam", "rules_pam_time"),
    "features/ctdna.py": ("features_ctdna_state", "features_ctdna_course", "features_ctdna_genes"),
    "features/landmarks.py": ("features_visibility", "features_at_risk"),
    "features/cohort.py": ("features_outcome", "features_at_risk"),
    "features/eligibility.py": ("eligibility",),
    "models/rules/conditions.py": ("rules_c1", "rules_c2", "rules_c2_readings", "rules_c4"),
    "models/rules/table.py": ("rules_c1", "rules_c2", "rules_c2_readings", "rules_c4", "rules_start"),
    "models/rules/ctdna.py": ("rules_ctdna_call", "rules_pam", "rules_pam_time", "rules_windows"),
    "models/rules/inputs.py": ("rules_windows", "rules_response", "rules_reference", "rules_ispy2"),
    "models/rules/decisions.py": ("rules_start", "rules_ispy2"),
}  # fmt: skip
"""The code whose faults a table must see."""


def asked(table: Table, rows: list[Row]) -> str:
    """Ask the table's own test with these rows alone: passed, failed, or the name of another error."""
    module = importlib.import_module(table.module)
    test: Callable[..., None] = getattr(module, table.test)
    reader = "spec" if hasattr(module, "spec") else "spec_rows"
    kept = getattr(module, reader)
    setattr(module, reader, lambda _name: [dict(row) for row in rows])
    try:
        for arguments in [(row,) for row in rows] if table.by_row else table.calls:
            test(*arguments)
    except AssertionError:
        return "failed"
    except Exception as error:  # noqa: BLE001 - whatever a fault raises is what is asked for
        return type(error).__name__
    finally:
        setattr(module, reader, kept)
    return "passed"


def rows_of(name: str) -> list[Row]:
    """Read a table as its test reads it."""
    reader = "tests.models.rule_tables" if name.startswith("rules_") else "tests.features.tables"
    module: Any = importlib.import_module(reader)
    read = module.spec if name.startswith("rules_") else module.spec_rows
    rows: list[Row] = read(f"{name}.txt")
    return rows


def other_answer(rows: list[Row], number: int, column: str) -> str | None:
    """Return an answer of another row of the column that is not this row's; any word where there is none."""
    own = rows[number][column]
    others = [row[column] for row in rows if row[column] != own]
    return others[number % len(others)] if others else "another"


def altered_rows(name: str) -> list[tuple[int, str, str]]:
    """Return row, column and outcome of every altered answer; of the row as written without a column."""
    table, rows, found = TABLES[name], rows_of(name), list[tuple[int, str, str]]()
    for number, row in enumerate(rows):
        found.append((number, "", asked(table, [row])))
        for column in table.answers:
            wrong = row | {column: other_answer(rows, number, column)}
            found.append((number, column, asked(table, [wrong])))
    return found


SWAPS: dict[type[ast.AST], type[Any]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
METHODS = {"ge": "gt", "gt": "ge", "le": "lt", "lt": "le", "eq": "ne", "ne": "eq", "isna": "notna",
           "notna": "isna", "any": "all", "all": "any", "max": "min", "min": "max"}  # fmt: skip


def faults(tree: ast.Module) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Return every fault that the code of functions can be given: its line, its kind, and what makes it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    within = {id(inner) for each in functions for inner in ast.walk(each) if inner is not each}
    for function in [each for each in functions if id(each) not in within]:
        for node in [node for line in function.body for node in ast.walk(line)]:
            line = getattr(node, "lineno", 0)
            if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
                other = SWAPS[type(node.ops[0])]()
                yield line, f"{_word(node.ops[0])} -> {_word(other)}", partial(node.ops.__setitem__, 0, other)
            elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPS:
                other = SWAPS[type(node.op)]()
                yield line, f"{_word(node.op)} -> {_word(other)}", partial(setattr, node, "op", other)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
                kept = ast.UAdd() if isinstance(node.op, ast.Not) else ast.Invert()
                change = partial(setattr, node, "op", kept)
                if isinstance(node.op, ast.Invert):
                    twice = ast.copy_location(ast.UnaryOp(ast.Invert(), node.operand), node)
                    change = partial(setattr, node, "operand", twice)
                yield line, f"{_word(node.op)} dropped", change
            elif isinstance(node, ast.Attribute) and node.attr in METHODS:
                other_name = METHODS[node.attr]
                yield line, f".{node.attr} -> .{other_name}", partial(setattr, node, "attr", other_name)
            elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
                more = node.value + 1  # type: ignore[operator]  # the type is that of a number
                yield line, f"{node.value} -> {more}", partial(setattr, node, "value", more)


def _word(node: ast.AST) -> str:
    return type(node).__name__


def fault_sites(path: str) -> list[tuple[int, str]]:
    """Return line and kind of every fault of a module."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return [(line, kind) for line, kind, _ in faults(tree)]


class _Faulty(SourceFileLoader):
    """Load a module with its fault of one number."""

    number = -1

    def source_to_code(self, data: Any, path: Any, **_: Any) -> Any:
        """Compile the source with the fault in it."""
        tree = ast.parse(data)
        if self.number >= 0:
            list(faults(tree))[self.number][2]()
        return compile(ast.fix_missing_locations(tree), path, "exec")

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002 - as importing calls it
        """Compile always: what is cached on disk has no fault."""
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder:
    """Find one module with a fault in it."""

    def __init__(self, path: str, number: int) -> None:
        self.path, self.number, self.name = path, number, path.removesuffix(".py").replace("/", ".")

    def find_spec(
        self, name: str, _path: object = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the faulty module for its name, nothing for any other."""
        if name != self.name:
            return None
        loader = _Faulty(name, str(ROOT / self.path))
        loader.number = self.number
        return spec_from_file_location(name, ROOT / self.path, loader=loader)


def with_fault(fault: tuple[str, int]) -> tuple[str, int, str]:
    """Ask the tables of a topic with one fault in its module; return the table that fails first, if one."""
    path, number = fault
    sys.meta_path.insert(0, _Finder(path, number))  # type: ignore[arg-type]  # has what importing asks for
    for name in TOPICS[path]:
        try:
            outcome = asked(TABLES[name], rows_of(name))
        except Exception as error:  # noqa: BLE001 - a fault may stop the import itself
            outcome = type(error).__name__
        if outcome != "passed":
            return path, number, f"{name}: {outcome}"
    return path, number, ""


def rows_campaign(names: list[str]) -> bool:
    """Alter every answer of the tables; print a line a table; return whether every row can fail."""
    wrong, cells, kept = 0, 0, 0
    with get_context("fork").Pool(2) as workers:
        for name, found in zip(names, workers.imap(altered_rows, names), strict=True):
            as_written = [outcome for _, column, outcome in found if not column]
            altered = [(row, column, outcome) for row, column, outcome in found if column]
            blind = [each for each in altered if each[2] == "passed"]
            fallen = {row for row, _, outcome in altered if outcome != "passed"}
            never = len(as_written) - len(fallen)
            failed = sum(outcome != "passed" for outcome in as_written)
            wrong += failed + never + len(blind)
            cells, kept = cells + len(altered), kept + len(as_written)
            told = f"{len(as_written)} rows, {failed} fail as written; {len(altered)} answers altered"
            print(f"{name}: {told}, {len(blind)} unseen", *blind, sep="\n    ", flush=True)
    print(f"{kept} rows, {cells} altered answers, {wrong} wrong")
    return not wrong


def code_campaign(number: int, seed: int, paths: list[str]) -> None:
    """Put faults into the code of each topic; print how many its tables see, and the lines of the others."""
    drawn = random.Random(seed)  # noqa: S311 - faults, not secrets
    chosen = []
    for path in paths:
        sites = fault_sites(path)
        chosen += [
            (path, -1),
            *((path, n) for n in sorted(drawn.sample(range(len(sites)), min(number, len(sites))))),
        ]
    for library in ("pandas", "yaml", "pytest", "hypothesis"):
        importlib.import_module(library)
    with get_context("fork").Pool(2, maxtasksperchild=1) as workers:
        results = workers.map(with_fault, chosen, chunksize=1)
    for path in paths:
        own = {n: seen for where, n, seen in results if where == path}
        if own.pop(-1):
            print(f"{path}: its tables fail without a fault")
        sites = fault_sites(path)
        unseen = [f"line {sites[n][0]}: {sites[n][1]}" for n, seen in own.items() if not seen]
        print(
            f"{path}: {len(own)} faults of {len(sites)}, {len(own) - len(unseen)} seen", *unseen, sep="\n    "
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="tables, or with --code modules; all by default")
    parser.add_argument("--code", type=int, help="faults a module, instead of altered answers")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.code:
        code_campaign(arguments.code, arguments.seed, arguments.names or list(TOPICS))
    elif not rows_campaign(arguments.names or list(TABLES)):
        sys.exit("a row of tests/spec cannot fail, or fails as written")
