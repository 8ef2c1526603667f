"""Figures of results: no overlapping words, a description, the numbers given."""

import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from dvfl_lib import figures
from dvfl_lib.errors import DVFLError
from dvfl_lib.evaluation.metrics import calibration_of
from dvfl_lib.figures import (
    alt_text,
    benchmarks_figure,
    cost_bars,
    filling_figure,
    reliability_figure,
    save_figure,
)
from dvfl_lib.vfl_net import create_model
from helpers import assert_words_are_clear

NETWORKS = ("teacher", "student, baseline", "student, distilled")


def curves() -> Figure:
    row = {"step": 5, "loss": 1.5, "held_out": {"top1": 0.25, "n": 4}}
    rows = [row | {"step": 5 * i, "loss": 2 / (i + 1)} for i in range(4)]
    return figures.training_curves({name: rows for name in NETWORKS}, chance=0.1)


def per_class(classes: int, **options) -> Figure:
    rng = np.random.default_rng(0)
    entries = {
        name: {
            f"HandstandPushups{c}": SimpleNamespace(
                n=28 if c else 0, value=rng.random() if c else None
            )
            for c in range(classes)
        }
        for name in NETWORKS
    }
    return figures.per_class_figure(entries, **options)


def confusion(classes: int, **options) -> Figure:
    counts = np.eye(classes, dtype=int) * 9
    counts[0] = 0  # a class without videos
    counts[1, 2] = 4
    names = [f"HandstandPushups{c}" for c in range(classes)]
    return figures.confusion_figure(counts, names, **options)


def bars(**options) -> Figure:
    values = {name: (0.6, 0.5, 0.7) for name in NETWORKS}
    return figures.accuracy_bars(values, chance=0.1, **options)


def strip(**options) -> Figure:
    return figures.clip_strip(torch.zeros(10, 3, 12, 16), "a clip", **options)


def views(**options) -> Figure:
    pixels = np.zeros((3, 16, 3, 12, 12), np.uint8)
    return figures.views_figure(pixels, ["left", "middle", "right"], **options)


def sampling(**options) -> Figure:
    video, looks = np.zeros((256, 3, 12, 16), np.uint8), [0, 1, 100, 101, 255, 8, 9, 10]
    return figures.sampling_figure(
        video,
        {"testing": looks, "training,\nepoch 1": looks},
        fps=25,
        segments=8,
        action=(100, 130),
        title="Chosen frames",
        **options,
    )


def crops(**options) -> Figure:
    boxes = {n: (0, k, 12, 12) for k, n in enumerate(("left", "centre", "right"))}
    return figures.crops_figure(np.zeros((3, 12, 16), np.uint8), boxes, **options)


NAMES = ("nano", "tiny", "small", "base")


def costs() -> Figure:
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


EVERY = {
    "costs": costs,
    "filling": filling,
    "sampling": sampling,
    "crops": crops,
    "curves": curves,
    "bars": bars,
    "strip": strip,
    "views": views,
    **{f"per_class{k}": lambda k=k: per_class(k) for k in (12, 101)},
    **{f"confusion{k}": lambda k=k: confusion(k) for k in (12, 101)},
}


@pytest.fixture(params=EVERY, ids=str)
def figure(request) -> Figure:
    return EVERY[request.param]()


def test_words_are_clear_of_each_other_and_the_figure_is_described(figure):
    assert_words_are_clear(figure)
    assert figure.get_figwidth() == 8 and len(figures.alt_text(figure)) > 20


def test_clips_are_shown_pixel_for_pixel():
    clip = torch.arange(10 * 3 * 4 * 4).reshape(10, 3, 4, 4).to(torch.uint8)
    axes = figures.clip_strip(clip).axes
    shown = [image.get_array() for axis in axes for image in axis.images]
    assert len(shown) == 10
    assert np.array_equal(shown[9], clip[9].permute(1, 2, 0).numpy())


def test_no_global_state_is_touched():
    before = dict(matplotlib.rcParams)
    had_pyplot = "matplotlib.pyplot" in sys.modules
    for make in (curves, bars, strip, views):
        make()
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot


@pytest.mark.parametrize("make", [bars, strip, views, crops, sampling])
def test_a_stand_in_says_so_in_its_title(make):
    assert "stand-in data" in make(standin=True).get_suptitle()
    assert "stand-in" not in make().get_suptitle()
    assert "stand-in data" in per_class(3, standin=True).get_suptitle()
    assert "stand-in data" in confusion(3, standin=True).get_suptitle()


def test_palette_has_every_role_and_tells_its_colours_apart():
    parts = ("q", "context", "gate", "modulator", "space", "time")
    networks = ("teacher", "student", "baseline")
    assert set(figures.PALETTE) == {*parts, *networks}
    for group in (parts, networks):
        colours = np.array([to_rgb(figures.PALETTE[role]) for role in group])
        gaps = np.abs(colours[:, None] - colours[None]).sum(-1)
        assert gaps[~np.eye(len(group), dtype=bool)].min() > 0.25


