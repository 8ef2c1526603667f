"""The right frames of every kind of file, the same from both backends."""

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dvfl_lib.errors import VideoError
from dvfl_lib.video import reading
from dvfl_lib.video.reading import open_video
from helpers import moving_frames, write_video

try:
    import decord  # noqa: F401

    HAS_DECORD = True
except ImportError:
    HAS_DECORD = False

needs_decord = pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here")
VIDEO_SUFFIXES = {".avi", ".mp4", ".webm", ".mkv", ".mov"}

# name of the file -> how to encode it
KINDS = {
    "mpeg4.avi": {},
    "mpeg4_bframes.avi": {"bframes": 2},
    "mpeg4_bframes.mp4": {"bframes": 2},
    "h264_bframes.mp4": {"codec": "libx264", "bframes": 3},
    "h264_bframes.avi": {"codec": "libx264", "bframes": 2},
    "h264_open_gop.mp4": {
        "codec": "libx264",
        "bframes": 3,
        "options": {"x264-params": "open-gop=1:keyint=12:scenecut=0"},
    },
    "h265.mkv": {
        "codec": "libx265",
        "bframes": 2,
        "options": {"x265-params": "log-level=none"},
    },
    "vp9.webm": {"codec": "libvpx-vp9"},
}
FRAMES = moving_frames(60)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """One file of each kind this PyAV can encode."""
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_video(folder / name, FRAMES, **how)
        for name, how in KINDS.items()
        if how.get("codec", "mpeg4") in av.codec.codecs_available
    }


def kind(files: dict[str, Path], name: str) -> Path:
    if name not in files:
        pytest.skip(f"PyAV has no encoder for {name}")
    return files[name]


def by_hand(path: Path) -> torch.Tensor:
    """All frames in the order FFmpeg shows them, uint8 (N, 3, H, W)."""
    with av.open(str(path), metadata_errors="ignore") as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "backend", ["pyav", pytest.param("decord", marks=needs_decord), "auto"]
)
def test_every_backend_finds_every_frame(files, name, backend):
    """In order, backwards, alone and repeated; equal to plain decoding, bit for bit."""
    path = kind(files, name)
    truth = by_hand(path)
    with open_video(path, backend) as video:
        assert (video.num_frames, video.height, video.width) == (60, 48, 64)
        assert video.fps == pytest.approx(25)
        everything = video.read(range(60))
        assert everything.dtype == torch.uint8 and everything.is_contiguous()
        assert torch.equal(everything, truth)
        wanted = [59, 3, 3, 40, 13, 12, 11, 0]
        assert torch.equal(video.read(wanted), truth[wanted])
        for number in (37, 12, 58, 2, 24):
            assert torch.equal(video.read([number]), truth[number : number + 1])


@pytest.mark.parametrize("name", KINDS)
def test_what_was_written_is_what_is_read(files, name):
    """Against the frames before encoding: a shift by one would differ by far more."""
    with open_video(kind(files, name)) as video:
        read = video.read(range(60)).permute(0, 2, 3, 1).float()
    truth = torch.from_numpy(FRAMES).float()
    assert (read - truth).abs().mean((1, 2, 3)).max() < 5
    assert (read[1:] - truth[:-1]).abs().mean((1, 2, 3)).min() > 5


def test_only_what_is_needed_is_decoded(tmp_path):
    path = write_video(tmp_path / "long.avi", moving_frames(400, 32, 32), gop=12)
    with open_video(path, "pyav") as video:
        video.read([399])
        assert video.frames_decoded <= 12
    with open_video(path, "pyav") as video:
        video.read([5])
        assert video.frames_decoded == 6
    with open_video(path, "pyav") as video:
        video.read([25, 75, 125, 175, 225, 275, 325, 375])
        assert video.frames_decoded < 8 * 12


@needs_decord
def test_auto_uses_decord_only_where_its_random_access_is_right(files):
    choice = {name: open_video(path, "auto").backend for name, path in files.items()}
    assert choice["mpeg4.avi"] == "decord"
    assert choice["mpeg4_bframes.avi"] == "pyav"
    if "h264_open_gop.mp4" in choice:
        assert choice["h264_open_gop.mp4"] == "pyav"
        assert choice["h264_bframes.mp4"] == "decord"


def test_auto_is_pyav_where_decord_is_missing(files, monkeypatch):
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    assert open_video(files["mpeg4.avi"]).backend == "pyav"
    with pytest.raises(VideoError, match="pip install decord"):
        open_video(files["mpeg4.avi"], "decord")


def test_the_environment_decides_for_auto(files, monkeypatch):
    monkeypatch.setenv(reading.BACKEND_VARIABLE, "pyav")
    assert open_video(files["mpeg4.avi"]).backend == "pyav"
    monkeypatch.setenv(reading.BACKEND_VARIABLE, "magic")
    with pytest.raises(VideoError, match="magic"):
        open_video(files["mpeg4.avi"])


@needs_decord
def test_decords_bridge_may_be_set_by_others(files):
    truth = by_hand(files["mpeg4.avi"])
    decord.bridge.set_bridge("torch")
    try:
        with open_video(files["mpeg4.avi"], "decord") as video:
            assert torch.equal(video.read([7, 1]), truth[[7, 1]])
    finally:
        decord.bridge.reset_bridge()


