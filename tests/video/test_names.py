"""Names that FFmpeg reads otherwise than Python does, and files that are no video."""

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dvfl_lib.errors import VideoError
from dvfl_lib.video.reading import open_video
from helpers import moving_frames, write_video

try:
    import decord  # noqa: F401

    HAS_DECORD = True
except ImportError:
    HAS_DECORD = False

FRAMES = moving_frames(60)


def test_a_name_that_is_no_utf8_is_read(tmp_path):
    made = write_video(tmp_path / "a.avi", FRAMES[:5])
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.avi"))
    try:
        shutil.copy(made, path)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with open_video(made) as plain, open_video(path) as video:
        assert torch.equal(video.read([0, 4]), plain.read([0, 4]))
        assert video.backend == "pyav"


def test_a_name_like_an_address_is_a_name(tmp_path, monkeypatch):
    """FFmpeg would take it for the file after the colon."""
    write_video(tmp_path / "a.avi", FRAMES[:5])
    write_video(tmp_path / "file:a.avi", FRAMES[:9])
    monkeypatch.chdir(tmp_path)
    for backend in ("auto", "pyav", *(["decord"] if HAS_DECORD else [])):
        with open_video("file:a.avi", backend) as video:
            assert video.num_frames == 9
            assert video.read([8]).shape == (1, 3, 48, 64)


@pytest.mark.parametrize("path", ["a\0b.mp4", "\ud800.mp4", None, 3])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(VideoError, match="name of a file|path of a video"):
        open_video(path)


def test_lists_of_other_files_and_texts_are_no_videos(tmp_path):
    """FFmpeg opens all of these, the first three by opening another file."""
    clip = write_video(tmp_path / "clip.avi", FRAMES[:5])
    stream = write_video(tmp_path / "clip.ts", FRAMES, codec="mpeg2video")
    texts = {
        "concat.mp4": f"ffconcat version 1.0\nfile {clip.name}\n",
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.ts\n"
        "#EXT-X-ENDLIST\n",
        "text.txt": "any words at all\n" * 50,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for name in texts:
        with av.open(str(tmp_path / name)) as opened:
            assert opened.streams.video  # so it needs to be refused
        with pytest.raises(VideoError, match="cannot be opened as a video"):
            open_video(tmp_path / name)
    still = tmp_path / "still1.png"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(still)
    pattern = tmp_path / "still%d.png"
    shutil.copy(clip, pattern)
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        open_video(pattern)
    assert open_video(stream).num_frames == 60
    assert open_video(still).num_frames == 1  # a picture is one frame
