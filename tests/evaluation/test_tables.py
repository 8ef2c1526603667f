"""Tables: measured and published apart, stand-ins marked everywhere.

Published numbers: those of README, their sources, when they may be compared.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dvfl_lib.cost import count_macs, count_parameters, view_costs
from dvfl_lib.errors import DatasetError
from dvfl_lib.evaluation import Views, cost_table, markdown, split_mean
from dvfl_lib.evaluation.metrics import METRICS, Accuracy, Metric
from dvfl_lib.evaluation.published import (
    PUBLISHED_RESULTS,
    differences,
    published_for,
)
from dvfl_lib.evaluation.tables import final_rows, final_table, result_table
from dvfl_lib.vfl_net import VARIANTS, create_model
from small_results import on_split, one_hot, result

pytestmark = pytest.mark.quick

FULL = Views(4, 3, 8, "segments", 224, 224)


def ucf101(name="student", rights=(8, 9, 7), **changes):
    return [
        on_split(split, right, name=name, **changes)
        for split, right in zip("123", rights, strict=True)
    ]


def k400(**changes):
    """The Base teacher on real data, as the authors evaluate it."""
    values = {"dataset": "kinetics400", "model": "video_focalnet_base"}
    values |= {"standin": False, "views": FULL, "name": "teacher"}
    return on_split("1", 8, **(values | changes))


def cells(table, row=0):
    return dict(zip(table.columns, table.rows[row], strict=True))


def test_three_splits_are_one_row_with_mean_and_spread():
    (row,) = final_rows(ucf101())
    shown = cells(final_table([row]))
    assert shown["data"] == "stand-in for UCF101"
    assert shown["network"] == "student"
    assert shown["measured top-1 / top-5"] == "80.0 % ± 10.0 / 96.7 %"
    assert shown["measured on"].startswith("mean of splits 1, 2, 3; 30 videos")
    assert shown["published top-1 / top-5"] == "DVFL-Net: 88.4 % / 96.1 %"
    assert shown["published on"] == "authors' own 80/20 lists; views not stated"
    assert shown["comparable"].startswith("no: stand-in data, another network")


def test_the_same_thing_on_the_same_list_is_comparable():
    (row,) = final_rows([k400()])
    shown = cells(final_table([row]))
    assert shown["comparable"] == "yes"
    assert shown["published top-1 / top-5"] == "Video-FocalNet-B: 83.6 %"
    assert shown["data"] == "Kinetics-400"
    assert "Stand-in" not in final_table([row]).caption
    assert row.to_dict()["comparable"] is True


def test_a_number_that_is_not_known_stays_blank():
    (row,) = final_rows([k400(name="student", model="vfl_net_nano")])
    shown = cells(final_table([row]))
    assert shown["published top-1 / top-5"] == shown["published on"] == ""
    assert shown["comparable"] == "no: no published number is known"
    assert row.to_dict()["published"]["top1_percent"] is None


def test_one_split_shows_its_interval_and_a_part_says_so():
    one, two = ucf101()[:1], ucf101()[:2]
    assert (
        "[49.0, 94.3]" in cells(final_table(final_rows(one)))["measured top-1 / top-5"]
    )
    told = cells(final_table(final_rows(two)))["measured on"]
    assert told.startswith("mean of splits 1, 2, not all of them; 20 videos")


def test_videos_that_were_left_out_are_counted():
    gone = ("v: gone",)
    (row,) = final_rows([k400(unreadable=gone, missing=2)])
    shown = cells(final_table([row]))
    assert shown["measured on"].startswith("split 1; 10 of 13 listed videos; 4 x 3")
    told = "no: 23.1 % of the listed videos missing or unreadable"
    assert shown["comparable"] == told
    (row,) = final_rows([k400(unreadable=gone, missing=None)])
    assert "10 videos, of an unknown number" in cells(final_table([row]))["measured on"]


def test_another_protocol_is_another_row():
    rows = final_rows([*ucf101(), on_split("authors", 9)])
    assert [row.splits for row in rows] == [["1", "2", "3"], ["authors"]]


def test_a_table_of_real_and_drawn_data_says_which_rows_are_drawn():
    caption = final_table(final_rows([*ucf101(), k400()])).caption
    assert caption.startswith("Rows of stand-in data say so.")


def test_each_split_counts_alike_whatever_its_size():
    found = split_mean([on_split("3", 6), on_split("1", 10, n=20), on_split("2", 7)])
    assert found.splits == ["1", "2", "3"] and found.whole
    assert found.top1 == pytest.approx((0.5 + 0.7 + 0.6) / 3)
    assert found.spread == pytest.approx(0.1)
    assert (found.low, found.high) == (0.5, 0.7)
    assert found.videos == 40
    assert str(found) == "60.0 % ± 10.0"
    told = found.to_dict()["measured"]["mean"]
    assert told["top1_percent"] == pytest.approx(60)
    assert told["spread_points"] == pytest.approx(10)
    assert told["standin"] is True


def test_a_missing_split_is_told_and_one_has_no_spread():
    assert not split_mean([on_split("1", 5), on_split("2", 5)]).whole
    one = split_mean([on_split("1", 5)])
    assert one.spread is None and str(one) == "50.0 %"
    alone = split_mean([on_split("authors", 5)])
    assert alone.whole and alone.splits == ["authors"]


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
    costs = [cost]  # the table says what was measured, and can leave it out
    table = cost_table(costs)
    assert "measured: ms per view" in table.columns and "this machine" in table.caption
    assert table.rows[0][2] == "2 x 3"
    plain = cost_table(costs, measured=False)
    assert len(plain.columns) == len(plain.rows[0]) == 5
    assert "measured" not in " ".join(plain.columns)


def test_table_is_markdown_and_names_the_stand_in():
    lines = markdown(
        [result_table([result(one_hot([0, 1]), [0, 1], name="a|b")])]
    ).splitlines()
    assert lines[0].count("|") == lines[1].count("|")
    assert r"a\|b" in lines[2] and "100.0 % [34.2, 100.0]" in lines[2]
    assert "not meaningful" in lines[2]
    assert lines[-1].startswith("Stand-in data.")


def test_one_more_metric_is_one_more_row(monkeypatch):
    """JSON, tables and means show whatever stands in ``METRICS``."""
    top2 = Metric("top-2", lambda p, labels: Accuracy(1, len(labels)), interval=True)
    monkeypatch.setitem(METRICS, "top2", top2)
    entry = on_split("1", 5)
    assert entry.to_json()["top2"]["percent"] == 10
    (row,) = final_rows([entry])
    assert row.to_dict()["measured"]["mean"]["top2_percent"] == 10
    assert row.to_dict()["measured"]["splits"][0]["top2"]["n"] == 10
    assert cells(result_table([entry]))["top-2"].startswith("10.0 % [")


# --- what was published ------------------------------------------------------------

README = Path(__file__).resolve().parents[2] / "README.md"
K400 = {"dataset": "kinetics400", "model": "video_focalnet_base", "standin": False}


def measured(**changes):
    return result(one_hot([0, 1]), [0, 1], **({**K400, "views": FULL} | changes))


def test_the_table_of_readme_shows_the_same_numbers():
    text = README.read_text("utf-8").partition("### What was published")[2]
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    head = next(cells for cells in lines if cells[0] == "Network")
    names = [name.lower() for name in head[1:]]
    shown = {}
    for network, *cells in lines[lines.index(head) + 2 :]:
        if len(cells) != 3:
            break
        name = re.split(",? ", network)[0].rstrip(",")
        for benchmark, cell in zip(names, cells, strict=True):
            shown[benchmark, name] = tuple(map(float, cell.split(" / ")))
    known = {
        (row.benchmark, row.network): (row.top1, row.top5)
        for row in PUBLISHED_RESULTS
        if row.benchmark in names
    }
    assert shown == known


def test_every_row_names_its_source_and_a_network_of_ours():
    keys = [(row.benchmark, row.network) for row in PUBLISHED_RESULTS]
    assert len(set(keys)) == len(keys)
    for row in PUBLISHED_RESULTS:
        assert row.model in VARIANTS
        assert row.address.startswith(("https://github.com/", "https://arxiv.org/abs/"))
        assert row.source and " " not in row.address
        assert row.top1 is not None or row.top5 is None
        assert row.to_dict()["top1_percent"] == row.top1


def test_what_is_not_known_stays_blank():
    for benchmark in ("kinetics400", "ssv2"):
        for role in ("student", "baseline"):
            row = published_for(benchmark, role, "vfl_net_nano")
            assert row.top1 is None and row.top5 is None
            assert (row.clips, row.crops, row.frames, row.crop) == (None,) * 4
        assert published_for(benchmark, "teacher", "video_focalnet_base").top5 is None


def test_the_same_network_is_preferred_and_base_is_what_taught():
    small = published_for("kinetics400", "teacher", "video_focalnet_small")
    assert (small.network, small.top1) == ("Video-FocalNet-S", 81.4)
    other = published_for("ucf101", "teacher", "vfl_net_lab_teacher")
    assert other.network == "Video-FocalNet-B"
    assert published_for("folder", "teacher", "video_focalnet_base") is None


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({}, None),
        ({"standin": True}, "stand-in data"),
        ({"model": "video_focalnet_tiny"}, "another network"),
        ({"split": "2"}, "another test list"),
        ({"subset": "train"}, "another test list"),
        ({"dataset": "ssv2"}, "another benchmark (ssv2)"),
        ({"views": Views(1, 1, 8, "segments", 256, 224)}, "other views"),
        ({"views": Views(4, 3, 8, "dense", 224, 224)}, "other views"),
        ({"views": Views(4, 3, 16, "segments", 224, 224)}, "other views"),
    ],
)
def test_each_difference_is_named(changes, reason):
    row = published_for("kinetics400", "teacher", "video_focalnet_base")
    assert differences(row, measured(**changes)) == [reason] * bool(reason)


def test_missing_videos_count_like_unreadable_ones():
    row = published_for("kinetics400", "teacher", "video_focalnet_base")
    whole = result(one_hot([0] * 198), [0] * 198, **K400, views=FULL)
    assert differences(row, replace(whole, missing=2)) == []
    told = "1.5 % of the listed videos missing or unreadable"
    assert differences(row, replace(whole, missing=3)) == [told]
    gone = measured(unreadable=("v: gone",))
    assert differences(row, gone) == [f"33.3{told[3:]}"]
    unknown = differences(row, replace(whole, missing=None))
    assert unknown == ["no list says how many videos are missing"]


def test_the_authors_lists_and_unstated_views_are_never_comparable():
    on_ucf = {"dataset": "ucf101", "model": "vfl_net_nano"}
    row = published_for("ucf101", "student", "vfl_net_nano")
    told = differences(row, measured(**on_ucf))
    assert told == ["another test list", "published views not stated"]
    assert differences(row, measured(**on_ucf, split="authors")) == told[1:]
    row = published_for("hmdb51", "student", "vfl_net_nano")
    on_hmdb = {"dataset": "hmdb51", "model": "vfl_net_nano"}
    assert "another test list" in differences(row, measured(**on_hmdb))
    row = published_for("ssv2", "student", "vfl_net_nano")
    on_ssv2 = {"dataset": "ssv2", "model": "vfl_net_nano"}
    assert differences(row, measured(**on_ssv2)) == ["no published number is known"]
