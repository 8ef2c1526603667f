"""Every kind of stand-in file: no mark of time's direction, the same bytes again."""

from pathlib import Path

import av
import numpy as np
import pytest

from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import StandinSize, clip_frames, encode_clip
from dvfl_lib.video import writing as encoding
from dvfl_lib.video.reading import open_video

CODECS = {".avi": "mpeg4", ".webm": "vp9", ".mp4": "h264"}
SIZE = StandinSize(min_frames=12, max_frames=16)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return clip_frames(0, SIZE, "Rising", 1, 1)


def decoded(path: Path) -> np.ndarray:
    with open_video(path) as video:
        return video.read(range(video.num_frames)).numpy().astype(int)


def test_the_suffixes_are_those_of_the_benchmarks():
    assert set(encoding.SUFFIXES) == set(CODECS)


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_is_of_its_kind_and_shows_the_frames(tmp_path, frames, suffix):
    path = tmp_path / f"a{suffix}"
    encode_clip(path, frames, size=(192, 144), rate=12)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == CODECS[suffix]
        packets = [p for p in container.demux(stream) if p.size]
        assert len(packets) == len(frames)
        assert all(p.is_keyframe for p in packets)
    with open_video(path) as video:
        assert (video.width, video.height, round(video.fps)) == (192, 144, 12)
    shown = decoded(path).transpose(0, 2, 3, 1)[:, ::2, ::2]
    pictures = [av.VideoFrame.from_ndarray(f, format="rgb24") for f in frames]
    small = np.stack([p.reformat(96, 72).to_ndarray() for p in pictures]).astype(int)
    errors = np.abs(shown - small).mean((1, 2, 3))
    others = np.abs(shown - np.roll(small, 3, axis=0)).mean((1, 2, 3))
    assert (errors < 6).all() and (errors < others).all()


@pytest.mark.parametrize("suffix", CODECS)
def test_a_reversed_clip_is_the_clip_reversed_pixel_for_pixel(tmp_path, frames, suffix):
    """So a file tells no more of its direction than the frames before coding do."""
    encode_clip(tmp_path / f"a{suffix}", frames)
    encode_clip(tmp_path / f"b{suffix}", frames[::-1])
    forwards, backwards = (decoded(tmp_path / f"{n}{suffix}") for n in "ab")
    assert (forwards == backwards[::-1]).all()
    assert (forwards != backwards).any()


@pytest.mark.parametrize("suffix", CODECS)
def test_the_same_frames_give_the_same_bytes(tmp_path, frames, suffix):
    for name in "ab":
        encode_clip(tmp_path / f"{name}{suffix}", frames)
    first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
    assert first == second


def test_names_with_odd_characters_are_only_names(tmp_path, frames):
    path = tmp_path / "#[Best_!](of)_a&b;c+d@e~_rise_f_nm_np1_fr_goo_3.avi"
    encode_clip(path, frames)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert len(decoded(path)) == len(frames)


def test_other_suffixes_and_folders_are_refused(tmp_path, frames):
    with pytest.raises(DatasetError, match="must be one of .avi, .webm, .mp4"):
        encode_clip(tmp_path / "a.mkv", frames)
    with pytest.raises(DatasetError, match="cannot be written"):
        encode_clip(tmp_path / "nowhere" / "a.avi", frames)


def test_a_missing_encoder_is_named(tmp_path, frames, monkeypatch):
    monkeypatch.setitem(encoding._ENCODERS, ".mp4", ("no-such-encoder", {}))
    with pytest.raises(DatasetError, match="no encoder no-such-encoder"):
        encode_clip(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []
