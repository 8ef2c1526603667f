"""A strip and an animation as files, under any sensible path and for any duration."""

from dataclasses import replace

import pytest
from PIL import Image

from dvfl_lib.errors import DVFLError, RunDirectoryError
from dvfl_lib.explorer import first_view, save_gif, save_strip
from small_record import small_record


@pytest.fixture(scope="module")
def record():
    return small_record((2, 32, 32), grid=0, regions=1)


def test_an_animation_keeps_its_seconds(record, tmp_path):
    for seconds in (0.02, 0.4, 600):
        path = save_gif(record, first_view(record), tmp_path / "row.gif", seconds)
        with Image.open(path) as picture:
            assert picture.n_frames == 2
            assert picture.info["duration"] == round(1000 * seconds)


@pytest.mark.parametrize("seconds", [-1, 0, 0.001, 1000, float("nan"), "1", None])
def test_a_duration_that_no_gif_can_hold_is_refused(record, tmp_path, seconds):
    with pytest.raises(DVFLError, match="seconds_per_frame is from 0.02 to 600"):
        save_gif(record, first_view(record), tmp_path / "row.gif", seconds)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("save", [save_strip, save_gif])
def test_paths_and_views_are_checked(record, tmp_path, monkeypatch, save):
    view = first_view(record)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save(record, view, "~/kept.png") == tmp_path / "kept.png"
    assert (tmp_path / "kept.png").is_file()
    for path in ("", ".", "/", tmp_path, "a\0b", None):
        with pytest.raises(RunDirectoryError, match=save.__name__):
            save(record, view, path)
    for wrong in (replace(view, row=99), replace(view, frame=-1), None):
        with pytest.raises(DVFLError, match="view|View"):
            save(record, wrong, tmp_path / "other.png")
    with pytest.raises(DVFLError, match="takes a Record"):
        save("clip.npz", view, tmp_path / "other.png")
