"""Lines: how a quantity grows with another.

Public names: ``line_figure``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..errors import DVFLError
from .style import GREY, MARKERS, PALETTE, colour_of, new_figure


def line_figure(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    from_zero: bool = False,
    colours: Mapping[str, str] | None = None,
    standin: bool = False,
) -> Figure:
    """Named lines through measured points, each named at its right end.

    Args:
        lines: name -> (x values, y values).
        x, y: what the axes count, with the unit.
        log_x, log_y: logarithmic scale, so that a power of x is a straight line.
        from_zero: the y axis holds zero, so that heights may be compared.
        colours: name -> a name of ``PALETTE``.

    Raises:
        DVFLError: nothing to draw, unequal lengths, a value that is not finite, or
            one that is not positive on a logarithmic scale.
    """
    if not lines:
        raise DVFLError("line_figure was given no line")
    figure, (axis,) = new_figure(title, standin, 3.6)
    for place, (name, (xs, ys)) in enumerate(lines.items()):
        xs, ys = np.asarray(xs, float), np.asarray(ys, float)
        _check(name, xs, ys, log_x, log_y)
        key = (colours or {}).get(name)
        colour = PALETTE[key] if key else colour_of(name, place)
        mark = MARKERS[place % len(MARKERS)]
        axis.plot(xs, ys, color=colour, marker=mark, markersize=5, label=name)
    if log_x:
        axis.set_xscale("log", base=2)
        ticks = sorted({float(v) for xs, _ in lines.values() for v in xs})
        axis.xaxis.set_major_locator(FixedLocator(ticks))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    if log_y:
        axis.set_yscale("log")
    elif from_zero:
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, 0.0), max(high, 0.0))
    axis.set_xlabel(x, fontsize=9, color=GREY)
    axis.set_ylabel(y, fontsize=9, color=GREY)
    axis.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axis.legend(fontsize=9, frameon=False)
    names = ", ".join(lines)
    figure.set_label(f"{title or 'Lines'}: {y} against {x}, for {names}.")
    return figure


def _check(name: str, xs: np.ndarray, ys: np.ndarray, log_x: bool, log_y: bool) -> None:
    if xs.shape != ys.shape or xs.ndim != 1 or not xs.size:
        raise DVFLError(f"line {name!r} needs as many y as x values, at least one")
    if not (np.isfinite(xs).all() and np.isfinite(ys).all()):
        raise DVFLError(f"line {name!r} holds values that are not finite")
    if (log_x and (xs <= 0).any()) or (log_y and (ys <= 0).any()):
        raise DVFLError(f"line {name!r}: a logarithmic scale needs positive values")
