"""Files under any sensible path: a home folder is found, what is none is refused."""

from pathlib import Path

import pytest

from dvfl_lib.errors import DVFLError, RunDirectoryError
from dvfl_lib.explorer import (
    first_view,
    load_record,
    save_gif,
    save_record,
    save_strip,
    write_page,
)
from dvfl_lib.explorer.paths import file_path
from small_record import small_record

BAD = ("", ".", "..", "/", "a/..", "a\0b", "\ud800", "x" * 300, "~nobody-there/x")
BAD += (3, None, b"x")
WAYS = (save_record, write_page, save_strip, save_gif)


@pytest.fixture(scope="module")
def record():
    return small_record((2, 32, 32), grid=0, regions=1)


def keep(way, record, path):
    if way in (save_strip, save_gif):
        return way(record, first_view(record), path)
    return way(record, path)


@pytest.mark.parametrize("path", BAD)
def test_what_names_no_file_is_refused(path):
    with pytest.raises(RunDirectoryError, match="save_it"):
        file_path(path, "save_it")


def test_the_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file_path("~/a/page.html", "save_it") == tmp_path / "a" / "page.html"
    assert file_path(Path("page.html"), "save_it") == Path("page.html")


@pytest.mark.parametrize("way", WAYS)
def test_each_kind_of_file_is_kept_where_it_was_asked(
    record, way, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keep(way, record, "~/kept.npz") == tmp_path / "kept.npz"
    assert (tmp_path / "kept.npz").is_file()
    if way is save_record:
        assert load_record("~/kept.npz").title == "noise"
    for path in ("", ".", "/", tmp_path, "a\0b", None, "~nobody-there/x"):
        with pytest.raises(RunDirectoryError, match=way.__name__):
            keep(way, record, path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "kept.npz", tmp_path / ("x" * 300)):
        with pytest.raises(RunDirectoryError):
            keep(way, record, path)
    more = () if way in (save_record, write_page) else (first_view(record),)
    with pytest.raises(DVFLError, match=r"takes a Record, not 'clip.npz'.*load_record"):
        way("clip.npz", *more, tmp_path / "other.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "kept.npz"]
