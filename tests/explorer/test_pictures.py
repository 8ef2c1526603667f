"""Colours, scales and marks of the explorer's pictures; what is kept of it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dvfl_lib.explorer import first_view, pictures, strip
from dvfl_lib.explorer.pictures import (
    compare_row,
    reach_rows,
    row_a,
    row_b,
)
from dvfl_lib.explorer.record import rank_correlation
from dvfl_lib.explorer.sheet import painted, token_at
from dvfl_lib.explorer.view import moved_to
from small_record import other_record, small_record


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


def test_it_is_said_how_far_grad_cam_agrees(record, view):
    maps, entry = view.maps(record), view.entry(record)
    cam = entry.cams[entry.number_of(view.place)]
    wanted = rank_correlation(maps.product, cam)
    words = row_a(record, view).words
    assert f"Product and Grad-CAM: rank correlation over all frames {wanted:+.2f}" in (
        words
    )
    assert not np.isnan(wanted) and abs(wanted) < 0.99


def test_ranks_are_taken_once_for_all_frames(record, view, monkeypatch):
    asked = []

    def counted(*maps):
        asked.append(maps)
        return rank_correlation(*maps)

    pictures._compared.cache_clear()
    monkeypatch.setattr(pictures, "rank_correlation", counted)
    for frame in range(3):
        for make in (row_a, compare_row):
            make(record, replace(view, frame=frame))
    assert len(asked) == 2
    other = moved_to(record, view, "student", (2, 1))
    assert compare_row(record, other).words != compare_row(record, view).words
    assert len(asked) == 3


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


def test_pngs_are_whole_pictures(record, view):
    for make in (row_a, row_b, reach_rows, compare_row):
        picture = make(record, view)
        read = np.asarray(Image.open(io.BytesIO(picture.png)))
        assert np.array_equal(read, picture.array)


def test_a_map_lies_on_the_pixels_that_it_covers():
    """35 x 63 pixels hold 8 x 15 tokens of 4: 3 pixels beyond them in both ways."""
    record = small_record((2, 35, 63), grid=0, regions=1)
    view = replace(first_view(record), row=7, column=14)
    picture, scale = row_a(record, view), 110 / 35
    left, top, wide, high = picture.boxes[1]
    assert (wide, high) == pytest.approx((60 * scale, 32 * scale), abs=0.6)
    spatial = picture.array[int(top) :, int(left) :]
    white = (spatial[:110, : int(63 * scale)] == 255).all(axis=2)
    edges = round(32 * scale), round(60 * scale)
    assert white[edges[0] + 3 :].all() and white[:, edges[1] + 3 :].all()
    assert not white[: edges[0] - 30, : edges[1] - 30].any()
    # The frame on the input is around the token's own pixels.
    without = row_a(record, replace(view, row=0, column=0)).array
    input_ = (picture.array != without).any(axis=2)[int(top) :, : int(63 * scale)]
    rows, columns = np.argwhere(input_[60:]).T
    assert rows.min() + 60 == pytest.approx(28 * scale, abs=3)
    assert rows.max() + 60 == pytest.approx(32 * scale, abs=3)
    assert columns.min() == pytest.approx(56 * scale, abs=3)
    assert columns.max() == pytest.approx(60 * scale, abs=3)
    inside = left + 59.5 * scale, top + 31.5 * scale
    assert token_at(picture, *inside, (8, 15)) == (7, 14)
    assert token_at(picture, left + 61.5 * scale, top + 5, (8, 15)) is None


def test_an_overlay_is_the_part_of_the_frame_below_the_map():
    record = small_record((1, 35, 63), grid=0, regions=1)
    frames = np.zeros_like(record.frames)
    frames[:, :, :60:4] = 255  # in all tokens, and no row that is cut off
    frames[:, :, 60:] = 77
    record = replace(record, frames=frames)
    picture = row_a(record, replace(first_view(record), overlay=1.0))
    left, top, wide, high = (round(n) for n in picture.boxes[2])
    shown = picture.array[top : top + high, left : left + wide, 0].mean(axis=0)
    start = shown[: round(wide * 4 / 60)]
    assert start.argmax() < len(start) / 2  # the first column of a token, not another
    assert shown[-round(wide * 2 / 60) :].max() < 60  # the last columns are black


def flat(record, value: float):
    """The record with every map of the first network the same everywhere."""
    first = record.networks[0]
    parts = ("q", "m_space", "m_time", "product")
    blocks = tuple(
        replace(
            block,
            **{part: np.full_like(block.q, value) for part in parts},
            gates={n: np.full_like(g, value) for n, g in block.gates.items()},
        )
        for block in first.maps.blocks
    )
    first = replace(first, maps=replace(first.maps, blocks=blocks))
    return replace(record, networks=(first, *record.networks[1:]))


def test_a_map_of_zeros_has_the_colour_of_zero(record):
    zeros = flat(record, 0.0)
    view = first_view(zeros)
    nothing = painted(np.zeros((1, 1)), 1.0, signed=False)[0, 0]
    for shared in (True, False):
        array = strip(zeros, replace(view, shared=shared)).array
        product = array[3 * (88 + 44) + 40 :][:84, : round(84 * 1.5)]
        assert (product == nothing).all()
        gates = row_b(zeros, replace(view, shared=shared)).array[44:160, 2:180]
        assert (gates.min(axis=2) > 240).mean() > 0.9  # white, but for the frame


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (36, "No rank correlation: maps of 9 x 9 and 12 x 12 do not fit"),
        (35, "No rank correlation: the maps cover other pixels"),
    ],
)
def test_maps_that_cannot_be_compared_are_shown_and_it_is_said(size, said):
    record = other_record(size)
    view = replace(first_view(record), compare="fine")
    picture = compare_row(record, view)
    assert said in picture.words and len(picture.boxes) == 2


def test_a_flat_map_has_no_correlation(record, view):
    words = compare_row(flat(record, 1.0), view).words
    assert "No rank correlation: a map is the same everywhere" in words


def test_a_stage_that_the_other_lacks_is_told():
    record = other_record(32)
    view = replace(moved_to(record, first_view(record), "coarse", (3, 1)))
    assert "short, stage 2, block 1" in compare_row(record, view).words


def test_names_stand_apart_above_narrow_maps_and_wide_rows_stay_small():
    tall = small_record((2, 90, 30), grid=0, regions=1)
    boxes = row_a(tall, first_view(tall)).boxes
    steps = np.diff([left for left, *_ in boxes])
    assert steps.min() > 80 and boxes[0][2] < 45  # "temporal, to 4.1" is wider
    wide = small_record((2, 32, 128), grid=0, regions=1)
    picture = row_a(wide, first_view(wide))
    assert picture.array.shape[1] < 1200
    assert picture.boxes[0][2] / picture.boxes[0][3] == pytest.approx(4, rel=0.03)
