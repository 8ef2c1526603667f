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

CLASSES = official_classes("hmdb51")
LISTS = "testTrainMulti_7030_splits"
VIDEOS = "hmdb51_org"
# Each character that occurs in names of HMDB51, and a class that is not the clip's.
SOURCES = ("Film", "#1_[Best]_(of)!", "a&b;c+d@e~f", "kick_ball_or_kick", "__")


def clip_name(source: str, class_name: str, number: int = 0) -> str:
    return f"{source}_{class_name}_u_nm_np1_fr_goo_{number}.avi"


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small HMDB51: 51 classes of five sources of two clips.

    Split 1 trains on three of the sources, tests on one, and leaves one out.
    """
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
            list_of = tmp_path / LISTS / f"{name}_test_split{split}.txt"
            list_of.write_text("".join(text))
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_train_and_test_of_a_split(root):
    left_out = clip_name(SOURCES[2], "wave")
    (root / VIDEOS / "wave" / left_out).unlink()  # of flag 0, so it may be missing
    train = create_dataset("hmdb51", root)
    test = create_dataset("HMDB51", str(root), split=1, subset="test")
    assert (len(train), len(test)) == (51 * 6, 51 * 2)
    assert train.classes == CLASSES and test.split == "1" and not test.standin
    for data, count in ((train, 6), (test, 2)):
        labels = [sample.label for sample in data.samples]
        assert [labels.count(k) for k in range(51)] == [count] * 51
        for sample in data.samples:  # kick and kick_ball, push and pushup stay apart
            assert CLASSES[sample.label] == sample.path.parent.name
            assert sample.name == f"{sample.path.parent.name}/{sample.path.name}"
    names = {s.name for data in (train, test) for s in data.samples}
    assert len(names) == 51 * 8 and f"wave/{left_out}" not in names
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    clip, label = test[-1]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 50


def test_odd_characters_are_only_characters(root):
    groups = {
        s.group
        for split in "123"
        for s in create_dataset("hmdb51", root, split, "test").samples
        if s.label == CLASSES.index("kick")
    }
    assert groups == {f"kick/{source}" for source in SOURCES[1:4]}


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


def test_the_authors_lists_cannot_be_remade(root):
    with pytest.raises(DatasetError, match="cannot be remade"):
        create_dataset("hmdb51", root, split="authors")


def test_archives_that_are_still_packed_are_named(root):
    for name in ("kick", "kick_ball", "wave", "walk"):
        shutil.rmtree(root / VIDEOS / name)
        (root / VIDEOS / f"{name}.rar").write_bytes(b"Rar!")
    packed = "Still packed there: kick.rar, kick_ball.rar, walk.rar and 1 more.*unrar x"
    with pytest.raises(DatasetError, match=packed):
        create_dataset("hmdb51", root)
    shutil.rmtree(root / LISTS)
    (root / "test_train_splits.rar").write_bytes(b"Rar!")
    with pytest.raises(DatasetError, match="no folder testTrain.*splits.rar"):
        create_dataset("hmdb51", root)


def test_a_missing_class_never_moves_the_labels_of_the_others(root):
    shutil.rmtree(root / VIDEOS / "kick")
    with pytest.raises(DatasetError, match="306 clips are listed, 300 are there"):
        create_dataset("hmdb51", root)
    (root / LISTS / "kick_test_split1.txt").unlink()
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


# --- the official lists, and real clips ----------------------------------------


@pytest.fixture(scope="module")
def real_clips(real_data) -> dict[str, Path]:
    found = (real_data / "real_clips/hmdb51").glob("*/*.avi")
    # One came with the name of the data set in front of its own.
    return {path.name.removeprefix("hmdb51_"): path.resolve() for path in found}


@pytest.fixture(scope="module")
def whole(real_data, real_clips, one_video, tmp_path_factory) -> Path:
    """All 6,766 official names; the clips at hand are real, the others one video."""
    root = tmp_path_factory.mktemp("hmdb51")
    official = real_data / "annotations/hmdb51/test_train_splits"
    shutil.copytree(official, root / LISTS)
    for name in CLASSES:
        folder = root / VIDEOS / name
        folder.mkdir(parents=True)
        sides = read_list(root / LISTS / f"{name}_test_split1.txt", name).values()
        for clip in [clip for side in sides for clip in side]:
            (folder / clip).symlink_to(real_clips.get(clip, one_video))
    return root


@pytest.mark.quick
def test_the_order_of_classes_is_the_official_one(real_data):
    folder = real_data / "annotations/hmdb51"
    told = (folder / "mmaction2_label_map.txt").read_text().split()
    assert CLASSES == tuple(told) == tuple(sorted(told))
    with open(folder / "dvflnet/hmdb_51_labels.csv", newline="") as rows:
        assert [row["name"] for row in csv.DictReader(rows)] == told


@pytest.mark.parametrize("split", "123")
def test_official_splits(whole, real_clips, split):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train = create_dataset("hmdb51", whole, split)
        test = create_dataset("hmdb51", whole, split, "test")
    for data, count in ((train, 70), (test, 30)):
        labels = [s.label for s in data.samples]
        assert [labels.count(k) for k in range(51)] == [count] * 51
        for index, sample in enumerate(data.samples):
            if sample.path.name in real_clips:
                clip, label = data[index]
                assert clip.shape[:3] == (8, 3, 240) and clip.float().std() > 10
                assert CLASSES[label] == sample.path.resolve().parent.name
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
