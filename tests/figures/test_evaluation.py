"""Pictures of calibration and of several benchmarks."""

import numpy as np
import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.evaluation.metrics import calibration_of
from dvfl_lib.figures import alt_text, save_figure
from dvfl_lib.figures.benchmarks import benchmarks_figure
from dvfl_lib.figures.reliability import reliability_figure

ROWS = {
    "UCF101, 1": {"student": (0.9, 0.8, 0.95), "teacher": (0.7, 0.6, 0.8)},
    "HMDB51, 1": {"student": (0.5, 0.4, 0.6), "teacher": (0.6, 0.5, 0.7)},
}


def calibration():
    shares = np.array([[0.95, 0.05], [0.9, 0.1], [0.4, 0.6]], np.float32)
    return calibration_of(shares, np.array([0, 1, 1]), bins=5)


def test_reliability_draws_the_bins_and_says_on_which_side(tmp_path):
    figure = reliability_figure({"student": calibration()}, standin=True)
    above, below = figure.axes
    dots = [line for line in above.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == pytest.approx([0.6, 0.925])
    assert [bar.get_height() for bar in below.patches] == [0, 0, 0, 1, 2]
    words = alt_text(figure)
    assert "surer than right" in words and "error" in words
    assert "stand-in data" in figure.get_suptitle()
    assert save_figure(figure, tmp_path / "a.png").stat().st_size > 1000


def test_reliability_of_several_networks_has_a_panel_for_each():
    found = reliability_figure({"a": calibration(), "b": calibration()})
    assert len(found.axes) == 4
    with pytest.raises(DVFLError, match="no network"):
        reliability_figure({})


def test_benchmarks_are_rows_of_dots_with_intervals(tmp_path):
    figure = benchmarks_figure(ROWS, chance=0.1, standin=True)
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == list(ROWS)
    shown = {text.get_text() for text in axis.texts}
    assert {"90.0 %", "70.0 %", "50.0 %", "60.0 %"} <= shown
    assert "HMDB51, 1: student 50.0 %, teacher 60.0 %" in alt_text(figure)
    assert save_figure(figure, tmp_path / "b.png").stat().st_size > 1000


def test_the_axis_of_benchmarks_may_begin_below_the_lowest_interval():
    high = {"a, 1": {"x": (0.9, 0.84, 0.95), "y": (0.9, 0.79, 0.95)}}
    figure = benchmarks_figure(high, chance=0.1, from_zero=False)
    (axis,) = figure.axes
    assert axis.get_xlim()[0] == pytest.approx(0.7)
    assert not [t for t in axis.texts if "chance" in t.get_text()]
    assert "The axis begins at 70 %." in alt_text(figure)
    assert "axis begins" not in alt_text(benchmarks_figure(high))


@pytest.mark.parametrize(
    "rows, told",
    [
        ({}, "same networks"),
        ({"a": {"x": (0.1, 0, 1)}, "b": {"y": (0.1, 0, 1)}}, "same networks"),
        ({"a": {"x": (90, 80, 95)}}, "shares"),
    ],
)
def test_what_cannot_be_drawn_is_refused(rows, told):
    with pytest.raises(DVFLError, match=told):
        benchmarks_figure(rows)