def test_networks_keep_their_colours_from_figure_to_figure():
    for name in NETWORKS:
        role = name.rpartition(", ")[2].replace("distilled", "student")
        assert figures.colour_of(name, 7) == figures.PALETTE[role]
    assert figures.colour_of("student, not distilled") == figures.PALETTE["baseline"]
    assert figures.colour_of("other", 0) != figures.colour_of("other", 1)


def test_curves_show_the_logged_numbers_and_skip_what_was_not_logged():
    rows = [
        {"step": 10, "loss": 2.0},
        {"step": 20, "loss": None, "held_out": {"top1": 0.5}},
        {"step": 30, "loss": 1.0, "held_out": None},
    ]
    left, right = figures.training_curves({"teacher": rows}).axes
    assert left.lines[0].get_xydata().tolist() == [[10, 2], [30, 1]]
    assert right.lines[0].get_xydata().tolist() == [[20, 0.5]]


def test_bars_show_the_values_and_refuse_percent():
    axes = bars().axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.6] * 3
    assert "60.0 %" in [text.get_text() for text in axes.texts]
    with pytest.raises(DVFLError, match=r"shares in \[0, 1\]"):
        figures.accuracy_bars({"teacher": (60, 50, 70)})


def test_confusion_shows_shares_of_rows_and_copes_with_an_empty_class():
    figure = confusion(4)
    shown = figure.axes[0].images[0].get_array()
    assert shown[0].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(shown[1], [0, 9 / 13, 4 / 13, 0])
    assert "HandstandPushups1 taken for HandstandPushups2 4 times" in (
        figures.alt_text(figure)
    )


def test_many_classes_are_numbered_and_the_worst_confusion_is_named():
    texts = assert_words_are_clear(confusion(101))
    assert any("as 2 HandstandPushups2: 4 of 13" in text for text in texts)


def test_classes_are_sorted_by_the_last_network_and_empty_ones_come_last():
    axes = per_class(12).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[-1] == "HandstandPushups0 (0)"
    last = axes.lines[-1].get_xdata()
    assert len(last) == 11 and (np.diff(last) <= 0).all()


def test_long_views_show_first_and_last_frame():
    pixels = np.zeros((1, 22, 3, 4, 4), np.uint8)
    pixels[0, :, 0] = np.arange(22)[:, None, None]
    figure = figures.views_figure(pixels, ["only"])
    shown = [int(axis.images[0].get_array()[0, 0, 0]) for axis in figure.axes]
    assert shown == [0, 3, 6, 9, 12, 15, 18, 21]


def test_saved_png_is_whole_described_and_the_same_every_time(tmp_path):
    first = figures.save_figure(bars(), tmp_path / "sub" / "a.png")
    second = figures.save_figure(bars(), tmp_path / "sub" / "b.png")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as picture:
        assert picture.width == 8 * 160
        assert "student, distilled 60.0 %" in picture.text["Description"]
        assert "Software" not in picture.text
    assert len(list(first.parent.iterdir())) == 2


ROWS = {
    "UCF101, 1": {"student": (0.9, 0.8, 0.95), "teacher": (0.7, 0.6, 0.8)},
    "HMDB51, 1": {"student": (0.5, 0.4, 0.6), "teacher": (0.6, 0.5, 0.7)},
}


def calibration():
    shares = np.array([[0.95, 0.05], [0.91, 0.09], [0.4, 0.6]], np.float32)
    return calibration_of(shares, np.array([0, 1, 1]))


def test_reliability_draws_the_bins_and_says_on_which_side(tmp_path):
    figure = reliability_figure({"student": calibration()}, standin=True)
    above, below = figure.axes
    dots = [line for line in above.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == pytest.approx([0.6, 0.93])
    assert [bar.get_height() for bar in below.patches] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 2]
    words = alt_text(figure)
    assert "surer than right" in words and "error" in words
    assert "stand-in data" in figure.get_suptitle()
    assert save_figure(figure, tmp_path / "a.png").stat().st_size > 1000


def test_benchmarks_are_rows_of_dots_with_intervals(tmp_path):
    figure = benchmarks_figure(ROWS, standin=True)
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == list(ROWS)
    shown = {text.get_text() for text in axis.texts}
    assert {"90.0 %", "70.0 %", "50.0 %", "60.0 %"} <= shown
    assert "HMDB51, 1: student 50.0 %, teacher 60.0 %" in alt_text(figure)
    assert save_figure(figure, tmp_path / "b.png").stat().st_size > 1000


def test_the_axis_of_benchmarks_begins_below_the_lowest_interval_and_says_so():
    high = {"a, 1": {"x": (0.9, 0.84, 0.95), "y": (0.9, 0.79, 0.95)}}
    figure = benchmarks_figure(high)
    (axis,) = figure.axes
    assert axis.get_xlim()[0] == pytest.approx(0.7)
    assert "The axis begins at 70 %." in alt_text(figure)
    assert "The axis begins at 70 %." in axis.get_xlabel()
