"""The right frames of every kind of file, the same from both backends."""

import os
import shutil
import struct
from fractions import Fraction
from importlib.util import find_spec
from itertools import accumulate, cycle, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.stream import Disposition
from PIL import Image

from dvfl_lib.errors import VideoError
from dvfl_lib.video import reading
from dvfl_lib.video.frame_index import index_frames, refuse_picture
from dvfl_lib.video.reading import iter_frames, open_video
from helpers import moving_frames, write_video

HAS_DECORD = find_spec("decord") is not None
needs_decord = pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here")
FRAMES = moving_frames(60)
QUIET = {"x265-params": "log-level=none"}
OPEN_GOP = {"x264-params": "open-gop=1:keyint=12:scenecut=0"}
H264 = {"codec": "libx264"}

# name of the file -> how to encode it
KINDS = {
    "mpeg4.avi": {},
    "mpeg4_bframes.avi": {"bframes": 2},
    "mpeg4_bframes.mp4": {"bframes": 2},
    "h264_bframes.mp4": {**H264, "bframes": 3},
    "h264_bframes.avi": {**H264, "bframes": 2},
    "h264_open_gop.mp4": {**H264, "bframes": 3, "options": OPEN_GOP},
    "h265.mkv": {"codec": "libx265", "bframes": 2, "options": QUIET},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "444.mp4": {**H264, "pix_fmt": "yuv444p"},
    "422.mp4": {**H264, "pix_fmt": "yuv422p"},
    "444.webm": {"codec": "libvpx-vp9", "pix_fmt": "yuv444p"},
    "rgb.mkv": {"codec": "ffv1", "pix_fmt": "bgr0"},
    "10 bits.mp4": {**H264, "pix_fmt": "yuv420p10le"},
    "10 bits h265.mp4": {
        **{"codec": "libx265", "pix_fmt": "yuv420p10le", "options": QUIET}
    },
}


def needs(*codecs: str) -> None:
    for codec in codecs:
        if codec not in av.codec.codecs_available:
            pytest.skip(f"PyAV has no encoder {codec}")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """One file of each kind this PyAV can encode."""
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_video(folder / name, FRAMES, **how)
        for name, how in KINDS.items()
        if how.get("codec", "mpeg4") in av.codec.codecs_available
    }


def by_hand(path: Path) -> torch.Tensor:
    """All frames in the order FFmpeg shows them, uint8 (N, 3, H, W)."""
    with av.open(str(path), metadata_errors="ignore") as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "backend", ["pyav", pytest.param("decord", marks=needs_decord)]
)
def test_every_backend_finds_every_frame(files, name, backend):
    """In order, backwards, alone and repeated; equal to plain decoding, bit for bit.

    And to what was encoded: a shift by one would differ by far more.
    """
    needs(KINDS[name].get("codec", "mpeg4"))
    truth = by_hand(files[name])
    with open_video(files[name], backend) as video:
        assert (video.num_frames, video.height, video.width) == (60, 48, 64)
        assert video.fps == pytest.approx(25)
        everything = video.read(range(60))
        assert everything.dtype == torch.uint8 and everything.is_contiguous()
        assert torch.equal(everything, truth)
        wanted = [59, 3, 3, 40, 13, 12, 11, 0]
        assert torch.equal(video.read(wanted), truth[wanted])
        for number in (37, 12, 58, 2, 24):
            assert torch.equal(video.read([number]), truth[number : number + 1])
    read, written = everything.permute(0, 2, 3, 1).float(), torch.tensor(FRAMES).float()
    assert (read - written).abs().mean((1, 2, 3)).max() < 5
    assert (read[1:] - written[:-1]).abs().mean((1, 2, 3)).min() > 5


def test_all_frames_one_after_the_other_and_once_more(files):
    frames = iter_frames(files["mpeg4_bframes.avi"])
    truth = by_hand(files["mpeg4_bframes.avi"]).permute(0, 2, 3, 1).numpy()
    next(iter(frames))
    assert (np.stack(list(frames)) == truth).all()
    assert frames.index.seconds[:3] == pytest.approx((0, 0.04, 0.08))


def test_a_lost_packet_moves_no_frame_number(tmp_path):
    """Without it some codecs drop more frames, or show others, without an error."""
    path = write_video(tmp_path / "a.mp4", FRAMES, **H264, bframes=0, gop=12)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b.mp4"), "w") as less:
        stream = less.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if packet.size and number not in (5, 29, 30):
                packet.stream = stream
                less.mux(packet)
    truth = by_hand(tmp_path / "b.mp4")
    for number in (59 - 3, 4, 5, 30, 31, 12):
        with open_video(tmp_path / "b.mp4") as video:
            assert video.num_frames == len(truth)
            assert torch.equal(video.read([number])[0], truth[number])


def test_b_frames_of_avi_are_decoded_from_the_beginning(files):
    """The file stores no times of showing, and what the demuxer guesses is wrong."""
    assert index_frames(files["mpeg4.avi"]).keys
    assert not index_frames(files["mpeg4_bframes.avi"]).keys


