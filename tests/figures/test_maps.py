"""Maps of tokens and lines: one scale where one is promised, zero is white."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from dvfl_lib.errors import DVFLError
from dvfl_lib.figures import PALETTE, alt_text, heat_maps, line_figure


def images(figure) -> list:
    """The maps of a figure, in order; colour bars left out."""
    axes = [a for a in figure.axes if a.get_label() != "<colorbar>"]
    return [axis.images[0] for axis in axes if axis.images]


def maps(*shapes, seed=0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * (k + 1) for k, shape in enumerate(shapes)]


def test_maps_share_one_scale_and_say_so_by_one_bar():
    rows = [maps((4, 4), (4, 4)), maps((4, 4), (4, 4), seed=1)]
    figure = heat_maps(rows, signed=True)
    limits = {image.get_clim() for image in images(figure)}
    top = max(np.abs(m).max() for row in rows for m in row)
    assert limits == {(-top, top)}
    assert sum(axis.get_label() == "<colorbar>" for axis in figure.axes) == 1


def test_a_scale_for_each_row_or_for_each_map():
    rows = [maps((4, 4), (4, 4)), maps((4, 4), (4, 4), seed=1)]
    by_row = heat_maps(rows, signed=True, shared="row")
    first, second, third, fourth = (i.get_clim() for i in images(by_row))
    assert first == second != third == fourth
    assert sum(axis.get_label() == "<colorbar>" for axis in by_row.axes) == 2
    alone = heat_maps(rows, signed=True, shared="none")
    assert len({image.get_clim() for image in images(alone)}) == 4
    assert not any(axis.get_label() == "<colorbar>" for axis in alone.axes)


def test_zero_is_white_on_a_signed_scale_and_the_bottom_of_an_amount():
    values = np.array([[-2.0, 0.0], [1.0, 0.5]])
    (signed,) = images(heat_maps([[values]], signed=True))
    assert min(signed.to_rgba(0.0)[:3]) > 0.95
    (amount,) = images(heat_maps([[np.abs(values)]]))
    assert amount.get_clim() == (0.0, 2.0)


def test_an_even_map_is_shown():
    (flat,) = images(heat_maps([[np.zeros((3, 3))]]))
    assert flat.get_clim() == (0.0, 1.0)


def test_numbers_are_written_into_the_squares_and_can_be_read():
    values = np.array([[1.25, -0.001], [-3.0, 0.5]])
    figure = heat_maps([[values]], signed=True, numbers=True)
    (image,) = images(figure)
    texts = figure.axes[0].texts
    assert [t.get_text() for t in texts] == ["1.25", "0", "-3", "0.5"]
    for text in texts:
        column, row = text.get_position()
        ground = np.array(image.to_rgba(values[row, column])[:3])
        ink = np.array(to_rgb(text.get_color()))
        assert abs((ground - ink) @ [0.299, 0.587, 0.114]) > 0.4


def test_a_token_is_framed_where_it_stands():
    figure = heat_maps([[np.eye(5)]], mark=(1, 3))
    frames = figure.axes[0].patches
    assert {p.get_xy() for p in frames} == {(2.5, 0.5)}
    assert to_rgb(frames[-1].get_edgecolor()) == to_rgb(PALETTE["q"])
    assert "(1, 3)" in alt_text(figure)


def test_pictures_tensors_and_empty_places_may_stand_beside_maps():
    picture = np.zeros((4, 4, 3), np.uint8)
    figure = heat_maps(
        [[picture, torch.ones(4, 4, requires_grad=True)], [None, np.ones((4, 4))]],
        row_names=("a", "b"),
        column_names=("picture", "map"),
        title="Both",
        standin=True,
    )
    assert len(images(figure)) == 3
    assert "stand-in data" in figure.get_suptitle()
    assert alt_text(figure).startswith("Both: 3 maps in 2 rows. Rows: a, b.")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no map"),
        ([[None]], "no map"),
        ([[np.zeros(3)]], r"\(3,\)"),
        ([[np.zeros((0, 3))]], r"\(0, 3\)"),
        ([[np.full((2, 2), np.nan)]], "finite"),
    ],
)
def test_what_cannot_be_shown_is_refused(rows, says):
    with pytest.raises(DVFLError, match=says):
        heat_maps(rows)


def test_names_must_be_as_many_as_rows():
    with pytest.raises(DVFLError, match="2 rows need as many names"):
        heat_maps([[np.eye(2)], [np.eye(2)]], row_names=["a"])


def test_lines_go_through_their_points_in_their_colours():
    lines = {"attention": ([7, 14], [1, 16]), "focal": ([7, 14], [1, 4])}
    figure = line_figure(
        lines, x="side", y="MACs", log_x=True, log_y=True, colours={"focal": "q"}
    )
    (axis,) = figure.axes
    drawn = {line.get_label(): line for line in axis.lines}
    for name, (xs, ys) in lines.items():
        assert drawn[name].get_xdata().tolist() == xs
        assert drawn[name].get_ydata().tolist() == ys
    assert drawn["focal"].get_color() == PALETTE["q"]
    assert axis.get_xscale() == axis.get_yscale() == "log"
    assert "MACs against side, for attention, focal" in alt_text(figure)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ({}, "no line"),
        ({"a": ([1, 2], [1])}, "as many y as x"),
        ({"a": ([], [])}, "at least one"),
        ({"a": ([1], [float("inf")])}, "finite"),
        ({"a": ([1], [0])}, "positive"),
    ],
)
def test_lines_that_cannot_be_drawn_are_refused(lines, says):
    with pytest.raises(DVFLError, match=says):
        line_figure(lines, x="x", y="y", log_y=True)


def test_a_token_is_framed_on_a_finer_picture_too():
    picture, tokens = np.zeros((8, 16, 3), np.uint8), np.ones((4, 4))
    figure = heat_maps([[picture, tokens]], mark=(1, 3), tokens=(4, 4))
    boxes = [axis.patches[-1] for axis in figure.axes[:2]]
    assert [b.get_xy() for b in boxes] == [(11.5, 1.5), (2.5, 0.5)]
    assert [(b.get_width(), b.get_height()) for b in boxes] == [(4, 2), (1, 1)]
