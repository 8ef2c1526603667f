"""Colours, scales and marks of the explorer's pictures; what is kept of it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.explorer import first_view, save_gif, save_strip
from dvfl_lib.explorer.pictures import (
    compare_row,
    reach_rows,
    row_a,
    row_b,
)
from dvfl_lib.explorer.sheet import painted
from dvfl_lib.explorer.view import moved_to
from small_record import small_record


@pytest.fixture(scope="module")
def record():
    return small_record((3, 32, 48), regions=1)


@pytest.fixture
def view(record):
    return first_view(record)


def test_zero_is_white_on_a_signed_scale_and_ends_are_the_tables():
    ends = painted(np.array([[-2.0, 0.0, 2.0]]), 2.0, signed=True)[0].astype(int)
    assert ends[1].min() > 240
    assert ends[0][2] > ends[0][1] and ends[2][0] > ends[2][2]  # purple, orange
    amounts = painted(np.array([[0.0, 1.0, 2.0]]), 2.0, signed=False)[0].astype(int)
    brightness = amounts.sum(axis=1)
    assert brightness[0] < brightness[1] < brightness[2]


def test_a_scale_of_its_own_hides_that_a_frame_is_dark(record, view):
    """The brightest colour there is appears in every frame on its own scale only."""
    part = view.maps(record).m_space
    peak = int(part.max(axis=(1, 2)).argmax())
    other = replace(view, frame=(peak + 1) % 3)
    brightest = painted(np.ones((1, 1)), 1.0, signed=False)[0, 0]
    wide = round(128 * 48 / 32) + 10
    seen = {}
    for shared in (True, False):
        array = row_a(record, replace(other, shared=shared)).array
        spatial = array[44:, wide : 2 * wide - 10]  # the second map, below its name
        seen[shared] = bool((spatial == brightest).all(axis=2).any())
    assert seen == {True: False, False: True}


def test_the_token_is_framed_where_it_is(record, view):
    maps = view.maps(record)
    height, width = maps.size[1:]
    there = replace(view, row=height - 1, column=0)
    before, after = row_a(record, view).array, row_a(record, there).array
    changed = np.argwhere((before != after).any(axis=2))
    wide = round(128 * 48 / 32) + 10
    places = {(int(y > 90), int(x // wide)) for y, x in changed}
    assert {place for _, place in places} == {0, 1, 2, 3, 4}  # in every map
    assert np.array_equal(before[:22], after[:22])  # not in the words above


def test_words_give_the_numbers_of_the_maps(record, view):
    words = row_a(record, view).words
    low, high = (f(view.maps(record).product[view.frame]) for f in (np.min, np.max))
    assert f"product {low:.2g} to {high:.2g}" in words
    assert words.endswith("(stand-in data)")
    unsigned = row_b(record, replace(view, signed=False)).words
    assert " -" not in unsigned and " -" in row_b(record, view).words


def test_reach_has_a_row_for_every_block_before(record, view):
    view = moved_to(record, view, "teacher", (3, 2))
    words = reach_rows(record, view).words
    for place in ("3, block 2: 8 of 18", "3, block 1: 18 of 18", "1, block 1: 288 of"):
        assert f"stage {place}" in words
    assert reach_rows(record, view).array.shape[0] == 4 * (64 + 2 * 22)


def test_the_other_network_is_matched_by_stage(record, view):
    words = compare_row(record, moved_to(record, view, "student", (3, 1))).words
    assert "student, block 1, and teacher, block 2" in words
    itself = replace(view, compare="student")
    assert "+1.00" in compare_row(record, itself).words


def test_a_strip_and_a_gif_are_kept(record, view, tmp_path):
    strip = Image.open(save_strip(record, view, tmp_path / "strip.png"))
    assert strip.format == "PNG" and strip.width > strip.height / 2
    with Image.open(save_gif(record, view, tmp_path / "play.gif")) as gif:
        assert gif.n_frames == 3 and gif.info["duration"] == 400
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(RunDirectoryError):
        save_strip(record, view, blocker / "strip.png")


def test_pngs_are_whole_pictures(record, view):
    for make in (row_a, row_b, reach_rows, compare_row):
        picture = make(record, view)
        read = np.asarray(Image.open(io.BytesIO(picture.png)))
        assert np.array_equal(read, picture.array)
