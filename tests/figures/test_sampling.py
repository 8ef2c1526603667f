"""Chosen frames stand where they are in time; crops are the pixels they name."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dvfl_lib.errors import DVFLError
from dvfl_lib.figures import alt_text, crops_figure, sampling_figure, views_figure

N = 40
ROWS = {"segments": [2, 12, 22, 32], "dense": [10, 14, 18, 22]}


def video() -> np.ndarray:
    """(40, 3, 6, 8): frame n is evenly n."""
    return np.broadcast_to(
        np.arange(N, dtype=np.uint8)[:, None, None, None], (N, 3, 6, 8)
    ).copy()


def test_each_row_shows_its_frames_and_marks_their_places():
    figure = sampling_figure(video(), ROWS, fps=25)
    FigureCanvasAgg(figure).draw()
    for axis, chosen in zip(figure.axes, ROWS.values(), strict=True):
        shown = [int(image.get_array()[0, 0, 0]) for image in axis.images]
        assert shown == chosen
        wide = axis.get_xlim()[1]
        marks = [x for line in axis.lines for x in [line.get_xdata()] if x[0] == x[1]]
        places = [float(x[0]) / wide * N - 0.5 for x in marks]
        assert places == pytest.approx(chosen)
        centres = [sum(image.get_extent()[:2]) / 2 for image in axis.images]
        assert centres == sorted(centres) and 0 < centres[0] < centres[-1] < wide


def test_pictures_keep_their_shape():
    figure = sampling_figure(video(), ROWS, fps=25, title="t")
    FigureCanvasAgg(figure).draw()
    axis = figure.axes[0]
    for image in axis.images:
        left, right, low, high = image.get_extent()
        corners = axis.transData.transform([(left, low), (right, high)])
        wide, tall = corners[1] - corners[0]
        assert wide / tall == pytest.approx(8 / 6, rel=1e-3)


def test_segments_and_the_action_are_drawn_and_told():
    plain = sampling_figure(video(), ROWS, fps=25)
    figure = sampling_figure(video(), ROWS, fps=25, segments=4, action=(10, 20))
    assert len(figure.axes[0].lines) == len(plain.axes[0].lines) + 3
    assert len(figure.axes[0].patches) == len(plain.axes[0].patches) + 1
    band = figure.axes[0].patches[-1]
    wide = figure.axes[0].get_xlim()[1]
    assert band.get_x() / wide * N == pytest.approx(10)
    assert band.get_width() / wide * N == pytest.approx(10)
    words = alt_text(figure)
    assert "4 segments" in words and "frames 10 to 19" in words
    assert "dense: 10, 14, 18, 22" in words
    assert "segments." not in alt_text(plain) and "action" not in alt_text(plain)


@pytest.mark.parametrize(("frames", "last"), [(20, "0.8"), (50, "2"), (250, "10")])
def test_the_axis_counts_seconds(frames, last):
    pixels = np.zeros((frames, 3, 6, 8), np.uint8)
    axis = sampling_figure(pixels, {"one": [0]}, fps=25).axes[-1]
    assert axis.get_xticklabels()[-1].get_text() == last


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({}, "at least one"),
        ({"a": []}, "at least one"),
        ({"a": [1], "b": [1, 2]}, "as many frames"),
        ({"a": [0, N]}, f"frames 0 to {N - 1}, not {N}"),
    ],
)
def test_what_cannot_be_drawn_is_refused(rows, says):
    with pytest.raises(DVFLError, match=says):
        sampling_figure(video(), rows, fps=25)


def test_crops_are_the_pixels_of_their_boxes():
    frame = np.arange(6 * 8, dtype=np.uint8).reshape(1, 6, 8).repeat(3, axis=0)
    boxes = {"left": (0, 0, 6, 6), "right": (0, 2, 6, 6)}
    figure = crops_figure(frame, boxes)
    whole, left, right = (axis.images[0].get_array()[..., 0] for axis in figure.axes)
    assert np.array_equal(whole, frame[0])
    assert np.array_equal(left, frame[0, :, :6])
    assert np.array_equal(right, frame[0, :, 2:])
    outlines = figure.axes[0].patches
    assert [p.get_linestyle() for p in outlines] == ["-", "--"]
    assert [a.patches[0].get_linestyle() for a in figure.axes[1:]] == ["-", "--"]
    assert "right: rows 0 to 5, columns 2 to 7" in alt_text(figure)


@pytest.mark.parametrize(
    "boxes",
    [
        {},
        {str(k): (0, 0, 2, 2) for k in range(4)},
        {"low": (1, 0, 6, 6)},
        {"out": (0, -1, 6, 6)},
        {"nothing": (0, 0, 0, 6)},
    ],
)
def test_boxes_that_do_not_fit_are_refused(boxes):
    with pytest.raises(DVFLError, match="boxes|leaves the frame"):
        crops_figure(np.zeros((3, 6, 8), np.uint8), boxes)


def test_a_stand_in_says_so():
    pixels = video()
    for make in (
        lambda **o: sampling_figure(pixels, ROWS, fps=25, **o),
        lambda **o: crops_figure(pixels[0], {"all": (0, 0, 6, 8)}, **o),
    ):
        assert "stand-in data" in make(standin=True).get_suptitle()
        assert "stand-in" not in make().get_suptitle()


def test_rows_of_pictures_are_called_what_they_are():
    rows = np.zeros((2, 4, 3, 6, 8), np.uint8)
    words = alt_text(views_figure(rows, ["a\nb", "c"], "t", what="ways to choose"))
    assert words == "2 ways to choose, one per row: a b, c."