@pytest.mark.parametrize("indices", [[60], [-1], [], [0, 1000]])
def test_frames_that_are_not_there_are_refused(files, indices):
    with open_video(files["mpeg4.avi"]) as video, pytest.raises(VideoError, match="59"):
        video.read(indices)


def bad_file(folder: Path, what: str) -> Path:
    path = folder / "bad.avi"
    if what == "empty":
        path.touch()
    elif what == "text":
        path.write_text("<html>404 not found</html>" * 50)
    elif what == "folder":
        path.mkdir()
    elif what == "truncated":
        write_video(path, FRAMES)
        os.truncate(path, path.stat().st_size // 2)
    elif what == "no stream":
        path = folder / "bad.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=44100)
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    elif what == "truncated webm":
        path = write_video(folder / "bad.webm", FRAMES, codec="libvpx-vp9")
        os.truncate(path, path.stat().st_size // 2)
    return path


@pytest.mark.parametrize("backend", ["auto", "pyav"])
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "cannot be found"),
        ("empty", r"0 bytes"),
        ("text", "cannot be opened as a video"),
        ("folder", "not a file"),
        ("truncated", "cut short"),
        ("truncated webm", "cut short"),
        ("no stream", "no video stream"),
    ],
)
def test_a_bad_file_is_named_and_explained(tmp_path, capfd, what, says, backend):
    if "webm" in what and "libvpx-vp9" not in av.codec.codecs_available:
        pytest.skip("PyAV has no VP9 encoder")
    path = bad_file(tmp_path, what)
    with pytest.raises(VideoError, match=says) as caught:
        open_video(path, backend)
    assert str(path) in str(caught.value)
    assert capfd.readouterr().err == ""  # FFmpeg's own complaints stay away


def test_a_file_that_changes_is_counted_anew(tmp_path):
    path = write_video(tmp_path / "a.avi", FRAMES)
    assert open_video(path).num_frames == 60
    write_video(path, FRAMES[:20])
    assert open_video(path).num_frames == 20


def test_damage_in_the_middle_is_an_error_for_frames_behind_it(real_data):
    path = real_data / "real_clips/other/decord_tests/corrupted.mp4"
    if not path.is_file():
        pytest.skip("no corrupted.mp4 among the real clips")
    for backend in ("auto", "pyav", *(["decord"] if HAS_DECORD else [])):
        with open_video(path, backend) as video:
            assert video.num_frames == 50  # promised; 28 of them decode
            assert video.read([0, 27]).shape == (2, 3, 720, 1280)
            with pytest.raises(VideoError, match="after frame 27 of 50"):
                video.read([40])


def real_clips(folder: Path) -> list[Path]:
    """All real clips; of the many in arid6 every 40th."""
    clips = sorted((folder / "real_clips").rglob("*"))
    clips = [
        c for c in clips if c.suffix in VIDEO_SUFFIXES and "corrupted" not in c.stem
    ]
    many = [c for c in clips if "arid6" in c.parts]
    return [c for c in clips if c not in many] + many[::40]


@needs_decord
def test_real_clips_give_the_same_frames_with_both_backends(real_data):
    """Equal pixels, but for Xvid's AVI files, where two levels of 255 are allowed."""
    clips = real_clips(real_data)
    assert len(clips) > 20
    for path in clips:
        with open_video(path, "pyav") as one, open_video(path, "decord") as two:
            count = one.num_frames
            assert count == two.num_frames > 0, path
            wanted = sorted(
                {int((i + 0.5) * count / 12) for i in range(12)} | {count - 1}
            )
            first, second = one.read(wanted), two.read(wanted)
        allowed = 2 if path.suffix == ".avi" else 0
        assert largest_difference(first, second) <= allowed, path


def test_real_clips_are_numbered_as_ffmpeg_shows_them(real_data):
    """Frames found by seeking are those found by decoding everything."""
    for path in real_clips(real_data):
        if path.stem in ("video_90", "still_first_not_marked"):  # seen elsewhere
            continue
        truth = by_hand(path)
        with open_video(path, "pyav") as video:
            assert video.num_frames == len(truth), path
            for number in (len(truth) - 1, len(truth) // 2):
                assert torch.equal(video.read([number])[0], truth[number]), path


def test_a_rotated_video_comes_upright(real_data):
    path = real_data / "real_clips/other/decord_tests/video_90.mov"
    if not path.is_file():
        pytest.skip("no rotated video among the real clips")
    with open_video(path, "pyav") as video:
        assert (video.height, video.width) == (568, 320)
        assert video.read([0]).shape == (1, 3, 568, 320)
        assert torch.equal(video.read([0])[0], by_hand(path)[0].rot90(3, (1, 2)))


def test_paths_with_spaces_and_accents(tmp_path):
    made = write_video(tmp_path / "a.avi", FRAMES[:5])
    path = tmp_path / "vidéo of a day.avi"
    shutil.move(made, path)
    with open_video(str(path)) as video:
        assert video.read([4]).shape == (1, 3, 48, 64)
