"""Abstract, methods and reporting items of a run: what is not true of it is not said."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import docx
import pandas as pd
import pytest

from features.errors import UserError
from pipeline.commands.methods import markdown, methods, text_blocks, words_of
from pipeline.paper.methods import (
    ALWAYS,
    MethodsSettings,
    PassageSettings,
    Sentence,
    SentenceSettings,
    sentences,
    sources_of,
)
from pipeline.paper.told_record import ToldRecord
from pipeline.paper.word import word_document
from pipeline.project.settings import read_settings
from pipeline.record.rows import COLUMNS
from pipeline.report.results import Results, SampleSize
from pipeline.report.study.page import Inputs, checklist, said_context
from tests.labels import PLAIN
from tests.pipeline.test_true_pages import ALL_OF_IT, ITEMS, ROOT, STUDIES, Made, inputs_of, results_of

SETTINGS = read_settings(MethodsSettings, ROOT / "configs/methods_text.yaml")
PLAN = {
    "reference": "A", "hypothesis": "superiority", "margin": 0.0, "strata": ["hr"], "interactions": [],
    "assumed": True, "known_allocation": True,
}  # fmt: skip
ARMS = {"file": "results/efficacy.json", "population": "intention_to_treat", "group": "B - A"}
ROWS = [
    {"file": "results/c2.json", "landmark": "c2", "model": "chosen", "measure": "auc", "value": 0.7,
     "low": 0.6, "high": 0.8},
    {"file": "metrics/comparison.json", "group": "primary", "measure": "result", "value": -0.05, "low": -0.1,
     "high": 0.0},
    ARMS | {"measure": "risk_difference", "method": "Newcombe", "value": 0.022, "low": -0.03, "high": 0.07},
]  # fmt: skip
NUMBERS = {"value", "low", "high"}


def record(*rows: dict[str, Any]) -> ToldRecord:
    empty = {name: float("nan") if name in NUMBERS else "" for name in COLUMNS}
    return ToldRecord(pd.DataFrame([empty | row for row in rows], columns=COLUMNS))


def told(given: Inputs, results: Results, numbers: ToldRecord) -> list[Sentence]:
    context = said_context(given, results) | {"versions": {"numpy": "2.0"}}
    return [
        sentence
        for passages in (SETTINGS.abstract, SETTINGS.methods)
        for sentence in sentences(passages, context, PLAIN, numbers)
    ]


def said(made: Made = ALL_OF_IT, rows: Any = ROWS, plan: Any = None, **changed: Any) -> list[Sentence]:
    """Return what is said of a made-up study; `plan` of its arms; `changed`: keys of the configurations."""
    given = inputs_of(made)
    results = replace(results_of(made), efficacy={"plan": plan} if plan else None)
    models = changed.pop("models", given.models)
    changed_inputs = replace(given, validation={**given.validation, **changed}, models=models)
    return told(changed_inputs, results, record(*rows))


def text(*args: Any, **changed: Any) -> str:
    return " ".join(sentence.text for sentence in said(*args, **changed))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("folds", 7, "7-fold cross-validation"),
        ("repeats", 1, "repeated 1 time, with"),
        ("level", 0.9, "90 % intervals"),
        ("bootstrap", 1234, "1,234 bootstrap samples"),
        ("branch_shrinkage", 33, "weight of 33 patients"),
        ("inner_folds", 3, "3 inner folds"),
    ],
)
def test_the_text_follows_the_configuration(key: str, value: float, words: str) -> None:
    assert words not in text()
    assert words in text(**{key: value})


def test_the_text_follows_the_candidates() -> None:
    models = inputs_of(ALL_OF_IT).models
    alone = {**models, "candidates": {"logistic": models["candidates"]["logistic"]}}
    assert "The boosted candidate" in text()
    assert "The core model" in text()
    without = text(models=alone)
    assert "boosted" not in without
    assert "core model" not in without
    assert "The model was tuned by log loss" in without


def test_the_text_follows_the_plan_of_the_arms() -> None:
    assert "Newcombe" not in text()
    planned = text(plan=PLAN)
    assert "superiority, two-sided" in planned
    assert "this plan; it is an assumption" in planned.replace("does not state ", "")
    other = text(
        plan=PLAN | {"hypothesis": "non_inferiority", "margin": 0.08, "assumed": False, "strata": []}
    )
    assert "a margin of 8.0 percentage points" in other
    assert "superiority, two-sided" not in other
    assert "assumption" not in other
    assert "over the strata" not in other


SENTENCES = {
    "All patients are simulated": lambda made: made.simulated,
    "Patients were randomised to": lambda made: made.randomised and len(made.arms) > 1,
    "broke no excluding criterion of NCT07239271": lambda made: made.trial,
    "the frequency of pCR in the patient's branch of the rules": lambda made: made.rules != "none",
    "The comparator on the same folds was the pCR rate": lambda made: made.rules == "none",
    "Counted as no pCR before surgery: death": lambda made: made.dates,
    "reported by the patient's date of decision": lambda made: made.dates,
    "The data do not date the decisions": lambda made: not made.dates,
    "learning from the outcomes known at": lambda made: made.dates,
    "Each centre was left out once": lambda made: made.centres > 1,
    "Performance by centre was pooled": lambda made: made.centres > 1,
    "States of measurement": lambda made: made.domains != ("clinical",),
    "not evaluated in later patients or in other centres": lambda made: not made.dates and made.centres < 2,
}


@pytest.mark.parametrize("made", STUDIES, ids=lambda made: made.name)
def test_a_sentence_is_said_of_the_studies_of_which_it_is_true(made: Made) -> None:
    whole = text(made)
    assert {start: start in whole for start in SENTENCES} == {k: true(made) for k, true in SENTENCES.items()}
    assert "_" not in whole


def test_every_sentence_has_a_source_that_exists_and_names_its_condition() -> None:
    every = [sentence for made in STUDIES for sentence in said(made, plan=PLAN)]
    assert all(sentence.sources for sentence in every)
    files = {source.partition(":")[0] for sentence in every for source in sentence.sources}
    named = {file for file in files if file.startswith(("configs", "models", "docs"))}
    assert len(named) > 3
    assert {file for file in named if not (ROOT / file).is_file()} == set()
    conditions = {
        s.when for part in (*SETTINGS.abstract, *SETTINGS.methods) for s in part.sentences if s.when
    }
    assert {sentence.condition for sentence in every} <= conditions | {ALWAYS}


def test_a_source_is_what_the_template_is_filled_from() -> None:
    template = (
        "{{ validation.folds }} {{ validation.subgroups }} {% for a in study.arms %}{{ a }}{% endfor %}"
    )
    assert sources_of(template) == (
        "configs/validation.yaml: folds", "configs/measures.yaml: subgroups", "configs/study.yaml: arms",
    )  # fmt: skip
    assert sources_of("{{ record.told(measure='auc') }} {{ results.size.items() }}") == (
        "record of results",
        "results/: size",
    )


def test_a_number_comes_from_the_record_or_is_not_told() -> None:
    assert "0.700 (0.600 to 0.800) at c2" in text()
    assert "model minus rules, was -0.050 (-0.100 to 0.000)" in text()
    assert "pCR as randomised, B minus A, was +2.2 (-3.0 to +7.0) percentage points" in text()
    without = text(rows=())
    assert "AUC of the model" not in without
    assert "primary comparison (landmark" not in without
    assert "as randomised, B" not in without


def test_a_sentence_asks_for_one_row() -> None:
    with pytest.raises(UserError, match="2 rows"):
        record(ROWS[0], ROWS[0]).told(measure="auc")
    assert record({"measure": "n", "value": 5.0}).told(measure="n", digits=0) == "5"


def test_what_is_too_small_is_named_with_the_landmark() -> None:
    assert "smaller than the full set of predictors needs at c2 (100 of 900 patients)" in text()
    enough = {"c2": SampleSize(100, 30, 90, 2, "", enough=True, to_validate=400)}
    results = replace(results_of(ALL_OF_IT), size=enough)
    assert "smaller than" not in " ".join(s.text for s in told(inputs_of(ALL_OF_IT), results, record(*ROWS)))


def test_a_template_that_cannot_be_filled_is_refused_by_its_heading() -> None:
    for sentence in (
        SentenceSettings("{{ study }"),
        SentenceSettings("{{ nothing }}"),
        SentenceSettings("a", "b =="),
    ):
        with pytest.raises(UserError, match=r"methods_text.yaml, Outcome"):
            sentences([PassageSettings("Outcome", (sentence,))], {}, PLAIN, record())


def test_markdown_and_word_have_the_text_the_items_and_the_sources() -> None:
    given, results = inputs_of(ALL_OF_IT), results_of(ALL_OF_IT)
    items = checklist(ITEMS.tripod, said_context(given, results), PLAIN, "tripod", "TRIPOD+AI")
    blocks = text_blocks(said()[:9], said()[9:], [words_of(items, ITEMS.tripod)])
    written = markdown("Methods", "SIMULATED DATA - no patients", blocks)
    assert written.startswith("# Methods\n\n**SIMULATED DATA - no patients**")
    assert "| 12a | Analysis | How data were used and divided | 5 stratified outer folds" in written
    assert "configs/validation.yaml: folds; configs/validation.yaml: repeats" in written
    read = docx.Document(io.BytesIO(word_document("Methods", "", blocks)))
    assert [len(table.rows) for table in read.tables] == [1 + len(ITEMS.tripod), 1 + len(said())]
    assert any("5-fold cross-validation" in paragraph.text for paragraph in read.paragraphs)


def test_another_ending_is_refused() -> None:
    with pytest.raises(UserError, match=r"must be one of .md, .docx"):
        methods(Path("methods.pdf"))
