"""What networks cost, how fast they are, and what they say of a stream.

Public names: ``cost_bars``, ``filling_figure``, ``ratio_bars``, ``share_bars``,
``stream_figure``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import GREY, PALETTE, SIX, legend_below, name_rows, new_figure, percent

Cost = float | tuple[float, float]  # (of which temporal, total)
_FILLED, _TEMPORAL, _OTHER = (PALETTE[key] for key in ("space", "time", "gate"))
_SMALLEST_TOLD = 0.07  # of the picture's width: a narrower part holds no number
Spread = tuple[float, float, float]  # (median, lower quartile, upper quartile)
_OTHERS = "other classes"
_MEASURED = "as measured on this machine"
CENTRED = {"ha": "center", "va": "center"}


def cost_bars(
    panels: Mapping[str, Mapping[str, Cost]],
    *,
    title: str = "",
    machine: Collection[str] = (),
) -> Figure:
    """A panel per kind of cost, with a bar per network.

    Args:
        panels: what is counted, with its unit -> network -> cost. A pair (temporal,
            total) draws the temporal part of the bar in the colour of time. Every
            panel has the same networks.
        machine: panels that depend on the machine; their numbers stand in the
            picture but not in its description.
    """
    names = list(next(iter(panels.values())))
    height = 1.2 + 0.34 * len(names)
    figure, axes = new_figure(title, False, height, columns=len(panels))
    told, any_split = [], False
    for axis, (panel, costs) in zip(axes, panels.items(), strict=True):
        pairs = {n: c if isinstance(c, tuple) else (0.0, c) for n, c in costs.items()}
        split = any(isinstance(cost, tuple) for cost in costs.values())
        most = max(total for _, total in pairs.values()) or 1.0
        for row, (part, total) in enumerate(pairs.values()):
            axis.barh(row, part, height=0.6, color=_TEMPORAL)
            rest = {"left": part, "color": _FILLED if split else GREY}
            axis.barh(row, total - part, height=0.6, **rest)
            end = total + 0.03 * most
            axis.text(end, row, f"{total:.3g}", va="center", fontsize=9)
        name_rows(axis, names if axis is axes[0] else [""] * len(names))
        axis.set(xlim=(0, 1.3 * most), xticks=[])
        axis.spines["bottom"].set_visible(False)
        axis.set_title(panel, fontsize=9, color=GREY, loc="left")
        numbers = ", ".join(f"{n} {total:.4g}" for n, (_, total) in pairs.items())
        said = f", {_MEASURED}" if panel in machine else f": {numbers}"
        told.append(f"{panel}{said}")
        any_split |= split
    if any_split:
        _legend(figure, {"temporal branch": _TEMPORAL, "everything else": _FILLED})
    figure.set_label(f"{title or 'Costs'}, bars per network. {'; '.join(told)}.")
    return figure


def filling_figure(filled: Sequence[str], left_random: Sequence[str]) -> Figure:
    """A square per tensor of a network: filled from a file, or left random.

    Args:
        filled, left_random: names as in ``weights.LoadReport``, each tensor once.
    """
    colours = dict.fromkeys(filled, _FILLED)
    for name in left_random:
        colours[name] = _TEMPORAL if "temporal" in name else _OTHER
    blocks: dict[str, dict[str, str]] = {}
    others: dict[str, dict[str, str]] = {}
    for name, colour in colours.items():
        row, column = _place_of(name)
        table = blocks if row.startswith("stage") else others
        table.setdefault(row, {})[column] = colour
    rows = max(len(blocks), len(others))
    title, height = "Tensors filled from the file", 2.2 + 0.24 * rows
    figure, (left, right) = new_figure(title, False, height, columns=2, widths=(2.7, 1))
    _squares(left, blocks, "in the blocks", rows)
    _squares(right, others, "outside of them", rows)
    kinds = {"filled": _FILLED, "temporal, left random": _TEMPORAL}
    _legend(figure, kinds | {"head, left random": _OTHER})
    temporal = sum("temporal" in name for name in left_random)
    figure.set_label(
        f"A square per tensor: {len(filled)} of {len(colours)} filled, {temporal} "
        f"temporal ones and {len(left_random) - temporal} others left random."
    )
    return figure


def _place_of(name: str) -> tuple[str, str]:
    """The row and the column of a tensor."""
    if place := re.fullmatch(r"layers\.(\d+)\.blocks\.(\d+)\.(.+)", name):
        stage, block, tensor = place.groups()
        return f"stage {int(stage) + 1}, block {int(block) + 1}", tensor
    row, _, tensor = name.rpartition(".")
    if row.endswith((".proj", ".norm")) or row.startswith("patch_embed"):
        row, _, part = row.rpartition(".")
        tensor = f"{part}.{tensor}"
    if place := re.fullmatch(r"layers\.(\d+)\.downsample", row):
        row = f"merge after stage {int(place[1]) + 1}"
    return row, tensor


def _squares(
    axis: Axes, table: Mapping[str, Mapping[str, str]], title: str, rows: int
) -> None:
    """Rows of coloured squares under the names of their columns."""
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    for row, cells in enumerate(table.values()):
        for name, colour in cells.items():
            corner = (columns.index(name) + 0.08, row + 0.08)
            axis.add_patch(Rectangle(corner, 0.84, 0.84, color=colour, linewidth=0))
    axis.set(xlim=(0, max(1, len(columns))), ylim=(rows, 0))
    middles = [column + 0.5 for column in range(len(columns))]
    short = [name.removeprefix("modulation.") for name in columns]
    axis.set_xticks(middles, short, rotation=90, fontsize=7)
    axis.xaxis.tick_top()
    axis.set_yticks([row + 0.5 for row in range(len(table))], list(table), fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=9, color=GREY, loc="left")


def _legend(figure: Figure, kinds: Mapping[str, str]) -> None:
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in kinds.values()]
    legend_below(figure, len(kinds), handles, list(kinds), fontsize=9)


def ratio_bars(
    ratios: Mapping[str, Spread], reference: str, *, title: str = "Speed"
) -> Figure:
    """A bar per contestant: how many times as fast as the reference, here and now.

    Args:
        ratios: contestant -> median and quartiles of the ratios; the reference too.
        reference: the contestant at 1; its bar is grey.
    """
    figure, (axis,) = new_figure(title, False, 1.0 + 0.36 * len(ratios))
    most = max(high for _, _, high in ratios.values())
    for row, (name, (median, low, high)) in enumerate(ratios.items()):
        colour = GREY if name == reference else PALETTE["student"]
        axis.barh(row, median, height=0.6, color=colour)
        axis.plot([low, high], [row, row], color="black", linewidth=1.2)
        axis.text(high + 0.02 * most, row, f"{median:.2f}", va="center", fontsize=9)
    name_rows(axis, list(ratios))
    axis.axvline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.set(xlim=(0, 1.15 * most))
    axis.set_xlabel(f"times as fast as {reference}; line: quartiles", fontsize=9)
    figure.set_label(
        f"{title}: a bar per way of computing ({', '.join(ratios)}), times as fast as "
        f"{reference}: {_MEASURED}."
    )
    return figure


def share_bars(
    shares: Mapping[str, Mapping[str, float]],
    *,
    unit: str,
    title: str = "Shares of the time",
) -> Figure:
    """A bar per network, cut into kinds of work; large ones show their share of it.

    ``shares``: network -> kind -> amount, in ``unit``, as measured here and now.
    """
    kinds = list(next(iter(shares.values())))
    figure, (axis,) = new_figure(title, False, 1.4 + 0.45 * len(shares))
    longest = max(sum(parts.values()) for parts in shares.values())
    for row, parts in enumerate(shares.values()):
        left, whole = 0.0, sum(parts.values())
        for place, (kind, value) in enumerate(parts.items()):
            label = kind if row == 0 else None
            axis.barh(row, value, 0.6, left=left, label=label, color=SIX[place % 6])
            if value > _SMALLEST_TOLD * longest:
                share = f"{100 * value / whole:.0f} %"
                axis.text(left + value / 2, row, share, size=9, **CENTRED)
            left += value
    name_rows(axis, list(shares))
    axis.set_xlabel(unit, fontsize=9)
    legend_below(figure, len(kinds), fontsize=9)
    figure.set_label(
        f"{title}: bars for {', '.join(shares)}, cut into {', '.join(kinds)}; "
        f"{_MEASURED}."
    )
    return figure


def stream_figure(
    probabilities: np.ndarray,
    classes: Sequence[str],
    spans: Sequence[tuple[int, int, str]],
    *,
    title: str = "Probabilities over time",
    standin: bool = False,
) -> Figure:
    """A line per class over the frames; what was really shown as bands below.

    Args:
        probabilities: (F, K); a frame without an answer yet is a row of NaN.
        classes: K names. Classes that are neither in ``spans`` nor ever likeliest are
            drawn thin and grey.
        spans: (first frame, frame after the last, class shown), in order.
    """
    table = np.asarray(probabilities, dtype=float)
    shown = [name for _, _, name in spans]
    answered = ~np.isnan(table).any(axis=1)
    winners = {classes[int(k)] for k in table[answered].argmax(axis=1)}
    named = list(dict.fromkeys([*shown, *(c for c in classes if c in winners)]))
    colours = {name: SIX[place % 6] for place, name in enumerate(named)}
    figure, (axis, band) = new_figure(title, standin, 3.4, rows=2, heights=(9, 1))
    axis.set_xticks([])
    band.spines[:].set_visible(False)
    for place, name in enumerate(classes):
        style = dict(color=GREY, linewidth=0.6, alpha=0.5, zorder=1, label=_OTHERS)
        if name in colours:
            # beyond six colours the lines are told apart by their strokes
            stroke = ("-", "--", ":", "-.")[named.index(name) // 6 % 4]
            style = dict(color=colours[name], linewidth=1.8, ls=stroke, label=name)
        axis.plot(np.arange(len(table)), table[:, place], **style)
    axis.set(xlim=(0, len(table)), ylim=(0, 1.02), ylabel="probability")
    percent(axis.yaxis)
    # Shade the frames before the first answer, and say so where it fits.
    waiting = int(answered.argmax()) if answered.any() else len(answered)
    if waiting:
        axis.axvspan(0, waiting, color=GREY, alpha=0.12, linewidth=0)
    if waiting > 0.1 * len(answered):
        words = "no answer\nyet"
        axis.text(waiting / 2, 0.5, words, size=8, color=GREY, **CENTRED)
    for first, after, name in spans:
        band.barh(0, after - first, 1, left=first, color=colours[name], alpha=0.8)
        if (after - first) / len(table) > 0.012 * len(name):  # it fits
            band.text((first + after) / 2, 0, name, size=8, **CENTRED)
        axis.axvline(first, color=GREY, linewidth=0.6)
    band.set(xlim=(0, len(table)), ylim=(-0.5, 0.5), yticks=[], xlabel="frame")
    band.set_ylabel("shown", rotation=0, ha="right", va="center", fontsize=9)
    legend = {"loc": "outside right center", "frameon": False, "fontsize": 9}
    lines = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    named += [_OTHERS] * (_OTHERS in lines)
    figure.legend([lines[name] for name in named], named, **legend)
    figure.set_label(_told_of_a_stream(table, answered, classes, spans, title))
    return figure


def _told_of_a_stream(
    table: np.ndarray,
    answered: np.ndarray,
    classes: Sequence[str],
    spans: Sequence[tuple[int, int, str]],
    title: str,
) -> str:
    """The figure for who cannot see it: what was shown, and what was likeliest."""
    said = []
    for first, after, name in spans:
        rows, answer = table[first:after][answered[first:after]], "no answer yet"
        if len(rows):
            counts = np.bincount(rows.argmax(axis=1), minlength=len(classes))
            often, share = classes[int(counts.argmax())], counts.max() / len(rows)
            answer = f"likeliest is {often} in {100 * share:.0f} % of the answers"
        said.append(f"frames {first} to {after - 1} show {name}, {answer}")
    what = f"{len(table)} frames, a line for each of {len(classes)} classes"
    return f"{title}: {what}. {'; '.join(said)}."
