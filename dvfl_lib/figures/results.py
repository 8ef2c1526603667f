"""Networks side by side: how they learned, and how well they do.

Public names: ``training_curves``, ``per_class_figure``, ``accuracy_bars``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import MARKERS, chance_line, colour_of, new_figure, percent


def training_curves(
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    step_key: str = "step",
    loss_key: str = "loss",
    score_key: str = "held_out.top1",
    chance: float | None = None,
    standin: bool = False,
) -> Figure:
    """Training loss and held-out top-1 by optimiser step, a colour per network.

    Args:
        logs: network -> rows; a row may lack the loss or the score.
        step_key, loss_key, score_key: the names of the values in a row; "a.b" is
            the value b of the dictionary a. The defaults read ``log.jsonl``.
        chance: accuracy of guessing, drawn as a dotted line.
    """
    figure, (left, right) = new_figure("Training", standin, height=3.4, columns=2)
    for place, (name, rows) in enumerate(logs.items()):
        colour = colour_of(name, place)
        steps, losses = _series(rows, step_key, loss_key)
        left.plot(steps, losses, color=colour, alpha=0.25, linewidth=0.8)
        left.plot(steps, _running_mean(losses), color=colour, label=name)
        steps, scores = _series(rows, step_key, score_key)
        right.plot(steps, scores, color=colour, marker=MARKERS[place % 8], ms=3.5)
    left.set(xlabel="optimiser step", ylabel="training loss (own objective)")
    right.set(xlabel="optimiser step", ylabel="top-1 on held-out groups")
    percent(right.yaxis)
    right.set_ylim(0, 1.02)
    if chance is not None:
        chance_line(right, chance, upright=False)
    figure.legend(loc="outside lower center", ncols=len(logs) or 1, frameon=False)
    lasts = [
        f"{name} ends at {100 * scores[-1]:.1f} %"
        for name, rows in logs.items()
        if len(scores := _series(rows, step_key, score_key)[1])
    ]
    figure.set_label(
        "Two panels by optimiser step: training loss, and top-1 accuracy on "
        f"held-out groups. {'; '.join(lasts)}."
    )
    return figure


def _series(
    rows: Sequence[Mapping[str, Any]], x: str, y: str
) -> tuple[np.ndarray, np.ndarray]:
    points = [(_value(row, x), _value(row, y)) for row in rows]
    kept = [point for point in points if None not in point]
    both = np.array(kept, dtype=float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _value(row: Mapping[str, Any], key: str) -> Any:
    """The value under a dotted key, or None where the row has none."""
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over a thirtieth of a long curve; a short one stays as it is."""
    half = len(values) // 60
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low = np.maximum(places - half, 0)
    high = np.minimum(places + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def per_class_figure(
    networks: Mapping[str, Sequence[Any]],
    *,
    title: str = "Accuracy per class",
    standin: bool = False,
) -> Figure:
    """A dot per class and network; classes sorted by the last network's accuracy.

    Args:
        networks: network -> entries with ``name``, ``n`` and ``accuracy`` (None
            where the list holds no video of the class), as in
            ``Evaluation.per_class``; the same classes in the same order.
    """
    first, *_, last = [*networks.values(), *networks.values()]
    order = sorted(range(len(last)), key=lambda c: (last[c].accuracy or 0.0, -c))[::-1]
    columns = 1 if len(order) <= 40 else 2
    each = -(-len(order) // columns)
    pitch = 0.24 if len(order) <= 40 else 0.165  # inches per class
    figure, axes = new_figure(
        title, standin, height=1.1 + pitch * each, columns=columns
    )
    for column, axis in enumerate(axes):
        part = order[column * each : (column + 1) * each]
        for place, (name, entries) in enumerate(networks.items()):
            shift = 0.22 * (place - (len(networks) - 1) / 2)
            points = [
                (entries[c].accuracy, row + shift)
                for row, c in enumerate(part)
                if entries[c].accuracy is not None
            ]
            x, y = np.array(points, dtype=float).reshape(-1, 2).T
            style = {"marker": MARKERS[place % 8], "color": colour_of(name, place)}
            label = name if column == 0 else None
            axis.plot(x, y, linestyle="", ms=4.5, label=label, **style)
        names = [f"{first[c].name} ({first[c].n})" for c in part]
        axis.set_yticks(range(len(part)), names, fontsize=8 if columns == 1 else 6.5)
        axis.set_ylim(each - 0.4, -0.6)
        axis.set(xlim=(-0.03, 1.03), xlabel="top-1 (in brackets: videos)")
        axis.grid(axis="y", color="#eeeeee")
        percent(axis.xaxis)
    figure.legend(loc="outside lower center", ncols=len(networks), frameon=False)
    figure.set_label(
        f"Top-1 accuracy of {len(order)} classes for {', '.join(networks)}. Best "
        f"class of {list(networks)[-1]}: {last[order[0]].name}; "
        f"worst: {last[order[-1]].name}."
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

    Raises:
        DVFLError: a value outside [0, 1], as when percent are passed, or an interval
            that goes beyond ``end``.
    """
    for name, values in networks.items():
        if not all(0 <= value <= 1 for value in values):
            raise DVFLError(f"accuracies of {name} must be shares in [0, 1]: {values}")
        if max(values) > end:
            raise DVFLError(f"the axis ends at {end}, and {name} reaches {max(values)}")
    height = 1.3 + 0.5 * len(networks)
    figure, (axis,) = new_figure(title, standin, height=height)
    for row, (name, (top1, low, high)) in enumerate(networks.items()):
        axis.barh(row, top1, height=0.55, color=colour_of(name, row), alpha=0.85)
        axis.plot([low, high], [row, row], color="white", linewidth=4.5)
        axis.plot([low, high], [row, row], color="#444444", linewidth=1.8, marker="|")
        axis.text(
            high + 0.015 * end, row, f"{100 * top1:.1f} %", va="center", fontsize=10
        )
    axis.set_yticks(range(len(networks)), list(networks))
    axis.invert_yaxis()
    ticks = np.linspace(0, end, 6 if end == 1 else 5)
    axis.set(xlim=(0, 1.12 * end), xticks=ticks, xlabel="top-1")
    percent(axis.xaxis)
    if chance is not None:
        chance_line(axis, chance, upright=True)
    told = [f"{name} {100 * top1:.1f} %" for name, (top1, *_) in networks.items()]
    figure.set_label(f"Top-1 accuracy with 95 % intervals: {', '.join(told)}.")
    return figure
