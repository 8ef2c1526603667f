"""HMDB51 is read from its original files, traps included."""

import csv
import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.base import official_classes
from dvfl_lib.datasets.hmdb51 import read_list, source_of
from dvfl_lib.errors import DatasetError
from helpers import moving_frames, write_video

CLASSES = official_classes("hmdb51")
LISTS = "testTrainMulti_7030_splits"
VIDEOS = "hmdb51_org"
# Each character that occurs in names of HMDB51, and a class that is not the clip's.
SOURCES = ("Film", "#1_[Best]_(of)!", "a&b;c+d@e~f", "kick_ball_or_kick", "__")


def clip_name(source: str, class_name: str, number: int = 0) -> str:
    return f"{source}_{class_name}_u_nm_np1_fr_goo_{number}.avi"


@pytest.fixture(scope="module")
def one_video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("v") / "a.avi", moving_frames(12))


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small HMDB51: 51 classes of five sources of two clips; one is in no list."""
    (tmp_path / LISTS).mkdir()
    for name in CLASSES:
        folder = tmp_path / VIDEOS / name
        folder.mkdir(parents=True)
        lines = {split: [] for split in "123"}
        for place, source in enumerate(SOURCES):
            for number in (0, 1):
                os.link(one_video, folder / clip_name(source, name, number))
                for split in "123":
                    flag = {0: 2, 1: 0}.get((place - int(split)) % 5, 1)
                    lines[split].append(f"{clip_name(source, name, number)} {flag} \n")
        for split, text in lines.items():
            (tmp_path / LISTS / f"{name}_test_split{split}.txt").write_text(
                "".join(text)
            )
    return tmp_path


pytestmark = pytest.mark.filterwarnings("ignore:.*official lists of split")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_train_and_test_of_a_split(root):
    train = create_dataset("hmdb51", root)
    test = create_dataset("HMDB51", str(root), split=1, subset="test")
    assert (len(train), len(test)) == (51 * 6, 51 * 2)
    assert train.classes == CLASSES and test.split == "1" and not test.standin
    for data in (train, test):
        for sample in data.samples:
            assert CLASSES[sample.label] == sample.path.parent.name
            assert sample.name == f"{sample.path.parent.name}/{sample.path.name}"
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    clip, label = test[-1]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 50


def test_flag_0_is_on_neither_side(root):
    """Split 1 trains on three of five sources, tests on one, and leaves one out."""
    names = [
        s.name
        for subset in ("train", "test")
        for s in create_dataset("hmdb51", root, "1", subset).samples
    ]
    assert len(set(names)) == len(names) == 51 * 8
    left_out = clip_name(SOURCES[2], "wave")
    assert f"wave/{left_out}" not in names
    (root / VIDEOS / "wave" / left_out).unlink()  # so it may be missing
    assert len(create_dataset("hmdb51", root)) == 51 * 6


def test_odd_characters_are_only_characters(root):
    groups = {
        s.group
        for split in "123"
        for s in create_dataset("hmdb51", root, split, "test").samples
        if s.label == CLASSES.index("kick")
    }
    assert groups == {f"kick/{source}" for source in SOURCES[1:4]}


def test_classes_that_begin_alike_stay_apart(root):
    train = create_dataset("hmdb51", root)
    for short, long in (
        ("kick", "kick_ball"),
        ("climb", "climb_stairs"),
        ("sword", "sword_exercise"),
        ("push", "pushup"),
    ):
        for name in (short, long):
            label = CLASSES.index(name)
            mine = [s for s in train.samples if s.label == label]
            assert len(mine) == 6
            assert all(s.path.parent.name == name for s in mine)


def test_the_source_is_what_stands_before_the_class():
    assert source_of("A_1_kick_ball_f_cm_np2_le_med_6.avi", "kick_ball") == "A_1"
    assert source_of("kick_it_kick_f_cm_np1_le_bad_12.AVI", "kick") == "kick_it"
    for name, of in (
        ("A_kick_ball_f_cm_np2_le_med_6.avi", "kick"),
        ("A_kick_f_cm_np2_le_med_6.avi", "ball"),
        ("_kick_f_cm_np2_le_med_6.avi", "kick"),
        ("A_kick_f_cm_np2_le_med.avi", "kick"),
        ("A_kick_f_cm_np2_le_med_6.mp4", "kick"),
    ):
        with pytest.raises(DatasetError, match="is no name of HMDB51's class"):
            source_of(name, of)


# --- bad input ---------------------------------------------------------------


def test_unknown_splits_and_subsets(root):
    with pytest.raises(DatasetError, match="no split '4'. Its splits: 1, 2, 3"):
        create_dataset("hmdb51", root, split=4)
    with pytest.raises(DatasetError, match="cannot be remade"):
        create_dataset("hmdb51", root, split="authors")
    with pytest.raises(DatasetError, match="'train' or 'test'"):
        create_dataset("hmdb51", root, subset="val")


def test_archives_that_are_still_packed_are_named(root):
    for name in ("kick", "kick_ball", "wave", "walk"):
        shutil.rmtree(root / VIDEOS / name)
        (root / VIDEOS / f"{name}.rar").write_bytes(b"Rar!")
    (root / VIDEOS / "chew.rar").write_bytes(b"Rar!")  # as it may after unpacking
    with pytest.raises(DatasetError, match="Still packed there") as caught:
        create_dataset("hmdb51", root)
    assert "chew.rar, kick.rar, kick_ball.rar and 2 more" in str(caught.value)
    assert "unrar x" in str(caught.value)
    shutil.rmtree(root / LISTS)
    (root / "test_train_splits.rar").write_bytes(b"Rar!")
    with pytest.raises(DatasetError, match="no folder testTrain.*splits.rar"):
        create_dataset("hmdb51", root)


def test_a_missing_class_never_moves_the_labels_of_the_others(root):
    shutil.rmtree(root / VIDEOS / "kick")
    with pytest.raises(DatasetError, match="306 clips are listed, 300 are there"):
        create_dataset("hmdb51", root)
    for split in "123":
        (root / LISTS / f"kick_test_split{split}.txt").unlink()
    with pytest.raises(DatasetError, match="kick_test_split1.txt: is missing"):
        create_dataset("hmdb51", root)


@pytest.mark.parametrize("flag", ["3", "-1", "1.0", "train", ""])
def test_flags_out_of_range(root, flag):
    file = root / LISTS / "kick_test_split1.txt"
    edit(file, f"{clip_name('Film', 'kick')} 1", f"{clip_name('Film', 'kick')} {flag}")
    with pytest.raises(DatasetError, match="kick_test_split1.txt: expected"):
        create_dataset("hmdb51", root)


def test_a_clip_or_a_source_on_both_sides(root):
    file = root / LISTS / "kick_test_split1.txt"
    edit(file, f"{clip_name('Film', 'kick', 1)} 1", f"{clip_name('Film', 'kick')} 2")
    with pytest.raises(DatasetError, match="names clips twice: film_kick"):
        create_dataset("hmdb51", root)
    edit(file, f"{clip_name('Film', 'kick')} 2", f"{clip_name('Film', 'kick', 1)} 2")
    with pytest.raises(DatasetError, match="share 1 sources: Film"):
        create_dataset("hmdb51", root)


def names_in(file: Path, name: str) -> list[str]:
    return [clip for side in read_list(file, name).values() for clip in side]


@pytest.fixture(scope="module")
def official(real_data) -> Path:
    return real_data / "annotations/hmdb51/test_train_splits"


@pytest.fixture(scope="module")
def whole(official, real_data, one_video, tmp_path_factory) -> Path:
    """All 6,766 official names; the clips at hand are real, the others one video."""
    root = tmp_path_factory.mktemp("hmdb51")
    shutil.copytree(official, root / LISTS)
    found = (real_data / "real_clips/hmdb51").glob("*/*.avi")
    # One came with the name of the data set in front of its own.
    real = {path.name.removeprefix("hmdb51_"): path for path in found}
    for name in CLASSES:
        folder = root / VIDEOS / name
        folder.mkdir(parents=True)
        for clip in names_in(root / LISTS / f"{name}_test_split1.txt", name):
            (folder / clip).symlink_to(real.get(clip, one_video))
    return root


@pytest.mark.quick
def test_the_order_of_classes_is_the_official_one(real_data):
    folder = real_data / "annotations/hmdb51"
    told = (folder / "mmaction2_label_map.txt").read_text().split()
    assert CLASSES == tuple(told) == tuple(sorted(told))
    with open(folder / "dvflnet/hmdb_51_labels.csv", newline="") as rows:
        assert [row["name"] for row in csv.DictReader(rows)] == told


@pytest.mark.parametrize("split", "123")
def test_official_splits(whole, split):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train = create_dataset("hmdb51", whole, split)
        test = create_dataset("hmdb51", whole, split, "test")
    assert (len(train), len(test)) == (3570, 1530)
    for data, count in ((train, 70), (test, 30)):
        labels = [s.label for s in data.samples]
        assert [labels.count(k) for k in range(51)] == [count] * 51
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}


def test_real_clips_are_read_under_their_labels(whole, real_data):
    clips = (real_data / "real_clips/hmdb51").glob("*/*.avi")
    found = sorted(path.resolve() for path in clips)
    if not found:
        pytest.skip("no real HMDB51 clips")
    seen = set()
    for split in "123":
        for subset in ("train", "test"):
            data = create_dataset("hmdb51", whole, split, subset)
            for index, sample in enumerate(data.samples):
                if sample.path.resolve() in found:
                    clip, label = data[index]
                    assert clip.shape[:3] == (8, 3, 240) and clip.float().std() > 10
                    assert CLASSES[label] == sample.path.resolve().parent.name
                    seen.add(sample.path.resolve())
    assert seen == set(found)
