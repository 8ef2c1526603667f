"""Awkward videos in the explorer: sensible maps, or a clear message."""

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dvfl_lib.errors import DVFLError, VideoError
from dvfl_lib.explorer import load_record, record_video, save_record, write_page
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.reading import open_video
from dvfl_lib.video.transforms import evaluation_crops, normalise

CLASSES = ("jump", "run", "sit")


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {"student": create_model("vfl_net_lab_student", 3, init="fan_in").eval()}


def write_video(path, frames, height, width, moving=True):
    """A bright square that moves, or stands."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((height, width, 3), 40, np.uint8)
            left = (number * 5 if moving else 7) % max(width - 20, 1)
            picture[height // 3 : height // 2, left : left + 20] = 230
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("frames", "height", "width", "moving"),
    [
        pytest.param(
            *(300, 1080, 1920, True),
            id="300 frames of 1080p",
            marks=pytest.mark.nightly,
        ),
        pytest.param(20, 320, 180, True, id="vertical"),
        pytest.param(3, 120, 160, True, id="3 frames"),
        pytest.param(1, 120, 160, True, id="1 frame"),
        pytest.param(30, 120, 160, False, id="still"),
        pytest.param(10, 98, 130, True, id="sizes no power of two"),
        pytest.param(10, 40, 400, True, id="a narrow strip"),
    ],
)
def test_videos_of_every_kind_give_finite_maps(
    tmp_path, networks, frames, height, width, moving
):
    path = write_video(tmp_path / "video.mp4", frames, height, width, moving)
    record = record_video(path, networks, CLASSES, grid=1, regions=1)
    assert record.title == "video.mp4" and record.frames.shape == (8, 64, 64, 3)
    (entry,) = record.networks
    assert np.isfinite(entry.logits).all()
    for block in entry.maps:
        assert block.size[0] == 8
        for part in (block.q, block.m_space, block.m_time, block.product):
            assert np.isfinite(part).all() and part.min() >= 0 and part.max() > 0
    if not moving:
        # Nothing moves: but for the borders of time, every frame gets the same map.
        product = entry.maps.at(1).m_space
        assert np.abs(product - product[:1]).max() < 0.2 * product.max()
    again = load_record(save_record(record, tmp_path / "clip.npz"))
    assert np.array_equal(again.frames, record.frames)


def test_what_is_no_video_is_refused_by_name(tmp_path, networks):
    with pytest.raises(VideoError, match="none.mp4"):
        record_video(tmp_path / "none.mp4", networks, CLASSES)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(VideoError, match="text.mp4"):
        record_video(text, networks, CLASSES)
    with pytest.raises(VideoError):
        record_video(tmp_path, networks, CLASSES)


def test_a_crop_that_does_not_fit_is_refused(tmp_path, networks):
    path = write_video(tmp_path / "video.mp4", 4, 64, 64)
    with pytest.raises(DVFLError, match="does not fit"):
        record_video(path, networks, CLASSES, crop=80, short_side=72)


def test_the_centre_is_that_of_an_evaluation(tmp_path, networks):
    """To the pixel, also where the rest at both sides is odd: 97 - 64."""
    path = write_video(tmp_path / "video.mp4", 8, 72, 97)
    record = record_video(path, networks, CLASSES, grid=0, regions=0)
    with open_video(path) as reader:
        clip = evaluation_crops(reader.read(range(8)), 72, 64)[0]
    frames = torch.from_numpy(record.frames).permute(0, 3, 1, 2)
    assert torch.allclose(normalise(frames), clip, atol=1e-6)


def test_a_thread_of_pixels_is_refused(tmp_path, networks):
    path = tmp_path / "thread.png"
    Image.fromarray(np.zeros((1, 20_000, 3), np.uint8)).save(path)
    with pytest.raises(VideoError, match="20000 x 1 pixels; a side may be at most"):
        record_video(path, networks, CLASSES, grid=0, regions=0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"crop": 64.0}, "crop is a whole number from 1"),
        ({"crop": 0}, "crop is a whole number from 1"),
        ({"frames": 1.5}, "frames is a whole number from 1"),
        ({"frames": 0}, "frames is a whole number from 1"),
        ({"short_side": 0}, "short_side is a whole number from 1"),
        ({"short_side": "72"}, "short_side is a whole number from 1"),
        ({"crop": 8}, "too small"),
        ({"grid": -1}, "grid is a whole number from 0"),
        ({"title": None}, "title is a string"),
    ],
)
def test_impossible_sizes_are_refused(tmp_path, networks, given, says):
    path = write_video(tmp_path / "video.mp4", 4, 80, 80)
    with pytest.raises(DVFLError, match=says):
        record_video(path, networks, CLASSES, **given)


@pytest.mark.parametrize("path", ["a\0b.mp4", "~nobody-there/x.mp4", "", None, 3])
def test_what_is_no_path_is_refused(networks, path):
    with pytest.raises(VideoError, match="record_video"):
        record_video(path, networks, CLASSES)


def test_a_name_that_is_no_utf8_is_recorded_saved_and_shown(tmp_path, networks):
    made = write_video(tmp_path / "video.mp4", 4, 80, 80)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    try:
        shutil.copy(made, path)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    record = record_video(path, networks, CLASSES, grid=0, regions=0)
    assert record.title == "caf?.mp4"
    saved = save_record(record, tmp_path / "clip.npz")
    page = write_page(load_record(saved), tmp_path / "clip.html")
    assert "caf?.mp4" in page.read_text("utf-8")


@pytest.mark.nightly
def test_real_clips_are_taken(real_data, networks):
    clips = sorted((real_data / "real_clips" / "ucf101" / "Biking").glob("*.avi"))
    record = record_video(clips[0], networks, CLASSES, grid=1, regions=1)
    assert record.networks[0].maps.at(3).product.max() > 0
