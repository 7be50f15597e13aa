"""What was forgotten with a new feature, candidate or reading: CONTRIBUTING.md walks through each."""

import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pipeline.project.files import read_yaml

ROOT = Path(__file__).parents[1]
PLACEHOLDER = re.compile(r"\{[^}]+\}")
# What version 0.1.0 had, or came with a line and tests of its own; whatever is new is asked for all of it.
FORMER = {
    "arm", "age_years", "menopause", "ecog", "bmi", "ct", "cn", "stage", "tumour_size_mm", "inflammatory",
    "regimen_received", "hist", "grade", "hr", "er_pct", "pr_pct", "her2_ihc", "ish", "her2_cep17",
    "her2_copies", "her2_heterogeneity", "ki67_pct", "til_pct", "intrinsic_subtype", "risk_class",
    "biomarker_*", "biomarker_*_*", "ctdna_*_state", "ctdna_*_vaf_max*", "ctdna_*_vaf_mean*",
    "ctdna_*_mtm_log10*",
    "ctdna_*_n_variants*", "ctdna_*_vaf_change*", "ctdna_*_mtm_change*", "ctdna_*_*", "ctdna_course_*",
    "ctdna_lod_log10", "ctdna_assay", "imaging_*_state", "imaging_*_sum_mm", "imaging_*_sum_change",
    "imaging_*_response", "imaging_*_*", "imaging_*_*_change", "logistic", "lightgbm",
}  # fmt: skip
NUMBERED_READINGS = 21
"""Readings up to this number are described in docs/rules.md and have their cases in tests/spec."""


def templates(content: Any) -> list[Mapping[str, Any]]:
    """Return every template of configs/features.yaml: whatever has a name and a description."""
    if not isinstance(content, Mapping):
        return []
    own = [content] if {"name", "description"} <= content.keys() else []
    return own + [found for part in content.values() for found in templates(part)]


def feature_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the features as patterns: contract columns by their names, templates with stars."""
    columns = [
        name
        for domain in settings.values()
        if isinstance(domain, Mapping)
        for names in domain.get("columns", {}).values()
        for name in names
    ]
    return columns + [PLACEHOLDER.sub("*", found["name"]) for found in templates(settings)]


def forgotten(name: str, changelog: str, tests: str, expected: list[str] | None) -> list[str]:
    """Return what is missing of something new; `expected`: patterns of expectations, if it needs one."""
    stem = max(re.split(r"[*>]", name), key=len).strip("_")
    missing = []
    if stem not in changelog:
        missing.append("a line in CHANGELOG.md that names it")
    if stem not in tests:
        missing.append("a test that names it")
    if expected is not None and not any(fnmatch(name, one) or fnmatch(one, name) for one in expected):
        missing.append("what published results let expect of it (expected in configs/explanation.yaml)")
    return missing


def text_of_tests() -> str:
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/spec/*.txt")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path != Path(__file__))


SETTINGS = read_yaml(ROOT / "configs/features.yaml")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
EXPECTED = [
    pattern
    for entry in read_yaml(ROOT / "configs/explanation.yaml")["expected"]
    for pattern in entry["features"]
]
CANDIDATES = read_yaml(ROOT / "configs/models.yaml")["candidates"]
READINGS = read_yaml(ROOT / "configs/rules/nct07239271.yaml")["readings"]


def asked(names: set[str], expected: list[str] | None) -> dict[str, list[str]]:
    """Return what is missing by the name of what is new."""
    text = text_of_tests()
    told = {name: forgotten(name, CHANGELOG, text, expected) for name in sorted(names)}
    return {name: missing for name, missing in told.items() if missing}


def test_nothing_is_forgotten_with_a_new_feature() -> None:
    assert asked(set(feature_names(SETTINGS)) - FORMER, EXPECTED) == {}


def test_nothing_is_forgotten_with_a_new_candidate() -> None:
    assert asked(set(CANDIDATES) - FORMER, None) == {}


def test_nothing_is_forgotten_with_a_new_reading() -> None:
    new = {name for name, reading in READINGS.items() if reading["number"] > NUMBERED_READINGS}
    assert asked(new, None) == {}
    assert {name for name in new if name not in (ROOT / "docs/rules.md").read_text(encoding="utf-8")} == set()


def test_every_derived_number_has_a_label_a_unit_and_a_range() -> None:
    for found in templates(SETTINGS):
        assert found["description"], found["name"]
        measured_elsewhere = found["name"].startswith("imaging_{safe}") or found["name"] == "regimen_received"
        if not found.get("levels") and not measured_elsewhere:
            assert found.get("unit"), found["name"]


def test_what_is_listed_as_former_is_there() -> None:
    assert {*feature_names(SETTINGS), *CANDIDATES} >= FORMER


@pytest.mark.parametrize(
    ("name", "changelog", "tests", "expected", "missing"),
    [
        ("ldh_*", "New: ldh of labs", "ldh_baseline", ["ldh_*"], []),
        ("ldh_*", "", "ldh", ["ldh_*"], ["a line in CHANGELOG.md that names it"]),
        ("ldh_*", "ldh", "", ["ldh_baseline"], ["a test that names it"]),
        ("ldh_*", "ldh", "ldh", ["hr"],
         ["what published results let expect of it (expected in configs/explanation.yaml)"]),
        ("forest", "forest", "forest", None, []),
    ],
)  # fmt: skip
def test_what_was_forgotten_is_said(
    name: str, changelog: str, tests: str, expected: list[str] | None, missing: list[str]
) -> None:
    assert forgotten(name, changelog, tests, expected) == missing
