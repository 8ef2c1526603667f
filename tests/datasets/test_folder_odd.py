"""What a user's own folder may hold: links, accents, encodings, mixed labels."""

import os
import unicodedata
import warnings
from pathlib import Path

import pytest

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.folder_lists import read_rows
from own_videos import assert_refused, both, distinct_videos, fill

ONE, TWO = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
SIDES = ["train/run/0.mp4", "train/walk/1.mp4", "test/run/2.mp4", "test/walk/3.mp4"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Path]:
    return distinct_videos(tmp_path_factory.mktemp("v"), 6)


@pytest.fixture
def root(tmp_path, videos) -> Path:
    """Folders of classes on two sides."""
    return fill(tmp_path / "mine", SIDES, videos)


@pytest.fixture
def listed(tmp_path, videos) -> Path:
    """Videos in one folder, for lists."""
    return fill(tmp_path / "mine", [f"c/{k}.mp4" for k in range(6)], videos)


def write(
    root: Path,
    train: str = "c/0.mp4,run\nc/1.mp4,walk\n",
    test: str = "c/3.mp4,walk\nc/4.mp4,run\n",
    encoding: str = "utf-8",
) -> Path:
    (root / "train.csv").write_bytes(train.encode(encoding))
    (root / "test.csv").write_bytes(test.encode())
    return root


# --- folders -----------------------------------------------------------------


def test_a_group_that_is_a_link_is_read(root, tmp_path, videos):
    fill(tmp_path, ["disk/4.mp4", "disk/deep/5.mp4"], videos[4:])
    (root / "train/walk/monday").symlink_to(tmp_path / "disk")
    names = [s.name for s in both(root)[0].samples if s.group == "walk/monday"]
    assert names == ["train/walk/monday/4.mp4", "train/walk/monday/deep/5.mp4"]


def test_links_that_lead_nowhere_or_back_are_named(root):
    link = root / "train/jump"
    link.symlink_to(root / "not mounted")
    assert_refused(root, "train/jump: is a link that leads nowhere")
    link.rename(root / "train/walk/jump")  # a group
    assert_refused(root, "walk/jump: is a link that leads nowhere")
    (root / "train/walk/jump").unlink()
    link.symlink_to("jump")  # to itself
    assert_refused(root, "train/jump: is a link that leads nowhere")
    link.unlink()
    (root / "train/walk/again").symlink_to(root / "train/walk")
    assert_refused(root, "walk/again: is the same folder as .*train/walk, by a link")


