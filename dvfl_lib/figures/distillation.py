"""What teacher and student think, where a loss pulls, and what is gained over seeds.

Public names: ``opinion_bars``, ``bump_fits``, ``opinion_matrices``,
``simplex_fields``, ``StudyRow``, ``study_figure``.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from .style import (
    GREY,
    MARKERS,
    PALETTE,
    colour_bar,
    colour_of,
    columns_of,
    in_percent,
    legend_below,
    name_axes,
    new_figure,
    percent,
)

# White on black: a frame that stands out from every colour of the matrices' scale.
_STROKE = [withStroke(linewidth=3.2, foreground="black")]
# Of the triangle of three classes.
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])
_SHIFTS = ((14, -8), (-10, -8), (0, 7))  # points from a corner to its name
_BESIDE = {"textcoords": "offset points", "ha": "center", "va": "center"}
_TICKS = (0, 0.05, 0.2, 0.5, 1)
# Light enough for black arrows everywhere.
_LIGHT = ListedColormap(colormaps["Blues"](np.linspace(0, 0.7, 256)))


def opinion_bars(
    opinions: Mapping[str, Any],
    class_names: Sequence[str],
    *,
    title: str = "",
    true_class: str = "",
    standin: bool = False,
) -> Figure:
    """One panel per opinion: a horizontal bar per class, on one scale.

    Args:
        opinions: name -> K probabilities. The name tells the colour
            (``colour_of``); black where it names no network.
        true_class: the class whose name is printed in bold.
    """
    values = {name: _numbers(v) for name, v in opinions.items()}
    size, top = len(class_names), max(v.max() for v in values.values())
    figure, axes = new_figure(title, standin, 1.0 + 0.21 * size, columns=len(values))
    for axis, (name, shares) in zip(axes, values.items(), strict=True):
        known = any(word in name.lower() for word in ("student", "baseline"))
        colour = colour_of(name) if known else PALETTE["teacher"]
        axis.barh(range(size), shares, height=0.7, color=colour)
        axis.set(xlim=(0, 1.05 * top), ylim=(size - 0.5, -0.5), yticks=[])
        axis.set_title(name, fontsize=9.5, color=GREY)
        name_axes(axis, "probability")
        axis.spines["left"].set_color("#D9D9D9")
    axes[0].set_yticks(range(size), class_names, fontsize=9)
    for label in axes[0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == true_class else "normal")
    told = [
        f"{n}: most likely {class_names[v.argmax()]} with {100 * v.max():.0f} %"
        for n, v in values.items()
    ]
    figure.set_label(
        f"{title or 'Opinions'}. Bars of {size} classes, true class "
        f"{true_class or 'not marked'}. {'; '.join(told)}."
    )
    return figure


def bump_fits(
    places: Any, teacher: Any, fits: Mapping[str, Any], *, title: str
) -> Figure:
    """One panel per fit: the teacher's probabilities filled, the student's as a line.

    Args:
        places: N positions; teacher: N probabilities; fits: name -> N probabilities.
            What follows a comma in a name stands on a line of its own.
    """
    x, p = np.asarray(places, float), _numbers(teacher)
    curves = {name: _numbers(v) for name, v in fits.items()}
    figure, axes = new_figure(title, False, 2.8, columns=len(curves))
    most = 1.12 * max(p.max(), *(min(q.max(), 2 * p.max()) for q in curves.values()))
    for axis, (name, q) in zip(axes, curves.items(), strict=True):
        axis.fill_between(x, p, color=PALETTE["teacher"], alpha=0.25, linewidth=0)
        axis.plot(x, p, color=PALETTE["teacher"], linewidth=1.0, label="teacher")
        axis.plot(x, q, color=PALETTE["student"], linewidth=2.0, label="student")
        axis.set(ylim=(0, most), yticks=[])
        axis.set_title(name.replace(", ", ",\n"), fontsize=9.5, color=GREY)
        name_axes(axis, "place")
        axis.spines["left"].set_visible(False)
        if q.max() > most:
            _name_the_top(axis, x, q)
    name_axes(axes[0], "place", "probability")
    legend_below(figure, 2, *axes[0].get_legend_handles_labels())
    told = []
    for name, q in curves.items():
        mean = (q * x).sum()
        deviation = np.sqrt((q * (x - mean) ** 2).sum())
        words = f"the student's mean is {mean:z.1f}, its deviation {deviation:.1f}"
        told.append(f"{name}: {words}")
    figure.set_label(f"{title}. {'; '.join(told)}.")
    return figure


def _name_the_top(axis: Axes, x: np.ndarray, q: np.ndarray) -> None:
    """How high a curve is that leaves the panel, beside it where there is room."""
    peak = x[q.argmax()]
    left = peak < x.mean()
    style = {"ha": "left" if left else "right", "color": PALETTE["student"]}
    axis.annotate(
        f"{q.max():.2f} at its top",
        (peak, 0.93),
        xycoords=("data", "axes fraction"),
        xytext=(5 if left else -5, 0),
        textcoords="offset points",
        fontsize=8,
        **style,
    )


def opinion_matrices(
    matrices: Mapping[str, Any],
    class_names: Sequence[str],
    *,
    title: str = "",
    outlined: Sequence[tuple[str, str]] = (),
    standin: bool = False,
) -> Figure:
    """Mean opinions about each class: rows true classes, columns what is thought.

    The diagonal is left out, so that the colours show the wrong classes; one scale
    for all panels.

    Args:
        matrices: network -> (K, K) mean probabilities, in the order of ``class_names``.
        outlined: cells with a frame in every panel, each as (true class, other class).
    """
    size, hidden = len(class_names), np.eye(len(class_names), dtype=bool)
    grids = {name: _numbers(m) for name, m in matrices.items()}
    framed = [tuple(map(class_names.index, pair)) for pair in outlined]
    figure, axes = new_figure(title, standin, 4.3, columns=len(grids))
    figure.get_layout_engine().set(h_pad=0.12)  # room between title and panels
    top = max(m[~hidden].max() for m in grids.values())
    for axis, (name, matrix) in zip(axes, grids.items(), strict=True):
        shown = np.ma.masked_array(matrix, hidden)
        axis.set_facecolor("white")
        image = axis.imshow(shown, cmap="cividis", vmin=0, vmax=top)
        axis.set_title(name, fontsize=10, color=GREY)
        axis.set_xticks(range(size), class_names, rotation=90, fontsize=7.5)
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        for row, column in framed:
            frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="white")
            frame.set(linewidth=1.4, zorder=3, path_effects=_STROKE)
            axis.add_patch(frame)
    axes[0].set_yticks(range(size), class_names, fontsize=7.5)
    name_axes(axes[0], y="true class")
    style = {"location": "bottom", "shrink": 0.5, "aspect": 30}
    bar = colour_bar(figure, image, axes, **style)
    bar.set_label("mean probability of a wrong class", fontsize=9)
    told = []
    for name, matrix in grids.items():
        i, j = np.unravel_index(np.where(hidden, -1, matrix).argmax(), matrix.shape)
        told.append(f"{name} most: {class_names[j]} for {class_names[i]}")
    if outlined:
        pairs = ", ".join(f"{other} for {true}" for true, other in outlined)
        told.append(f"framed: {pairs}")
    figure.set_label(
        f"{title or 'Mean opinions'}: {size} by {size} wrong probabilities each for "
        f"{', '.join(grids)}. {'; '.join(told)}."
    )
    return figure


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values.detach() if hasattr(values, "detach") else values, float)


def simplex_fields(
    fields: Mapping[str, Any],
    teacher: Sequence[float],
    class_names: Sequence[str],
    *,
    title: str = "Gradients of losses",
) -> Figure:
    """A triangle per loss: arrows where the student goes, colour how hard it is pulled.

    A corner is a student that is sure of one class. All arrows have one length; the
    colour is the length of the gradient in parts of the panel's longest, on a
    square-root scale: losses differ by arbitrary factors.

    Args:
        fields: name -> a ``lessons.distilling.SimplexField``.
        teacher: its three probabilities, marked by a star.
        class_names: of the corners: left, right, top.
    """
    columns = min(3, len(fields))
    rows = -(-len(fields) // columns)
    figure, axes = new_figure(title, False, 0.5 + 2.35 * rows, rows, columns)
    star = np.asarray(teacher, float) @ _CORNERS
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, field) in zip(axes, fields.items(), strict=False):
        image = _draw_field(axis, field)
        axis.plot(*star, marker="*", ms=13, mfc="black", mec="white", zorder=5)
        most = f"{name}, longest {np.asarray(field.sizes).max():.2g}"
        axis.set_title(most, fontsize=10, color=GREY)
        for corner, word, shift in zip(_CORNERS, class_names, _SHIFTS, strict=True):
            axis.annotate(word, corner, shift, fontsize=8, color=GREY, **_BESIDE)
    bar = colour_bar(figure, image, axes, shrink=0.6, pad=0.02, aspect=25)
    bar.set_ticks(np.sqrt(_TICKS), labels=list(map(str, _TICKS)))
    bar.set_label("gradient, in parts of the panel's longest", fontsize=9)
    pairs = zip(class_names, teacher, strict=True)
    shares = ", ".join(f"{word} {100 * share:.0f} %" for word, share in pairs)
    figure.set_label(
        f"{title}. A triangle of three classes each for "
        f"{', '.join(fields)}; the teacher, a star, gives {shares}. Arrows tell where "
        "the student goes, colours how hard it is pulled, in parts of the "
        "panel's longest gradient."
    )
    return figure


def _draw_field(axis: Axes, field: Any) -> Any:
    """Colours below, arrows of one length above; returns what bears the colours."""
    xy = np.asarray(field.points, float) @ _CORNERS  # (N, 2)
    to = np.asarray(field.moves, float) @ _CORNERS  # (N, 2)
    length = np.linalg.norm(to, axis=1, keepdims=True)
    to = np.divide(to, length, out=np.zeros_like(to), where=length > 0)
    sizes = np.asarray(field.sizes, float)
    colour = np.sqrt(sizes / sizes.max())
    scale = {"cmap": _LIGHT, "vmin": 0, "vmax": 1}
    image = axis.tripcolor(*xy.T, colour, shading="gouraud", **scale)
    shown = np.asarray(field.arrows, bool)
    style = {"scale": 14, "width": 0.009, "pivot": "mid", "zorder": 3}
    axis.quiver(*xy[shown].T, *to[shown].T, color="black", **style)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.1, 0.96), aspect="equal")
    return image


@dataclass(frozen=True)
class StudyRow:
    """A setting: its accuracies, and its difference from its reference."""

    label: str  # what stands at the axis
    values: Mapping[int, float]  # seed -> share that was right
    gain: Any  # the paired difference: an ``evaluation.comparison.SeedComparison``
    versus: str  # label of the reference; "" for the reference itself

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out zero."""
        return bool(self.versus) and self.gain.distinguishable


