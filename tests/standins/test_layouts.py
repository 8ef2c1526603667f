"""Each stand-in has its benchmark's files, names and traps, and is read as it is."""

import csv
import hashlib
import re
import warnings
from pathlib import Path

import av
import pytest

from dvfl_lib.datasets import VideoDataset, create_dataset
from dvfl_lib.errors import DatasetError, VideoError
from dvfl_lib.standins import (
    StandinSize,
    list_standins,
    plan_standin,
    standin_families,
    standin_pairs,
    write_standin,
)
from dvfl_lib.standins.scenes import (
    ACTIONS,
    KINETICS_NAMES,
    PAIRS,
    SSV2_NAMES,
    action_of,
)
from dvfl_lib.video.reading import open_video
from small_standins import SMALL, whole_way, write_small

# Data set -> its splits, and the clips to train and to test on in the last one.
SPLITS = {
    "ucf101": (("1", "2", "3", "authors"), (240, 60)),
    "hmdb51": (("1", "2", "3"), (204, 84)),
    "ucf50": (("group01", "group25", "fold1", "fold5"), (241, 60)),
    "ssv2": (("1",), (204, 84)),
    "kinetics400": (("1",), (214, 83)),
}
MISSING = "ignore:.*clips are listed, .* are missing"


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """All of them, with one short clip in small pictures per group."""
    if "libvpx-vp9" not in av.codec.codecs_available:
        pytest.skip("PyAV has no VP9 encoder")
    folder = tmp_path_factory.mktemp("standins")
    return {name: write_small(name, folder / name) for name in SPLITS}


def load(name: str, root: Path, split: str) -> tuple[VideoDataset, VideoDataset]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Kinetics-400, a few clips are missing
        return tuple(create_dataset(name, root, split, s) for s in ("train", "test"))


def test_every_data_set_is_seen_here():
    assert set(SPLITS) == set(list_standins())


@pytest.mark.parametrize("name", SPLITS)
def test_the_loader_reads_it_as_it_is(roots, name):
    """Its label is that of the action drawn, under the benchmark's own names."""
    plan = plan_standin(name, SMALL)
    drawn = {roots[name] / clip.path: clip.action for clip in plan.clips}
    splits, sizes = SPLITS[name]
    for split in splits:
        sides = train, test = load(name, roots[name], split)
        actions = [action_of(c) for c in train.classes]
        assert sorted(actions) == sorted(ACTIONS) and train.classes == test.classes
        for data in sides:
            assert data.standin and "(stand-in)" in repr(data)
            assert data.flip_labels is None  # no drawn action has a side
            assert {s.label for s in data.samples} == set(range(12))
            for sample in data.samples:  # the damaged clip is not drawn
                action = actions[sample.label]
                assert drawn.get(sample.path, action) == action
        assert not {s.group for s in train.samples} & {s.group for s in test.samples}
        fit, held = train.hold_out_groups(0.2, seed=0)
        assert held and not {s.group for s in fit} & {s.group for s in held}
    assert (len(train), len(test)) == sizes
    pairs = [(actions[a], actions[b]) for a, b in standin_pairs(train.classes)]
    assert pairs == list(PAIRS)
    height = {actions[k] for k in standin_families(train.classes)["height"]}
    assert height == {"Rising", "Sinking", "RiseToFront", "SinkToBack"}
    assert train[0][0].shape == (8, 3, 48, 64)


# Of names, lists and damaged files. Data sets that were written once must still be
# taken for whole ones of the same kind.
DIGESTS = {
    "ucf101": "8f7f2a970b9fba03",
    "hmdb51": "a5ceea8cb8f436a9",
    "ucf50": "9f91c5e61f43d88f",
    "ssv2": "52724c88f30b2a25",
    "kinetics400": "b5d00bc408e9b1d6",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_names_and_lists_are_those_of_the_first_release(name):
    plan = plan_standin(name, SMALL)
    told = repr([*plan.clips, *plan.lists.items(), plan.frame_rate])
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", ["ucf50", "hmdb51"])
def test_no_part_of_a_name_but_the_class_tells_the_action(roots, name):
    """Otherwise nothing would be gained by hiding it from single frames."""
    bare: dict[str, set[str]] = {}
    for path in roots[name].rglob("*.avi"):
        if name == "ucf50":
            rest = re.sub("^v_[A-Za-z]+_", "", path.name)
        else:
            source, _, rest = path.name.rpartition(f"_{path.parent.name}_")
            rest = source + rest
        bare.setdefault(path.parent.name, set()).add(rest)
    extra = {"g26_c01.avi"} if name == "ucf50" else set()  # of Approaching
    first = next(iter(bare.values())) - extra
    assert len(bare) == 12 and len(first) == 25
    assert all(names - extra == first for names in bare.values())


def test_numbers_of_ssv2_tell_nothing_of_the_class(roots):
    train, _ = load("ssv2", roots["ssv2"], "1")
    by_number = [s.label for s in sorted(train.samples, key=lambda s: int(s.group))]
    assert all(len(set(by_number[k : k + 24])) > 4 for k in range(0, 204, 24))


def test_hmdb51_lists_have_flags_blanks_and_names_like_the_official_ones(roots):
    folder = roots["hmdb51"] / "testTrainMulti_7030_splits"
    text = (folder / "rise_test_split1.txt").read_text("ascii")
    lines = text.split("\n")
    assert lines.pop() == "" and len(lines) == 25
    assert all(re.fullmatch(r".+_rise_\S+\.avi [012] ", line) for line in lines)
    flags = [line.split()[-1] for line in lines]
    assert [flags.count(f) for f in "012"] == [1, 17, 7]
    assert set("!#&()+;@[]~") <= set(text) and "rise_and_sink" in text


def test_kinetics_has_the_holes_and_names_of_the_original(roots):
    root = roots["kinetics400"]
    for side, missing, damaged in (("train", 2, 0), ("val", 1, 1)):
        text = (root / f"annotations/{side}.csv").read_text("utf-8")
        assert '"rising (straight up)",' in text and "\nshrinking," in text
        rows = list(csv.DictReader(text.splitlines()))
        names = {
            f"{r['youtube_id']}_{int(r['time_start']):06d}_{int(r['time_end']):06d}.mp4"
            for r in rows
        }
        assert len(names) == len(rows) and sum(n.startswith("-") for n in names) > 10
        there = {path.name: path for path in (root / side).iterdir()}
        assert set(there) < names and len(names - set(there)) == missing
        bad = 0
        for path in there.values():
            try:
                open_video(path)
            except VideoError:
                bad += 1
        assert bad == damaged


def test_class_order_of_kinetics_depends_on_the_parentheses():
    names = sorted(KINETICS_NAMES.values())
    assert sorted(names, key=lambda name: re.sub("[()]", "", name)) != names
    assert set(KINETICS_NAMES) == set(SSV2_NAMES) == set(ACTIONS)


def test_a_stand_in_for_ucf50_needs_its_25_groups(tmp_path):
    with pytest.raises(DatasetError, match="needs 25 groups"):
        write_standin("ucf50", tmp_path / "s", size=StandinSize(groups=24))
    assert not (tmp_path / "s").exists()


@pytest.mark.nightly
@pytest.mark.filterwarnings(MISSING)
def test_the_whole_way_from_videos_to_results(roots, tmp_path):
    # One damaged clip of 83 is more than the usual hundredth.
    most = {"data.max_unreadable": 0.02}
    way = whole_way("kinetics400", roots["kinetics400"], "1", tmp_path / "run", **most)
    for run, result in way:
        assert result.standin and len(result.unreadable) == 1
        assert result.top1.n == len(run.test_list) - 1
