"""Losses on the triangle of three classes: where a student is pulled, and how hard.

Public names: ``simplex_fields``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, new_figure

_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])
# The scale ends just above sqrt 2, the longest gradient that a cross-entropy can have.
_TOP = 1.5
_TICKS = (0, 0.05, 0.2, 0.5, 1, _TOP)


def simplex_fields(
    fields: Mapping[str, Any],
    teacher: Sequence[float],
    class_names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """A triangle per loss: arrows where the student goes, colour how hard it is pulled.

    A corner is a student that is sure of one class. All arrows have one length; the
    colour is the length of the gradient, on one square-root scale for all panels.

    Args:
        fields: name -> a field with ``points`` (N, 3), ``moves`` (N, 3), ``sizes``
            (N,) and ``arrows``, the mask (N,) of the points that bear an arrow, as
            ``lessons.distilling.simplex_field`` makes it.
        teacher: its three probabilities, marked by a star.
        class_names: of the corners: left, right, top.

    Raises:
        DVFLError: nothing to draw, or no three classes.
    """
    if not fields or len(class_names) != 3 or len(teacher) != 3:
        raise DVFLError("simplex_fields needs a field, and exactly three classes")
    columns = min(3, len(fields))
    rows = -(-len(fields) // columns)
    figure, axes = new_figure(title, False, 0.5 + 2.35 * rows, rows, columns)
    star = np.asarray(teacher, float) @ _CORNERS
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, field) in zip(axes, fields.items(), strict=False):
        image = _draw(axis, field)
        axis.plot(*star, marker="*", ms=13, mfc="black", mec="white", zorder=5)
        axis.set_title(name, fontsize=10, color=GREY)
        _name_corners(axis, class_names)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, aspect=25)
    words = [*map(str, _TICKS[:-1]), f"{_TOP} or more"]
    bar.set_ticks(np.sqrt(_TICKS), labels=words)
    bar.set_label("length of the gradient", fontsize=9)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)
    pairs = zip(class_names, teacher, strict=True)
    shares = ", ".join(f"{word} {100 * share:.0f} %" for word, share in pairs)
    figure.set_label(
        f"{title or 'Gradients of losses'}. A triangle of three classes each for "
        f"{', '.join(fields)}; the teacher, a star, gives {shares}. Arrows tell where "
        "the student goes, colours how hard it is pulled."
    )
    return figure


def _name_corners(axis: Axes, class_names: Sequence[str]) -> None:
    style = {"textcoords": "offset points", "ha": "center", "va": "center"}
    shifts = ((14, -8), (-10, -8), (0, 7))
    for corner, word, shift in zip(_CORNERS, class_names, shifts, strict=True):
        axis.annotate(word, corner, shift, fontsize=8, color=GREY, **style)


def _draw(axis: Axes, field: Any) -> Any:
    """Colours below, arrows of one length above; returns what bears the colours."""
    xy = np.asarray(field.points, float) @ _CORNERS  # (N, 2)
    to = np.asarray(field.moves, float) @ _CORNERS  # (N, 2)
    length = np.linalg.norm(to, axis=1, keepdims=True)
    to = np.divide(to, length, out=np.zeros_like(to), where=length > 0)
    image = axis.tripcolor(
        *xy.T,
        np.sqrt(np.asarray(field.sizes, float)),
        cmap="cividis",
        shading="gouraud",
        vmin=0,
        vmax=_TOP**0.5,
    )
    shown = np.asarray(field.arrows, bool)
    style = {"scale": 14, "width": 0.009, "pivot": "mid", "zorder": 3}
    axis.quiver(*xy[shown].T, *to[shown].T, color="white", **style)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.1, 0.96), aspect="equal")
    return image
