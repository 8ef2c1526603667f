"""Uploaded files of both versions of ipywidgets, and names that want out."""

import pytest

from dvfl_lib.errors import VideoError
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


@pytest.mark.parametrize("value", [{}, (), None])
def test_nothing_uploaded_is_said(tmp_path, value):
    with pytest.raises(VideoError, match="no video was uploaded"):
        uploaded_video(value, tmp_path)
