"""Figures of clips, maps and opinions: what is drawn is what was given."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb

from dvfl_lib.evaluation.comparison import SeedComparison
from dvfl_lib.figures import (
    PALETTE,
    StudyRow,
    alt_text,
    bump_fits,
    crops_figure,
    heat_maps,
    line_figure,
    opinion_bars,
    opinion_matrices,
    ratio_bars,
    sampling_figure,
    share_bars,
    simplex_fields,
    stream_figure,
    study_figure,
)

pytestmark = pytest.mark.quick


def images(figure) -> list:
    """The maps of a figure, in order; colour bars left out."""
    axes = [a for a in figure.axes if a.get_label() != "<colorbar>"]
    return [axis.images[0] for axis in axes if axis.images]


def maps(*shapes, seed=0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * (k + 1) for k, shape in enumerate(shapes)]


def test_maps_share_one_scale_or_one_per_row_or_none():
    rows = [maps((4, 4), (4, 4)), maps((4, 4), (4, 4), seed=1)]
    for shared, scales, bars in (("all", 1, 1), ("row", 2, 2), ("none", 4, 0)):
        figure = heat_maps(rows, signed=True, shared=shared)
        limits = [image.get_clim() for image in images(figure)]
        assert len(set(limits)) == scales
        assert sum(axis.get_label() == "<colorbar>" for axis in figure.axes) == bars
        if shared == "all":
            top = max(np.abs(m).max() for row in rows for m in row)
            assert set(limits) == {(-top, top)}
        if shared == "row":
            assert limits[0] == limits[1] != limits[2] == limits[3]


def test_zero_is_white_on_a_signed_scale_and_the_bottom_of_an_amount():
    values = np.array([[-2.0, 0.0], [1.0, 0.5]])
    (signed,) = images(heat_maps([[values]], signed=True))
    assert min(signed.to_rgba(0.0)[:3]) > 0.95
    (amount,) = images(heat_maps([[np.abs(values)]]))
    assert amount.get_clim() == (0.0, 2.0)


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


def test_a_token_is_framed_on_a_finer_picture_too():
    picture, tokens = np.zeros((8, 16, 3), np.uint8), np.ones((4, 4))
    figure = heat_maps([[picture, tokens]], mark=(1, 3), tokens=(4, 4))
    boxes = [axis.patches[-1] for axis in figure.axes[:2]]
    assert [b.get_xy() for b in boxes] == [(11.5, 1.5), (2.5, 0.5)]
    assert [(b.get_width(), b.get_height()) for b in boxes] == [(4, 2), (1, 1)]


N = 40


ROWS = {"segments": [2, 12, 22, 32], "dense": [10, 14, 18, 22]}


def video() -> np.ndarray:
    """(40, 3, 6, 8): frame n is evenly n."""
    return np.broadcast_to(
        np.arange(N, dtype=np.uint8)[:, None, None, None], (N, 3, 6, 8)
    ).copy()


def test_each_row_shows_its_frames_and_marks_their_places():
    figure = sampling_figure(video(), ROWS, fps=25, segments=4, action=(10, 20))
    assert "4 segments. The action is in frames 10 to 19" in alt_text(figure)
    assert "dense: 10, 14, 18, 22" in alt_text(figure)
    FigureCanvasAgg(figure).draw()
    for axis, chosen in zip(figure.axes, ROWS.values(), strict=True):
        shown = [int(image.get_array()[0, 0, 0]) for image in axis.images]
        assert shown == chosen
        wide = axis.get_xlim()[1]
        lines = [line for line in axis.lines if line.get_color() == "black"]
        marks = [line.get_xdata() for line in lines]
        places = [float(x[0]) / wide * N - 0.5 for x in marks]
        assert places == pytest.approx(chosen)
        centres = [sum(image.get_extent()[:2]) / 2 for image in axis.images]
        assert centres == sorted(centres) and 0 < centres[0] < centres[-1] < wide


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


def bump(places, middle: float, width: float) -> np.ndarray:
    values = np.exp(-((places - middle) ** 2) / (2 * width**2))
    return values / values.sum()


def test_bumps_lie_over_the_teacher_and_a_spike_says_how_high_it_is():
    x = np.linspace(-8, 8, 65)
    teacher = (bump(x, -3, 1) + bump(x, 3, 1)) / 2
    spike = (np.abs(x + 3) < 1e-9) * 1.0
    figure = bump_fits(x, teacher, {"wide": bump(x, 0, 3), "spike": spike}, title="")
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


def test_the_diagonal_is_left_out_and_all_panels_have_one_scale():
    matrix = np.array([[0.9, 0.08, 0.02], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9]])
    networks = {"teacher": matrix, "baseline": matrix / 2}
    figure = opinion_matrices(networks, NAMES, outlined=[("Rising", "Swelling")])
    assert all(a.patches[0].get_xy() == (1.5, -0.5) for a in panels(figure))
    assert "framed: Swelling for Rising" in alt_text(figure)
    first, second = (axis.images[0] for axis in panels(figure))
    assert first.get_clim() == second.get_clim() == (0, 0.3)
    assert np.array_equal(np.ma.getmaskarray(first.get_array()), np.eye(3, dtype=bool))
    assert "teacher most: Rising for Sinking" in alt_text(figure)


def field(size: float) -> SimpleNamespace:
    points = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    moves = np.array([[-0.2, 0.1, 0.1], [0.0, 0.0, 0.0], [0.1, 0.1, -0.2]])
    return SimpleNamespace(
        points=points,
        moves=moves,
        sizes=size * np.array([1, 4 / 9, 0]),
        arrows=[True, True, False],
    )


def test_a_triangle_per_loss_with_arrows_of_one_length():
    figure = simplex_fields({"a": field(1.0), "b": field(9.0)}, (0.6, 0.3, 0.1), NAMES)
    arrows = [axis.collections[1] for axis in panels(figure)]
    for quiver in arrows:
        assert np.hypot(quiver.U, quiver.V) == pytest.approx([1.0, 0.0])
        # away from the left corner: to the right and up
        assert quiver.U[0] > 0 and quiver.V[0] > 0
    for axis, most in zip(
        panels(figure), ("a, longest 1", "b, longest 9"), strict=True
    ):
        colours = axis.collections[0]
        assert axis.get_title() == most and colours.get_clim() == (0, 1)
        assert np.asarray(colours.get_array()).ravel() == pytest.approx([1, 2 / 3, 0])
    star = panels(figure)[0].lines[0].get_xydata()[0]
    assert star == pytest.approx([0.3 + 0.05, 0.1 * 3**0.5 / 2])
    assert "Rising 60 %, Sinking 30 %, Swelling 10 %" in alt_text(figure)


RATIOS = {"slow": (1.0, 1.0, 1.0), "fast": (1.8, 1.7, 2.0)}


AMOUNTS = {
    "slow": {"products": 3.0, "copies": 1.0},
    "fast": {"products": 3.0, "copies": 0},
}


def test_a_bar_is_as_long_as_its_ratio():
    figure = ratio_bars(RATIOS, "slow", title="Speed")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [1.0, 1.8]
    assert "as measured on this machine" in alt_text(figure)
    assert "1.8" not in alt_text(figure)


def test_parts_of_a_bar_stand_one_behind_the_other():
    figure = share_bars(AMOUNTS, unit="ms")
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert bars == [(0, 3), (3, 1), (0, 3), (3, 0)]
    assert [t.get_text() for t in figure.axes[0].texts] == ["75 %", "25 %", "100 %"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["products", "copies"]
    assert "slow, fast, cut into products, copies; as measured" in alt_text(figure)


def a_stream():
    table = np.full((6, 3), np.nan)
    table[2:4] = (0.8, 0.1, 0.1)
    table[4:] = (0.2, 0.7, 0.1)
    return table, ("a", "b", "c"), [(0, 3, "a"), (3, 6, "b")]


def test_a_line_per_class_and_a_band_per_action():
    table, classes, spans = a_stream()
    figure = stream_figure(table, classes, spans, title="Stream", standin=True)
    lines, band = figure.axes
    drawn = [line.get_ydata() for line in lines.lines[:3]]
    assert np.array_equal(np.stack(drawn, axis=1), table, equal_nan=True)
    assert [(p.get_x(), p.get_width()) for p in band.patches] == [(0, 3), (3, 3)]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["a", "b", "other classes"]  # c is neither shown nor likely
    assert [text.get_text() for text in band.texts] == ["a", "b"]
    (waiting,) = [text.get_text() for text in lines.texts]
    assert waiting == "no answer\nyet" and lines.patches[0].get_width() == 2
    told = alt_text(figure)
    assert "frames 0 to 2 show a, likeliest is a in 100 % of the answers" in told
    assert "frames 3 to 5 show b, likeliest is b in 67 % of the answers" in told
    assert "stand-in data" in figure.get_suptitle()


STUDIED = [
    StudyRow("0", {0: 0.5, 1: 0.6, 7: 0.7}, SeedComparison((), 0.0, 0.0, 0.0), ""),
    StudyRow("0.5", {0: 0.7, 1: 0.9}, SeedComparison((0.2, 0.3), 0.2, 0.1, 0.3), "0"),
    StudyRow("0.9", {0: 0.5, 1: 0.7}, SeedComparison((0.0,), 0.0, -0.2, 0.2), "0"),
]


def test_a_marker_per_seed_and_only_what_is_told_apart_is_filled():
    drawn = study_figure("alpha", STUDIED, standin=True)
    left, right = drawn.axes
    points = [line for line in left.lines if line.get_marker() not in ("None", None)]
    by_seed = {line.get_label(): list(line.get_xdata()) for line in points}
    assert by_seed == {
        "seed 0": [0.5, 0.7, 0.5],
        "seed 1": [0.6, 0.9, 0.7],
        "seed 7": [0.7],
    }
    assert len({line.get_marker() for line in points}) == 3
    heights = [line.get_ydata()[0] for line in points]  # of the first row
    assert heights == sorted(set(heights)) and max(map(abs, heights)) < 0.4
    named = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert named == [*by_seed]
    dots = [line for line in right.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [20.0, 0.0]
    fills = [to_hex(line.get_markerfacecolor()).upper() for line in dots]
    assert fills == [PALETTE["student"], "#FFFFFF"]
    said = alt_text(drawn)
    assert (
        "0.5: mean 80.0 % of 2 seeds, +20.0 points against 0 over 2 seeds, told" in said
    )
    assert "0.9: mean 60.0 % of 2 seeds, +0.0 points against 0 over 1 seed, not" in said
