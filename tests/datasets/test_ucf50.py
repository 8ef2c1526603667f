"""UCF50 is read from its folders alone, traps included."""

import csv
import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.base import official_classes
from dvfl_lib.datasets.ucf import UCF50_SPLITS as SPLITS
from dvfl_lib.datasets.ucf import group_number, straddling_groups
from dvfl_lib.errors import DatasetError

CLASSES = official_classes("ucf50")
PREFIX = {"Billiards": "Billards", "PullUps": "Pullup"}
GROUPS = {"PullUps": 30, "JumpRope": 26}  # more than the 25 of the others

pytestmark = pytest.mark.filterwarnings("ignore:.*UCF50 has 6681")


def file_name(name: str, group: int, clip: int = 1) -> str:
    return f"v_{PREFIX.get(name, name)}_g{group:02d}_c{clip:02d}.avi"


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small UCF50: 50 classes of 25 groups or more, one clip each: 1256 clips."""
    for name in CLASSES:
        folder = tmp_path / "data" / "UCF50" / name
        folder.mkdir(parents=True)
        for group in range(1, GROUPS.get(name, 25) + 1):
            os.link(one_video, folder / file_name(name, group))
    return tmp_path / "data"


def groups_of(data, name: str) -> set[int]:
    return {
        group_number(s.name) for s in data.samples if s.label == CLASSES.index(name)
    }


# --- splits ------------------------------------------------------------------


def test_one_group_is_left_out(root):
    train = create_dataset("ucf50", root, "group03")
    test = create_dataset("UCF50", str(root), "group03", "test")
    # Group 28 of PullUps is tested with group 3.
    assert (len(train), len(test)) == (1256 - 51, 51)
    assert train.classes == CLASSES and test.split == "group03" and not test.standin
    assert groups_of(test, "PullUps") == {3, 28} and groups_of(test, "Biking") == {3}
    for data in (train, test):
        assert {s.label for s in data.samples} == set(range(50))
        for sample in data.samples:
            assert CLASSES[sample.label] == sample.path.parent.name
            assert sample.group == f"{CLASSES[sample.label]}_{sample.path.name[-11:-8]}"
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    clip, label = test[-1]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 49


def test_five_groups_are_left_out(root):
    test = create_dataset("ucf50", root, "fold1", "test")
    train = create_dataset("ucf50", root, "fold1")
    assert groups_of(test, "Biking") == {1, 2, 3, 4, 5}
    assert groups_of(test, "JumpRope") == {1, 2, 3, 4, 5, 26}
    assert groups_of(test, "PullUps") == {1, 2, 3, 4, 5, 26, 27, 28, 29, 30}
    assert len(train) + len(test) == 1256
    last = create_dataset("ucf50", root, "fold5", "test")
    assert groups_of(last, "PullUps") == {21, 22, 23, 24, 25}


@pytest.mark.parametrize("kind", ["group", "fold"])
def test_every_clip_is_tested_exactly_once(root, kind):
    tested = [
        sample.name
        for split in SPLITS
        if split.startswith(kind)
        for sample in create_dataset("ucf50", root, split, "test").samples
    ]
    assert len(tested) == len(set(tested)) == 1256


def test_the_authors_split_cuts_by_name_and_warns(root):
    with pytest.warns(UserWarning, match="authors' split of UCF50 shares 0 groups"):
        train = create_dataset("ucf50", root, "authors")
    assert groups_of(train, "Biking") == set(range(1, 21))  # 0.8 x 25
    assert groups_of(train, "PullUps") == set(range(1, 25))  # 0.8 x 30


# --- labels ------------------------------------------------------------------


@pytest.mark.quick
def test_labels_are_those_of_a_plain_sort():
    assert CLASSES == tuple(sorted(CLASSES)) and len(CLASSES) == 50
    assert CLASSES.index("JumpRope") < CLASSES.index("JumpingJack")


def test_the_folder_gives_the_label_where_the_prefix_differs(root):
    test = create_dataset("ucf50", root, "group01", "test")
    for name, prefix in PREFIX.items():
        found = [s for s in test.samples if f"v_{prefix}_" in s.name]
        assert found and all(CLASSES[s.label] == name for s in found)
        assert all(s.group.startswith(f"{name}_g") for s in found)


def test_case_of_names_does_not_matter(root):
    folder = root / "UCF50" / "TaiChi"
    folder.rename(root / "UCF50" / "Taichi")
    file = root / "UCF50" / "Taichi" / file_name("TaiChi", 1)
    file.rename(file.with_name(file.name.upper()))
    test = create_dataset("ucf50", root, "group01", "test")
    (sample,) = [s for s in test.samples if s.label == CLASSES.index("TaiChi")]
    assert sample.group == "TaiChi_g01" and sample.path.parent.name == "Taichi"


# --- bad input ---------------------------------------------------------------


def test_a_missing_class_never_moves_the_labels_of_the_others(root):
    shutil.rmtree(root / "UCF50" / "Biking")
    with pytest.raises(DatasetError, match="file or are of no class: biking"):
        create_dataset("ucf50", root, "fold1")


def test_a_missing_group_is_a_half_unpacked_archive(root):
    (root / "UCF50" / "Biking" / file_name("Biking", 17)).unlink()
    with pytest.raises(DatasetError, match="Biking lacks the groups 17, and every"):
        create_dataset("ucf50", root, "authors")
    other = root / "UCF50" / "PullUps" / file_name("PullUps", 28)
    os.link(other, root / "UCF50" / "Biking" / file_name("Biking", 17))
    other.unlink()  # a group above 25 may be missing, as in most classes
    assert len(create_dataset("ucf50", root, "group03", "test")) == 50


def test_a_file_in_the_folder_of_another_class(root):
    file = root / "UCF50" / "Biking" / file_name("PullUps", 1, 9)
    os.link(root / "UCF50" / "PullUps" / file_name("PullUps", 1), file)
    with pytest.raises(DatasetError, match="v_Pullup_.* another class than its"):
        create_dataset("ucf50", root, "fold1")
    file.rename(file.with_name("clip1.avi"))
    with pytest.raises(DatasetError, match="does not end in _gNN_cNN.avi"):
        create_dataset("ucf50", root, "fold1")


def test_another_number_of_clips_is_told(root):
    with pytest.warns(UserWarning, match="holds 1256 clips; UCF50 has 6681"):
        create_dataset("ucf50", root, "fold1")


# --- the names of the real data set, from the authors' lists -----------------


@pytest.fixture(scope="module")
def authors(real_data) -> dict[str, list[tuple[str, int]]]:
    """side -> (<Class>/<file>, label) of the lists of the DVFL-Net repository."""
    sides = {}
    for side, file in (("train", "train.csv"), ("test", "val.csv")):
        path = real_data / "annotations/ucf50/dvflnet" / file
        with open(path, newline="") as rows:
            sides[side] = [
                (row[0].partition("/")[2], int(row[1])) for row in csv.reader(rows)
            ]
    return sides


@pytest.fixture(scope="module")
def whole(authors, one_video, tmp_path_factory) -> Path:
    """All 6,681 names of those lists, each one and the same video."""
    root = tmp_path_factory.mktemp("ucf50")
    for name, _ in [*authors["train"], *authors["test"]]:
        path = root / "UCF50" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(one_video)
    return root


def test_the_authors_split_is_that_of_their_files(authors, whole):
    sides = {}
    with pytest.warns(UserWarning, match="shares 38 groups .* 88 of 1321 test clips"):
        for side in ("train", "test"):
            sides[side] = create_dataset("ucf50", whole, "authors", side)
    for side, data in sides.items():
        mine = sorted((sample.name, sample.label) for sample in data.samples)
        assert mine == sorted(authors[side])
    names = {side: [s.name for s in data.samples] for side, data in sides.items()}
    assert straddling_groups(names) == (38, 88)


def test_the_real_names_in_splits_of_groups(whole):
    tested = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # 6,681 clips are the right number
        for split in (f"fold{number}" for number in range(1, 6)):
            test = create_dataset("ucf50", whole, split, "test")
            assert {s.label for s in test.samples} == set(range(50))
            tested += [sample.name for sample in test.samples]
        train = create_dataset("ucf50", whole, "group05")
        test = create_dataset("ucf50", whole, "group05", "test")
    assert len(tested) == len(set(tested)) == 6681
    assert sum(group_number(name) > 25 for name in tested) == 63
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    assert groups_of(test, "PullUps") == {5, 30}


@pytest.mark.quick
def test_the_order_of_classes_is_the_authors(real_data):
    path = real_data / "annotations/ucf50/dvflnet/ucf_50_labels.csv"
    with open(path, newline="") as rows:
        assert tuple(row["name"] for row in csv.DictReader(rows)) == CLASSES
