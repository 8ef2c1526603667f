"""UCF101's official lists, whole, and real clips; where this machine has them."""

import csv
import shutil
from pathlib import Path

import pytest

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.ucf import (
    authors_split,
    group_of,
    read_classes,
    read_list,
    straddling_groups,
)


@pytest.fixture(scope="module")
def official(real_data) -> Path:
    return real_data / "annotations/ucf101/ucfTrainTestlist"


@pytest.fixture(scope="module")
def classes(official) -> tuple[str, ...]:
    return read_classes(official / "classInd.txt")


def test_official_classes_keep_their_own_order(classes):
    assert len(classes) == 101
    assert classes[34:36] == ("Hammering", "HammerThrow")
    assert classes[46:48] == ("JumpingJack", "JumpRope")
    swapped = [i for i, name in enumerate(sorted(classes)) if name != classes[i]]
    assert swapped == [34, 35, 46, 47]


@pytest.mark.parametrize(
    ("split", "train_count", "test_count", "test_groups"),
    [
        (1, 9537, 3783, range(1, 8)),
        (2, 9586, 3734, range(8, 15)),
        (3, 9624, 3696, range(15, 22)),
    ],
)
def test_official_splits(
    official, classes, split, train_count, test_count, test_groups
):
    train = read_list(official / f"trainlist0{split}.txt", classes)
    test = read_list(official / f"testlist0{split}.txt", classes)
    assert (len(train), len(test)) == (train_count, test_count)
    assert {int(group_of(c.name)[-2:]) for c in test} == set(test_groups)
    assert straddling_groups({"train": train, "test": test}) == (0, 0)
    assert {c.label for c in train} == {c.label for c in test} == set(range(101))
    assert len({group_of(c.name) for c in train}) == 101 * 18


def test_the_authors_split_is_that_of_their_files(real_data, official, classes):
    """Rebuilt from the 13,320 names; equal to train.csv and val.csv, row for row."""
    every = [
        clip
        for name in ("trainlist01", "testlist01")
        for clip in read_list(official / f"{name}.txt", classes)
    ]
    split = authors_split(every)
    for subset, file in (("train", "train.csv"), ("test", "val.csv")):
        with open(real_data / "annotations/ucf101/dvflnet" / file, newline="") as rows:
            shipped = [row[0].partition("/")[2] for row in csv.reader(rows)]
        assert sorted(clip.name for clip in split[subset]) == sorted(shipped)
    assert straddling_groups(split) == (81, 223)


def test_real_videos_under_the_official_lists(real_data, official, classes, tmp_path):
    """The real clips at hand, in the real layout, with the real lists cut to them."""
    found = sorted((real_data / "real_clips/ucf101").glob("[!_]*/v_*.avi"))
    if not found:
        pytest.skip("no real UCF101 clips")
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    shutil.copy(official / "classInd.txt", lists)
    names = {f"{path.parent.name}/{path.name}" for path in found}
    for name in ("trainlist01.txt", "testlist01.txt"):
        lines = (official / name).read_bytes().decode().splitlines(keepends=True)
        kept = [line for line in lines if line.split()[0] in names]
        (lists / name).write_bytes("".join(kept).encode())
    for path in found:
        folder = tmp_path / "UCF-101" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    train = create_dataset("ucf101", tmp_path)
    test = create_dataset("ucf101", tmp_path, subset="test")
    assert len(train) + len(test) == len(found)
    for dataset in (train, test):
        for index, sample in enumerate(dataset.samples):
            clip, label = dataset[index]
            assert clip.shape == (8, 3, 240, 320)
            assert classes[label] == sample.path.parent.name
            assert clip.float().std() > 10  # a picture, not a blank
