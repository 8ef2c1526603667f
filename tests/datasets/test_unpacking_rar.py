"""RAR archives, with a program made for the test and with those that are here."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from archives import content_of, everything, quietly
from dvfl_lib.datasets import rar_tools
from dvfl_lib.datasets.rar_tools import find_rar_tools
from dvfl_lib.errors import DatasetError
from rar_files import FakeUnrar, fake_unrar, write_rar

posix = pytest.mark.skipif(sys.platform == "win32", reason="programs are scripts here")
# What this machine has, before any test changes PATH.
REAL = [tool.name for tool in find_rar_tools()]
GOOD = {
    "run": None,
    "run/#1 [a]&(b);~.avi": b"one" * 1000,
    "run/mit Ümlaut.avi": b"two",
    "walk/2.avi": b"three",
}


@pytest.fixture
def unrar(tmp_path, monkeypatch) -> FakeUnrar:
    """The only program for RAR on this machine."""
    program = fake_unrar(tmp_path / "programs")
    monkeypatch.setenv("PATH", str(program.folder))
    return program


@pytest.fixture
def place(tmp_path) -> Path:
    """Where archives lie in these tests."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


# --- with a program that behaves ----------------------------------------------


@posix
def test_it_is_listed_and_then_unpacked(unrar, place):
    unrar.archive(
        place / "a.rar",
        dict(name="top", type="Directory"),
        dict(name="top/x [1].avi", content=b"video"),
    )
    quietly(place / "a.rar", place / "to", landmark="x [1].avi")
    assert content_of(place / "to") == {"x [1].avi": b"video"}
    assert unrar.calls == ["lt a.rar", "x a.rar"]


@posix
def test_hmdb51_is_a_rar_of_rars(unrar, place, monkeypatch):
    """Killed after the first class, it goes on with the second."""
    inner = {
        name: unrar.archive(
            place / f"{name}.rar", dict(name=f"{name}/1.avi", content=name.encode())
        )
        for name in ("brush_hair", "walk")
    }
    for name in inner:
        (place / f"{name}.rar").unlink()
    unrar.archive(
        place / "hmdb51_org.rar",
        *(dict(name=f"{name}.rar", content=packed) for name, packed in inner.items()),
    )
    unlink, done = os.unlink, []

    def killed(path, **options):
        unlink(path, **options)
        if str(path).endswith(".rar"):
            done.append(path)
            raise KeyboardInterrupt

    told = dict(landmark="brush_hair", packing="archive of archives")
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            quietly(place / "hmdb51_org.rar", place / "hmdb51_org", **told)
    assert len(done) == 1
    quietly(place / "hmdb51_org.rar", place / "hmdb51_org", **told)
    assert content_of(place / "hmdb51_org") == {
        "brush_hair/1.avi": b"brush_hair",
        "walk/1.avi": b"walk",
    }
    assert unrar.calls.count("x hmdb51_org.rar") == 1
    assert unrar.calls.count("x brush_hair.rar") == 1
    assert {p.name for p in place.iterdir()} == {"hmdb51_org.rar", "hmdb51_org"}


# --- with one that does not ---------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("member", "says"),
    [
        (dict(name="../out.avi"), "leads out"),
        (dict(name="/out.avi"), "leads out"),
        (dict(name="a\\..\\out.avi"), "leads out"),
        (dict(name="../out", type="Directory"), "leads out"),
        (dict(name="link", type="Unix symbolic link"), "Unix symbolic link"),
        (dict(name="link", type="Hard link"), "Hard link"),
        (dict(name="link", type="NTFS junction point"), "NTFS junction point"),
    ],
)
def test_a_bad_member_is_refused_from_the_list(unrar, place, member, says):
    unrar.archive(place / "a.rar", dict(name="good.avi", content=b"x"), member)
    with pytest.raises(DatasetError, match=says):
        quietly(place / "a.rar", place / "to")
    assert unrar.calls == ["lt a.rar"], "it was unpacked all the same"
    assert everything(place) == {"a.rar"}


@posix
def test_a_link_that_the_list_hid_is_refused(unrar, place):
    unrar.archive(place / "a.rar", dict(name="x.avi", becomes_link="/etc/hostname"))
    with pytest.raises(DatasetError, match="a link or a device"):
        quietly(place / "a.rar", place / "to")
    assert everything(place) == {"a.rar"}


@posix
def test_fewer_bytes_than_listed_are_refused(unrar, place):
    unrar.archive(place / "a.rar", dict(name="x.avi", content=b"short", size=900))
    with pytest.raises(DatasetError, match="not what it listed"):
        quietly(place / "a.rar", place / "to")
    assert not (place / "to").exists()


