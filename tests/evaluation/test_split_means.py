"""Means over splits, and what an answer costs."""

import numpy as np
import pytest
from dvfl_lib.evaluation.joining import joined
from dvfl_lib.evaluation.split_means import split_mean

from dvfl_lib.cost import count_macs, count_parameters
from dvfl_lib.errors import DatasetError, DVFLError
from dvfl_lib.evaluation import Views
from dvfl_lib.evaluation.view_cost import cost_table, view_costs
from dvfl_lib.vfl_net import create_model
from evaluation.test_evaluation import one_hot, result


def on_split(split, right, n=10, k=6, **changes):
    """A result of which ``right`` of ``n`` videos are correct."""
    labels = np.arange(n) % k
    said = np.where(np.arange(n) < right, labels, (labels + 1) % k)
    return result(one_hot(said, k), labels, split=split, **changes)


def test_each_split_counts_alike_whatever_its_size():
    found = split_mean([on_split("3", 6), on_split("1", 10, n=20), on_split("2", 7)])
    assert found.splits == ("1", "2", "3") and found.whole
    assert found.top1 == pytest.approx((0.5 + 0.7 + 0.6) / 3)
    assert found.spread == pytest.approx(0.1)
    assert (found.low, found.high) == (0.5, 0.7)
    assert found.videos == 40
    assert str(found) == "60.0 % ± 10.0"
    told = found.to_dict()
    assert told["top1_percent"] == pytest.approx(60)
    assert told["spread_points"] == pytest.approx(10)
    assert told["standin"] is True


def test_a_missing_split_is_told_and_one_has_no_spread():
    assert not split_mean([on_split("1", 5), on_split("2", 5)]).whole
    one = split_mean([on_split("1", 5)])
    assert one.spread is None and str(one) == "50.0 %"
    alone = split_mean([on_split("authors", 5)])
    assert alone.whole and alone.splits == ("authors",)


def test_few_classes_leave_no_top5():
    assert split_mean([on_split("1", 5, k=4)]).top5 is None
    assert split_mean([on_split("1", 5)]).top5 is not None


def test_the_groups_and_folds_of_ucf50_are_two_protocols():
    folds = [on_split(f"fold{n}", 5, dataset="ucf50") for n in range(1, 6)]
    assert split_mean(folds).whole
    groups = [on_split(f"group{n:02d}", 5, dataset="ucf50") for n in range(1, 26)]
    assert split_mean(groups).whole
    with pytest.raises(DatasetError, match="do not belong to one protocol"):
        split_mean([folds[0], groups[0]])


@pytest.mark.parametrize(
    "other, told",
    [
        (on_split("1", 5), "a split is there twice"),
        (on_split("2", 5, name="teacher"), "of one name"),
        (on_split("2", 5, standin=False), "of one standin"),
        (on_split("2", 5, views=Views(1, 1, 8, "segments", 224, 224)), "of one views"),
        (on_split("authors", 5), "do not belong to one protocol"),
    ],
)
def test_what_does_not_belong_together_has_no_mean(other, told):
    with pytest.raises(DatasetError, match=told):
        split_mean([on_split("1", 5), other])


def test_nothing_has_no_mean():
    with pytest.raises(DatasetError, match="no result"):
        split_mean([])


def test_lists_looked_at_together_count_each_video_once():
    one = on_split("1", 5)
    two = on_split("2", 9, videos=tuple(f"v_{n}.avi" for n in range(7, 17)))
    both = joined([one, two])
    assert len(both.videos) == len(set(both.videos)) == 17
    assert both.videos[:10] == one.videos and both.videos[10:] == two.videos[3:]
    assert both.top1.correct == one.top1.correct + int(two.correct[3:].sum())
    assert both.confusion.sum() == 17 and both.split == "1, 2"
    with pytest.raises(DatasetError, match="several name"):
        joined([one, on_split("2", 5, name="teacher")])
    with pytest.raises(DatasetError, match="no result"):
        joined([])


SMALL = Views(2, 3, 2, "segments", 20, 16)


def test_costs_are_counted_per_view_and_per_video():
    model = create_model("vfl_net_lab_student", num_classes=12).eval()
    (cost,) = view_costs({"student": (model, SMALL)}, repeats=2)
    assert cost.parameters == count_parameters(model)["total"]
    assert cost.macs == count_macs(model, 2, 16)
    assert cost.views_per_video == 6 and cost.seconds > 0
    told = cost.to_dict()
    assert told["macs_per_video"] == 6 * cost.macs
    assert told["measured"]["seconds_per_video"] == pytest.approx(6 * cost.seconds)
    assert told["measured"]["repeats"] == 2
    with pytest.raises(DVFLError, match="repeats"):
        view_costs({"student": (model, SMALL)}, repeats=0)


def test_the_table_says_what_was_measured_and_can_leave_it_out():
    model = create_model("vfl_net_lab_student", num_classes=12).eval()
    costs = view_costs({"student": (model, SMALL)}, repeats=1)
    table = cost_table(costs)
    assert "measured: ms per view" in table.columns and "this machine" in table.caption
    assert table.rows[0][2] == "2 x 3"
    plain = cost_table(costs, measured=False)
    assert len(plain.columns) == len(plain.rows[0]) == 5
    assert "measured" not in " ".join(plain.columns)
