"""What a network says of a stream, frame by frame.

Public names: ``stream_figure``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, SIX, new_figure, percent

_OTHERS = "other classes"


def stream_figure(
    probabilities: np.ndarray,
    classes: Sequence[str],
    spans: Sequence[tuple[int, int, str]] = (),
    *,
    threshold: float = 0.0,
    title: str = "",
    standin: bool = False,
) -> Figure:
    """A line per class over the frames; what was really shown as bands below.

    Args:
        probabilities: (F, K); a frame without an answer yet is a row of NaN.
        classes: K names. Classes that are neither in ``spans`` nor ever likeliest are
            drawn thin and grey.
        spans: (first frame, frame after the last, class shown), in order.
        threshold: below it there is no decision; drawn if above 0.

    Raises:
        DVFLError: other shapes, or a class in ``spans`` that has no name.
    """
    table = np.asarray(probabilities, dtype=float)
    if table.ndim != 2 or table.shape[1] != len(classes) or not len(table):
        raise DVFLError(
            f"stream_figure: probabilities {table.shape} are not (frames, "
            f"{len(classes)} classes)"
        )
    shown = [name for _, _, name in spans]
    if missing := [name for name in shown if name not in classes]:
        raise DVFLError(f"stream_figure: no class is called {missing[0]!r}")
    answered = ~np.isnan(table).any(axis=1)
    winners = {classes[int(k)] for k in table[answered].argmax(axis=1)}
    named = list(dict.fromkeys([*shown, *(c for c in classes if c in winners)]))
    colours = {name: SIX[place % 6] for place, name in enumerate(named)}
    figure, (axis, band) = _axes(title, standin)
    for place, name in enumerate(classes):
        style = dict(color=GREY, linewidth=0.6, alpha=0.5, zorder=1, label=_OTHERS)
        if name in colours:
            # beyond six colours the lines are told apart by their strokes
            stroke = ("-", "--", ":", "-.")[named.index(name) // 6 % 4]
            style = dict(color=colours[name], linewidth=1.8, ls=stroke, label=name)
        axis.plot(np.arange(len(table)), table[:, place], **style)
    if threshold:
        axis.axhline(threshold, color="black", linewidth=0.8, linestyle=":")
    axis.set(xlim=(0, len(table)), ylim=(0, 1.02), ylabel="probability")
    percent(axis.yaxis)
    _mark_waiting(axis, answered)
    for first, after, name in spans:
        band.barh(0, after - first, 1, left=first, color=colours[name], alpha=0.8)
        if (after - first) / len(table) > 0.012 * len(name):  # it fits
            band.text((first + after) / 2, 0, name, ha="center", va="center", size=8)
        axis.axvline(first, color=GREY, linewidth=0.6)
    band.set(xlim=(0, len(table)), ylim=(-0.5, 0.5), yticks=[], xlabel="frame")
    band.set_ylabel("shown", rotation=0, ha="right", va="center", fontsize=9)
    legend = {"loc": "outside right center", "frameon": False, "fontsize": 9}
    lines = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    named += [_OTHERS] * (_OTHERS in lines)
    figure.legend([lines[name] for name in named], named, **legend)
    figure.set_label(_words(table, answered, classes, spans, title))
    return figure


def _mark_waiting(axis: Axes, answered: np.ndarray) -> None:
    """Shade the frames before the first answer, and say so where it fits."""
    first = int(answered.argmax()) if answered.any() else len(answered)
    if not first:
        return
    axis.axvspan(0, first, color=GREY, alpha=0.12, linewidth=0)
    if first > 0.1 * len(answered):
        words = dict(ha="center", va="center", size=8, color=GREY)
        axis.text(first / 2, 0.5, "no answer\nyet", **words)


def _axes(title: str, standin: bool) -> tuple[Figure, list[Axes]]:
    figure, axes = new_figure(title, standin, 3.4, rows=2)
    axes[0].get_gridspec().set_height_ratios((9, 1))
    axes[0].set_xticks([])
    axes[1].spines[:].set_visible(False)
    return figure, axes


def _words(
    table: np.ndarray,
    answered: np.ndarray,
    classes: Sequence[str],
    spans: Sequence[tuple[int, int, str]],
    title: str,
) -> str:
    """The figure for who cannot see it: what was shown, and what was likeliest."""
    said = []
    for first, after, name in spans:
        rows = table[first:after][answered[first:after]]
        if not len(rows):
            said.append(f"frames {first} to {after - 1} show {name}, no answer yet")
            continue
        likeliest = np.bincount(rows.argmax(axis=1), minlength=len(classes))
        often, share = int(likeliest.argmax()), likeliest.max() / len(rows)
        said.append(
            f"frames {first} to {after - 1} show {name}, likeliest is "
            f"{classes[often]} in {100 * share:.0f} % of the answers"
        )
    what = f"{len(table)} frames, a line for each of {len(classes)} classes"
    return f"{title or 'Probabilities over time'}: {what}. {'; '.join(said)}."
