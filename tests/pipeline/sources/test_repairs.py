"""Whatever rule a reader counts a repair by, people are told what to do about it."""

import re
from pathlib import Path

from features.contract.validation import ADVICE as CONTRACT_ADVICE
from pipeline.sources.repairs import ADVICE
from tests.pipeline.formats import ROOT

RULE = re.compile(r"(?:note|doubt)\(\s*(?:[^()]|\([^()]*\))*?f?\"([a-z_0-9]+): ", re.DOTALL)


def rules(folder: Path) -> set[str]:
    """Return the rules that the readers of a folder count by, as literal texts of their calls."""
    files = sorted(folder.rglob("*.py"))
    return {rule for file in files for rule in RULE.findall(file.read_text(encoding="utf-8"))}


def test_every_rule_of_a_reader_has_its_advice() -> None:
    counted = rules(ROOT / "pipeline/sources")
    assert {"per_cent", "unit_converted", "case_ignored"} & counted
    assert counted - ADVICE.keys() - CONTRACT_ADVICE.keys() == set()
