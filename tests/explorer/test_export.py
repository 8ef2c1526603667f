"""A strip and an animation as files, of any duration."""

from dataclasses import replace

import pytest
from PIL import Image

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import first_view, save_gif, save_strip
from small_record import small_record


@pytest.fixture(scope="module")
def record():
    return small_record((2, 32, 32), grid=0, regions=1)


def test_an_animation_keeps_its_seconds(record, tmp_path):
    view, path = first_view(record), tmp_path / "row.gif"
    with Image.open(save_gif(record, view, path)) as picture:
        assert picture.info["duration"] == 400
    for seconds in (0.02, 0.6, 600):
        save_gif(record, view, path, seconds)
        with Image.open(path) as picture:
            assert picture.n_frames == 2
            assert picture.info["duration"] == round(1000 * seconds)


@pytest.mark.parametrize("seconds", [-1, 0, 0.001, 1000, float("nan"), "1", None])
def test_a_duration_that_no_gif_can_hold_is_refused(record, tmp_path, seconds):
    with pytest.raises(DVFLError, match="seconds_per_frame is from 0.02 to 600"):
        save_gif(record, first_view(record), tmp_path / "row.gif", seconds)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("save", [save_strip, save_gif])
def test_a_view_that_there_is_not_is_refused(record, tmp_path, save):
    view = first_view(record)
    for wrong in (replace(view, row=99), replace(view, frame=-1), None):
        with pytest.raises(DVFLError, match="view|View"):
            save(record, wrong, tmp_path / "other.png")
    assert not list(tmp_path.iterdir())


def test_a_strip_is_a_picture(record, tmp_path):
    strip = Image.open(save_strip(record, first_view(record), tmp_path / "strip.png"))
    assert strip.format == "PNG" and strip.width > strip.height / 2
