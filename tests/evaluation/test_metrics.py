"""Every number is counted by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torchmetrics.functional.classification import multiclass_calibration_error

from dvfl_lib.errors import DatasetError
from dvfl_lib.evaluation import calibration_of, confused_pairs, metrics
from small_results import one_hot, result

pytestmark = pytest.mark.quick


def test_top1_top5_confusion_and_classes_counted_by_hand():
    rng = np.random.default_rng(0)
    probabilities = rng.random((40, 7), dtype=np.float32)
    labels = rng.integers(0, 6, 40)  # class 6 has no video
    got = result(probabilities, labels)
    order = np.argsort(-probabilities, axis=1)
    hits1 = sum(order[i, 0] == labels[i] for i in range(40))
    hits5 = sum(labels[i] in order[i, :5] for i in range(40))
    assert (got.top1.correct, got.top1.n) == (hits1, 40)
    top5 = got.accuracies["top5"]
    assert (top5.correct, top5.n) == (hits5, 40)
    counts = np.zeros((7, 7), int)
    for i in range(40):
        counts[labels[i], order[i, 0]] += 1
    assert np.array_equal(got.confusion, counts)
    for c, entry in enumerate(got.per_class.values()):
        assert (entry.correct, entry.n) == (counts[c, c], counts[c].sum())
    assert got.per_class["class6"].value is None
    assert got.correct.sum() == hits1


def test_top5_of_five_classes_is_none_because_it_would_always_be_right():
    assert result(one_hot([0, 1], k=5), [0, 1]).accuracies["top5"] is None
    assert result(one_hot([0, 1], k=6), [0, 1]).accuracies["top5"] is not None


def test_within_pairs_lets_only_the_two_of_a_pair_compete():
    probabilities = [
        [0.2, 0.1, 0.7, 0.0],  # class 0 against 1: right, though class 2 is on top
        [0.3, 0.1, 0.6, 0.0],  # class 1 against 0: wrong
        [0.4, 0.4, 0.1, 0.1],  # a tie counts one half
        [0.0, 0.0, 0.1, 0.9],  # class 3 is in no pair
    ]
    pairs = [(0, 1)]
    got = result(probabilities, [0, 1, 0, 3]).within_pairs(pairs)
    assert (got.correct, got.n, got.value) == (1.5, 3, 0.5)
    nothing = result(probabilities, [3, 3, 3, 3]).within_pairs(pairs)
    assert nothing.value is None and str(nothing) == "no video"


def test_family_is_right_if_predicted_and_true_class_share_one():
    got = result(one_hot([0, 1, 2, 3], k=4), [1, 3, 3, 3])
    two = [(0, 1), (2, 3)]
    assert got.family_accuracy(two).correct == 3
    overlapping = [(0, 1), (1, 3), (2, 3)]
    assert got.family_accuracy(overlapping).correct == 4
    assert got.family_chance(two) == 0.5
    # Classes 1 and 3 have three relatives.
    assert got.family_chance(overlapping) == 0.75


def test_pairs_that_would_count_wrongly_are_refused():
    got = result(one_hot([0, 1, 2]), [0, 1, 2])
    with pytest.raises(DatasetError, match="one pair at most"):
        got.within_pairs([(0, 1), (1, 2)])


def test_wilson_interval_of_known_cases():
    """Values of Newcombe 1998, table I, and the two ends."""
    np.testing.assert_allclose(
        metrics.wilson_interval(81, 263), (0.2553, 0.3662), atol=5e-5
    )
    np.testing.assert_allclose(
        metrics.wilson_interval(15, 148), (0.0624, 0.1605), atol=5e-5
    )
    np.testing.assert_allclose(metrics.wilson_interval(0, 20), (0.0, 0.1611), atol=5e-5)
    assert metrics.wilson_interval(20, 20)[1] == 1.0
    scipy = binomtest(81, 263).proportion_ci(method="wilson")
    np.testing.assert_allclose(metrics.wilson_interval(81, 263), scipy, rtol=1e-12)


def test_mcnemar_p_is_the_exact_binomial_tail():
    assert metrics.mcnemar_p(0, 0) == 1.0
    assert metrics.mcnemar_p(3, 3) == 1.0
    assert metrics.mcnemar_p(0, 5) == pytest.approx(2 / 32)
    assert metrics.mcnemar_p(9, 1) == metrics.mcnemar_p(1, 9)
    assert metrics.mcnemar_p(9, 1) == pytest.approx(22 / 1024)
    assert 0 < metrics.mcnemar_p(1000, 1200) < 1e-4


def test_paired_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    shares, n = (0.1, 0.2, 0.7), 150  # only a right, only b right, the rest
    draws = rng.multinomial(n, shares, size=2000)
    inside = 0
    for only_a, only_b, _ in draws:
        low, high = metrics.paired_interval(int(only_a), int(only_b), n)
        inside += low <= shares[1] - shares[0] <= high
    assert 0.93 <= inside / len(draws) <= 0.97


def sure(confidences, k=4):
    """Rows whose class 0 has the given probability, the rest shared evenly."""
    top = np.asarray(confidences, np.float32)[:, None]
    return np.concatenate([top, np.repeat((1 - top) / (k - 1), k - 1, 1)], axis=1)


def test_bins_and_error_by_hand():
    found = calibration_of(sure([0.95, 0.95, 0.95, 0.55]), np.array([0, 0, 1, 0]))
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


def test_the_bins_add_up_to_the_error_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200, 5, generator=generator)
    labels = torch.randint(5, (200,), generator=generator)
    shares = logits.softmax(1)
    found = calibration_of(shares.numpy(), labels.numpy())
    summed = sum(
        part.accuracy.n / 200 * abs(part.accuracy.value - part.confidence)
        for part in found.bins
        if part.accuracy.n
    )
    theirs = multiclass_calibration_error(shares, labels, num_classes=5, n_bins=10)
    assert found.error == pytest.approx(float(theirs), abs=1e-6)
    assert found.error == pytest.approx(summed, abs=1e-6)


def test_complete_certainty_falls_into_the_last_bin():
    found = calibration_of(np.eye(3, dtype=np.float32), np.array([0, 1, 0]))
    assert [part.accuracy.n for part in found.bins] == [0] * 9 + [3]
    assert found.error == pytest.approx(1 / 3, abs=1e-6)
    assert found.to_dict()["confidence_minus_accuracy_points"] == pytest.approx(100 / 3)


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
    assert confused_pairs(result(one_hot([0, 1, 2]), [0, 1, 2])) == []
    assert found[0].to_dict()["videos"] == ["v_1.avi", "v_0.avi"]
