"""All of an archive or nothing, and nothing outside its target."""

import gzip
import shutil
import stat
import tarfile

import pytest

from archives import (
    content_of,
    everything,
    quietly,
    special,
    tar_bytes,
    write,
    write_rar,
    write_zip,
    zip_bytes,
)
from dvfl_lib.datasets import unpack as module
from dvfl_lib.errors import DatasetError

MEMBERS = {"top/a/1.avi": b"one", "top/b/2.avi": b"two"}
INSIDE = {"a/1.avi": b"one", "b/2.avi": b"two"}


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_every_packing_is_unpacked_from_where_the_landmark_lies(tmp_path, pack):
    quietly(write(tmp_path / "x", pack(MEMBERS)), tmp_path / "to", landmark="a")
    assert content_of(tmp_path / "to") == INSIDE
    assert everything(tmp_path) == {
        "x",
        "to",
        *(f"to/{p}" for p in ("a", "b", *INSIDE)),
    }


def test_an_archive_without_its_landmark_is_another_one(tmp_path):
    packed = write_zip(tmp_path / "x.zip", MEMBERS)
    with pytest.raises(DatasetError, match="holds no c, so it is not the archive"):
        quietly(packed, tmp_path / "to", landmark="c")
    assert everything(tmp_path) == {"x.zip"}


def test_a_folder_that_is_there_is_added_to(tmp_path):
    for name, member in (("1", "a/1"), ("2", "b/2")):
        packed = write(tmp_path / name, tar_bytes({member: name.encode()}))
        quietly(packed, tmp_path / "to")
    assert content_of(tmp_path / "to") == {"a/1": b"1", "b/2": b"2"}


def test_videos_in_one_folder_go_to_the_folders_of_their_classes(tmp_path):
    names = ("UCF101/v_Run_g01_c01.avi", "UCF101/v_Walk_g01_c01.avi")
    packed = write_zip(tmp_path / "x.zip", dict.fromkeys(names, b"v"))
    quietly(packed, tmp_path / "to", packing="flat")
    assert set(content_of(tmp_path / "to")) == {
        "Run/v_Run_g01_c01.avi",
        "Walk/v_Walk_g01_c01.avi",
    }


def test_joined_parts_are_one_archive_and_a_missing_one_is_noticed(tmp_path):
    whole = tar_bytes({"v/1.webm": b"x" * 5000})
    parts = [write(tmp_path / f"p-{n}", whole[n * 30 : n * 30 + 30]) for n in range(3)]
    parts.append(write(tmp_path / "p-3", whole[90:]))
    quietly(parts, tmp_path / "to", packing="joined")
    assert content_of(tmp_path / "to") == {"v/1.webm": b"x" * 5000}
    for some in (parts[:-1], [*parts[:1], *parts[2:]]):
        with pytest.raises(DatasetError, match="damaged or cut short"):
            quietly(some, tmp_path / "no", packing="joined")
    assert not (tmp_path / "no").exists()


# --- what is refused -----------------------------------------------------------------

OUT = ["../evil", "a/../../evil", "/evil", "C:/evil", "a\\..\\evil", "a\nb"]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("kind", ["zip", "tar", "rar"])
def test_a_name_that_leads_out_is_refused(tmp_path, name, kind):
    inside = tmp_path / "in"
    inside.mkdir()
    if kind == "zip":
        packed = write_zip(inside / "x", {"good": b"1", name: b"evil"})
    elif kind == "tar":
        packed = write(inside / "x", tar_bytes({"good": b"1", name: b"evil"}))
    else:
        packed = write_rar(inside / "x", {"good": b"1", name: b"evil"})
    with pytest.raises(DatasetError, match="refused whole|damaged|program"):
        quietly(packed, inside / "to")
    assert everything(tmp_path) == {"in", "in/x"}


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "good"),
        special("link", tarfile.LNKTYPE, "good"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name} {member.type}",
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, member):
    packed = write(tmp_path / "x", tar_bytes({"good": b"1"}, member))
    with pytest.raises(DatasetError, match="a link or device"):
        quietly(packed, tmp_path / "to")
    assert everything(tmp_path) == {"x"}


