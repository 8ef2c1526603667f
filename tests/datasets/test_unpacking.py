"""Archives are unpacked whole, are resumed, and damage in them is noticed."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from archives import (
    content_of,
    everything,
    quietly,
    tar_bytes,
    write,
    write_zip,
)
from dvfl_lib.datasets import stage as stage_file
from dvfl_lib.datasets import unpacking
from dvfl_lib.errors import DatasetError

CONTENT = {"top/a/1.avi": b"one" * 5000, "top/b/2.avi": b"two", "top/empty": b""}


# --- what is good -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_arrives_whole(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        write_zip(archive, CONTENT)
    else:
        mode = f"w:{kind[4:]}"
        with tarfile.open(archive, mode) as packed:
            for name, content in CONTENT.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    assert quietly(archive, tmp_path / "to") == tmp_path / "to"
    assert content_of(tmp_path / "to") == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {archive.name, "to"}


def test_a_landmark_says_which_folder_is_meant(tmp_path):
    """Whatever the archive calls the folders above it, and beside what macOS adds."""
    extra = {"__MACOSX/deep/a/x": b"", "readme.txt": b"", "deep/top/a/1.avi": b"1"}
    archive = write_zip(tmp_path / "a.zip", extra)
    quietly(archive, tmp_path / "UCF-101", landmark="a")
    assert content_of(tmp_path / "UCF-101") == {"a/1.avi": b"1"}
    with pytest.raises(DatasetError, match="Nothing is not in it, but __MACOSX"):
        quietly(archive, tmp_path / "other", landmark="Nothing")
    twice = write_zip(tmp_path / "b.zip", {"x/a": b"", "y/a": b""})
    with pytest.raises(DatasetError, match="lies in 2 places"):
        quietly(twice, tmp_path / "other", landmark="a")
    assert not (tmp_path / "other").exists()


def test_a_target_that_is_there_is_added_to(tmp_path):
    """As the parts of Kinetics are; what is unpacked again is replaced."""
    for number in (1, 2):
        members = {f"{number}.mp4": b"new", "both.mp4": b"%d" % number}
        archive = write(tmp_path / f"part_{number}.tar", tar_bytes(members))
        quietly(archive, tmp_path / "train")
    assert content_of(tmp_path / "train") == {
        "1.mp4": b"new",
        "2.mp4": b"new",
        "both.mp4": b"2",
    }


def test_the_flat_copy_of_ucf101_gets_class_folders(tmp_path):
    names = ("v_YoYo_g01_c01.avi", "v_HandstandPushups_g02_c03.avi")
    archive = write_zip(tmp_path / "a.zip", {f"UCF101/{n}": b"x" for n in names})
    quietly(archive, tmp_path / "UCF-101", packing="flat")
    assert set(content_of(tmp_path / "UCF-101")) == {
        "YoYo/v_YoYo_g01_c01.avi",
        "HandstandPushups/v_HandstandPushups_g02_c03.avi",
    }


def test_archives_in_an_archive_are_unpacked_where_they_lie(tmp_path):
    inner = {}
    for name in ("run", "walk"):
        path = write_zip(tmp_path / f"{name}.zip", {f"{name}/#1 [a]&(b).avi": b"x"})
        inner[f"org/{name}.zip"] = path.read_bytes()
        path.unlink()
    archive = write_zip(tmp_path / "a.zip", inner)
    quietly(archive, tmp_path / "org", landmark="run", packing="archive of archives")
    assert set(content_of(tmp_path / "org")) == {
        "run/#1 [a]&(b).avi",
        "walk/#1 [a]&(b).avi",
    }


# --- damage -------------------------------------------------------------------


def test_a_flipped_bit_is_noticed_by_the_checksum(tmp_path):
    """Deep in the stored bytes of a video, where tar itself sees nothing."""
    for kind, content in (
        ("zip", write_zip(tmp_path / "x", {"a": os.urandom(9000)}).read_bytes()),
        ("gz", gzip.compress(tar_bytes({"a": os.urandom(9000)}), 0)),
    ):
        broken = bytearray(content)
        broken[5000] ^= 1
        archive = write(tmp_path / f"broken.{kind}", bytes(broken))
        with pytest.raises(DatasetError, match="damaged or cut short"):
            quietly(archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["zip", "tar", "gz"])
def test_a_cut_archive_is_noticed(tmp_path, kind, share):
    members = {f"{n}.avi": os.urandom(2000) for n in range(10)}
    content = {
        "zip": lambda: write_zip(tmp_path / "whole", members).read_bytes(),
        "tar": lambda: tar_bytes(members)[: 2560 * 10],
        "gz": lambda: gzip.compress(tar_bytes(members)),
    }[kind]()
    archive = write(tmp_path / f"a.{kind}", content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match="damaged or cut short") as no:
        quietly(archive, tmp_path / "to")
    assert str(archive) in str(no.value)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"noise" * 500])
def test_what_is_no_archive_is_refused(tmp_path, content):
    archive = write(tmp_path / "a.rar", content)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.rar"}


# --- interruptions ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_interrupted_call_is_gone_on_with(tmp_path, monkeypatch, kind):
    members = {f"{n}.avi": b"%d" % n * 1000 for n in range(6)}
    if kind == "zip":
        archive = write_zip(tmp_path / "a.zip", members)
    else:
        archive = write(tmp_path / "a.tar", tar_bytes(members))
    written, replace = [], os.replace

    def killed_after_three(source, goal):
        if str(goal).endswith(".avi"):
            if len(written) == 3:
                raise KeyboardInterrupt
            written.append(Path(goal).name)
        replace(source, goal)

    with monkeypatch.context() as patch:
        patch.setattr(stage_file.os, "replace", killed_after_three)
        with pytest.raises(KeyboardInterrupt):
            quietly(archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    again = []

    def note(source, goal):
        if str(goal).endswith(".avi"):
            again.append(Path(goal).name)
        replace(source, goal)

    monkeypatch.setattr(stage_file.os, "replace", note)
    quietly(archive, tmp_path / "to")
    assert content_of(tmp_path / "to") == members
    assert sorted(written + again) == sorted(members)
    assert everything(tmp_path) == {archive.name, "to", *(f"to/{m}" for m in members)}


def test_a_call_interrupted_while_it_moves_is_gone_on_with(tmp_path, monkeypatch):
    members = {f"in/{n}.avi": b"%d" % n for n in range(6)}
    archive = write_zip(tmp_path / "a.zip", members)
    (tmp_path / "to").mkdir()
    moved, replace = [], os.replace

    def killed(source, goal):
        if Path(goal).parent == tmp_path / "to":
            if len(moved) == 3:
                raise KeyboardInterrupt
            moved.append(goal)
        replace(source, goal)

    with monkeypatch.context() as patch:
        patch.setattr(stage_file.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            quietly(archive, tmp_path / "to", landmark="0.avi")
    assert len(content_of(tmp_path / "to")) == 3

    def not_again(*unused):
        raise AssertionError("it was whole already")

    monkeypatch.setattr(unpacking, "_fill", not_again)
    quietly(archive, tmp_path / "to", landmark="0.avi")
    assert len(content_of(tmp_path / "to")) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "to"}


def test_half_of_a_bad_archive_is_never_taken_for_all_of_it(tmp_path, monkeypatch):
    """Killed while what was unpacked is thrown away."""
    archive = write_zip(tmp_path / "a.zip", {"a": b"x", "b": b"x"})
    stage = stage_file.Stage(tmp_path / "to", archive)
    write(stage.folder / "a", b"x")
    stage.mark("filled")

    def killed(*unused, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage_file.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            stage.remove()
    quietly(archive, tmp_path / "to")
    assert set(content_of(tmp_path / "to")) == {"a", "b"}


def test_what_cannot_be_thrown_away_is_not_built_upon(tmp_path, monkeypatch):
    """Of another archive, with the same names and sizes."""
    archive = write_zip(tmp_path / "a.zip", {"a.avi": b"new"})
    stage = stage_file.Stage(tmp_path / "to", archive)
    write(stage.folder / "a.avi", b"old")
    os.utime(archive, (1, 1))

    def refused(folder, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(stage_file.shutil, "rmtree", refused)
    with pytest.raises(DatasetError, match="cannot be written .Permission denied"):
        quietly(archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_what_another_archive_left_is_thrown_away(tmp_path, monkeypatch):
    """Same names, same sizes, another file: nothing of the first may remain."""
    archive = write_zip(tmp_path / "a.zip", {"a.avi": b"old", "b.avi": b"old"})
    with monkeypatch.context() as patch:
        patch.setattr(unpacking.Stage, "move", lambda _: None)
        quietly(archive, tmp_path / "to")
    write_zip(archive, {"a.avi": b"new", "b.avi": b"new", "c.avi": b"new"})
    quietly(archive, tmp_path / "to")
    assert set(content_of(tmp_path / "to").values()) == {b"new"}


def test_a_folder_that_cannot_be_written_is_a_plain_message(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.avi": b"x"})
    write(tmp_path / "file", b"in the way")
    with pytest.raises(DatasetError, match="cannot be"):
        quietly(archive, tmp_path / "file" / "to")
    with pytest.raises(DatasetError, match="cannot be filled"):
        quietly(archive, tmp_path / "file")
    with pytest.raises(DatasetError, match="cannot be found"):
        quietly(tmp_path / "none.zip", tmp_path / "to")
