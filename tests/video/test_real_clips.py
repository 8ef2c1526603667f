"""Real clips, and files on which readers fail."""

from pathlib import Path

import pytest
import torch

from dvfl_lib.errors import VideoError
from dvfl_lib.video import frame_index
from dvfl_lib.video.reading import open_video
from video.test_reading import by_hand, needs_decord

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore:.*video streams"),
]
SUFFIXES = {".avi", ".mp4", ".webm", ".mkv", ".mov"}
# Frames that a player shows of each file.
AWKWARD = {
    **dict.fromkeys(("trim_1.5.mov", "trim_1.5.mp4"), 75),  # an edit list hides some
    **{"trim_2.7_0.5.mp4": 17, "xvid_bf.avi": 118, "starts_mid_gop.ts": 90},
    "dropped_half_mjpeg.avi": 60,
    **dict.fromkeys(("header_double.avi", "piped.avi"), 120),  # wrong counts in headers
    **dict.fromkeys(("vp8_altref_short.webm", "vfr.mp4", "wmv2_g12.wmv"), 120),
    **dict.fromkeys(("hevc_g24.ts", "x264.m2ts", "x264_g24.avi"), 120),
    "still_first_not_marked.mkv": 120,
}


@pytest.fixture(scope="module")
def awkward(real_data) -> Path:
    folder = real_data / "real_clips/awkward"
    if not folder.is_dir():
        pytest.skip("no awkward files among the real clips")
    return folder


@needs_decord
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_files_give_what_a_player_shows(awkward, name):
    """All frames; one alone as among others; and the same from both backends."""
    path = awkward / name
    with open_video(path, "decord") as one, open_video(path, "pyav") as other:
        count = one.num_frames
        assert count == other.num_frames == AWKWARD[name]
        frames = one.read(range(count))
        assert torch.equal(frames, other.read(range(count)))
    for number in (12, count - 1, count // 2):
        with open_video(path) as video:
            assert torch.equal(video.read([number])[0], frames[number])


def test_of_an_unmarked_picture_and_a_video_the_video_is_read(awkward):
    frame_index._index.cache_clear()  # a warning comes once
    with pytest.warns(UserWarning, match="has 2 video streams"):
        assert (
            frame_index.index_frames(awkward / "still_first_not_marked.mkv").stream == 1
        )


def real_clips(folder: Path) -> list[Path]:
    """All real clips; of the many in arid6 every 40th."""
    clips = sorted((folder / "real_clips").rglob("*"))
    clips = [c for c in clips if c.suffix in SUFFIXES and c.stem != "corrupted"]
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
                {*(int((i + 0.5) * count / 12) for i in range(12)), count - 1}
            )
            apart = (one.read(wanted).int() - two.read(wanted).int()).abs().max()
        assert apart <= (2 if path.suffix == ".avi" else 0), path


def test_real_clips_are_numbered_as_ffmpeg_shows_them(real_data):
    """Frames found by seeking are those found by decoding everything."""
    for path in real_clips(real_data):
        if path.stem in ("video_90", "still_first_not_marked"):  # seen elsewhere
            continue
        truth = by_hand(path)
        with open_video(path, "pyav") as video:
            assert video.num_frames == len(truth), path
            for number in range(len(truth) - 1, 0, -max(1, len(truth) // 9)):
                assert torch.equal(video.read([number])[0], truth[number]), path


@pytest.mark.parametrize("backend", ["decord", "pyav"])
def test_damage_in_the_middle_is_an_error_for_frames_behind_it(real_data, backend):
    path = real_data / "real_clips/other/decord_tests/corrupted.mp4"
    with open_video(path, backend) as video:
        assert video.num_frames == 50  # promised; 28 of them decode
        assert video.read([0, 27]).shape == (2, 3, 720, 1280)
        with pytest.raises(VideoError, match="after frame 27 of 50"):
            video.read([40])


def test_a_rotated_video_comes_upright(real_data):
    path = real_data / "real_clips/other/decord_tests/video_90.mov"
    with open_video(path, "pyav") as video:
        assert (video.height, video.width) == (568, 320)
        assert torch.equal(video.read([0])[0], by_hand(path)[0].rot90(3, (1, 2)))
