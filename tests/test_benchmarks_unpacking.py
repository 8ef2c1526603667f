"""Archives are unpacked whole, resumed, and never write outside their folder."""

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from archives import tar_bytes
from dvfl_lib.benchmarks import stage as stage_file
from dvfl_lib.benchmarks import unpacking
from dvfl_lib.benchmarks.stage import safe_path
from dvfl_lib.benchmarks.unpacking import unpack
from dvfl_lib.errors import DatasetError

CONTENT = {"top/a/1.avi": b"one" * 5000, "top/b/2.avi": b"two", "top/empty": b""}


def write_zip(path: Path, members: dict[str, bytes], **modes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes.get(name, 0o100644) << 16
            packed.writestr(info, content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def quietly(archive, target: Path, **options) -> Path:
    return unpack(archive, target, progress=False, **options)


def content_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


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


# --- parts of one tar ---------------------------------------------------------


def cut(content: bytes, pieces: int) -> list[bytes]:
    size = -(-len(content) // pieces)
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.fixture
def parts(tmp_path) -> list[Path]:
    """Three parts of a tar.gz of twenty videos."""
    videos = {f"v2/{n}.webm": os.urandom(3000) for n in range(1, 21)}
    pieces = cut(gzip.compress(tar_bytes(videos)), 3)
    folder = tmp_path / "archives"
    folder.mkdir()
    return [write(folder / f"v2-{n:02d}", piece) for n, piece in enumerate(pieces)]


def test_parts_are_joined(parts, tmp_path):
    quietly(parts[::-1], tmp_path / "v2", landmark="1.webm", packing="joined")
    assert len(content_of(tmp_path / "v2")) == 20
    assert content_of(tmp_path / "v2").keys() >= {"1.webm", "20.webm"}


def test_parts_may_come_in_zips(parts, tmp_path):
    """As they are given out now: two zips, the second of which holds the rest."""
    first = write_zip(tmp_path / "v2-00", {parts[0].name: parts[0].read_bytes()})
    rest = {f"in/{part.name}": part.read_bytes() for part in parts[1:]}
    second = write_zip(tmp_path / "v2-01", rest)
    quietly([first, second], tmp_path / "v2", landmark="1.webm", packing="joined")
    assert len(content_of(tmp_path / "v2")) == 20


def test_a_part_that_is_missing_is_noticed(parts, tmp_path):
    with pytest.raises(DatasetError, match="without a gap"):
        quietly([parts[0], parts[2]], tmp_path / "v2", packing="joined")
    with pytest.raises(DatasetError, match="later parts are missing"):
        quietly(parts[:2], tmp_path / "v2", packing="joined")
    assert not (tmp_path / "v2").exists()
    copy = write_zip(tmp_path / "v2-09", {parts[0].name: b""})
    with pytest.raises(DatasetError, match="v2-00 is there twice"):
        quietly([*parts, copy], tmp_path / "v2", packing="joined")


# --- damage -------------------------------------------------------------------


def test_a_flipped_bit_is_noticed_by_the_checksum(parts, tmp_path):
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


# --- hostile archives ---------------------------------------------------------

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


def test_two_files_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("a.avi", b"1")
        packed.writestr("./a.avi", b"2")
    with pytest.raises(DatasetError, match="two files of one name"):
        quietly(tmp_path / "a.zip", tmp_path / "to")


def test_a_locked_zip_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.avi": b"x" * 99})
    content = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="locked with a password"):
        quietly(archive, tmp_path / "to")


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
