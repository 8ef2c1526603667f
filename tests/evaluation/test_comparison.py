"""Differences between two networks, and between ways of training, seed by seed."""

import json
import math

import pytest

from dvfl_lib.errors import DatasetError
from dvfl_lib.evaluation.comparison import compare, compare_seeds, t_quantile
from small_results import one_hot, result

pytestmark = pytest.mark.quick


def test_compare_counts_the_videos_that_only_one_got_right():
    labels = [0] * 10
    a = result(one_hot([0, 0, 1, 1, 1, 1, 1, 1, 1, 2]), labels, name="baseline")
    b = result(one_hot([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]), labels, name="distilled")
    got = compare(a, b)
    assert (got.both, got.only_a, got.only_b, got.neither) == (1, 1, 7, 1)
    assert got.difference == 0.6 and got.low < 0.6 < got.high
    assert got.p == 18 / 256 and not got.distinguishable
    told = "of 10 videos 7 right by distilled alone, 1 by baseline alone, p = 0.07"
    assert f"is not distinguishable from noise between videos ({told})." in got.verdict
    told = got.to_dict()
    assert told["difference_points"] == pytest.approx(60) and told["standin"] is True
    json.dumps(told, allow_nan=False)


def test_verdict_says_which_network_is_better():
    labels = [0] * 20
    good, bad = one_hot([0] * 20), one_hot([0] * 5 + [1] * 15)
    a, b = result(bad, labels, name="baseline"), result(good, labels, name="distilled")
    assert compare(a, b).verdict == (
        "distilled is 75.0 points better than baseline: more than noise between videos "
        "(of 20 videos 15 right by distilled alone, 0 by baseline alone, p < 0.0001)."
    )
    assert "75.0 points worse" in compare(b, a).verdict


def test_compare_refuses_other_lists():
    a = result(one_hot([0, 1]), [0, 1])
    with pytest.raises(DatasetError, match="for example v_1.avi"):
        compare(a, result(one_hot([0]), [0]))
    with pytest.raises(DatasetError, match="another order or label"):
        compare(a, result(one_hot([0, 1]), [1, 1]))
    with pytest.raises(DatasetError, match="different data sets"):
        compare(a, result(one_hot([0, 1]), [0, 1], standin=False))


# Two-sided 95 % points of Student's t, from printed tables.
PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 30: 2.042, 120: 1.980}


@pytest.mark.parametrize(("freedom", "reach"), PRINTED.items())
def test_the_reach_of_student_t_is_that_of_the_tables(freedom, reach):
    assert math.isclose(t_quantile(freedom), reach, abs_tol=6e-4)


def test_a_difference_is_taken_seed_by_seed():
    a, b = [0.50, 0.60, 0.70], [0.55, 0.66, 0.74]
    found = compare_seeds(a, b)
    assert found.differences == pytest.approx((0.05, 0.06, 0.04))
    assert found.mean == pytest.approx(0.05)
    reach = 4.30265 * 0.01 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.05 - reach, 0.05 + reach))
    assert found.distinguishable and "more than noise" in found.verdict
    found = compare_seeds([0.5, 0.5, 0.5], [0.6, 0.4, 0.55])
    assert not found.distinguishable
    assert "not told apart from noise" in found.verdict


def test_one_seed_says_nothing_about_noise():
    found = compare_seeds([0.5], [0.9])
    assert found.low == -math.inf and not found.distinguishable
    assert "one seed says nothing" in found.verdict


@pytest.mark.parametrize("gain", [0.01, -0.1, 0.0])
def test_equal_differences_have_no_spread_to_judge_by(gain):
    """Two seeds that each get one video more right are no proof; nor is rounding."""
    found = compare_seeds([0.1, 0.2, 0.3], [0.1 + gain, 0.2 + gain, 0.3 + gain])
    assert not found.distinguishable and found.high == math.inf
    assert "equal in all of them, which says nothing about noise" in found.verdict


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_result_that_is_no_number_is_refused(bad):
    for pair in (([0.5, bad], [0.5, 0.6]), ([0.5, 0.6], [0.4, bad])):
        with pytest.raises(DatasetError, match="seed number 1 are"):
            compare_seeds(*pair)


@pytest.mark.parametrize(("a", "b"), [([], []), ([0.5], [0.5, 0.6])])
def test_what_cannot_be_paired_is_refused(a, b):
    with pytest.raises(DatasetError, match="same seeds"):
        compare_seeds(a, b)
