"""Opinions, bumps, triangles: what is drawn is what was given, and can be told."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dvfl_lib.errors import DVFLError
from dvfl_lib.figures import (
    PALETTE,
    alt_text,
    bump_fits,
    opinion_bars,
    opinion_matrices,
    simplex_fields,
)

NAMES = ("Rising", "Sinking", "Swelling")


def panels(figure) -> list:
    """The axes of a figure, colour bars left out."""
    return [a for a in figure.axes if a.get_label() != "<colorbar>"]


def test_each_opinion_is_a_panel_of_bars_on_one_scale():
    opinions = {"T = 1": [0.7, 0.2, 0.1], "student": torch.tensor([0.3, 0.3, 0.4])}
    figure = opinion_bars(opinions, NAMES, true_class="Sinking", standin=True)
    first, second = panels(figure)
    for axis, shares in zip((first, second), opinions.values(), strict=True):
        widths = [bar.get_width() for bar in axis.patches]
        assert widths == pytest.approx([float(s) for s in shares])
    assert first.get_xlim() == second.get_xlim()
    colours = {to_hex(axis.patches[0].get_facecolor()) for axis in (first, second)}
    assert colours == {PALETTE["teacher"].lower(), PALETTE["student"].lower()}
    bold = [t.get_text() for t in first.get_yticklabels() if t.get_weight() == "bold"]
    assert bold == ["Sinking"]
    assert "T = 1: most likely Rising with 70 %" in alt_text(figure)
    assert "stand-in data" in figure.get_suptitle()


def test_a_wrong_number_of_classes_and_nothing_at_all_are_refused():
    with pytest.raises(DVFLError, match="shape"):
        opinion_bars({"teacher": [0.5, 0.5]}, NAMES)
    with pytest.raises(DVFLError, match="no opinion"):
        opinion_bars({}, NAMES)
    with pytest.raises(DVFLError, match="finite"):
        opinion_bars({"teacher": [0.5, np.nan, 0.5]}, NAMES)


def bump(places, middle: float, width: float) -> np.ndarray:
    values = np.exp(-((places - middle) ** 2) / (2 * width**2))
    return values / values.sum()


def test_bumps_lie_over_the_teacher_and_a_spike_says_how_high_it_is():
    x = np.linspace(-8, 8, 65)
    teacher = (bump(x, -3, 1) + bump(x, 3, 1)) / 2
    spike = (np.abs(x + 3) < 1e-9) * 1.0
    figure = bump_fits(x, teacher, {"wide": bump(x, 0, 3), "spike": spike})
    wide, narrow = panels(figure)
    assert wide.get_ylim() == narrow.get_ylim() and wide.get_ylim()[1] < 1
    student = {line.get_label(): line for line in wide.lines}["student"]
    assert student.get_ydata() == pytest.approx(bump(x, 0, 3))
    assert not wide.texts
    assert [text.get_text() for text in narrow.texts] == ["1.00 at its top"]
    assert "spike: the student's mean is -3.0, its deviation 0.0" in alt_text(figure)
    assert "wide: the student's mean is 0.0, its deviation 2.9" in alt_text(figure)
    assert wide.get_ylabel() == "probability" and not narrow.get_ylabel()
    assert wide.get_xlabel() == narrow.get_xlabel() == "place"


def test_a_name_of_two_parts_takes_two_lines_in_a_panel_and_one_in_words():
    x = np.linspace(-8, 8, 65)
    teacher = bump(x, 0, 1)
    figure = bump_fits(x, teacher, {"reverse KL, from the left": teacher})
    assert panels(figure)[0].get_title() == "reverse KL,\nfrom the left"
    assert "reverse KL, from the left: the student's mean" in alt_text(figure)


def test_bumps_of_other_lengths_are_refused():
    with pytest.raises(DVFLError, match="shape"):
        bump_fits([0, 1, 2], [0.5, 0.5, 0], {"fit": [1.0, 0.0]})
    with pytest.raises(DVFLError, match="no fit"):
        bump_fits([0, 1], [0.5, 0.5], {})


def test_the_diagonal_is_left_out_and_all_panels_have_one_scale():
    matrix = np.array([[0.9, 0.08, 0.02], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9]])
    figure = opinion_matrices({"teacher": matrix, "baseline": matrix / 2}, NAMES)
    first, second = (axis.images[0] for axis in panels(figure))
    assert first.get_clim() == second.get_clim() == (0, 0.3)
    assert np.array_equal(np.ma.getmaskarray(first.get_array()), np.eye(3, dtype=bool))
    assert "teacher most: Rising for Sinking" in alt_text(figure)
    with pytest.raises(DVFLError, match="shape"):
        opinion_matrices({"teacher": matrix[:2]}, NAMES)
    with pytest.raises(DVFLError, match="no matrix"):
        opinion_matrices({}, NAMES)


def test_cells_can_be_outlined_in_every_panel():
    matrix = np.full((3, 3), 0.3)
    marked = [("Rising", "Swelling"), ("Swelling", "Rising")]
    figure = opinion_matrices(
        {"teacher": matrix, "baseline": matrix}, NAMES, outlined=marked
    )
    for axis in panels(figure):
        corners = [frame.get_xy() for frame in axis.patches]
        assert corners == [(1.5, -0.5), (-0.5, 1.5)]  # column, row
    assert "framed: Swelling for Rising, Rising for Swelling" in alt_text(figure)
    bare = opinion_matrices({"teacher": matrix}, NAMES)
    assert not panels(bare)[0].patches and "framed" not in alt_text(bare)


@pytest.mark.parametrize("pair", [("Rising", "Falling"), ("Rising", "Rising")])
def test_what_is_not_drawn_cannot_be_outlined(pair):
    with pytest.raises(DVFLError, match="two different classes"):
        opinion_matrices({"teacher": np.full((3, 3), 0.3)}, NAMES, outlined=[pair])


def field(size: float) -> SimpleNamespace:
    points = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    moves = np.array([[-0.2, 0.1, 0.1], [0.0, 0.0, 0.0], [0.1, 0.1, -0.2]])
    return SimpleNamespace(
        points=points, moves=moves, sizes=np.full(3, size), arrows=[True, True, False]
    )


def test_a_triangle_per_loss_with_arrows_of_one_length():
    figure = simplex_fields({"a": field(1.0), "b": field(9.0)}, (0.6, 0.3, 0.1), NAMES)
    arrows = [axis.collections[1] for axis in panels(figure)]
    for quiver in arrows:
        assert np.hypot(quiver.U, quiver.V) == pytest.approx([1.0, 0.0])
        # away from the left corner: to the right and up
        assert quiver.U[0] > 0 and quiver.V[0] > 0
    colours = [axis.collections[0] for axis in panels(figure)]
    assert colours[0].get_clim() == colours[1].get_clim()
    assert np.asarray(colours[1].get_array()).ravel() == pytest.approx(np.full(3, 3.0))
    star = panels(figure)[0].lines[0].get_xydata()[0]
    assert star == pytest.approx([0.3 + 0.05, 0.1 * 3**0.5 / 2])
    assert "Rising 60 %, Sinking 30 %, Swelling 10 %" in alt_text(figure)


def test_a_triangle_has_three_classes():
    with pytest.raises(DVFLError, match="three classes"):
        simplex_fields({"a": field(1.0)}, (0.5, 0.5), ("Rising", "Sinking"))
    with pytest.raises(DVFLError, match="needs a field"):
        simplex_fields({}, (0.6, 0.3, 0.1), NAMES)
