"""configs/features.yaml with types: a key that nobody reads is refused, with section and nearest key."""

from copy import deepcopy
from typing import Any

import pytest

from features.errors import UserError
from features.settings import Scale, parse_feature_settings
from tests.features.tables import SETTINGS, SETTINGS_DOCUMENT


def changed(*path: str, value: Any = None, drop: str | None = None) -> dict[str, Any]:
    document = deepcopy(SETTINGS_DOCUMENT)
    *parents, last = path
    at = document
    for key in parents:
        at = at[key]
    at[last] = value
    if drop:
        del at[drop]
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            changed("min_arm_patient", value=1),
            "key min_arm_patient is unknown, did you mean min_arm_patients?",
        ),
        (
            changed("ctdna", "mtm_flor", value=1),
            "f.yaml, ctdna: key mtm_flor is unknown, did you mean mtm_floor?",
        ),
        (changed("ctdna", "detected", value=["positive"]), "f.yaml, ctdna: key detected is unknown"),
        (
            changed("ctdna", "assays", "fixed_panel", "sufix", value=""),
            "ctdna, assays, fixed_panel: key sufix",
        ),
        (changed("ctdna", "quantities", "vaf_mx", value={}), "did you mean vaf_max?"),
        (changed("imaging", "sum", "levls", value=[]), "f.yaml, imaging, sum: key levls"),
        (
            changed("imaging", "scales", "ld", value={"scale": "sqrt", "change": "relative"}),
            "scale sqrt is unknown",
        ),
        (changed("imaging", "x", drop="reader"), "f.yaml, imaging: key reader is missing"),
        (changed("clinical", value=None), "f.yaml, clinical: must have the keys"),
    ],
)
def test_a_misspelt_missing_or_former_key_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_feature_settings(document, "f.yaml")
    assert message in str(error.value)


def test_a_feature_without_a_scale_of_its_own_has_the_default() -> None:
    assert SETTINGS.imaging.scale_of("ftv") == Scale("log1p", "difference")
    assert SETTINGS.imaging.scale_of("sphericity") == Scale("as_is", "relative")
