"""Uploaded files of both versions of ipywidgets, and names that want out."""

import ipywidgets
import pytest

from dvfl_lib.errors import DVFLError, VideoError
from dvfl_lib.explorer.uploading import uploaded_video


def test_both_versions_hand_over_the_last_file(tmp_path):
    seven = {"a.mp4": {"content": b"1"}, "b.mp4": {"content": b"2"}}
    eight = ({"name": "a.mp4", "content": memoryview(b"1")},)
    assert uploaded_video(seven, tmp_path).read_bytes() == b"2"
    path = uploaded_video(eight, tmp_path / "new")
    assert path == tmp_path / "new" / "a.mp4" and path.read_bytes() == b"1"


@pytest.mark.parametrize(
    "name", ["../../out.mp4", "/etc/out.mp4", "..\\out.mp4", "C:\\x\\out.mp4"]
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    path = uploaded_video([{"name": name, "content": b"x"}], tmp_path / "in")
    assert path == tmp_path / "in" / "out.mp4"
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("name", ["..", "", ".", "/"])
def test_a_name_that_is_none_gets_one(tmp_path, name):
    path = uploaded_video([{"name": name, "content": b"x"}], tmp_path)
    assert path == tmp_path / "video"


def test_one_file_of_version_8_will_do(tmp_path):
    eight = ({"name": "a.mp4", "type": "video/mp4", "content": memoryview(b"1")},)
    assert uploaded_video(eight[0], tmp_path).read_bytes() == b"1"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a\0b.mp4", "a_b.mp4"),
        ("a\nb.mp4", "a_b.mp4"),
        ("\ud800.mp4", "_.mp4"),
        ("~", "_"),
        ("vidéo of ~.mp4", "vidéo of ~.mp4"),
    ],
)
def test_a_name_that_no_file_may_have_is_mended(tmp_path, name, kept, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = uploaded_video([{"name": name, "content": b"x"}], "")
    assert path.name == kept and path.read_bytes() == b"x"
    assert [p.name for p in tmp_path.iterdir()] == [kept]


@pytest.mark.parametrize(
    "value",
    [
        ({"name": "a.mp4", "content": 5_000_000},),
        ({"name": "a.mp4", "content": "text"},),
        ({"name": "a.mp4", "content": None},),
        ({"name": 3, "content": b"x"},),
        ({"name": "a.mp4"},),
        {"a.mp4": b"x"},
        {"a.mp4": {"metadata": {}}},
        {3: {"content": b"x"}},
        "a.mp4",
        b"content",
        ["a.mp4"],
        5,
    ],
)
def test_what_is_no_upload_is_refused(tmp_path, value):
    with pytest.raises(VideoError, match="this is no upload"):
        uploaded_video(value, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_widget_itself_is_refused(tmp_path):
    with pytest.raises(VideoError, match="upload.value"):
        uploaded_video(ipywidgets.FileUpload(), tmp_path)


def test_the_folder_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = uploaded_video([{"name": "a.mp4", "content": b"x"}], "~/in")
    assert path == tmp_path / "in" / "a.mp4" and path.is_file()
    for folder in (None, 3, "a\0b", "~nobody-there"):
        with pytest.raises(DVFLError):
            uploaded_video([{"name": "a.mp4", "content": b"x"}], folder)


@pytest.mark.parametrize("value", [{}, (), None])
def test_nothing_uploaded_is_said(tmp_path, value):
    with pytest.raises(VideoError, match="no video was uploaded"):
        uploaded_video(value, tmp_path)
