"""How sure networks are, and how often they are right then.

Public names: ``reliability_figure``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, colour_of, new_figure, percent


def reliability_figure(
    networks: Mapping[str, Any],
    *,
    title: str = "Confidence and accuracy",
    standin: bool = False,
) -> Figure:
    """A panel per network: accuracy by confidence, and below it the videos per bin.

    Where a dot lies under the diagonal the network is surer than it is right. The
    lines through the dots are 95 % intervals.

    Args:
        networks: name -> an object with ``bins`` (each ``low``, ``high``,
            ``confidence`` and ``accuracy`` with ``value``, ``interval`` and ``n``),
            ``error``, ``confidence`` and ``surplus``, as ``evaluation.Calibration``.

    Raises:
        DVFLError: no network.
    """
    if not networks:
        raise DVFLError("reliability_figure was given no network")
    columns = len(networks)
    figure, axes = new_figure(title, standin, 4.2, rows=2, columns=columns)
    axes[0].get_gridspec().set_height_ratios([3, 1])
    most = max(part.accuracy.n for c in networks.values() for part in c.bins)
    told = []
    for place, (name, found) in enumerate(networks.items()):
        above, below = axes[place], axes[columns + place]
        colour = colour_of(name, place)
        above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        _draw_bins(above, below, found.bins, colour)
        error = f"{name}: error {100 * found.error:.1f} points"
        above.set_title(error, fontsize=9, loc="left")
        above.set(xlim=(0, 1), ylim=(0, 1.02), xticks=np.linspace(0, 1, 6))
        below.set(xlim=(0, 1), ylim=(0, 1.15 * most), xticks=np.linspace(0, 1, 6))
        below.set_xlabel("confidence", fontsize=9, color=GREY)
        above.tick_params(labelbottom=False)
        for axis in (above.xaxis, above.yaxis, below.xaxis):
            percent(axis)
        if place == 0:
            above.set_ylabel("right", fontsize=9, color=GREY)
            below.set_ylabel("videos", fontsize=9, color=GREY)
        side = "surer than right" if found.surplus > 0 else "less sure than right"
        told.append(
            f"{name}: expected calibration error {100 * found.error:.1f} points, "
            f"on average {100 * abs(found.surplus):.1f} points {side}"
        )
    figure.set_label(f"Accuracy by confidence, a panel per network. {'; '.join(told)}.")
    return figure


def _draw_bins(above: Axes, below: Axes, bins: Sequence[Any], colour: str) -> None:
    """A dot with its interval for each bin, and a bar for how many videos it has."""
    for part in bins:
        if part.accuracy.n:
            ends = part.accuracy.interval
            above.plot([part.confidence] * 2, ends, color=colour, linewidth=1.2)
            above.plot(part.confidence, part.accuracy.value, "o", color=colour)
    below.bar(
        [part.low for part in bins],
        [part.accuracy.n for part in bins],
        width=[part.high - part.low for part in bins],
        align="edge",
        color=colour,
        alpha=0.85,
        edgecolor="white",
    )