def test_frames_that_are_called_key_frames_and_are_none(tmp_path):
    """An MP4 without its list of key frames says that all of them are."""
    path = write_video(tmp_path / "a.mp4", FRAMES)
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    assert len(index_frames(path).keys) == 60
    truth = by_hand(path)
    for number in (59, 4, 17, 24):
        with open_video(path) as video:
            assert torch.equal(video.read([number])[0], truth[number])


def test_frames_whose_time_stamps_are_swapped(tmp_path):
    """The decoder puts them in their places; the times alone would not."""
    needs("libx264")
    path = write_video(tmp_path / "a.mkv", FRAMES, **H264, bframes=2)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b.mkv"), "w") as other:
        stream = other.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(video=0) if packet.size]
        # A frame that others are predicted from, and one of these.
        one, two = next(
            (one, two)
            for one, two in pairwise(packets[15:])
            if two.pts < one.pts and not one.is_keyframe
        )
        one.pts, two.pts = two.pts, one.pts
        for packet in packets:
            packet.stream = stream
            other.mux(packet)
    truth = by_hand(tmp_path / "b.mkv")
    assert index_frames(tmp_path / "b.mkv").keys
    for number in range(12, 24):
        with open_video(tmp_path / "b.mkv") as video:
            assert torch.equal(video.read([number])[0], truth[number])


def test_only_what_is_needed_is_decoded(tmp_path):
    path = write_video(tmp_path / "long.avi", moving_frames(400, 32, 32), gop=12)
    most = {(399,): 12, (5,): 6, tuple(range(25, 400, 50)): 95}
    for wanted, count in most.items():
        with open_video(path, "pyav") as video:
            video.read(wanted)
            assert video.frames_decoded <= count


@needs_decord
def test_decord_is_used_by_name_and_only_where_it_is_right(files):
    right = {"mpeg4.avi", "h264_bframes.mp4", "vp9.webm"}
    right |= {"444.mp4", "422.mp4", "444.webm"}
    for name, path in files.items():
        with open_video(path) as auto, open_video(path, "decord") as video:
            assert auto.backend == "pyav"
            assert video.backend == ("decord" if name in right else "pyav"), name


@needs_decord
def test_decord_is_not_used_where_it_would_show_other_frames_or_abort(tmp_path):
    """A count that no file can have; a clip that begins before 0 seconds."""
    path = write_video(tmp_path / "a.avi", FRAMES)
    content = bytearray(path.read_bytes())
    for name, behind in ((b"avih", 24), (b"strh", 40)):
        at = content.index(name) + behind
        content[at : at + 4] = struct.pack("<I", 2**31 - 1)
    path.write_bytes(content)
    assert open_video(path, "decord").backend == "pyav"
    needs("libvpx-vp9")
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(tmp_path / "b.webm"), "w", options=options) as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.gop_size = 12
        for number, image in enumerate(FRAMES):
            frame = picture(image)
            frame.pts, frame.time_base = number - 27, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_video(tmp_path / "b.webm", "decord") as video:
        assert video.index.times[0] == -27 * 40
        assert torch.equal(video.read([0]), by_hand(tmp_path / "b.webm")[:1])


def test_decord_asked_for_where_it_is_missing_is_an_error(files, monkeypatch):
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    with pytest.raises(VideoError, match="pip install decord"):
        open_video(files["mpeg4.avi"], "decord")


def test_the_environment_decides_for_auto(files, monkeypatch):
    if HAS_DECORD:
        monkeypatch.setenv(reading.BACKEND_VARIABLE, "decord")
        assert open_video(files["mpeg4.avi"]).backend == "decord"
    monkeypatch.setenv(reading.BACKEND_VARIABLE, "magic")
    with pytest.raises(VideoError, match="magic"):
        open_video(files["mpeg4.avi"])


@pytest.mark.parametrize("indices", [[60], [-1], [], [0, 1000]])
def test_frames_that_are_not_there_are_refused(files, indices):
    with open_video(files["mpeg4.avi"]) as video, pytest.raises(VideoError, match="59"):
        video.read(indices)


def test_a_video_of_one_frame(tmp_path):
    path = write_video(tmp_path / "a.avi", FRAMES[:1])
    with open_video(path) as video:
        assert torch.equal(video.read([0, 0]), by_hand(path).expand(2, -1, -1, -1))
        with pytest.raises(VideoError, match="0 to 0"):
            video.read([1])


# --- other files, and other names ----------------------------------------------


