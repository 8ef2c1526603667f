"""Cost bars and filling maps show the numbers and names that they were given."""

import sys

import pytest
import torch
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure

from dvfl_lib.errors import DVFLError
from dvfl_lib.figures import PALETTE, alt_text, cost_bars, filling_figure
from dvfl_lib.vfl_net import create_model
from figures.test_figures import overlap, words_of

NAMES = ("nano", "tiny", "small", "base")
SPACE, TIME, HEAD = PALETTE["space"], PALETTE["time"], PALETTE["gate"]


def bars() -> Figure:
    panels = {
        "parameters, millions": {n: (9.3 * k, 22.2 * k) for k, n in enumerate(NAMES)},
        "MACs, billions": {n: 27.1 * (k + 1) for k, n in enumerate(NAMES)},
        "tensors, MiB": {n: 107.3 + k for k, n in enumerate(NAMES)},
        "seconds": {n: 0.517 * (k + 1) for k, n in enumerate(NAMES)},
    }
    return cost_bars(panels, title="Four variants", machine=["seconds"])


def filling(name: str = "vfl_net_nano") -> Figure:
    with torch.device("meta"):
        names = list(create_model(name, 101).state_dict())
    left = [n for n in names if "temporal" in n or n.startswith("head")]
    return filling_figure([n for n in names if n not in left], left)


@pytest.mark.parametrize("make", [bars, filling])
def test_words_neither_overlap_nor_leave_the_page(make):
    figure = make()
    words, page = words_of(figure), figure.bbox
    assert all(box.x0 >= -1 and box.x1 <= page.x1 + 1 for _, box in words)
    assert all(box.y0 >= -1 and box.y1 <= page.y1 + 1 for _, box in words)
    for i, (text, box) in enumerate(words):
        for other, other_box in words[i + 1 :]:
            assert not overlap(box, other_box), f"{text!r} covers {other!r}"


def test_bars_are_as_long_as_the_costs_and_begin_with_the_temporal_part():
    axes = bars().axes
    temporal, other = axes[0].patches[2:4]  # the second network's
    assert (temporal.get_x(), temporal.get_width()) == (0, 9.3)
    assert (other.get_x(), other.get_width()) == pytest.approx((9.3, 12.9))
    assert same_color(axes[0].patches[2].get_facecolor(), to_rgb(TIME))
    assert same_color(axes[0].patches[3].get_facecolor(), to_rgb(SPACE))
    assert [t.get_text() for t in axes[1].texts] == ["27.1", "54.2", "81.3", "108"]
    # Without a temporal part the colours of the two branches do not appear.
    assert same_color(axes[1].patches[1].get_facecolor(), "#595959")


def test_the_machines_numbers_are_not_in_the_description():
    figure = bars()
    assert "nano 27.1, tiny 54.2" in alt_text(figure)
    assert "seconds, as measured on this machine" in alt_text(figure)
    assert "0.517" not in alt_text(figure)
    assert "0.517" in [t.get_text() for t in figure.axes[3].texts]


@pytest.mark.parametrize(
    ("panels", "says"),
    [
        ({}, "same networks"),
        ({"a": {}}, "same networks"),
        ({"a": {"x": 1.0}, "b": {"y": 1.0}}, "same networks"),
        ({"a": {"x": -1.0}}, "positive"),
        ({"a": {"x": (2.0, 1.0)}}, "not larger"),
    ],
)
def test_impossible_costs_are_refused(panels, says):
    with pytest.raises(DVFLError, match=says):
        cost_bars(panels)


def squares(figure: Figure, colour: str) -> int:
    """How many squares of a colour the two panels show."""
    every = [patch for axis in figure.axes for patch in axis.patches]
    return sum(same_color(patch.get_facecolor(), to_rgb(colour)) for patch in every)


def test_every_tensor_of_nano_has_a_square_of_its_kind():
    figure = filling()
    assert squares(figure, SPACE) == 98
    assert squares(figure, TIME) == 30
    assert squares(figure, HEAD) == 2
    assert "98 of 130 filled, 30 temporal ones and 2 others" in alt_text(figure)


def test_rows_are_blocks_and_what_is_outside_of_them():
    left, right = filling().axes
    rows = [label.get_text() for label in left.get_yticklabels()]
    assert rows[2:4] == ["stage 3, block 1", "stage 3, block 2"] and len(rows) == 5
    rows = [label.get_text() for label in right.get_yticklabels()]
    merges = [f"merge after stage {stage}" for stage in (1, 2, 3)]
    assert rows == ["patch_embed", *merges, "norm", "head"]
    columns = [label.get_text() for label in left.get_xticklabels()]
    assert len(columns) == 22 and "focal_layers_temporal.1.0.weight" in columns


def test_a_map_of_nothing_is_refused():
    with pytest.raises(DVFLError, match="no tensor"):
        filling_figure([], [])


def test_neither_needs_pyplot():
    before = "matplotlib.pyplot" in sys.modules
    bars(), filling()
    assert ("matplotlib.pyplot" in sys.modules) == before
