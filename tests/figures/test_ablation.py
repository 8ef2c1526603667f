"""Pictures of an ablation: every seed, every difference, and words for both."""

import math
from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from dvfl_lib.errors import DVFLError
from dvfl_lib.figures.ablation import StudyRow, study_figure
from dvfl_lib.figures.style import PALETTE, alt_text

ROWS = [
    StudyRow("0", (0.5, 0.6, 0.7), 0.0, 0.0, 0.0, ""),
    StudyRow("0.5", (0.7, 0.8, 0.9), 0.2, 0.1, 0.3, "0"),
    StudyRow("0.9", (0.5, 0.7, 0.6), 0.0, -0.2, 0.2, "0"),
]


@pytest.fixture
def drawn():
    return study_figure("alpha", ROWS, chance=1 / 12, standin=True)


def test_every_seed_is_a_marker_of_its_own(drawn):
    left = drawn.axes[0]
    points = [line for line in left.lines if line.get_marker() not in ("None", None)]
    assert sorted(line.get_xdata()[0] for line in points) == sorted(
        value for row in ROWS for value in row.values
    )
    assert len({line.get_marker() for line in points}) == 3


def test_only_what_is_told_apart_is_filled(drawn):
    right = drawn.axes[1]
    dots = [line for line in right.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [20.0, 0.0]
    fills = [to_hex(line.get_markerfacecolor()).upper() for line in dots]
    assert fills == [PALETTE["student"], "#FFFFFF"]


def test_the_title_says_how_many_seeds_and_that_it_is_the_standin(drawn):
    assert drawn.get_suptitle() == "alpha: 3 seeds (stand-in data)"
    assert (
        "1 seed"
        in study_figure(
            "x", [StudyRow("a", (0.5,), 0.0, -math.inf, math.inf, "")]
        ).get_suptitle()
    )


def test_the_words_tell_every_row(drawn):
    said = alt_text(drawn)
    assert "0.5: mean 80.0 %, +20.0 points against 0, more than noise" in said
    assert "0.9: mean 60.0 %, +0.0 points against 0, within noise" in said


@pytest.mark.parametrize(
    "rows", [[], [ROWS[0], StudyRow("b", (0.5,), 0.0, 0.0, 0.0, "0")]]
)
def test_rows_that_do_not_fit_are_refused(rows):
    with pytest.raises(DVFLError, match="one value per seed"):
        study_figure("x", rows)


def test_no_words_are_cut_off():
    """The names of the references take room from the right-hand axis."""
    long = [replace(row, label=row.label + ", a long name", versus="") for row in ROWS]
    long[1:] = [replace(row, versus=long[0].label) for row in long[1:]]
    figure = study_figure("alpha", long, standin=True)
    FigureCanvasAgg(figure).draw()
    for axis in figure.axes:
        box = axis.xaxis.label.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
