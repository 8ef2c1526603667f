"""The stand-ins for HMDB51 and UCF50 are read, and trained on, as the real ones are."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import (
    StandinSize,
    standin_families,
    standin_pairs,
    write_standin,
)
from dvfl_lib.standins.scenes import ACTIONS, HMDB51_NAMES, PAIRS, action_of
from dvfl_lib.video.reading import open_video
from small_standins import whole_way

SMALL = StandinSize(groups=25, clips_per_group=1, min_frames=8, max_frames=9)
SPLITS = {"hmdb51": "123", "ucf50": ("group01", "group25", "fold1", "fold5")}
ODD = set("!#&()+;@[]~")  # that occur in names of HMDB51


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """Both, one short clip per group."""
    folder = tmp_path_factory.mktemp("standins")
    return {
        name: write_standin(name, folder / name, size=SMALL, workers=1, progress=False)
        for name in SPLITS
    }


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", SPLITS)
def test_the_loader_reads_it_as_it_is(roots, name):
    for split in SPLITS[name]:
        train = create_dataset(name, roots[name], split, "train")
        test = create_dataset(name, roots[name], split, "test")
        assert train.standin and test.standin
        assert "(stand-in)" in repr(test)
        for data in (train, test):
            assert {s.label for s in data.samples} == set(range(12))
            for sample in data.samples:
                assert data.classes[sample.label] == sample.path.parent.name
        assert not {s.group for s in train.samples} & {s.group for s in test.samples}
        fit, held = train.hold_out_groups(0.2, seed=0)
        assert len(fit) + len(held) == len(train) and held
    clip, _ = test[0]
    assert clip.shape == (8, 3, 240, 320) and clip.dtype == torch.uint8


@pytest.mark.parametrize("name", SPLITS)
def test_the_pairs_of_actions_are_found_under_the_benchmarks_names(roots, name):
    classes = create_dataset(name, roots[name], SPLITS[name][0]).classes
    actions = [action_of(c) for c in classes]
    assert sorted(actions) == sorted(ACTIONS)
    assert [(actions[a], actions[b]) for a, b in standin_pairs(classes)] == list(PAIRS)
    height = standin_families(classes)["height"]
    assert {actions[k] for k in height} == {
        "Rising",
        "Sinking",
        "RiseToFront",
        "SinkToBack",
    }


@pytest.mark.parametrize("name", SPLITS)
def test_more_workers_write_the_same_bytes(roots, name, tmp_path):
    """Also after a call that left half a clip behind."""
    again = tmp_path / name
    write_standin(name, again, size=SMALL, workers=2, progress=False)
    assert digests(again) == digests(roots[name])
    clip = create_dataset(name, again, SPLITS[name][0]).samples[0].path
    clip.with_name(f".{clip.stem}.7.avi").write_bytes(b"half")
    clip.unlink()
    write_standin(name, again, size=SMALL, workers=1, progress=False)
    assert digests(again) == digests(roots[name])


@pytest.mark.parametrize("name", SPLITS)
def test_it_says_what_it_is_and_spares_other_data(roots, name, tmp_path):
    assert json.loads((roots[name] / "STANDIN.json").read_text())["standin_for"] == name
    top = next(path for path in roots[name].iterdir() if path.is_dir())
    (tmp_path / top.name).mkdir()
    with pytest.raises(DatasetError, match="not a stand-in"):
        write_standin(name, tmp_path, size=SMALL, progress=False)
    assert os.listdir(tmp_path) == [top.name]
    with pytest.raises(DatasetError, match="another stand-in"):
        write_standin("ucf101", roots[name], size=SMALL, progress=False)


@pytest.mark.parametrize("name", SPLITS)
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
    assert len(bare) == 12
    for names in bare.values():
        assert len(names - extra) == 25
        assert names - extra == next(iter(bare.values())) - extra


def test_hmdb51_lists_have_flags_blanks_and_names_like_the_official_ones(roots):
    root = roots["hmdb51"]
    lists = sorted(os.listdir(root / "testTrainMulti_7030_splits"))
    assert len(lists) == 12 * 3
    assert "rise_to_front_test_split3.txt" in lists and "rise_test_split3.txt" in lists
    text = (root / "testTrainMulti_7030_splits" / "rise_test_split1.txt").read_bytes()
    lines = text.decode("ascii").split("\n")
    assert lines.pop() == "" and len(lines) == 25
    assert all(re.fullmatch(r".+_rise_\S+\.avi [012] ", line) for line in lines)
    flags = [line.split()[-1] for line in lines]
    assert [flags.count(f) for f in "012"] == [1, 17, 7]
    assert ODD <= set("".join(lines))
    assert any("rise_and_sink" in line for line in lines)
    video = next(path for path in (root / "hmdb51_org" / "rise").iterdir())
    with open_video(video) as opened:
        assert (opened.height, opened.fps) == (240, 30)


def test_hmdb51_classes_begin_alike():
    assert set(HMDB51_NAMES) == set(ACTIONS)
    assert HMDB51_NAMES["RiseToFront"].startswith(HMDB51_NAMES["Rising"] + "_")
    assert HMDB51_NAMES["SinkToBack"].startswith(HMDB51_NAMES["Sinking"] + "_")


def test_ucf50_has_no_list_odd_prefixes_and_a_class_with_one_group_more(roots):
    root = roots["ucf50"]
    assert sorted(os.listdir(root)) == ["STANDIN.json", "UCF50"]
    assert "v_Shrink_g07_c01.avi" in os.listdir(root / "UCF50" / "Shrinking")
    assert "v_Sweling_g07_c01.avi" in os.listdir(root / "UCF50" / "Swelling")
    test = create_dataset("ucf50", root, "group01", "test")
    assert len(test) == 13
    assert "Approaching_g26" in {sample.group for sample in test.samples}
    assert test.classes == tuple(sorted(ACTIONS)) != ACTIONS  # no list, a plain sort


def test_a_lost_class_does_not_move_the_labels(roots, tmp_path):
    for name, folder in (("ucf50", "UCF50/Rising"), ("hmdb51", "hmdb51_org/rise")):
        root = tmp_path / name
        root.symlink_to(roots[name])
        copy = tmp_path / f"{name} copy"
        copy.mkdir()
        (copy / "STANDIN.json").write_text("{}")
        top, lost = folder.split("/")
        (copy / top).mkdir()
        for entry in (root / top).iterdir():
            if entry.name != lost:
                (copy / top / entry.name).symlink_to(entry)
        for entry in root.glob("testTrain*"):
            (copy / entry.name).symlink_to(entry)
        with pytest.raises(DatasetError, match=f"{lost}"):
            create_dataset(name, copy, SPLITS[name][0])


def test_a_stand_in_for_ucf50_needs_its_25_groups(tmp_path):
    with pytest.raises(DatasetError, match="needs 25 groups"):
        write_standin("ucf50", tmp_path / "s", size=StandinSize(groups=24))
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPLITS)
def test_the_whole_way_from_videos_to_results(roots, name, tmp_path):
    way = whole_way(name, roots[name], SPLITS[name][-1], tmp_path / "run")
    for run, result in way:
        assert result.standin and result.top1.n == len(run.test_list)
