"""Videos that are odd but sound: one frame, uneven times, turned, other pixels."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dvfl_lib.errors import VideoError
from dvfl_lib.recipes import AugmentRecipe, DataRecipe, EvaluateRecipe
from dvfl_lib.video.clips import ClipKey, EvaluationViews, Sample, TrainingClips
from dvfl_lib.video.reading import open_video
from helpers import moving_frames, write_video
from video.test_reading import HAS_DECORD, by_hand, needs_decord

FRAMES = moving_frames(24)
BACKENDS = ["auto", "pyav", pytest.param("decord", marks=needs_decord)]


def encode(path: Path, frames: np.ndarray, codec: str, **how) -> Path:
    if codec not in av.codec.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec}")
    return write_video(path, frames, codec=codec, **how)


def close_to_truth(read: torch.Tensor, frames: np.ndarray) -> bool:
    """Each frame is nearer to its own picture than to any other's."""
    read = read.permute(0, 2, 3, 1).float()
    truth = torch.from_numpy(frames).float()
    apart = (read[:, None] - truth[None]).abs().mean((2, 3, 4))
    own = apart.diagonal()
    return bool((own < 4).all() and (apart.argmin(1) == torch.arange(len(own))).all())


# --- one frame ---------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "mpeg4"), ("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_a_video_of_one_frame(tmp_path, name, codec, backend):
    path = encode(tmp_path / name, FRAMES[:1], codec)
    with open_video(path, backend) as video:
        assert video.num_frames == 1
        frames = video.read([0, 0, 0])
    assert frames.shape == (3, 3, 48, 64)
    assert torch.equal(frames, by_hand(path).expand(3, -1, -1, -1))
    with open_video(path, backend) as video, pytest.raises(VideoError, match="0 to 0"):
        video.read([1])


@pytest.mark.parametrize("sampling", ["segments", "dense"])
def test_clips_of_one_frame_repeat_it(tmp_path, sampling):
    path = encode(tmp_path / "a.mp4", FRAMES[:1], "libx264")
    samples = [Sample(path, 0, "g", "a.mp4")]
    data = DataRecipe(frames=4, sampling=sampling, short_side=36, crop=32)
    clip = TrainingClips(samples, data, AugmentRecipe(), 0)[ClipKey(0, 0)]["clip"]
    assert clip.shape == (4, 3, 32, 32) and torch.equal(clip[0], clip[3])
    how = EvaluateRecipe(clips=2, crops=3, short_side=36)
    item = EvaluationViews(samples, data, how)[0]
    assert item["views"].shape == (6, 4, 3, 32, 32) and not item["unreadable"]


# --- sound only --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libopus"), ("a.mkv", "flac"), ("a.mp4", "aac")]
)
def test_sound_alone_is_no_video(tmp_path, name, codec):
    if codec not in av.codec.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec}")
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        for start in range(0, 48000, 960):
            silence = np.zeros((1, 960), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="holds no video stream"):
        open_video(path)


# --- uneven times ------------------------------------------------------------


def write_uneven(path: Path, codec: str, bframes: int) -> Path:
    """Frames that are shown for 10, 70, 20, ... milliseconds in turn."""
    lengths = itertools.cycle((10, 70, 20, 400, 30))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=1000)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        # At a low rate the quality of a frame depends on how threads take turns.
        stream.bit_rate, stream.codec_context.thread_count = 20_000_000, 1
        stream.codec_context.gop_size = 6
        stream.codec_context.max_b_frames = bframes
        now = 0
        for picture, length in zip(FRAMES, lengths, strict=False):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = now, Fraction(1, 1000)
            container.mux(stream.encode(frame))
            now += length
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "codec", "bframes"),
    [("a.mp4", "libx264", 0), ("b.mp4", "libx264", 2), ("a.webm", "libvpx-vp9", 0)],
)
def test_uneven_times_change_no_frame_number(tmp_path, name, codec, bframes, backend):
    if codec not in av.codec.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec}")
    path = write_uneven(tmp_path / name, codec, bframes)
    with av.open(str(path)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert len({b - a for a, b in itertools.pairwise(times)}) > 2  # uneven indeed
    truth = by_hand(path)
    with open_video(path, backend) as video:
        assert video.num_frames == 24
        assert torch.equal(video.read(range(24)), truth)
        for number in (23, 4, 17, 0):
            assert torch.equal(video.read([number])[0], truth[number])
    assert close_to_truth(truth, FRAMES)


# --- turned by metadata ------------------------------------------------------

# What the matrix of a track says: a, b, c, d of (x, y) -> (a x + c y, b x + d y).
TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def turn(path: Path, degrees: int) -> Path:
    """Make players show a file turned clockwise, by its track's matrix alone."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # behind version, times, ids and layer
    a, b, c, d = (value * 0x10000 for value in TURNS[degrees])
    old = struct.unpack(">9i", content[place : place + 36])
    assert old == (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    new = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    content[place : place + 36] = new
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("degrees", TURNS)
def test_turned_videos_come_upright(tmp_path, degrees, backend):
    path = encode(tmp_path / "a.mp4", FRAMES, "libx264")
    plain = by_hand(path)
    turn(path, degrees)
    upright = plain.rot90(-degrees // 90, (2, 3))
    with open_video(path, backend) as video:
        assert (video.height, video.width) == upright.shape[2:]
        assert torch.equal(video.read([0, 23, 5]), upright[[0, 23, 5]])


# --- other pixel formats -----------------------------------------------------

PIXELS = {
    "444.mp4": ("libx264", "yuv444p"),
    "422.mp4": ("libx264", "yuv422p"),
    "444.webm": ("libvpx-vp9", "yuv444p"),
    "rgb.mkv": ("ffv1", "bgr0"),
    "10 bits.mp4": ("libx264", "yuv420p10le"),
    "10 bits h265.mp4": ("libx265", "yuv420p10le"),
    "10 bits 444.mkv": ("ffv1", "yuv444p10le"),
}
QUIET = {"libx265": {"x265-params": "log-level=none"}}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PIXELS)
def test_every_pixel_format_gives_eight_bit_rgb(tmp_path, name, backend):
    codec, pixels = PIXELS[name]
    path = encode(
        tmp_path / name, FRAMES, codec, pix_fmt=pixels, options=QUIET.get(codec)
    )
    with av.open(str(path)) as container:
        assert container.streams.video[0].pix_fmt == pixels
    with open_video(path, backend) as video:
        read = video.read(range(24))
    assert read.dtype == torch.uint8 and read.shape == (24, 3, 48, 64)
    assert close_to_truth(read, FRAMES)
    # decord's FFmpeg reduces ten bits to eight in another way.
    if backend != "decord" or "10" not in pixels:
        assert torch.equal(read, by_hand(path))


def test_odd_sizes_are_kept(tmp_path):
    frames = moving_frames(6, 47, 63)
    path = encode(tmp_path / "a.mp4", frames, "libx264", pix_fmt="yuv444p")
    with open_video(path) as video:
        assert (video.height, video.width) == (47, 63)
        assert close_to_truth(video.read(range(6)), frames)


@pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here")
def test_auto_reads_deep_pixels_alike_with_and_without_decord(tmp_path):
    deep = encode(tmp_path / "d.mp4", FRAMES, "libx264", pix_fmt="yuv420p10le")
    plain = encode(tmp_path / "p.mp4", FRAMES, "libx264", pix_fmt="yuv444p")
    assert open_video(deep).backend == "pyav"
    assert open_video(plain).backend == "decord"
