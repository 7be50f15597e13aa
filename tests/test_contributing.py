"""The code of CONTRIBUTING.md's worked examples does what the page says of it."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier

from features.documents.parsing import parsed
from features.feature import one_per_patient
from features.settings import Template
from pipeline.project.files import read_yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return ["\n".join(line[len(indent) :] for line in text.splitlines()) for indent, text in found]


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    """What the page's Python blocks define."""
    from collections.abc import Sequence  # noqa: PLC0415 - a name of the page's code

    names: dict[str, Any] = {
        "np": np, "pd": pd, "math": math, "Sequence": Sequence, "one_per_patient": one_per_patient,
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier,
    }  # fmt: skip
    for block in blocks("python"):
        exec(block, names)  # noqa: S102 - our own page
    return names


def test_a_laboratory_value_is_a_multiple_of_its_upper_limit(code: dict[str, Any]) -> None:
    labs = pd.DataFrame(
        [("P1", "LDH", "baseline", 500.0, 250.0), ("P1", "LDH", "c1", 100.0, 250.0),
         ("P2", "LDH", "baseline", 200.0, None), ("P2", "ALT", "baseline", 20.0, 40.0)],
        columns=["usubjid", "testcd", "visit", "value", "uln"],
    )  # fmt: skip
    patients = pd.Index(["P1", "P2", "P3"], name="usubjid")
    values = code["times_upper_limit"](labs, patients, "LDH", "baseline")
    assert values["P1"] == 2.0
    assert values[["P2", "P3"]].isna().all()


def test_the_template_of_the_page_is_one(code: dict[str, Any]) -> None:
    entry = yaml.safe_load(blocks("yaml")[0])["lab_uln"]
    template = parsed(Template, entry, "CONTRIBUTING.md")
    assert template.name.format(test="ldh") == "lab_ldh_uln"
    assert template.low == 0
    assert code


def test_a_ratio_changes_its_sign_when_it_is_turned_round(code: dict[str, Any]) -> None:
    one, other = pd.Series([8.0, 0.0, np.nan]), pd.Series([2.0, 2.0, 1.0])
    assert code["log2_ratio"](one, other)[0] == 2.0 == -code["log2_ratio"](other, one)[0]
    assert code["log2_ratio"](one, other)[1:].isna().all()


def test_plain_trees_answer_as_scikit_learn_does(code: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4))
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x[:, 0]) + rng.normal(size=300) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=4, early_stopping=False).fit(x, y)
    trees = code["plain_trees"](model)
    assert len(trees) == 20
    start = float(model._baseline_prediction.item())
    answers = [code["log_odds"](trees, start, row) for row in x]
    assert answers == pytest.approx(model.decision_function(x), abs=1e-12)


def test_the_reading_of_the_page_is_that_of_the_rules() -> None:
    shown, rules = (
        yaml.safe_load(blocks("yaml")[1]),
        read_yaml(ROOT / "configs/rules/nct07239271.yaml"),
    )
    for part in ("settings", "readings"):
        assert shown[part].items() <= rules[part].items()
