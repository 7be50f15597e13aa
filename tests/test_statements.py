"""No document, page template or message says what the product must never say; reports: tests/test_line.py."""

import ast
from pathlib import Path

import pytest

from tests.statements import FORBIDDEN, forbidden_statements

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "pipeline/report/templates").glob("*")]
)
SOURCES = sorted(path for name in ("features", "models", "pipeline") for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_says_what_must_not_be_said(path: Path) -> None:
    assert forbidden_statements(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_in_the_code_says_what_must_not_be_said(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert forbidden_statements(" | ".join(texts)) == []


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("PyroHT is the recommended regimen.", 1),
        ("This patient should receive TCbHP.", 1),
        ("The probability of pCR under EveroHT is 60 %.", 2),
        ("A PAM mutation predicts benefit from everolimus.", 3),
        ("PAM not covered counts as wild type.", 4),
        ("ctDNA negative means no residual disease.", 5),
        ("Axillary surgery may be omitted.", 6),
        ("De-escalation is safe.", 7),
        ("The adaptive arm was non-inferior.", 7),
        ("The effect of PyroHT on pCR was large.", 8),
        ("The model is validated.", 10),
        ("IHC 2+ is HER2-low.", 12),
        ("There was no toxicity.", 13),
    ],
)
def test_a_forbidden_statement_is_found(sentence: str, number: int) -> None:
    assert {int(found.split(":")[0]) for found in forbidden_statements(sentence)} == {number}


def test_a_shap_page_may_not_speak_of_causes() -> None:
    assert forbidden_statements("Grade drives the prediction.", page="shap")
    assert forbidden_statements("Grade drives the prediction.") == []


def test_every_statement_of_the_list_has_patterns_or_is_checked_elsewhere() -> None:
    # 11, an estimate outside the model's scope, is refused by the served model's status.
    assert {entry["number"] for entry in FORBIDDEN} == set(range(1, 14)) - {11}
