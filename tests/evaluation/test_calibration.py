"""Calibration and confusions, counted by hand."""

import numpy as np
import pytest
import torch
from dvfl_lib.evaluation.calibration import calibration_of
from dvfl_lib.evaluation.confusions import confused_pairs
from torchmetrics.functional.classification import multiclass_calibration_error

from dvfl_lib.errors import DatasetError
from evaluation.test_evaluation import one_hot, result


def sure(confidences, k=4):
    """Rows whose class 0 has the given probability, the rest shared evenly."""
    top = np.asarray(confidences, np.float32)[:, None]
    return np.concatenate([top, np.repeat((1 - top) / (k - 1), k - 1, 1)], axis=1)


def test_bins_and_error_by_hand():
    found = calibration_of(sure([0.95, 0.95, 0.95, 0.55]), np.array([0, 0, 1, 0]), 10)
    last, middle = found.bins[9], found.bins[5]
    assert (last.accuracy.correct, last.accuracy.n) == (2, 3)
    assert last.confidence == pytest.approx(0.95, abs=1e-6)
    assert (middle.accuracy.correct, middle.accuracy.n) == (1, 1)
    assert sum(part.accuracy.n for part in found.bins) == 4
    assert found.bins[0].confidence is None and found.bins[0].accuracy.value is None
    by_hand = 3 / 4 * abs(2 / 3 - 0.95) + 1 / 4 * abs(1 - 0.55)
    assert found.error == pytest.approx(by_hand, abs=1e-6)
    assert found.confidence == pytest.approx(0.85, abs=1e-6)
    assert found.surplus == pytest.approx(0.85 - 0.75, abs=1e-6)


@pytest.mark.parametrize("bins", [1, 7, 10, 15])
def test_the_bins_add_up_to_the_error_of_torchmetrics(bins):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200, 5, generator=generator)
    labels = torch.randint(5, (200,), generator=generator)
    shares = logits.softmax(1)
    found = calibration_of(shares.numpy(), labels.numpy(), bins)
    summed = sum(
        part.accuracy.n / 200 * abs(part.accuracy.value - part.confidence)
        for part in found.bins
        if part.accuracy.n
    )
    theirs = multiclass_calibration_error(shares, labels, num_classes=5, n_bins=bins)
    assert found.error == pytest.approx(float(theirs), abs=1e-6)
    assert found.error == pytest.approx(summed, abs=1e-6)


def test_complete_certainty_falls_into_the_last_bin():
    found = calibration_of(np.eye(3, dtype=np.float32), np.array([0, 1, 0]), 5)
    assert [part.accuracy.n for part in found.bins] == [0, 0, 0, 0, 3]
    assert found.error == pytest.approx(1 / 3, abs=1e-6)
    assert found.to_dict()["confidence_minus_accuracy_points"] == pytest.approx(100 / 3)


def test_nothing_to_calibrate_is_refused():
    with pytest.raises(DatasetError, match="needs a bin and a video"):
        calibration_of(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(DatasetError, match="given 0 and 1"):
        calibration_of(sure([0.5]), np.array([0]), 0)


def test_the_most_confused_pairs_come_with_their_videos():
    said = [1, 1, 0, 2, 2, 1, 0]
    true = [0, 0, 0, 1, 1, 1, 2]
    probabilities = one_hot(said)
    probabilities[1] = [0.05, 0.9, 0.05]  # surer than video 0
    found = confused_pairs(result(probabilities, true))
    told = [(p.true, p.said, p.count, p.of, p.videos) for p in found]
    assert told == [
        ("class0", "class1", 2, 3, ("v_1.avi", "v_0.avi")),
        ("class1", "class2", 2, 3, ("v_3.avi", "v_4.avi")),
        ("class2", "class0", 1, 1, ("v_6.avi",)),
    ]
    assert len(confused_pairs(result(probabilities, true), most=1)) == 1
    assert found[0].to_dict()["videos"] == ["v_1.avi", "v_0.avi"]


def test_a_perfect_network_confuses_nothing():
    assert confused_pairs(result(one_hot([0, 1, 2]), [0, 1, 2])) == []
