"""Features of a landmark: what is read from JSON is written to a model document unchanged, key by key."""

import json

from models.procedure.landmark_features import as_documents, landmark_features

ENTRY = {
    "name": "hr", "domain": "pathology", "kind": "categorical", "unit": "", "known_at": "baseline",
    "levels": ["pos", "neg"], "low": None, "high": None, "description": "Receptors", "share_missing": 0.1,
}  # fmt: skip


def test_a_feature_is_written_as_it_was_read() -> None:
    features = landmark_features({"landmark": "c1", "features": [ENTRY]})
    assert json.dumps(as_documents(features)) == json.dumps([ENTRY])
    assert (features[0].levels, features[0].is_numeric) == (("pos", "neg"), False)
