"""What teacher and student think, as bars, as curves and as matrices.

Public names: ``opinion_bars``, ``bump_fits``, ``opinion_matrices``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ..errors import DVFLError
from .style import GREY, PALETTE, colour_of, new_figure

_LIGHT = "#D9D9D9"
# White on black: a frame that stands out from every colour of the matrices' scale.
_STROKE = [withStroke(linewidth=3.2, foreground="black")]


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

    Raises:
        DVFLError: nothing to draw, or other numbers of classes.
    """
    values = {name: _numbers(v, (len(class_names),)) for name, v in opinions.items()}
    if not values:
        raise DVFLError("opinion_bars was given no opinion")
    high = 1.0 + 0.21 * len(class_names)
    figure, axes = new_figure(title, standin, high, columns=len(values))
    top = max(v.max() for v in values.values())
    rows = range(len(class_names))
    for axis, (name, shares) in zip(axes, values.items(), strict=True):
        known = any(word in name.lower() for word in ("student", "baseline"))
        colour = colour_of(name) if known else PALETTE["teacher"]
        axis.barh(rows, shares, height=0.7, color=colour)
        axis.set(xlim=(0, 1.05 * top), ylim=(len(class_names) - 0.5, -0.5), yticks=[])
        axis.set_title(name, fontsize=9.5, color=GREY)
        axis.set_xlabel("probability", fontsize=9, color=GREY)
        axis.spines["left"].set_color(_LIGHT)
    axes[0].set_yticks(rows, class_names, fontsize=9)
    for label in axes[0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == true_class else "normal")
    told = [f"{n}: most likely {_most(v, class_names)}" for n, v in values.items()]
    figure.set_label(
        f"{title or 'Opinions'}. Bars of {len(class_names)} classes, true class "
        f"{true_class or 'not marked'}. {'; '.join(told)}."
    )
    return figure


def bump_fits(
    places: Any,
    teacher: Any,
    fits: Mapping[str, Any],
    *,
    title: str = "",
) -> Figure:
    """One panel per fit: the teacher's probabilities filled, the student's as a line.

    Args:
        places: N positions; teacher: N probabilities; fits: name -> N probabilities.
            What follows a comma in a name stands on a line of its own.

    Raises:
        DVFLError: nothing to draw, or unequal lengths.
    """
    x = np.asarray(places, float)
    p = _numbers(teacher, x.shape)
    curves = {name: _numbers(v, x.shape) for name, v in fits.items()}
    if not curves:
        raise DVFLError("bump_fits was given no fit")
    figure, axes = new_figure(title, False, 2.8, columns=len(curves))
    most = 1.12 * max(p.max(), *(min(q.max(), 2 * p.max()) for q in curves.values()))
    for axis, (name, q) in zip(axes, curves.items(), strict=True):
        axis.fill_between(x, p, color=PALETTE["teacher"], alpha=0.25, linewidth=0)
        axis.plot(x, p, color=PALETTE["teacher"], linewidth=1.0, label="teacher")
        axis.plot(x, q, color=PALETTE["student"], linewidth=2.0, label="student")
        axis.set(ylim=(0, most), yticks=[])
        axis.set_title(name.replace(", ", ",\n"), fontsize=9.5, color=GREY)
        axis.set_xlabel("place", fontsize=9, color=GREY)
        axis.spines["left"].set_visible(False)
        if q.max() > most:
            _name_the_top(axis, x, q)
    axes[0].set_ylabel("probability", fontsize=9, color=GREY)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    told = [
        f"{name}: the student's mean is {(q * x).sum():z.1f}, its deviation "
        f"{_deviation(x, q):.1f}"
        for name, q in curves.items()
    ]
    figure.set_label(f"{title or 'One bump for two'}. {'; '.join(told)}.")
    return figure


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

    Raises:
        DVFLError: nothing to draw, another shape, or a cell to outline that is not
            there.
    """
    size = len(class_names)
    grids = {name: _numbers(m, (size, size)) for name, m in matrices.items()}
    if not grids:
        raise DVFLError("opinion_matrices was given no matrix")
    framed = [_cell(pair, class_names) for pair in outlined]
    figure, axes = new_figure(title, standin, 4.3, columns=len(grids))
    figure.get_layout_engine().set(h_pad=0.12)  # room between title and panels
    hidden = np.eye(size, dtype=bool)
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
    axes[0].set_ylabel("true class", fontsize=9, color=GREY)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=30)
    bar.set_label("mean probability of a wrong class", fontsize=9)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)
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


def _name_the_top(axis: Axes, x: np.ndarray, q: np.ndarray) -> None:
    """How high a curve is that leaves the panel, beside it where there is room."""
    peak = x[q.argmax()]
    left = peak < x.mean()
    axis.annotate(
        f"{q.max():.2f} at its top",
        (peak, 0.93),
        xycoords=("data", "axes fraction"),
        xytext=(5 if left else -5, 0),
        textcoords="offset points",
        ha="left" if left else "right",
        fontsize=8,
        color=PALETTE["student"],
    )


def _cell(pair: tuple[str, str], class_names: Sequence[str]) -> tuple[int, int]:
    """Row and column of a wrong class; refuses what is not drawn."""
    true, other = pair
    unknown = [name for name in pair if name not in class_names]
    if unknown or true == other:
        raise DVFLError(
            f"no cell to outline for {pair}: give two different classes of the matrix"
        )
    return class_names.index(true), class_names.index(other)


def _numbers(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values.detach() if hasattr(values, "detach") else values, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise DVFLError(f"finite numbers of shape {shape} are needed: {array.shape}")
    return array


def _most(shares: np.ndarray, class_names: Sequence[str]) -> str:
    best = int(shares.argmax())
    return f"{class_names[best]} with {100 * shares[best]:.0f} %"


def _deviation(x: np.ndarray, q: np.ndarray) -> float:
    return float(np.sqrt((q * (x - (q * x).sum()) ** 2).sum()))
