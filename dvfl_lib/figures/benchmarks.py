"""Networks on several data sets, each accuracy with its interval.

Public names: ``benchmarks_figure``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import MARKERS, chance_line, colour_of, new_figure, percent

# data set -> network -> (top-1, low, high)
Accuracies = Mapping[str, Mapping[str, tuple[float, float, float]]]


def benchmarks_figure(
    accuracies: Accuracies,
    *,
    chance: float | None = None,
    from_zero: bool = True,
    title: str = "Top-1 on every test list, with 95 % intervals",
    standin: bool = False,
) -> Figure:
    """A row per data set, and in it a dot with its interval per network.

    Args:
        accuracies: data set -> network -> (top-1, low, high), shares in [0, 1]; every
            data set has the same networks.
        chance: accuracy of guessing, as a dotted line; left out where the axis begins
            above it.
        from_zero: begin the axis at 0; else at the tenth below the lowest interval.

    Raises:
        DVFLError: nothing to draw, other networks in some row, or no shares.
    """
    networks = _networks(accuracies)
    lows = [low for row in accuracies.values() for _, low, _ in row.values()]
    start = 0.0 if from_zero else np.floor(10 * min(lows)) / 10
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
            axis.text(
                1 + 0.025 * (1 - start),
                y,
                f"{100 * top1:.1f} %",
                fontsize=8,
                va="center",
            )
    axis.set_yticks(range(len(accuracies)), list(accuracies))
    axis.set_ylim(len(accuracies) - 0.4, -0.6)
    ticks = np.linspace(start, 1, 6 if from_zero else 3)
    axis.set(xlim=(start, 1 + 0.14 * (1 - start)), xticks=ticks, xlabel="top-1")
    axis.grid(axis="x", color="#eeeeee")
    percent(axis.xaxis)
    if chance is not None and chance >= start:
        chance_line(axis, chance, upright=True)
    figure.legend(loc="outside lower center", ncols=len(networks), frameon=False)
    told = [
        f"{name}: "
        + ", ".join(f"{network} {100 * row[network][0]:.1f} %" for network in networks)
        for name, row in accuracies.items()
    ]
    begin = f" The axis begins at {100 * start:.0f} %." if start else ""
    figure.set_label(f"Top-1 accuracy with 95 % intervals. {'; '.join(told)}.{begin}")
    return figure


def _networks(accuracies: Accuracies) -> list[str]:
    """The networks, which every row must have; checks the shares, too."""
    networks = list(next(iter(accuracies.values()), {}))
    if not networks or any(list(row) != networks for row in accuracies.values()):
        raise DVFLError("benchmarks_figure needs the same networks in every row")
    for name, row in accuracies.items():
        if not all(0 <= value <= 1 for values in row.values() for value in values):
            raise DVFLError(f"accuracies on {name} must be shares in [0, 1]: {row}")
    return networks
