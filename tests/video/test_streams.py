"""Files of several streams: sound, a cover picture, a second lens; and cut ones."""

import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition

from dvfl_lib.errors import VideoError
from dvfl_lib.video.frame_index import _packets, index_frames
from dvfl_lib.video.reading import open_video
from helpers import moving_frames

FRAMES = moving_frames(50)


def picture(frame: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame, format="rgb24")


def write_streams(path: Path, codec: str = "", sound: str = "", more: str = "") -> Path:
    """A file of a video, of sound of the same length and of one stream ``more``.

    ``more`` is "cover", the picture of a record, or "lens", another moving picture.
    """
    for name in filter(None, (codec, sound)):
        if name not in av.codec.codecs_available:
            pytest.skip(f"PyAV has no encoder {name}")
    with av.open(str(path), "w") as container:
        streams = []
        if codec:
            streams.append((container.add_stream(codec, rate=25), FRAMES))
        if more == "lens":
            large = np.repeat(np.repeat(255 - FRAMES, 2, 1), 2, 2)
            streams.append((container.add_stream(codec, rate=25), large))
        if more == "cover":
            cover = container.add_stream("mjpeg", rate=1)
            cover.disposition = Disposition.attached_pic
            streams.append((cover, np.full((1, 240, 320, 3), 200, np.uint8)))
        audio = container.add_stream(sound, rate=48000) if sound else None
        for stream, frames in streams:
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p" if len(frames) == 1 else "yuv420p"
        for number in range(len(FRAMES)):
            for stream, frames in streams:
                if number < len(frames):
                    container.mux(stream.encode(picture(frames[number])))
            if audio:
                container.mux(audio.encode(noise(number)))
        for stream in (*(s for s, _ in streams), *([audio] if audio else [])):
            container.mux(stream.encode())
    return path


def noise(number: int) -> av.AudioFrame:
    """The sound of one frame."""
    values = np.random.default_rng(number).normal(0, 0.1, (2, 1920)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(values, format="fltp", layout="stereo")
    frame.rate, frame.pts = 48000, number * 1920
    return frame


@pytest.mark.parametrize("sound", ["", "aac"])
def test_a_cover_picture_is_no_video(tmp_path, sound):
    path = write_streams(tmp_path / "a.mp4", "libx264", sound, more="cover")
    with open_video(path) as video:
        assert (video.num_frames, video.height, video.width) == (50, 48, 64)
        assert video.read([0, 49]).shape == (2, 3, 48, 64)


@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_sound_with_a_cover_picture_is_no_video(tmp_path, backend):
    path = write_streams(tmp_path / "a.mp4", sound="aac", more="cover")
    with pytest.raises(VideoError, match="a.mp4: holds no video stream, only a still"):
        open_video(path, backend)


def test_of_two_videos_every_reader_takes_the_first(tmp_path):
    path = write_streams(tmp_path / "a.mp4", "libx264", more="lens")
    with open_video(path) as video:
        frames = video.read([0, 30]).permute(0, 2, 3, 1)
    assert frames.shape == (2, 48, 64, 3)  # decord would take the larger one
    assert abs(frames.float().numpy() - FRAMES[[0, 30]]).mean() < 8
    assert open_video(path, "decord").backend == "pyav"


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("a.mkv", "libx264", "aac"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.flv", "libx264", "aac"),
    ],
)
def test_half_a_file_with_sound_is_cut_short(tmp_path, name, codec, sound):
    path = write_streams(tmp_path / name, codec, sound)
    assert index_frames(path).num_frames == 50
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(VideoError, match=f"{name}: is cut short"):
        index_frames(path)


def test_what_pyav_stumbles_over_is_told_of_the_file():
    """Seen with damaged files, which no encoder makes to order."""

    def demux():
        yield from ()
        raise IndexError("list index out of range")

    with pytest.raises(VideoError, match="a.ts: breaks off after 0 frames"):
        streams = SimpleNamespace(video=[SimpleNamespace(index=0)])
        _packets(Path("a.ts"), SimpleNamespace(demux=demux, streams=streams))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx")]
)
def test_a_last_frame_that_is_shown_for_long_is_no_missing_end(tmp_path, name, codec):
    """As in a recording of a screen on which nothing moves any more."""
    if codec not in av.codec.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec}")
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.max_b_frames = 0
        packets = [p for f in FRAMES for p in stream.encode(picture(f))]
        packets += stream.encode()
        packets[-1].duration = int(20 / packets[-1].time_base)
        for packet in packets:
            container.mux(packet)
    with av.open(str(path)) as container:
        assert Fraction(container.duration, av.time_base) > 20
    assert index_frames(path).num_frames == 50
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(VideoError, match="is cut short"):
        index_frames(path)