def test_a_link_in_a_zip_or_a_rar_is_refused(tmp_path):
    packed = write_zip(
        tmp_path / "x", {"good": b"1", "link": b"/etc"}, link=stat.S_IFLNK | 0o777
    )
    with pytest.raises(DatasetError, match="a link or device"):
        quietly(packed, tmp_path / "to")
    packed = write_rar(tmp_path / "y", {"good": b"1"}, {"link": "/etc/passwd"})
    with pytest.raises(DatasetError, match="a link or device"):
        quietly(packed, tmp_path / "to")
    assert everything(tmp_path) == {"x", "y"}


@pytest.mark.parametrize(
    "content",
    [
        zip_bytes(MEMBERS)[:-30],
        zip_bytes(MEMBERS).replace(b"one", b"ono"),
        tar_bytes(MEMBERS)[:-9],
        gzip.compress(gzip.decompress(tar_bytes(MEMBERS))[:700]),
        gzip.compress(b"no tar"),
        b"<html>no archive</html>",
        b"Rar!\x1a\x07\x01\x00",
        b"",
        zip_bytes({}),
    ],
    ids="zip content gzip tar no-tar page rar empty no-file".split(),
)
def test_damage_is_one_sentence_and_leaves_nothing(tmp_path, content):
    packed = write(tmp_path / "x", content)
    with pytest.raises(DatasetError, match="damaged or cut short") as no:
        quietly(packed, tmp_path / "to")
    assert len(str(no.value).splitlines()) == 1
    assert everything(tmp_path) == {"x"}


def test_a_locked_zip_is_refused(tmp_path):
    content = bytearray(zip_bytes({"a": b"1"}))
    content[6] |= 1  # the flag "encrypted", in both headers
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DatasetError, match="damaged.*encrypted"):
        quietly(write(tmp_path / "x", bytes(content)), tmp_path / "to")


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes])
def test_a_full_disk_is_noticed_before(tmp_path, monkeypatch, pack):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DatasetError, match="Make room"):
        quietly(write(tmp_path / "x", pack(MEMBERS)), tmp_path / "to")
    assert everything(tmp_path) == {"x"}


def test_two_files_of_one_name_are_refused(tmp_path):
    videos = {"x/v_Run_g01_c01.avi": b"1", "y/v_Run_g01_c01.avi": b"2"}
    with pytest.raises(DatasetError, match="two files of one name"):
        quietly(write_zip(tmp_path / "x", videos), tmp_path / "to", packing="flat")
    assert everything(tmp_path) == {"x"}


# --- rar -----------------------------------------------------------------------------


def test_a_rar_is_unpacked_by_one_call_of_a_program(tmp_path, unrar):
    unrar.archive(tmp_path / "x.rar", MEMBERS)
    quietly(tmp_path / "x.rar", tmp_path / "to", landmark="a")
    assert content_of(tmp_path / "to") == INSIDE


def test_archives_in_an_archive_are_unpacked_where_they_lie(tmp_path, unrar):
    inner = unrar.archive(tmp_path / "run.rar", {"run/1.avi": b"one"})
    unrar.archive(tmp_path / "x.rar", {"v/run.rar": inner})
    options = dict(landmark="run", packing="archive of archives")
    quietly(tmp_path / "x.rar", tmp_path / "to", **options)
    assert content_of(tmp_path / "to") == {"run/1.avi": b"one"}


@pytest.mark.parametrize("trick", ["other size", "link", "one more"])
def test_what_a_program_unpacks_is_what_the_list_says(tmp_path, unrar, trick):
    unrar.archive(tmp_path / "x.rar", {"a": b"one"})
    file = unrar.known / "x.rar" / "a"
    if trick == "other size":
        file.write_bytes(b"longer")
    elif trick == "link":
        file.unlink()
        file.symlink_to("/etc/passwd")
    else:
        (file.parent / "b").write_bytes(b"")
    with pytest.raises(DatasetError, match="not what the archive lists"):
        quietly(tmp_path / "x.rar", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_without_a_program_the_message_says_which(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    packed = write_rar(tmp_path / "x.rar", {"a": b"1"})
    with pytest.raises(DatasetError, match="no program here.*apt install unar"):
        quietly(packed, tmp_path / "to")


@pytest.mark.skipif(not module.find_rar_tools(), reason="no program for rar is here")
def test_a_real_program_unpacks_a_real_archive(tmp_path):
    packed = write_rar(tmp_path / "x.rar", {"top/a": b"1", "top": None})
    quietly(packed, tmp_path / "to", landmark="a")
    assert content_of(tmp_path / "to") == {"a": b"1"}