@posix
@pytest.mark.parametrize(
    "member", [dict(name="a\n        Name: b"), dict(name="a", size="?")]
)
def test_a_list_that_cannot_be_read_is_a_plain_message(unrar, place, member):
    unrar.archive(place / "a.rar", {"content": b"x", **member})
    with pytest.raises(DatasetError, match="unrar: its list cannot be read"):
        quietly(place / "a.rar", place / "to")
    assert unrar.calls == ["lt a.rar"]


@posix
def test_a_program_that_does_nothing_is_noticed(place, monkeypatch):
    """All of them are asked, and none unpacks."""
    for name in ("unrar", "unar", "lsar", "7zz", "bsdtar"):
        program = place / name
        program.write_text("#!/bin/sh\necho Alexander Roshal, bsdtar\nexit 0\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    write_rar(place / "a.rar", GOOD)
    with pytest.raises(DatasetError, match="could not be unpacked|holds no file"):
        quietly(place / "a.rar", place / "to")
    assert not (place / "to").exists()


@posix
def test_the_disk_is_checked_from_the_list(unrar, place):
    unrar.archive(place / "a.rar", dict(name="x.avi", content=b"", size=10**18))
    with pytest.raises(DatasetError, match="needs 1000000000.0 GB"):
        quietly(place / "a.rar", place / "to")
    assert unrar.calls == ["lt a.rar"]


@posix
def test_what_a_program_complains_of_is_told(unrar, place):
    unrar.archive(place / "a.rar")
    unrar.fails = True
    unrar.save()
    with pytest.raises(DatasetError, match=r"unrar: told to fail.*apt install") as no:
        quietly(place / "a.rar", place / "to")
    assert "\n" not in str(no.value)


# --- which programs -----------------------------------------------------------


@posix
def test_without_a_program_the_message_says_which_to_install(place, monkeypatch):
    monkeypatch.setenv("PATH", str(place))
    write_rar(place / "a.rar", GOOD)
    with pytest.raises(DatasetError, match="no program here.*apt install unar"):
        quietly(place / "a.rar", place / "to")


@posix
def test_another_program_of_the_name_is_not_used(place, monkeypatch):
    """unrar-free calls itself unrar; GNU tar is no bsdtar."""
    for name in ("unrar", "tar", "7zz"):
        (place / name).write_text("#!/bin/sh\necho usage: other\nexit 1\n")
        (place / name).chmod(0o755)
    (place / "7zz").chmod(0o644)
    (place / "bsdtar").write_text("no program")
    (place / "bsdtar").chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    assert not list(find_rar_tools())


@pytest.fixture(params=["unrar", "unar", "7-Zip", "bsdtar"])
def real(request, monkeypatch):
    """A real program, alone."""
    tools = [tool for tool in find_rar_tools() if tool.name == request.param]
    if not tools:
        pytest.skip(f"{request.param} is not installed here")
    monkeypatch.setattr(rar_tools, "find_rar_tools", lambda: iter(tools))
    monkeypatch.setattr("dvfl_lib.datasets.unpacking.find_rar_tools", lambda: tools)
    return tools[0]


def unless_unreadable(tool, archive: Path, target: Path) -> Path:
    """Some systems leave the RAR part of 7-Zip out."""
    try:
        return quietly(archive, target)
    except DatasetError as error:
        if tool.name == "7-Zip" and "annot open the file as archive" in str(error):
            pytest.skip("7-Zip here has no RAR part")
        raise


def test_real_programs_unpack(real, place):
    archive = write_rar(place / "a.rar", GOOD)
    unless_unreadable(real, archive, place / "to")
    assert content_of(place / "to") == {k: v for k, v in GOOD.items() if v is not None}


@pytest.mark.parametrize(
    ("members", "links"),
    [
        ({"ok.avi": b"x", "../out.avi": b"bad"}, {}),
        ({"ok.avi": b"x", "/out.avi": b"bad"}, {}),
        ({"ok.avi": b"x"}, {"way": "/etc"}),
        ({"ok.avi": b"x"}, {"way": ".."}),
    ],
)
def test_real_programs_are_held_back_from_hostile_archives(real, place, members, links):
    archive = write_rar(place / "a.rar", members, links)
    with pytest.raises(DatasetError) as no:
        unless_unreadable(real, archive, place / "to")
    assert "leads out" in str(no.value) or "link" in str(no.value).lower()
    assert everything(place.parent) == {"in", "in/a.rar"}


def test_a_cut_rar_is_noticed_by_real_programs(real, place):
    archive = write_rar(place / "a.rar", GOOD)
    archive.write_bytes(archive.read_bytes()[:1500])
    with pytest.raises(DatasetError, match="could not be unpacked"):
        unless_unreadable(real, archive, place / "to")
    assert not (place / "to").exists()


@pytest.mark.skipif(bool(REAL) or bool(shutil.which("unrar")), reason="one is here")
def test_this_machine_has_no_program_and_says_so(place):
    write_rar(place / "a.rar", GOOD)
    with pytest.raises(DatasetError, match="no program here"):
        quietly(place / "a.rar", place / "to")
