"""What all figures share: colours, titles, descriptions, and saving them.

Public names: ``PALETTE``, ``colour_of``, ``line_figure``, ``alt_text``,
``save_figure``. The others are for the files of this folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from ..files import write_whole

# Okabe and Ito's colours, told apart by colour-blind eyes too. The first six stand
# for parts of a modulator, the last three for networks; no picture shows both.
PALETTE: dict[str, str] = {
    "q": "#0072B2",
    "context": "#56B4E9",
    "gate": "#E69F00",
    "modulator": "#D55E00",
    "space": "#009E73",
    "time": "#CC79A7",
    "teacher": "#000000",
    "student": "#D55E00",
    "baseline": "#0072B2",
}
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
# Where more than five things stand side by side, none of them a network.
SIX = tuple(PALETTE[n] for n in ("space", "time", "gate", "context", "modulator", "q"))
MARKERS = "os^DvP*X"
GREY = "#595959"
WIDTH = 8.0  # inches


def colour_of(name: str, position: int = 0) -> str:
    """A network's colour, by its role if the name tells it, else by its place."""
    low = name.lower()
    if "teacher" in low:
        return PALETTE["teacher"]
    if any(word in low for word in ("baseline", "without", "not distilled")):
        return PALETTE["baseline"]
    if "distil" in low or "student" in low:
        return PALETTE["student"]
    return _OTHERS[position % len(_OTHERS)]


def new_figure(
    title: str,
    standin: bool,
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure 8 inches wide with quiet axes, row by row, and its title."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    ratios = {"width_ratios": widths, "height_ratios": heights}
    axes = list(figure.subplots(rows, columns, squeeze=False, **ratios).flat)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9, color=GREY)
    if standin:
        title = f"{title} (stand-in data)" if title else "stand-in data"
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure, axes


def percent(axis: Axis) -> None:
    """Show shares in [0, 1] as percent."""
    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))


def in_percent(share: float) -> str:
    """0.5 as "50.0 %"."""
    return f"{100 * share:.1f} %"


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """The names of bars, from the top down."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()


def chance_line(axes: Axes, chance: float, upright: bool) -> None:
    """A dotted line at the accuracy of guessing, with its name."""
    line = axes.axvline if upright else axes.axhline
    line(chance, color=GREY, linestyle=":", linewidth=1.2, zorder=0.5)
    axes.annotate(
        f"chance {100 * chance:.3g} %",
        (chance, 1.0) if upright else (1.0, chance),
        xycoords=("data", "axes fraction") if upright else ("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center" if upright else "right",
        va="bottom",
        fontsize=8,
        color=GREY,
    )


def columns_of(points: Iterable[tuple[float, float]]) -> np.ndarray:
    """Points as the x and the y of a plot, (2, N); of none, two empty rows."""
    return np.array(list(points), dtype=float).reshape(-1, 2).T


def bare(axis: Axes) -> None:
    """No ticks and no frame, as around a picture."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def name_row(axis: Axes, name: str, size: float = 9) -> None:
    """A name, upright, left of a picture."""
    style = {"rotation": 0, "ha": "right", "va": "center", "fontsize": size}
    axis.set_ylabel(name, color=GREY, **style)


def name_axes(axis: Axes, x: str = "", y: str = "") -> None:
    """What the axes count, small and grey."""
    axis.set_xlabel(x, fontsize=9, color=GREY)
    axis.set_ylabel(y, fontsize=9, color=GREY)


def colour_bar(figure: Figure, image: Any, axes: Any, **options: Any) -> Any:
    """The scale of a picture's colours, without a frame."""
    bar = figure.colorbar(image, ax=axes, **options)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)
    return bar


def legend_below(figure: Figure, columns: int, *entries: Any, **options: Any) -> None:
    """One legend for all axes: of handles and names if given, else of the labels."""
    place = {"loc": "outside lower center", "frameon": False}
    figure.legend(*entries, ncols=columns, **place, **options)


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
    """
    figure, (axis,) = new_figure(title, standin, 3.6)
    for place, (name, (xs, ys)) in enumerate(lines.items()):
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
    name_axes(axis, x, y)
    axis.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axis.legend(fontsize=9, frameon=False)
    names = ", ".join(lines)
    figure.set_label(f"{title or 'Lines'}: {y} against {x}, for {names}.")
    return figure


def alt_text(figure: Figure) -> str:
    """What the figure shows, in words."""
    return str(figure.get_label())


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a PNG whole, with its description as metadata ("Description").

    The same figure gives the same bytes: no date and no version is stored.
    """
    picture, words = io.BytesIO(), {"Description": alt_text(figure), "Software": None}
    figure.savefig(picture, format="png", dpi=160, metadata=words)
    write_whole(Path(path), picture.getvalue())
    return Path(path)
