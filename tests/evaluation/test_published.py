"""Published numbers: those of README, their sources, and when they may be compared."""

import re
from pathlib import Path

import pytest

from dvfl_lib.evaluation import Views
from dvfl_lib.evaluation.tables import (
    PUBLISHED_RESULTS,
    differences,
    published_for,
)
from dvfl_lib.vfl_net import VARIANTS
from small_results import one_hot, result

pytestmark = pytest.mark.quick

README = Path(__file__).resolve().parents[2] / "README.md"
FULL = Views(4, 3, 8, "segments", 224, 224)
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
    assert len(shown) == 15 and shown == known


def test_every_row_names_its_source_and_a_network_of_ours():
    keys = [(row.benchmark, row.network) for row in PUBLISHED_RESULTS]
    assert len(set(keys)) == len(keys) == 15 + 4 + 4
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
    assert differences(row, whole, missing=1) == differences(row, whole, 2) == []
    told = "1.5 % of the listed videos missing or unreadable"
    assert differences(row, whole, missing=3) == [told]
    gone = measured(unreadable=("v: gone",))
    assert differences(row, gone) == [f"33.3{told[3:]}"]
    unknown = differences(row, whole, missing=None)
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
