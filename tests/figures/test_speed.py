"""Bars of speed, and probabilities over a stream."""

import numpy as np
import pytest
import torch

from dvfl_lib.deployment import Recognition, smoothed_table
from dvfl_lib.errors import DVFLError
from dvfl_lib.figures import alt_text, ratio_bars, share_bars, stream_figure

RATIOS = {"slow": (1.0, 1.0, 1.0), "fast": (1.8, 1.7, 2.0)}
SHARES = {
    "slow": {"products": 3.0, "copies": 1.0},
    "fast": {"products": 3.0, "copies": 0},
}


def test_a_bar_is_as_long_as_its_ratio():
    figure = ratio_bars(RATIOS, "slow", title="Speed")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [1.0, 1.8]
    assert "as measured on this machine" in alt_text(figure)
    assert "1.8" not in alt_text(figure)
    assert "fast 1.80" in alt_text(ratio_bars(RATIOS, "slow", machine=False))


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ({"fast": (1, 1, 1)}, "reference 'slow'"),
        ({"slow": (1, 1, 1), "fast": (float("nan"), 1, 1)}, "fast has the ratios"),
        ({"slow": (1, 1, 1), "fast": (0, 0, 0)}, "fast has the ratios"),
    ],
)
def test_ratios_that_are_none(ratios, said):
    with pytest.raises(DVFLError, match=said):
        ratio_bars(ratios, "slow")


def test_parts_of_a_bar_stand_one_behind_the_other():
    figure = share_bars(SHARES, unit="ms")
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert bars == [(0, 3), (3, 1), (0, 3), (3, 0)]
    assert [t.get_text() for t in figure.axes[0].texts] == ["75 %", "25 %", "100 %"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["products", "copies"]
    told = alt_text(share_bars(SHARES, machine=False))
    assert "slow: products 3, copies 1" in told


@pytest.mark.parametrize(
    "shares",
    [{}, {"a": {}}, {"a": {"x": 1}, "b": {"y": 1}}, {"a": {"x": -1}}],
)
def test_shares_that_are_none(shares):
    with pytest.raises(DVFLError):
        share_bars(shares)


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


def test_streams_that_are_none():
    table, classes, spans = a_stream()
    with pytest.raises(DVFLError, match="not \\(frames, 2 classes"):
        stream_figure(table, classes[:2])
    with pytest.raises(DVFLError, match="no class is called 'd'"):
        stream_figure(table, classes, [(0, 6, "d")])
    told = alt_text(stream_figure(table, classes, [(0, 2, "a")]))
    assert "frames 0 to 1 show a, no answer yet" in told


def test_answers_of_a_stream_as_a_table():
    first = torch.tensor([0.25, 0.75], dtype=torch.float64)
    said = [Recognition(0, False, 1), Recognition(1, True, 0, first, first, 1, "b")]
    table = smoothed_table(said, 2)
    assert table[0].isnan().all() and torch.equal(table[1], first)
    assert smoothed_table([], 2).shape == (0, 2)
