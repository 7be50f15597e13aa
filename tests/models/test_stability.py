"""Instability of predictions between bootstrap models: by hand, by its properties, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.measures.common import MeasureError
from models.measures.stability import (
    classification_instability,
    mean_absolute_prediction_error,
    prediction_instability,
    replicate_frame,
)

steady = settings(deadline=None, derandomize=True, max_examples=50)
probabilities = arrays(np.float64, (5, 7), elements=st.floats(0.01, 0.99))
ORIGINAL = [0.3, 0.6]
REPLICATES = [[0.2, 0.6], [0.5, 0.7], [0.4, 0.4], [0.3, 0.9]]


def test_error_and_interval_of_each_patient_are_those_worked_by_hand():
    found = prediction_instability(ORIGINAL, REPLICATES, level=0.5)
    assert found["patient"].tolist() == [0, 1]
    assert found["original"].tolist() == ORIGINAL
    assert found["error"].tolist() == pytest.approx([0.1, 0.15])
    assert found["low"].tolist() == pytest.approx([0.275, 0.55])
    assert found["high"].tolist() == pytest.approx([0.425, 0.75])
    assert mean_absolute_prediction_error(ORIGINAL, REPLICATES) == pytest.approx(0.125)


def test_classification_changes_are_counted_against_the_original_model():
    assert classification_instability(ORIGINAL, REPLICATES, threshold=0.5).tolist() == [0.25, 0.25]
    assert classification_instability(ORIGINAL, REPLICATES, threshold=0.35).tolist() == [0.5, 0.0]


def test_a_patient_on_the_threshold_is_above_it_despite_rounding():
    assert 1 - 0.9 < 0.1
    assert classification_instability([0.1], [[1 - 0.9], [0.0999]], threshold=0.1).tolist() == [0.5]


def test_the_frame_for_the_plot_has_a_row_for_each_patient_and_model():
    frame = replicate_frame(ORIGINAL, REPLICATES)
    assert len(frame) == 8
    assert frame.iloc[3].tolist() == [1, 1, 0.6, 0.7]
    assert frame.pivot_table("prediction", "replicate", "patient").to_numpy().tolist() == REPLICATES


@steady
@given(probabilities)
def test_models_that_agree_with_the_original_are_stable_and_the_summary_is_the_mean(drawn):
    same = np.tile(drawn[0], (4, 1))
    assert mean_absolute_prediction_error(drawn[0], same) == 0
    assert not classification_instability(drawn[0], same, threshold=0.4).any()
    found = prediction_instability(drawn[0], drawn, level=0.9)
    assert found["error"].mean() == pytest.approx(mean_absolute_prediction_error(drawn[0], drawn))


@steady
@given(probabilities, st.randoms(use_true_random=False))
def test_the_order_of_models_does_not_matter_and_intervals_lie_in_the_range(drawn, random):
    order = random.sample(range(5), 5)
    one, other = (prediction_instability(drawn[0], each, level=0.8) for each in (drawn, drawn[order]))
    assert other.to_numpy() == pytest.approx(one.to_numpy())
    assert (one["low"] >= drawn.min(axis=0) - 1e-12).all()
    assert (one["high"] <= drawn.max(axis=0) + 1e-12).all()
    assert (one["low"] <= one["high"]).all()


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: replicate_frame([], [[]]), r"original: must have shape \(n,\) with n >= 1"),
        (
            lambda: replicate_frame([0.2, 0.3], [0.2, 0.3]),
            r"replicates: must have shape \(B, 2\); got \(2,\)",
        ),
        (lambda: replicate_frame([0.2, 0.3], [[0.2]]), "replicates: must have shape"),
        (lambda: replicate_frame([0.2], [[np.nan]]), "replicates: must lie strictly .* 1 of 1 do not"),
        (lambda: replicate_frame([1.0], [[0.5]]), "original: must lie strictly between 0 and 1; 1 of 1"),
        (lambda: prediction_instability([0.2], [[0.5]], level=1), "level: must lie strictly"),
        (lambda: classification_instability([0.2], [[0.5]], threshold=0), "threshold: must lie strictly"),
    ],
)
def test_wrong_arguments_are_refused(call, reason):
    with pytest.raises(MeasureError, match=reason):
        call()
