"""A view of what the record does not hold is refused, before anything is drawn."""

from dataclasses import replace

import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import Explorer, View, first_view, strip
from dvfl_lib.explorer.lines import probability_bars, token_lines
from dvfl_lib.explorer.pictures import compare_row, reach_rows, row_a, row_b
from dvfl_lib.explorer.view import moved_to
from small_record import other_record, small_record

DRAWN = (row_a, row_b, reach_rows, compare_row, strip, token_lines, probability_bars)


@pytest.fixture(scope="module")
def record():
    return small_record(grid=0, regions=1)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("frame", -1),
        ("frame", 3),
        ("frame", 1.5),
        ("row", 99),
        ("row", -1),
        ("column", 8),
        ("change", 999),
        ("change", -2),
        ("overlay", 7),
        ("overlay", float("nan")),
        ("temperature", 0),
        ("temperature", float("inf")),
        ("temperature", "1"),
        ("place", [1, 1]),
        ("place", 1),
    ],
)
def test_a_value_out_of_its_range_is_named(record, part, value):
    view = replace(first_view(record), **{part: value})
    for draw in DRAWN:
        with pytest.raises(DVFLError, match=f"view.{part} is"):
            draw(record, view)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("network", "other", "holds no network 'other'"),
        ("compare", "other", "holds no network 'other'"),
        ("place", (9, 1), "9"),
    ],
)
def test_what_the_record_lacks_is_named(record, part, value, said):
    view = replace(first_view(record), **{part: value})
    for draw in DRAWN:
        with pytest.raises(DVFLError, match=said):
            draw(record, view)


@pytest.mark.parametrize("given", ["clip.npz", 3, None])
def test_what_is_no_record_is_refused(record, given):
    view = first_view(record)
    for draw in DRAWN:
        with pytest.raises(DVFLError, match=f"{draw.__name__} takes a Record.*load_"):
            draw(given, view)
        with pytest.raises(DVFLError, match=f"{draw.__name__} takes a View"):
            draw(record, given)
    for make in (Explorer, first_view):
        with pytest.raises(DVFLError, match=f"{make.__name__} takes a Record.*load_"):
            make(given)


def test_a_view_with_nothing_beside_is_drawn(record):
    view = View("teacher", (1, 1))
    assert probability_bars(record, view).count("<rect") == 3
    assert "teacher, block 1, and teacher, block 1" in compare_row(record, view).words


def test_a_token_stays_at_its_pixel_where_maps_cover_unlike_parts():
    """47 pixels: 11 tokens of 4 pixels (44), 15 of 3 (45), 2 of 16 (32)."""
    record = other_record(47)
    view = replace(first_view(record), network="coarse", row=7, column=10)
    there = moved_to(record, view, "fine", (1, 1))  # pixels 30 and 42
    assert (there.row, there.column) == (10, 14)
    last = moved_to(record, view, "coarse", (3, 1))  # beyond the last token
    assert (last.row, last.column) == (1, 1)
    above = moved_to(record, replace(view, row=3), "coarse", (3, 1))  # pixel 14
    assert above.row == 0
