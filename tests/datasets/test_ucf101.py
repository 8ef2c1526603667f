"""UCF101 is read from its original files, traps included."""

import csv
import os
import shutil
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.ucf import (
    authors_split,
    group_of,
    read_classes,
    read_list,
    straddling_groups,
)
from dvfl_lib.errors import DatasetError

pytestmark = pytest.mark.quick

CLASSES = ("HammerThrow", "Hammering", "HandstandPushups")  # not alphabetical
FILE_PREFIX = {"HandstandPushups": "HandStandPushups"}


def file_name(folder: str, group: int, clip: int) -> str:
    return f"v_{FILE_PREFIX.get(folder, folder)}_g{group:02d}_c{clip:02d}.avi"


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small UCF101: 3 classes x 5 groups x 2 clips; groups 1 and 2 are tested."""
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    train, test = [], []
    for label, folder in enumerate(CLASSES, 1):
        (tmp_path / "UCF-101" / folder).mkdir(parents=True)
        for group in range(1, 6):
            for clip in (1, 2):
                name = f"{folder}/{file_name(folder, group, clip)}"
                os.link(one_video, tmp_path / "UCF-101" / name)
                test.append(name) if group < 3 else train.append(f"{name} {label}")
    index = [f"{label} {folder}" for label, folder in enumerate(CLASSES, 1)]
    for name, lines in (
        ("classInd", index),
        ("trainlist01", train),
        ("testlist01", test),
    ):
        text = "".join(line + "\r\n" for line in lines)
        (lists / f"{name}.txt").write_bytes(text.encode())
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new, 1).encode())


def test_train_and_test_of_a_split(root):
    train = create_dataset("ucf101", root, split="1", subset="train")
    test = create_dataset("UCF101", str(root), split=1, subset="test")
    assert (len(train), len(test)) == (18, 12)
    assert train.classes == CLASSES and test.split == "1" and not test.standin
    first = test.samples[0]
    assert first.name == "HammerThrow/v_HammerThrow_g01_c01.avi"
    assert (first.label, first.group) == (0, "HammerThrow_g01")
    assert [s.label for s in train.samples] == [0] * 6 + [1] * 6 + [2] * 6
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    clip, label = test[-1]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 2
    assert "12 videos of 3 classes" in repr(test)


def test_case_of_names_does_not_matter(root):
    videos = root / "UCF-101"
    (videos / "HandstandPushups").rename(videos / "HandStandPushups")
    folder = videos / "HandStandPushups"
    for file in list(folder.iterdir()):
        file.rename(folder / file.name.replace("HandStand", "Handstand"))
    test = create_dataset("ucf101", root, subset="test")
    renamed = [s for s in test.samples if s.label == 2]
    assert len(renamed) == 4
    assert all(s.path.parent.name == "HandStandPushups" for s in renamed)
    assert all("v_HandStandPushups" in s.name for s in renamed)  # as the list says
    assert {s.group for s in renamed} == {
        "HandstandPushups_g01",
        "HandstandPushups_g02",
    }


def test_test_lists_may_carry_labels(root):
    file = root / "ucfTrainTestlist/testlist01.txt"
    plain = create_dataset("ucf101", root, subset="test").samples
    label_of = {name: label for label, name in enumerate(CLASSES, 1)}
    lines = file.read_text().split()
    file.write_text("\n".join(f"{n} {label_of[n.split('/')[0]]}" for n in lines))
    assert create_dataset("ucf101", root, subset="test").samples == plain


def test_unknown_names_are_refused_with_what_there_is(root):
    with pytest.raises(DatasetError, match="Did you mean 'ucf101'"):
        create_dataset("ucf_101", root)
    with pytest.raises(DatasetError, match="1, 2, 3, authors"):
        create_dataset("ucf101", root, split="4")
    with pytest.raises(DatasetError, match="'train' or 'test'"):
        create_dataset("ucf101", root, subset="val")


def test_a_missing_or_packed_data_set_is_explained(root):
    with pytest.raises(DatasetError, match="no such folder"):
        create_dataset("ucf101", root / "nowhere")
    with pytest.raises(DatasetError, match="Give the folder above"):
        create_dataset("ucf101", root / "UCF-101")
    with pytest.raises(DatasetError, match="trainlist02.txt"):
        create_dataset("ucf101", root, split="2")
    shutil.rmtree(root / "UCF-101")
    with pytest.raises(DatasetError, match="no folder UCF-101"):
        create_dataset("ucf101", root)
    (root / "UCF101.rar").touch()
    with pytest.raises(DatasetError, match="Still packed there: UCF101.rar"):
        create_dataset("ucf101", root)


def test_videos_that_the_list_names_and_the_disk_lacks(root):
    for group in (3, 4):
        for file in (root / "UCF-101/Hammering").glob(f"*_g0{group}_*"):
            file.unlink()
            file.touch()  # empty ones do not count
    lacking = "14 are there.*Hammering/v_Hammering_g03_c01.avi.* and 1 more.*unpacked"
    with pytest.raises(DatasetError, match=lacking):
        create_dataset("ucf101", root)
    shutil.rmtree(root / "UCF-101/HammerThrow")
    with pytest.raises(DatasetError, match="18 clips are listed, 8 are there"):
        create_dataset("ucf101", root)


def test_lists_that_contradict_are_refused(root):
    lists = root / "ucfTrainTestlist"
    edit(lists / "trainlist01.txt", "g03_c01.avi 1", "g03_c01.avi 2")
    with pytest.raises(DatasetError, match="avi 2' is number 1 of classInd.txt"):
        create_dataset("ucf101", root)
    edit(lists / "trainlist01.txt", "g03_c01.avi 2", "g03_c01.avi 1")
    edit(lists / "testlist01.txt", "Hammering/", "Swimming/")
    with pytest.raises(DatasetError, match="no class of classInd.txt"):
        create_dataset("ucf101", root, subset="test")
    edit(lists / "classInd.txt", "3 Handstand", "4 Handstand")
    with pytest.raises(DatasetError, match="with the numbers 1, 2, 3"):
        create_dataset("ucf101", root)


def test_a_list_cannot_lead_to_the_folder_of_another_class(root):
    folder, other = CLASSES[:2]
    name, elsewhere = (f"{c}/{file_name(c, 3, 1)}" for c in (folder, other))
    edit(root / "ucfTrainTestlist/trainlist01.txt", name, f"{folder}/../{elsewhere}")
    with pytest.raises(DatasetError, match=r"1 \(5.6%\) are missing"):
        create_dataset("ucf101", root, "1", "train")


def test_a_clip_named_twice_is_refused(root):
    file = root / "ucfTrainTestlist/testlist01.txt"
    edit(file, "HammerThrow_g01_c01", "HammerThrow_g01_c02")
    with pytest.raises(
        DatasetError, match="names clips twice: hammerthrow/v_hammerthrow_g01_c02"
    ):
        create_dataset("ucf101", root, subset="test")


def test_lists_that_share_a_group_are_refused(root):
    """A clip on both sides, or another clip of its recording."""
    train = root / "ucfTrainTestlist/trainlist01.txt"
    edit(train, "HammerThrow_g03_c01", "HammerThrow_g01_c01")
    for subset in ("train", "test"):
        with pytest.raises(DatasetError, match="share 1 groups: HammerThrow_g01"):
            create_dataset("ucf101", root, subset=subset)


def test_held_out_groups_are_whole_equal_in_number_and_fixed_by_the_seed(root):
    train = create_dataset("ucf101", root)
    fit, held = train.hold_out_groups(0.1, seed=3)
    assert (len(fit), len(held)) == (12, 6)  # one group of two clips in every class
    assert {s.label for s in held} == {0, 1, 2}
    assert not {s.group for s in fit} & {s.group for s in held}
    assert sorted(fit + held, key=train.samples.index) == train.samples
    assert train.hold_out_groups(0.1, seed=3) == (fit, held)
    draws = {tuple(train.hold_out_groups(0.1, seed)[1]) for seed in range(12)}
    assert len(draws) == 3  # each of the three training groups gets its turn
    assert len(train.hold_out_groups(0.9, seed=3)[0]) == 6  # one group always stays


def test_a_class_with_one_group_cannot_give_any(root):
    train = create_dataset("ucf101", root)
    train.samples = [s for s in train.samples if s.group[-1] == "3" or s.label]
    with pytest.raises(DatasetError, match="one group only: HammerThrow"):
        train.hold_out_groups(0.2, seed=0)


def test_the_authors_split_cuts_by_name_and_warns(root):
    with pytest.warns(UserWarning, match="shares 0 groups"):
        train = create_dataset("ucf101", root, split="authors")
    assert len(train) == 24  # ceil(0.8 x 10) of each class
    (root / "UCF-101/Hammering/._v_Hammering_g01_c01.avi").write_bytes(b"copied")
    with pytest.warns(UserWarning, match="shares 0 groups"):
        assert len(create_dataset("ucf101", root, split="authors")) == 24
    (root / "UCF-101/Hammering/v_Hammering_g05_c02.avi").unlink()
    with pytest.warns(UserWarning, match="shares 0 groups"):
        test = create_dataset("ucf101", root, split="authors", subset="test")
    assert [s.name[-11:] for s in test.samples if s.label == 1] == ["g05_c01.avi"]
    with pytest.warns(UserWarning, match="shares 1 groups .* 1 of 5 test clips"):
        os.rename(
            root / "UCF-101/Hammering/v_Hammering_g04_c02.avi",
            root / "UCF-101/Hammering/v_Hammering_g05_c00.avi",
        )
        create_dataset("ucf101", root, split="authors")
    edit(root / "ucfTrainTestlist/classInd.txt", "\r\n3 HandstandPushups", "")
    with pytest.raises(DatasetError, match="file or are of no class: handstandp"):
        create_dataset("ucf101", root, split="authors")


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
    assert {int(group_of(name)[-2:]) for name in test} == set(test_groups)
    assert straddling_groups({"train": train, "test": test}) == (0, 0)
    assert {*train.values()} == {*test.values()} == set(range(101))
    assert len({group_of(name) for name in train}) == 101 * 18


def test_the_authors_split_is_that_of_their_files(real_data, official, classes):
    """Rebuilt from the 13,320 names; equal to train.csv and val.csv, row for row."""
    lists = [official / f"{name}list01.txt" for name in ("train", "test")]
    every = {k: v for file in lists for k, v in read_list(file, classes).items()}
    split = authors_split(every)
    for subset, file in (("train", "train.csv"), ("test", "val.csv")):
        with open(real_data / "annotations/ucf101/dvflnet" / file, newline="") as rows:
            shipped = [row[0].partition("/")[2] for row in csv.reader(rows)]
        assert sorted(split[subset]) == sorted(shipped)
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
