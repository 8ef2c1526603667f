"""A look at a file's beginning tells whether its end is there."""

from pathlib import Path

import pytest

from dvfl_lib.video.containers import container_trouble
from helpers import moving_frames, write_video

KINDS = {"avi": "mpeg4", "mp4": "mpeg4", "mov": "mpeg4", "mkv": "mpeg4"}


@pytest.fixture(scope="module", params=sorted(KINDS))
def video(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("video") / f"a.{request.param}"
    return write_video(path, moving_frames(30), codec=KINDS[request.param])


def changed(video: Path, folder: Path, content: bytes) -> Path:
    path = folder / video.name
    path.write_bytes(content)
    return path


def test_a_whole_file_has_no_trouble(video):
    assert container_trouble(video) == ""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_noticed_wherever_it_is_cut(video, tmp_path, share):
    content = video.read_bytes()
    cut = changed(video, tmp_path, content[: int(len(content) * share)])
    assert container_trouble(cut)


def test_an_end_of_zeros_is_noticed(tmp_path):
    """What a crash leaves of a file whose room was taken before it was written."""
    video = write_video(tmp_path / "a.avi", moving_frames(30))
    size = video.stat().st_size
    content = video.read_bytes()[: size // 2]
    assert "zeros" in container_trouble(
        changed(video, tmp_path, content + bytes(size - len(content)))
    )


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"\0" * 9000])
def test_what_is_no_video_is_noticed(video, tmp_path, content):
    if video.suffix == ".mov" and content:
        pytest.skip("an old .mov may begin with anything")
    assert container_trouble(changed(video, tmp_path, content))


def test_a_missing_file_is_told(tmp_path):
    assert "cannot be read" in container_trouble(tmp_path / "none.avi")


def test_an_unknown_container_is_believed(tmp_path):
    (tmp_path / "a.flv").write_bytes(b"FLV\1")
    assert container_trouble(tmp_path / "a.flv") == ""


def test_real_clips_have_no_trouble_until_they_are_cut(real_data, tmp_path):
    suffixes = (".avi", ".mp4", ".webm", ".mkv")
    clips = [p for p in (real_data / "real_clips").rglob("*") if p.suffix in suffixes]
    assert len(clips) > 20
    for clip in clips:
        assert container_trouble(clip) == "", clip.name
        content = clip.read_bytes()
        cut = changed(clip, tmp_path, content[: len(content) * 9 // 10])
        assert container_trouble(cut), clip.name
