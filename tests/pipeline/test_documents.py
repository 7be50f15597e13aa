"""What is written has the keys and the kinds of values that its typed document says, and no others."""

import types
from collections.abc import Mapping
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pandas as pd

from features.assemble import assemble
from features.cohort import build_cohort
from features.documents.feature import FeatureList
from features.documents.flow import Flow
from features.documents.study import parse_study
from features.documents.study_entries import StudyDocument
from models.description.cohort import level_counts
from models.description.ctdna_reference import assay_limits, coverage, library_samples
from models.description.documents import StateCount
from models.description.kinetics import draw_pairs, summary
from models.description.library_documents import AssayLimits, GenesCovered, Kinetics
from tests.pipeline.formats import CONTRACT, ELIGIBILITY, SETTINGS, STUDY


def faults(kind: Any, value: Any, place: str = "") -> list[str]:
    """Return where a value is not what its type says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Required, NotRequired}:
        return faults(arguments[0], value, place)
    if is_typeddict(kind):
        return of_document(kind, value, place)
    if origin in {Union, types.UnionType}:
        tried = [faults(one, value, place) for one in arguments]
        return min(tried, key=len)
    if origin in {list, dict} and isinstance(value, origin):
        items = enumerate(value) if origin is list else value.items()
        return [fault for key, item in items for fault in faults(arguments[-1], item, f"{place}[{key}]")]
    if origin is Literal:
        fits = value in arguments
    else:
        kinds = (int, float) if kind is float else (origin or kind or type(None))
        fits = isinstance(value, kinds)
    return [] if fits else [f"{place}: {type(value).__name__}, not {getattr(kind, '__name__', kind)}"]


def of_document(kind: Any, value: Any, place: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{place}: not a mapping"]
    hints = get_type_hints(kind)
    missing = [f"{place}.{key}: missing" for key in sorted(kind.__required_keys__ - value.keys())]
    unknown = [f"{place}.{key}: not declared" for key in sorted(value.keys() - hints.keys())]
    declared = value.keys() & hints.keys()
    inside = [fault for key in declared for fault in faults(hints[key], value[key], f"{place}.{key}")]
    return missing + unknown + inside


def test_a_key_too_many_one_too_few_and_another_kind_of_value_are_faults() -> None:
    good = {"group": "all", "level": "done", "n": 1, "of": 2}
    assert faults(StateCount, good) == []
    assert faults(StateCount, {**good, "n": "1"}) == [".n: str, not int"]
    assert faults(StateCount, {"group": "all", "level": "done", "n": 1, "off": 2}) == [
        ".of: missing", ".off: not declared",
    ]  # fmt: skip


def test_the_default_study_file_has_the_keys_of_its_document() -> None:
    assert faults(StudyDocument, STUDY) == []


def test_flow_and_feature_list_are_their_documents(trial: dict[str, pd.DataFrame]) -> None:
    study = parse_study(STUDY)
    cohort = build_cohort(trial, study, ELIGIBILITY)
    assert faults(Flow, cohort.flow) == []
    landmark = study.landmarks["c2"]
    features = assemble(trial, cohort.frame, landmark, study, SETTINGS, CONTRACT).description("c2")
    assert faults(FeatureList, features) == []


def test_figures_of_a_ctdna_library_are_their_documents(trial: dict[str, pd.DataFrame]) -> None:
    samples = library_samples(trial, STUDY["visits"])
    assert faults(Kinetics, summary(draw_pairs(samples, 30.4), 0.95)) == []
    assert faults(list[AssayLimits], assay_limits(samples, trial["ctdna_variants"])) == []
    assert faults(list[GenesCovered], coverage(samples, {"TP53": ["TP53"]})) == []


def test_counts_of_states_are_their_document() -> None:
    values = pd.Series(["done", None], index=["a", "b"])
    counted = level_counts(values, ["done"], pd.Series("S1", index=values.index))
    assert faults(list[StateCount], counted) == []
