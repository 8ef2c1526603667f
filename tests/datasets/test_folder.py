"""One's own videos: folders of classes, lists, and every way to get them wrong."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.errors import VideoError
from own_videos import assert_refused, both, distinct_videos, fill

CLASSES = ("Walk", "jump rope", "turn_left", "turn_right")  # as Python sorts them


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Path]:
    """Forty videos, no two of them alike."""
    return distinct_videos(tmp_path_factory.mktemp("v"), 40)


def in_classes(sides: dict[str, int]) -> list[str]:
    """``sides[side]`` videos of each class in folders of classes."""
    return [
        f"{side}/{name}/{k}.mp4".removeprefix("/")
        for side, count in sides.items()
        for name in CLASSES
        for k in range(count)
    ]


@pytest.fixture
def divided(tmp_path, videos) -> Path:
    """Three training and two test videos of each class."""
    return fill(tmp_path, in_classes({"train": 3, "test": 2}), videos)


@pytest.fixture
def undivided(tmp_path, videos) -> Path:
    """Five videos of each class."""
    return fill(tmp_path, in_classes({"": 5}), videos)


# --- folders of classes ------------------------------------------------------


@pytest.mark.parametrize("name", ["test", "val", "validate", "validation", "Test"])
def test_folders_that_are_divided(divided, name):
    (divided / "test").rename(divided / name)
    train, test = both(divided)
    assert train.classes == test.classes == CLASSES
    assert [s.label for s in train.samples] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert [s.label for s in test.samples] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert train.samples[3].name == "train/jump rope/0.mp4"
    assert train.samples[3].group == "jump rope/0.mp4"
    assert train.flip_labels == {2: 3, 3: 2} and not train.standin
    clip, label = test[7]
    assert clip.shape == (8, 3, 32, 32) and clip.dtype == torch.uint8 and label == 3


def test_what_is_no_video_is_left_out_and_counted(divided):
    before = both(divided)[0].samples
    for name in ("notes.txt", ".hidden.mp4", "Thumbs.db", "3.mp4.part"):
        (divided / "train/Walk" / name).touch()
    (divided / "train/.cache").mkdir()
    (divided / "README.md").touch()
    says = "3 files are left out, .*: 3.mp4.part, Thumbs.db, notes.txt"
    with pytest.warns(UserWarning, match=says):
        assert create_dataset("folder", divided).samples == before


def test_folders_below_a_class_are_groups(undivided, videos):
    names = [f"Walk/day {d}/deep/{k}.mp4" for d in range(3) for k in range(3)]
    shutil.rmtree(undivided / "Walk")
    fill(undivided, names, videos[20:])
    train, test = both(undivided, "0.34")
    groups = [{s.group for s in side.samples if s.label == 0} for side in (train, test)]
    assert groups[0] | groups[1] == {f"Walk/day {d}" for d in range(3)}
    assert not groups[0] & groups[1]
    assert sum(s.label == 0 for s in test.samples) == 3


def test_a_division_is_a_function_of_share_seed_and_names(undivided):
    train, test = both(undivided, "0.2")
    assert (len(train), len(test)) == (16, 4)
    assert sorted(s.label for s in test.samples) == [0, 1, 2, 3]
    assert not {s.name for s in train.samples} & {s.name for s in test.samples}
    assert both(undivided, "0.2-seed0")[1].samples == test.samples
    draws = {tuple(both(undivided, f"0.2-seed{seed}")[1].samples) for seed in range(5)}
    assert len(draws) == 5
    assert len(both(undivided, "0.01")[1]) == 4  # at least one of each class
    assert len(both(undivided, ".99")[0]) == 4
    (undivided / "Walk/9.mp4").write_bytes(b"one more")
    others = [s for s in both(undivided, "0.2")[1].samples if s.label]
    assert others == [s for s in test.samples if s.label]  # class by class


def test_a_class_that_cannot_be_divided_is_named(undivided):
    for k in range(1, 5):
        (undivided / f"Walk/{k}.mp4").unlink()
    assert_refused(undivided, "the class 'Walk' has 1 groups", "0.2")


@pytest.mark.parametrize(
    "split", ["2", "0", "0.0", "1.0", "-0.2", "0.2-seedx", "train"]
)
def test_other_splits_are_refused(undivided, split):
    assert_refused(undivided, "folder has no split .* or a share", split)


def test_a_division_is_asked_for_and_never_made_up(undivided, divided):
    shutil.rmtree(divided / "train"), shutil.rmtree(divided / "test")
    assert_refused(undivided, "is not divided. .*split='0.2'")


def test_what_is_divided_is_not_divided_again(divided):
    assert_refused(divided, "is divided already", "0.2")
    shutil.rmtree(divided / "test")
    assert_refused(divided, "has train, but no test/<class> or val/<class>")
    assert_refused(divided, "names 1 classes", "0.2")


def test_the_wrong_level_is_recognised(divided):
    assert_refused(divided / "train", "is not divided")
    assert_refused(divided / "train/Walk", "Videos lie directly in it")
    assert_refused(divided / "nowhere", "no such folder")


def test_archives_left_packed_are_named(tmp_path, divided):
    shutil.rmtree(divided / "test/Walk")
    (divided / "test/Walk").mkdir()
    (divided / "test/Walk/walk.zip").touch()
    assert_refused(divided, "holds no video.*Still packed there: walk.zip")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "videos.tar.gz").touch()
    assert_refused(empty, "Still packed there: videos.tar.gz")


def test_classes_that_do_not_match_are_refused(divided):
    (divided / "test/Walk").rename(divided / "test/walk")
    assert_refused(
        divided, "the training side does not know walk; it has Walk", subset="test"
    )
    shutil.copytree(divided / "test/walk", divided / "train/walk")
    assert_refused(divided, "'walk' is also there as 'Walk'")


def test_a_class_without_a_video_on_one_side_is_told(divided):
    shutil.rmtree(divided / "test/turn_left")
    with pytest.warns(UserWarning, match="no video of subset 'test' shows turn_left"):
        test = create_dataset("folder", divided, subset="test")
    assert {s.label for s in test.samples} == {0, 1, 3} and len(test.classes) == 4


def test_a_video_outside_of_the_classes_is_refused(divided, videos):
    shutil.copy(videos[30], divided / "train/lost.mp4")
    assert_refused(divided, "lost.mp4 lies in no class's folder")


def test_a_third_side_is_left_unread_and_told(divided):
    shutil.copytree(divided / "test", divided / "val")
    with pytest.warns(UserWarning, match="test is read, val is not"):
        assert len(create_dataset("folder", divided, subset="test")) == 8


def test_copies_on_both_sides_are_found_by_their_content(divided):
    shutil.copy(divided / "train/Walk/1.mp4", divided / "test/Walk/other name.mp4")
    says = "1 videos are among the training videos and among the test videos.*"
    assert_refused(divided, says + "train/Walk/1.mp4 = test/Walk/other name.mp4")


def test_copies_under_two_labels_are_found_and_plain_copies_let_be(divided):
    shutil.copy(divided / "train/Walk/1.mp4", divided / "train/Walk/copy.mp4")
    for name in ("Walk", "turn_left"):
        (divided / f"train/{name}/empty.mp4").touch()  # nothing equal in nothing
    assert len(both(divided)[0]) == 15
    shutil.copy(divided / "train/Walk/1.mp4", divided / "train/turn_left/copy.mp4")
    assert_refused(divided, "1 videos have two labels")


def test_files_alike_in_size_and_beginning_are_still_two_videos(divided):
    one, other = divided / "train/Walk/0.mp4", divided / "test/Walk/0.mp4"
    one.write_bytes(bytes(70_000) + b"a")
    other.write_bytes(bytes(70_000) + b"b")
    assert len(both(divided)[0]) == 12
    other.write_bytes(bytes(70_000) + b"a")
    assert_refused(divided, "as copies of equal content")


def test_a_damaged_video_is_named_when_it_is_read(divided):
    path = divided / "train/Walk/0.mp4"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(VideoError, match="Walk/0.mp4"):
        create_dataset("folder", divided)[0]


def test_a_list_of_classes_gives_the_order(divided):
    file = divided / "classes.txt"
    file.write_text(
        "\ufeffturn_right\r\nturn_left\r\n\r\nWalk\r\njump rope\r\n", "utf-8"
    )
    train, _ = both(divided)
    assert train.classes == ("turn_right", "turn_left", "Walk", "jump rope")
    assert [s.label for s in train.samples] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert train.samples[-1].name == "train/jump rope/2.mp4"
    file.write_text("Walk\njump rope\nturn_left\n", "utf-8")
    assert_refused(divided, "classes.txt does not know turn_right")
    file.write_text("Walk\nwalk \n", "utf-8")
    assert_refused(divided, "'walk' is also there as 'Walk'")
    file.write_text("\n", "utf-8")
    assert_refused(divided, "classes.txt: is empty")
    file.write_bytes(b"\xff\xfe\xff")
    assert_refused(divided, "classes.txt: cannot be read")


# --- the real data set -------------------------------------------------------


def test_a_real_data_set_of_six_actions(real_data):
    """ARID's clips: training in folders of classes, test in one, both with lists."""
    root = real_data / "real_clips/arid6"
    if not root.is_dir():
        pytest.skip("no arid6 among the real clips")
    train, test = both(root)
    assert train.classes == ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
    assert (len(train), len(test)) == (150, 96)
    assert all(s.path.parent.name == train.classes[s.label] for s in train.samples)
    assert all(s.group.startswith("scene") for s in train.samples)
    assert all(s.group == s.name for s in test.samples)  # the list leaves them open
    for dataset in (train, test):
        first = {s.label: k for k, s in reversed([*enumerate(dataset.samples)])}
        assert sorted(first) == list(range(6))
        for label, k in first.items():
            clip, found = dataset[k]
            assert found == label and clip.shape == (8, 3, 240, 320)
            assert clip.float().std() > 1  # dark footage, but no blank


def test_the_real_training_folders_alone(real_data):
    root = real_data / "real_clips/arid6/train"
    if not root.is_dir():
        pytest.skip("no arid6 among the real clips")
    train, test = both(root, "0.2-seed1")
    assert (len(train), len(test)) == (120, 30)
    assert {s.label for s in test.samples} == set(range(6))
