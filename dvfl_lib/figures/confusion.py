"""The confusion matrix, from a handful of classes to more than a hundred.

Public names: ``confusion_figure``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, new_figure

_NAMED = 30  # up to so many classes each row and column bears its name
_COUNTED = 16  # up to so many classes each cell bears its count
_LISTED = 15  # confusions told in words where rows bear numbers only


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

    Args:
        confusion: (K, K) counts; class_names: K names.

    Raises:
        DVFLError: the two do not go together.
    """
    counts = np.asarray(confusion)
    size = len(class_names)
    if counts.shape != (size, size):
        raise DVFLError(f"{size} class names do not go with counts {counts.shape}")
    totals = counts.sum(axis=1, keepdims=True)  # (K, 1)
    shares = np.divide(counts, totals, where=totals > 0, out=np.zeros((size, size)))
    worst = _worst(counts)
    if size <= _NAMED:
        figure, (axes,) = new_figure(title, standin, height=min(7.1, 3.2 + 0.3 * size))
        _named_axes(axes, class_names, totals[:, 0])
    else:
        figure, (axes, beside) = new_figure(
            title, standin, height=6.2, columns=2, widths=(2.3, 1)
        )
        _list_worst(beside, worst, class_names, counts)
        axes.set(xlabel="predicted class (number)", ylabel="true class (number)")
    # A square-root scale shows single confusions in a row of many videos.
    scale = PowerNorm(0.5, vmin=0, vmax=1)
    image = axes.imshow(shares, cmap="Blues", norm=scale, interpolation="none")
    axes.set_anchor("NW")
    axes.spines[:].set_visible(False)
    if size <= _COUNTED:
        _write_counts(axes, counts, shares)
    place = "right" if size <= _NAMED else "bottom"
    bar = figure.colorbar(image, ax=axes, shrink=0.6, location=place)
    bar.set_ticks([0, 0.05, 0.2, 0.5, 1], labels=["0", "5 %", "20 %", "50 %", "100 %"])
    bar.set_label("share of the true class's videos", fontsize=9)
    bar.outline.set_visible(False)
    told = [
        f"{class_names[i]} taken for {class_names[j]} {counts[i, j]} times"
        for i, j in worst[:3]
    ]
    figure.set_label(
        f"Confusion matrix of {size} classes, {int(np.trace(counts))} of "
        f"{int(counts.sum())} videos on the diagonal. Most frequent confusions: "
        f"{'; '.join(told) or 'none'}."
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


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[i, j] > 0.3 else "#222222"
        axes.text(j, i, counts[i, j], ha="center", va="center", c=colour, fontsize=9)


def _list_worst(
    axes: Axes,
    worst: Sequence[tuple[int, int]],
    names: Sequence[str],
    counts: np.ndarray,
) -> None:
    axes.set_axis_off()
    axes.set_title("Most frequent confusions", fontsize=10, loc="left")
    axes.set(xlim=(0, 1), ylim=(_LISTED - 0.3, -0.6))
    for row, (i, j) in enumerate(worst[:_LISTED]):
        times = f"{counts[i, j]} of {counts[i].sum()}"
        line = f"{i} {_short(names[i])}\n   as {j} {_short(names[j])}: {times}"
        axes.text(0, row, line, fontsize=7.5, va="center", linespacing=1.15)
    if not worst:
        axes.text(0, 0, "none", fontsize=9, color=GREY)


def _short(name: str, most: int = 19) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
