"""No archive writes outside its folder, fills the disk, or leaves a link behind."""

import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from archives import (
    content_of,
    everything,
    quietly,
    special,
    tar_bytes,
    write,
    write_zip,
    zip_bytes,
)
from dvfl_lib.datasets import stage as stage_file
from dvfl_lib.datasets.stage import safe_path
from dvfl_lib.errors import DatasetError

# --- names and kinds -----------------------------------------------------------

BAD_NAMES = [
    "../out.avi",
    "a/../../out.avi",
    "/out.avi",
    "a\\..\\..\\out.avi",
    "C:/out.avi",
    "C:out.avi",
    "//server/share/out.avi",
    "a\nb.avi",
    "..",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(DatasetError, match="leads out of its folder"):
        safe_path(name, Path("a.zip"))
    folder = tmp_path / "in"
    folder.mkdir()
    for archive in (
        write_zip(folder / "a.zip", {"good.avi": b"x", name: b"bad"}),
        write(folder / "a.tar", tar_bytes({"good.avi": b"x", name: b"bad"})),
    ):
        with pytest.raises(DatasetError, match="leads out of its folder"):
            quietly(archive, folder / "to")
    assert everything(tmp_path) == {"in", "in/a.zip", "in/a.tar"}


@pytest.mark.parametrize("name", ["..avi", "a../b.avi", "...", "a b/#[c]&(d);~.avi"])
def test_names_that_only_look_odd_are_taken(tmp_path, name):
    archive = write_zip(tmp_path / "a.zip", {name: b"x"})
    quietly(archive, tmp_path / "to")
    assert content_of(tmp_path / "to") == {name: b"x"}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "good.avi"),
        (tarfile.LNKTYPE, "/etc/hostname"),
        (tarfile.LNKTYPE, "good.avi"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused(tmp_path, kind, target):
    content = tar_bytes({"good.avi": b"x"}, special("bad", kind, target))
    archive = write(tmp_path / "a.tar", content)
    with pytest.raises(DatasetError, match="a link or a device"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.tar"}


def test_a_file_behind_a_link_is_never_written(tmp_path):
    """The known trick: first a link to another folder, then a file in it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    first = special("way", tarfile.SYMTYPE, str(outside))
    then = special("way/bad.avi", tarfile.REGTYPE)
    archive = write(tmp_path / "a.tar", tar_bytes({}, first, then))
    with pytest.raises(DatasetError, match="a link or a device"):
        quietly(archive, tmp_path / "to")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    archive = write_zip(tmp_path / "a.zip", {"ok": b"x", "bad": b"/etc"}, bad=mode)
    with pytest.raises(DatasetError, match="a link or a device"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.zip"}


def test_an_inner_archive_is_held_to_the_same_rules(tmp_path):
    inner = write_zip(tmp_path / "x.zip", {"../../../out.avi": b"bad"}).read_bytes()
    archive = write_zip(tmp_path / "a.zip", {"in/x.zip": inner})
    (tmp_path / "x.zip").unlink()
    with pytest.raises(DatasetError, match="leads out of its folder"):
        quietly(archive, tmp_path / "to", packing="archive of archives")
    assert everything(tmp_path) == {"a.zip"}


@pytest.mark.parametrize("again", ["./a.avi", "A.avi", "a.AVI"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_two_files_of_one_name_are_refused(tmp_path, kind, again):
    """One would replace the other: of a tar everywhere, or where case is nothing."""
    members = {"a.avi": b"1", again: b"2"}
    content = zip_bytes(members) if kind == "zip" else tar_bytes(members)
    archive = write(tmp_path / f"a.{kind}", content)
    with pytest.raises(DatasetError, match="two files of one name"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {archive.name}


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_file_that_is_a_folder_too_is_refused(tmp_path, kind, names):
    members = dict.fromkeys(names, b"x")
    content = zip_bytes(members) if kind == "zip" else tar_bytes(members)
    archive = write(tmp_path / f"a.{kind}", content)
    with pytest.raises(DatasetError, match="one name for a file and for a folder"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {archive.name}


@pytest.mark.parametrize(
    "name", ["con", "a/NUL.avi", "Com1.x.y", "a./b", "a /b", "bc:d"]
)
def test_names_of_windows_devices_are_refused_there(monkeypatch, name):
    assert safe_path(name, Path("a.zip")).as_posix() == name
    monkeypatch.setattr(stage_file, "_WINDOWS", True)
    with pytest.raises(DatasetError, match="different places on different systems"):
        safe_path(name, Path("a.zip"))
    assert safe_path("console/a.com1", Path("a.zip"))


@pytest.mark.parametrize("where", [0, -1])
def test_a_name_in_no_encoding_is_a_plain_message(tmp_path, where):
    """In the member's own header, or in the directory at the end."""
    content = zip_bytes({"ü.avi": b"x"})
    start, name, end = [
        content.partition("ü".encode()),
        content.rpartition("ü".encode()),
    ][where]
    archive = write(tmp_path / "a.zip", start + b"\xff" * len(name) + end)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.zip"}


# --- what a program unpacked -----------------------------------------------------


@pytest.fixture
def stage(tmp_path) -> stage_file.Stage:
    """Where something else may have put files."""
    return stage_file.Stage(tmp_path / "to", write(tmp_path / "a.rar", b"Rar!"))


@pytest.mark.parametrize(("mode", "becomes"), [(0o4755, 0o755), (0o200, 0o600)])
def test_files_get_modes_that_are_of_use_and_no_rights(stage, mode, becomes):
    path = write(stage.folder / "a.avi", b"x")
    path.chmod(mode)
    assert stage.files() == {PurePosixPath("a.avi"): 1}
    assert stat.S_IMODE(path.stat().st_mode) == becomes


def test_a_second_name_of_a_file_elsewhere_is_refused(stage, tmp_path):
    os.link(write(tmp_path / "mine", b"x"), stage.folder / "a.avi")
    with pytest.raises(DatasetError, match="a link or a device"):
        stage.files()


def test_a_locked_zip_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.avi": b"x" * 99})
    content = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="locked with a password"):
        quietly(archive, tmp_path / "to")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_name_that_fills_the_memory_is_not_read(tmp_path, kind):
    """Tar reads names and remarks as a whole."""
    info = special("a", kind)
    info.size = 2**24
    content = gzip.compress(info.tobuf() + bytes(2**24), 1)
    archive = write(tmp_path / "a.tar.gz", content)
    with pytest.raises(DatasetError, match="a name or a remark of 16,777,216 bytes"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.tar.gz"}


# --- room ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_a_bomb_is_stopped_by_what_it_states(tmp_path, monkeypatch, kind):
    """A gigabyte of zeros in a megabyte, on a disk that has less."""
    size, archive = 2**30, tmp_path / f"bomb.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
            with z.open("zeros.avi", "w") as out:
                for _ in range(8):
                    out.write(bytes(2**20))
        content = bytearray(archive.read_bytes())
        at = content.index(b"PK\x01\x02") + 24
        content[at : at + 4] = size.to_bytes(4, "little")
        archive.write_bytes(bytes(content))
    else:
        info = tarfile.TarInfo("zeros.avi")
        info.size = size
        archive.write_bytes(gzip.compress(info.tobuf() + bytes(2**20)))
    full = shutil.disk_usage(tmp_path)._replace(free=500_000_000)
    monkeypatch.setattr(stage_file.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DatasetError, match=r"needs 1.1 GB, and 0.5 GB are free"):
        quietly(archive, tmp_path / "to")
    assert not content_of(tmp_path / "to")


def test_a_member_longer_than_it_states_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.avi": bytes(9000)})
    content = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(mark) + at
        content[start : start + 4] = (100).to_bytes(4, "little")
    archive.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="damaged or cut short"):
        quietly(archive, tmp_path / "to")
    assert everything(tmp_path) == {"a.zip"}


@pytest.mark.parametrize(("stated", "says"), [(4, "longer than"), (6, "missing")])
def test_no_member_is_written_that_is_not_as_long_as_stated(tmp_path, stated, says):
    """Whatever a reader of archives lets through."""
    archive = write(tmp_path / "a.zip", b"")
    stage = stage_file.Stage(tmp_path / "to", archive)
    with pytest.raises(DatasetError, match=says):
        stage.put(PurePosixPath("a.avi"), stated, io.BytesIO(b"12345"))
    assert not content_of(stage.folder)