def test_a_folder_that_cannot_be_listed_is_no_empty_one(root, videos, monkeypatch):
    fill(root, ["train/walk/locked/4.mp4"], videos[4:])
    scan = os.scandir

    def locked(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert_refused(root, "walk/locked: cannot be listed .Permission denied")


def test_accents_in_two_spellings_are_one_class(root):
    assert ONE != TWO
    (root / "train/walk").rename(root / f"train/{ONE}")
    (root / "test/walk").rename(root / f"test/{TWO}")
    train, test = both(root)
    assert train.classes == test.classes == (ONE, "run")
    assert test.samples[0].label == 0 and test[0][0].shape[0] == 8
    (root / "train/run").rename(root / f"train/{TWO}")
    assert_refused(root, "two folders Café, whose names look alike")


def test_a_folder_may_be_called_like_a_video(root, videos):
    for side in ("train", "test"):
        (root / side / "walk").rename(root / side / "walk.mp4")
    (root / "train/run/4.mp4").mkdir()  # empty: a leftover
    train, _ = both(root)
    assert train.classes == ("run", "walk.mp4")
    assert [s.name for s in train.samples] == [
        "train/run/0.mp4",
        "train/walk.mp4/1.mp4",
    ]


@pytest.mark.parametrize("suffix", ["MTS", "m2ts", "vob", "MP4", "Avi"])
def test_what_cameras_write_is_a_video(root, videos, suffix):
    fill(root, [f"train/run/4.{suffix}"], videos[4:])
    assert f"train/run/4.{suffix}" in {s.name for s in both(root)[0].samples}


def test_roots_that_are_none(root, monkeypatch):
    for nothing in (None, 3):
        assert_refused(nothing, "names no folder. Give the one that holds")
    assert_refused("~nobody-of-this-name/x", "there is no such folder")
    (root / "train.csv.gz").touch()
    os.rename(root / "train", root / "a")
    os.rename(root / "test", root / "b")
    assert_refused(root, r"Still packed there: train.csv.gz; unpack it")
    monkeypatch.chdir(root)
    assert_refused(".", f"{root}: is not divided")  # by its name, not as "."


# --- lists -------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_told(listed, encoding):
    write(listed, f"c/0.mp4,run\nc/1.mp4,{ONE}\n", encoding=encoding)
    assert_refused(listed, "train.csv: cannot be read, .* no UTF-8 text.* save it as")


def test_blanks_before_quotes_are_no_part_of_a_label(listed):
    plain = both(write(listed))[0].samples
    write(listed, 'c/0.mp4, "run"\n"c/1.mp4",  "walk"\n')
    assert both(listed)[0].samples == plain


def test_numbers_beside_names_are_refused(listed):
    """Is 0 a class, or the number of one?"""
    write(listed, "c/0.mp4,0\nc/1.mp4,walk\nc/2.mp4,run\n")
    assert_refused(listed, "some of its labels are numbers, such as 0. Write .*classes")
    write(listed, "c/0.mp4,0.0\nc/1.mp4,1.0\n", "c/3.mp4,1.0\n")  # as tables save them
    assert_refused(listed, "its labels are numbers. Write .*classes.txt")
    (listed / "classes.txt").write_text("run\nwalk\n")
    write(listed, "c/0.mp4,0\nc/1.mp4,walk\nc/2.mp4,run\n")
    assert [s.label for s in both(listed)[0].samples] == [0, 1, 0]


def test_a_quote_that_is_not_closed_swallows_no_lines(listed):
    write(listed, 'c/0.mp4,"run\nc/1.mp4,walk\nc/2.mp4,walk"\nc/5.mp4,walk\n')
    assert_refused(listed, "train.csv, line 3: its label holds several lines. A quote")


def test_columns_are_named_once_and_by_their_names(listed):
    write(listed, "path,label,Label\nc/0.mp4,run,walk\nc/1.mp4,walk,run\n")
    assert_refused(listed, "train.csv: names a column twice")
    write(listed, "video,class\nc/0.mp4,run\nc/1.mp4,walk\n")
    assert_refused(listed, "not there: video. .*names of columns calls them path,label")
    write(listed, "")
    assert_refused(listed, "train.csv: names no class")


def test_accents_of_paths_and_labels_may_be_in_either_spelling(listed):
    (listed / "c/0.mp4").rename(listed / f"c/{TWO}.mp4")
    write(
        listed, f"c/{ONE}.mp4,{ONE}\nc/1.mp4,walk\n", f"c/3.mp4,{TWO}\nc/4.mp4,walk\n"
    )
    train, test = both(listed)
    assert train.classes == (ONE, "walk")
    assert [s.label for s in test.samples] == [0, 1]
    assert train[0][0].shape[0] == 8
    write(listed, f"c/{ONE}.mp4,run\nc/{TWO}.mp4,walk\n")
    assert_refused(listed, "line 2: .* is listed twice")


def test_a_path_longer_than_any_is_only_missing(listed):
    write(listed, f"c/0.mp4,run\nc/1.mp4,walk\n{'x' * 300}.mp4,walk\n")
    assert_refused(listed, "1 of 3 videos are not there")


def test_a_group_on_both_sides_is_told(listed):
    text = "path,label,group\nc/{}.mp4,run,ann\nc/{}.mp4,walk,{}\n"
    write(listed, text.format(0, 1, "bob"), text.format(3, 4, "eve"))
    says = r"train.csv and test.csv share 1 groups: ann. So 1 test videos come from"
    with pytest.warns(UserWarning, match=says):
        create_dataset("folder", listed)
    write(listed, "c/0.mp4,run,a\nc/1.mp4,walk,\n", "c/3.mp4,run,b\nc/4.mp4,walk,\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_dataset("folder", listed)


def test_lines_end_as_any_system_ends_them(tmp_path):
    for end in ("\n", "\r\n", "\r"):
        file = tmp_path / "a.csv"
        file.write_bytes(f"a.mp4,x{end}b.mp4,y{end}".encode("utf-8-sig"))
        assert [(r.path, r.label) for r in read_rows(file)] == [
            ("a.mp4", "x"),
            ("b.mp4", "y"),
        ]
