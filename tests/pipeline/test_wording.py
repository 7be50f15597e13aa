"""Sentences that several readers meet are written once."""

from pathlib import Path

import pytest

from pipeline import wording

ROOT = Path(__file__).parents[2]
SENTENCES = {name: text for name, text in vars(wording).items() if name.isupper()}
WRITTEN = {
    path: " ".join(path.read_text(encoding="utf-8").split())
    for package in ("features", "models", "pipeline")
    for pattern in ("*.py", "*.j2", "*.js")
    for path in (ROOT / package).rglob(pattern)
    # serving.py travels with a model and imports nothing of the project.
    if path.name not in {"wording.py", "serving.py"}
}


@pytest.mark.parametrize(
    "name", ["SLOPE_NEAR_ONE", "BRANCHES_BY_PROGNOSIS", "ESTIMAND", "IMPUTED", "LOWER_LOSS"]
)
def test_a_shared_sentence_stands_in_no_other_file(name: str) -> None:
    assert [path.name for path, text in WRITTEN.items() if SENTENCES[name] in text] == []


@pytest.mark.parametrize("name", SENTENCES)
def test_a_shared_sentence_is_said_somewhere(name: str) -> None:
    used = [path for path, text in WRITTEN.items() if name in text]
    inside = [other for other, text in SENTENCES.items() if other != name and SENTENCES[name] in text]
    assert used or inside


def test_a_sentence_ends_with_its_stop_and_a_phrase_has_neither_capital_nor_stop() -> None:
    for name, text in SENTENCES.items():
        phrase = not text.endswith(".")
        assert phrase == (text[0].islower() or name == "SIMULATED"), name