def study_figure(
    title: str, rows: Sequence[StudyRow], *, standin: bool = False
) -> Figure:
    """Left every seed's top-1, a marker per seed; right differences with intervals.

    The seeds of a row lie side by side, not on each other. A difference whose 95 %
    interval leaves out zero is filled and in colour, the others are hollow.
    """
    seeds = sorted({seed for row in rows for seed in row.values})
    height = 2.0 + (0.33 if len(seeds) < 5 else 0.42) * len(rows)
    figure, (left, right) = new_figure(title, standin, height, 1, 2, widths=(1.25, 1))
    for column, seed in enumerate(seeds):
        shift = 0.56 * (column / max(1, len(seeds) - 1) - 0.5)
        points = [(r.values.get(seed), y + shift) for y, r in enumerate(rows)]
        x, y = columns_of(point for point in points if point[0] is not None)
        style = {"marker": MARKERS[column % len(MARKERS)], "mfc": "none", "ms": 4.5}
        style |= {"color": PALETTE["baseline"], "linestyle": ""}
        left.plot(x, y, label=f"seed {seed}", **style)
    for place, row in enumerate(rows):
        mean = statistics.fmean(row.values.values())
        left.vlines(mean, place - 0.38, place + 0.38, "black", lw=1.6, zorder=1)
    left.set_xlabel("top-1, a marker per seed\nbar: mean of the row's seeds")
    percent(left.xaxis)
    right.axvline(0, color=GREY, linewidth=0.8)
    for place, row in enumerate(rows):
        if row.versus:
            gain, colour = row.gain, PALETTE["student"] if row.told_apart else GREY
            ends = [100 * gain.low, 100 * gain.high]  # endless ones are not drawn
            right.plot(ends, [place, place], color=colour, linewidth=1.4)
            fill = colour if row.told_apart else "white"
            right.plot(100 * gain.mean, place, "o", ms=6, mec=colour, mfc=fill)
    right.set_xlabel("difference in points\nline: 95 % interval")
    left.set_yticks(range(len(rows)), [row.label for row in rows])
    versus = [f"against {r.versus} ({r.gain.n})" if r.versus else "" for r in rows]
    right.set_yticks(range(len(rows)), versus)
    for axis in (left, right):
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.grid(axis="y", color="#E5E5E5", linewidth=0.6)
        axis.set_axisbelow(True)
    tight = {"fontsize": 9, "handletextpad": 0.1, "columnspacing": 1.0}
    legend_below(figure, len(seeds), **tight)
    figure.set_label(f"{title}. {'; '.join(map(_words, rows))}.")
    return figure


def _words(row: StudyRow) -> str:
    mean = in_percent(statistics.fmean(row.values.values()))
    text = f"{row.label}: mean {mean} of {_seeds(len(row.values))}"
    if row.versus:
        sign = "told apart" if row.told_apart else "not told apart"
        points, n = f"{100 * row.gain.mean:+.1f} points", _seeds(row.gain.n)
        text += f", {points} against {row.versus} over {n}, {sign}"
    return text


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"
