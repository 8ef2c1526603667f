"""A path that cannot be one is refused by name; a home folder is found."""

from pathlib import Path

import pytest

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.explorer.paths import file_path

BAD = ("", ".", "..", "/", "a/..", "a\0b", "\ud800", "x" * 300, "~nobody-there/x")
BAD += (3, None, b"x")


@pytest.mark.parametrize("path", BAD)
def test_what_names_no_file_is_refused(path):
    with pytest.raises(RunDirectoryError, match="save_it"):
        file_path(path, "save_it")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="is a folder"):
        file_path(tmp_path, "save_it")


def test_the_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file_path("~/page.html", "save_it") == tmp_path / "page.html"
    assert file_path("~/a/page.html", "save_it") == tmp_path / "a" / "page.html"
    assert file_path(Path("page.html"), "save_it") == Path("page.html")