def test_a_file_that_changes_is_counted_anew(tmp_path):
    path = write_video(tmp_path / "a.avi", FRAMES)
    assert open_video(path).num_frames == 60
    write_video(path, FRAMES[:20])
    assert open_video(path).num_frames == 20


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
        with av.open(str(tmp_path / name)) as opened:
            assert opened.streams.video  # so it needs to be refused
        with pytest.raises(VideoError, match="cannot be opened as a video"):
            open_video(tmp_path / name)
    still, pattern = tmp_path / "still1.png", tmp_path / "still%d.png"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(still)
    shutil.copy(clip, pattern)
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        open_video(pattern)
    assert open_video(stream).num_frames == 60
    assert open_video(still).num_frames == 1  # a picture is one frame
    with pytest.raises(VideoError, match="is a picture"):
        refuse_picture(still)


def test_names_are_only_names(tmp_path, monkeypatch):
    """FFmpeg would take one for the file after the colon; one is no UTF-8."""
    plain = write_video(tmp_path / "a.avi", FRAMES[:5])
    for name in ("file:a.avi", "vidéo of a day.avi", os.fsdecode(b"caf\xe9.avi")):
        shutil.copy(write_video(tmp_path / "b.avi", FRAMES[:9]), tmp_path / name)
        monkeypatch.chdir(tmp_path)
        with open_video(name) as video:
            assert video.num_frames == 9 and video.read([8]).shape == (1, 3, 48, 64)
    assert open_video(plain).num_frames == 5


# --- odd but sound: turned, uneven times, several streams ----------------------

# What the matrix of a track says: a, b, c, d of (x, y) -> (a x + c y, b x + d y).
TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.mark.parametrize(
    "backend", ["auto", pytest.param("decord", marks=needs_decord)]
)
@pytest.mark.parametrize("degrees", TURNS)
def test_videos_turned_by_their_tracks_matrix_come_upright(tmp_path, degrees, backend):
    needs("libx264")
    path = write_video(tmp_path / "a.mp4", FRAMES, **H264)
    upright = by_hand(path).rot90(-degrees // 90, (2, 3))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # behind version, times, ids and layer
    a, b, c, d = (value * 0x10000 for value in TURNS[degrees])
    new = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    content[place : place + 36] = new
    path.write_bytes(content)
    with open_video(path, backend) as video:
        assert (video.height, video.width) == upright.shape[2:]
        assert torch.equal(video.read([0, 23, 5]), upright[[0, 23, 5]])


@pytest.mark.parametrize(
    ("name", "codec", "bframes"),
    [("a.mp4", "libx264", 0), ("b.mp4", "libx264", 2), ("a.webm", "libvpx-vp9", 0)],
)
def test_uneven_times_change_no_frame_number(tmp_path, name, codec, bframes):
    needs(codec)
    lengths = cycle((10, 70, 20, 400, 30))  # milliseconds
    times = [0, *accumulate(next(lengths) for _ in FRAMES[1:])]
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=1000)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.gop_size = 6
        stream.codec_context.max_b_frames = bframes
        for image, time in zip(FRAMES, times, strict=True):
            frame = picture(image)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    truth = by_hand(tmp_path / name)
    with open_video(tmp_path / name) as video:
        assert video.index.seconds == pytest.approx([t / 1000 for t in times])
        assert torch.equal(video.read(range(60)), truth)
        for number in (59, 4, 17, 0):
            assert torch.equal(video.read([number])[0], truth[number])


def picture(frame: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame, format="rgb24")


def sound_of(number: int) -> av.AudioFrame:
    """The sound of one frame."""
    values = np.random.default_rng(number).normal(0, 0.1, (2, 1920)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(values, format="fltp", layout="stereo")
    frame.rate, frame.pts = 48000, number * 1920
    return frame


def write_streams(path: Path, codec: str = "", sound: str = "", more: str = "") -> Path:
    """A file of a video, of sound of the same length and of one stream ``more``.

    ``more`` is "cover", the picture of a record, or "lens", another moving picture.
    """
    needs(*filter(None, (codec, sound)))
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
                container.mux(audio.encode(sound_of(number)))
        for stream in (*(s for s, _ in streams), *([audio] if audio else [])):
            container.mux(stream.encode())
    return path


def test_a_cover_picture_is_no_video(tmp_path):
    path = write_streams(tmp_path / "a.mp4", "libx264", "aac", more="cover")
    with open_video(path) as video:
        assert (video.num_frames, video.height, video.width) == (60, 48, 64)
    path = write_streams(tmp_path / "b.mp4", sound="aac", more="cover")
    with pytest.raises(VideoError, match="b.mp4: holds no video stream, only a still"):
        open_video(path)
    with pytest.raises(VideoError, match="c.mp4: holds no video stream"):
        open_video(write_streams(tmp_path / "c.mp4", sound="aac"))


def test_of_two_videos_every_reader_takes_the_first(tmp_path):
    path = write_streams(tmp_path / "a.mp4", "libx264", more="lens")
    with pytest.warns(UserWarning, match="has 2 video streams"), open_video(path) as v:
        frames = v.read([0, 30]).permute(0, 2, 3, 1)
    assert frames.shape == (2, 48, 64, 3)  # decord would take the larger one
    assert abs(frames.float().numpy() - FRAMES[[0, 30]]).mean() < 8
