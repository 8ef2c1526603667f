"""Networks side by side: how they learned, how well they do, what they confuse.

Public names: ``training_curves``, ``per_class_figure``, ``accuracy_bars``,
``benchmarks_figure``, ``confusion_figure``, ``reliability_figure``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import (
    GREY,
    MARKERS,
    chance_line,
    colour_of,
    columns_of,
    in_percent,
    legend_below,
    name_axes,
    name_rows,
    new_figure,
    percent,
)

# data set -> network -> (top-1, low, high)
Accuracies = Mapping[str, Mapping[str, tuple[float, float, float]]]
_NAMED = 30  # up to so many classes each row and column bears its name
_COUNTED = 16  # up to so many classes each cell bears its count
_LISTED = 15  # confusions told in words where rows bear numbers only


def training_curves(
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    chance: float | None = None,
    standin: bool = False,
) -> Figure:
    """Training loss and held-out top-1 by optimiser step, a colour per network.

    Args:
        logs: network -> lines of its ``log.jsonl``; a line may lack loss or score.
        chance: accuracy of guessing, drawn as a dotted line.
    """
    figure, (left, right) = new_figure("Training", standin, height=3.4, columns=2)
    lasts: list[str] = []
    for place, (name, rows) in enumerate(logs.items()):
        colour = colour_of(name, place)
        lost = [(r["step"], r["loss"]) for r in rows if r.get("loss") is not None]
        steps, losses = columns_of(lost)
        left.plot(steps, losses, color=colour, alpha=0.25, linewidth=0.8)
        left.plot(steps, _running_mean(losses), color=colour, label=name)
        held = [(r["step"], r["held_out"]["top1"]) for r in rows if r.get("held_out")]
        steps, scores = columns_of(held)
        right.plot(steps, scores, color=colour, marker=MARKERS[place % 8], ms=3.5)
        lasts += [f"{name} ends at {in_percent(score)}" for score in scores[-1:]]
    left.set(xlabel="optimiser step", ylabel="training loss (own objective)")
    right.set(xlabel="optimiser step", ylabel="top-1 on held-out groups")
    percent(right.yaxis)
    right.set_ylim(0, 1.02)
    if chance is not None:
        chance_line(right, chance, upright=False)
    legend_below(figure, len(logs))
    figure.set_label(
        "Two panels by optimiser step: training loss, and top-1 accuracy on "
        f"held-out groups. {'; '.join(lasts)}."
    )
    return figure


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over a thirtieth of a long curve; a short one stays as it is."""
    half = len(values) // 60
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low = np.maximum(places - half, 0)
    high = np.minimum(places + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def per_class_figure(
    networks: Mapping[str, Mapping[str, Any]],
    *,
    title: str = "Accuracy per class",
    standin: bool = False,
) -> Figure:
    """A dot per class and network; classes sorted by the last network's accuracy.

    Args:
        networks: network -> class -> an object with ``n`` and ``value`` (None where
            the list holds no video of the class), as ``Evaluation.per_class``.
    """
    *_, last = networks.values()
    order = sorted(last, key=lambda name: -(last[name].value or 0.0))
    # One column with 0.24 inches per class, or two narrower ones.
    columns, pitch = (1, 0.24) if len(order) <= 40 else (2, 0.165)
    each = -(-len(order) // columns)
    figure, axes = new_figure(title, standin, 1.1 + pitch * each, columns=columns)
    for column, axis in enumerate(axes):
        part = order[column * each : (column + 1) * each]
        for place, (name, entries) in enumerate(networks.items()):
            shift = 0.22 * (place - (len(networks) - 1) / 2)
            points = ((entries[c].value, row + shift) for row, c in enumerate(part))
            x, y = columns_of(point for point in points if point[0] is not None)
            style = {"marker": MARKERS[place % 8], "color": colour_of(name, place)}
            label = name if column == 0 else None
            axis.plot(x, y, linestyle="", ms=4.5, label=label, **style)
        names = [f"{name} ({last[name].n})" for name in part]
        axis.set_yticks(range(len(part)), names, fontsize=8 if columns == 1 else 6.5)
        axis.set_ylim(each - 0.4, -0.6)
        axis.set(xlim=(-0.03, 1.03), xlabel="top-1 (in brackets: videos)")
        axis.grid(axis="y", color="#eeeeee")
        percent(axis.xaxis)
    legend_below(figure, len(networks))
    figure.set_label(
        f"Top-1 accuracy of {len(order)} classes for {', '.join(networks)}. Best "
        f"class of {list(networks)[-1]}: {order[0]}; worst: {order[-1]}."
    )
    return figure


def accuracy_bars(
    networks: Mapping[str, tuple[float, float, float]],
    *,
    chance: float | None = None,
    end: float = 1.0,
    title: str = "Top-1 on the test list, with 95 % intervals",
    standin: bool = False,
) -> Figure:
    """A bar per network with its interval, and guessing as a dotted line.

    Args:
        networks: network -> (top-1, low, high), shares in [0, 1].
        end: where the axis ends, for bars that are all short; it begins at 0.
    """
    _check_shares(networks)
    figure, (axis,) = new_figure(title, standin, 1.3 + 0.5 * len(networks))
    for row, (name, (top1, low, high)) in enumerate(networks.items()):
        axis.barh(row, top1, height=0.55, color=colour_of(name, row), alpha=0.85)
        axis.plot([low, high], [row, row], color="white", linewidth=4.5)
        axis.plot([low, high], [row, row], color="#444444", linewidth=1.8, marker="|")
        axis.text(high + 0.015 * end, row, in_percent(top1), va="center", fontsize=10)
    name_rows(axis, list(networks))
    ticks = np.linspace(0, end, 6 if end == 1 else 5)
    axis.set(xlim=(0, 1.12 * end), xticks=ticks, xlabel="top-1")
    percent(axis.xaxis)
    if chance is not None:
        chance_line(axis, chance, upright=True)
    told = [f"{name} {in_percent(top1)}" for name, (top1, *_) in networks.items()]
    figure.set_label(f"Top-1 accuracy with 95 % intervals: {', '.join(told)}.")
    return figure


def _check_shares(networks: Mapping[str, tuple[float, float, float]]) -> None:
    """Percent would be drawn far outside of the axis."""
    for name, values in networks.items():
        if not all(0 <= value <= 1 for value in values):
            raise DVFLError(f"accuracies of {name} must be shares in [0, 1]: {values}")


def benchmarks_figure(
    accuracies: Accuracies,
    *,
    title: str = "Top-1 on every test list, with 95 % intervals",
    standin: bool = False,
) -> Figure:
    """A row per data set, and in it a dot with its interval per network.

    The axis begins at the tenth below the lowest interval.

    Args:
        accuracies: data set -> network -> (top-1, low, high), shares in [0, 1]; every
            data set has the same networks.
    """
    networks = list(next(iter(accuracies.values())))
    for row in accuracies.values():
        _check_shares(row)
    lows = [low for row in accuracies.values() for _, low, _ in row.values()]
    start = np.floor(10 * min(lows)) / 10
    step = 0.8 / len(networks)
    height = 1.4 + 0.2 * (len(networks) + 1) * len(accuracies)
    figure, (axis,) = new_figure(title, standin, height)
    for place, network in enumerate(networks):
        colour = colour_of(network, place)
        shift = step * (place - (len(networks) - 1) / 2)
        for number, row in enumerate(accuracies.values()):
            top1, low, high = row[network]
            y = number + shift
            axis.plot([low, high], [y, y], color=colour, linewidth=1.8)
            label = network if number == 0 else None
            mark = {"marker": MARKERS[place % 8], "linestyle": "", "ms": 5.5}
            axis.plot(top1, y, color=colour, label=label, **mark)
            beside = 1 + 0.025 * (1 - start)
            axis.text(beside, y, in_percent(top1), fontsize=8, va="center")
    axis.set_yticks(range(len(accuracies)), list(accuracies))
    axis.set_ylim(len(accuracies) - 0.4, -0.6)
    ticks = np.linspace(start, 1, round(10 * (1 - start)) + 1)
    begin = f"The axis begins at {100 * start:.0f} %."
    axis.set(xlim=(start, 1 + 0.14 * (1 - start)), xticks=ticks)
    name_axes(axis, x=f"top-1. {begin}")
    axis.grid(axis="x", color="#eeeeee")
    percent(axis.xaxis)
    legend_below(figure, len(networks))
    told = []
    for name, row in accuracies.items():
        shares = [f"{network} {in_percent(row[network][0])}" for network in networks]
        told.append(f"{name}: {', '.join(shares)}")
    figure.set_label(f"Top-1 accuracy with 95 % intervals. {'; '.join(told)}. {begin}")
    return figure


def confusion_figure(
    confusion: Any,
    class_names: Sequence[str],
    title: str = "Confusion matrix",
    *,
    standin: bool = False,
) -> Figure:
    """Rows: true class. Columns: predicted. Colour: share of the row's videos.

    With more than 30 classes rows and columns are numbered, and the most frequent
    confusions are listed by name beside the matrix.

    ``confusion``: (K, K) counts, in the order of the K ``class_names``.
    """
    counts, size = np.asarray(confusion), len(class_names)
    totals = counts.sum(axis=1, keepdims=True)  # (K, 1)
    shares = np.divide(counts, totals, where=totals > 0, out=np.zeros((size, size)))
    worst = _worst(counts)
    if size <= _NAMED:
        figure, (axes,) = new_figure(title, standin, height=min(7.1, 3.2 + 0.3 * size))
        _named_axes(axes, class_names, totals[:, 0])
    else:
        figure, (axes, beside) = new_figure(title, standin, 6.2, 1, 2, widths=(2.3, 1))
        _list_worst(beside, class_names, counts, worst[:_LISTED])
        axes.set(xlabel="predicted class (number)", ylabel="true class (number)")
    # A square-root scale shows single confusions in a row of many videos.
    scale = PowerNorm(0.5, vmin=0, vmax=1)
    image = axes.imshow(shares, cmap="Blues", norm=scale, interpolation="none")
    axes.set_anchor("NW")
    axes.spines[:].set_visible(False)
    if size <= _COUNTED:
        for i, j in zip(*np.nonzero(counts), strict=True):
            style = {"c": "white" if shares[i, j] > 0.3 else "#222222", "fontsize": 9}
            axes.text(j, i, counts[i, j], ha="center", va="center", **style)
    place = "right" if size <= _NAMED else "bottom"
    bar = figure.colorbar(image, ax=axes, shrink=0.6, location=place)
    bar.set_ticks([0, 0.05, 0.2, 0.5, 1], labels=["0", "5 %", "20 %", "50 %", "100 %"])
    bar.set_label("share of the true class's videos", fontsize=9)
    bar.outline.set_visible(False)
    names = class_names
    told = [f"{names[i]} taken for {names[j]} {counts[i, j]} times" for i, j in worst]
    figure.set_label(
        f"Confusion matrix of {size} classes, {int(np.trace(counts))} of "
        f"{int(counts.sum())} videos on the diagonal. Most frequent confusions: "
        f"{'; '.join(told[:3]) or 'none'}."
    )
    return figure


def _worst(counts: np.ndarray) -> list[tuple[int, int]]:
    """Cells off the diagonal that hold a video, the fullest first."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")
    cells = [divmod(int(cell), len(counts)) for cell in order]
    return [(i, j) for i, j in cells if wrong[i, j] > 0]


def _named_axes(axes: Axes, names: Sequence[str], totals: np.ndarray) -> None:
    ticks = range(len(names))
    size = 9 if len(names) <= 20 else 7.5
    rows = [f"{name} ({n})" for name, n in zip(names, totals, strict=True)]
    axes.set_yticks(ticks, rows, fontsize=size)
    axes.set_xticks(ticks, names, fontsize=size, rotation=90)
    axes.set(xlabel="predicted class", ylabel="true class (videos)")


def _list_worst(
    axes: Axes, names: Sequence[str], counts: np.ndarray, worst: list[tuple[int, int]]
) -> None:
    axes.set_axis_off()
    axes.set_title("Most frequent confusions", fontsize=10, loc="left")
    axes.set(xlim=(0, 1), ylim=(_LISTED - 0.3, -0.6))
    for row, (i, j) in enumerate(worst):
        times = f"{counts[i, j]} of {counts[i].sum()}"
        line = f"{i} {_short(names[i])}\n   as {j} {_short(names[j])}: {times}"
        axes.text(0, row, line, fontsize=7.5, va="center", linespacing=1.15)
    if not worst:
        axes.text(0, 0, "none", fontsize=9, color=GREY)


def _short(name: str) -> str:
    return name if len(name) < 20 else name[:18] + "…"


def reliability_figure(networks: Mapping[str, Any], *, standin: bool) -> Figure:
    """A panel per network: accuracy by confidence, and below it the videos per bin.

    Where a dot lies under the diagonal the network is surer than it is right. The
    lines through the dots are 95 % intervals.

    Args:
        networks: name -> an object with ``bins`` (each ``low``, ``high``,
            ``confidence`` and ``accuracy`` with ``value``, ``interval`` and ``n``),
            ``error``, ``confidence`` and ``surplus``, as ``evaluation.Calibration``.
    """
    title, columns = "Confidence and accuracy", len(networks)
    figure, axes = new_figure(title, standin, 4.2, 2, columns, heights=(3, 1))
    most = max(part.accuracy.n for c in networks.values() for part in c.bins)
    told = []
    for place, (name, found) in enumerate(networks.items()):
        above, below = axes[place], axes[columns + place]
        colour = colour_of(name, place)
        above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        _draw_bins(above, below, found.bins, colour)
        error = f"error {100 * found.error:.1f} points"
        above.set_title(f"{name}: {error}", fontsize=9, loc="left")
        above.set(xlim=(0, 1), ylim=(0, 1.02), xticks=np.linspace(0, 1, 6))
        below.set(xlim=(0, 1), ylim=(0, 1.15 * most), xticks=np.linspace(0, 1, 6))
        above.tick_params(labelbottom=False)
        for axis in (above.xaxis, above.yaxis, below.xaxis):
            percent(axis)
        name_axes(above, y="" if place else "right")
        name_axes(below, "confidence", "" if place else "videos")
        side = "surer than right" if found.surplus > 0 else "less sure than right"
        surplus = f"on average {100 * abs(found.surplus):.1f} points {side}"
        told.append(f"{name}: expected calibration {error}, {surplus}")
    figure.set_label(f"Accuracy by confidence, a panel per network. {'; '.join(told)}.")
    return figure


def _draw_bins(above: Axes, below: Axes, bins: Sequence[Any], colour: str) -> None:
    """A dot with its interval for each bin, and a bar for how many videos it has."""
    for part in bins:
        if part.accuracy.n:
            ends = part.accuracy.interval
            above.plot([part.confidence] * 2, ends, color=colour, linewidth=1.2)
            above.plot(part.confidence, part.accuracy.value, "o", color=colour)
    lows, counts, widths = zip(
        *((part.low, part.accuracy.n, part.high - part.low) for part in bins),
        strict=True,
    )
    style = {"align": "edge", "color": colour, "alpha": 0.85, "edgecolor": "white"}
    below.bar(lows, counts, width=widths, **style)
