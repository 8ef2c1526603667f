"""What networks cost, side by side; and which of their tensors a file filled.

Public names: ``cost_bars``, ``filling_figure``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..errors import DVFLError
from .style import GREY, PALETTE, new_figure

Cost = float | tuple[float, float]  # (of which temporal, total)
_BLOCK = re.compile(r"layers\.(\d+)\.blocks\.(\d+)\.(.+)")
_FILLED, _TEMPORAL, _OTHER = (PALETTE[key] for key in ("space", "time", "gate"))


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

    Raises:
        DVFLError: no panel, panels of different networks, or a negative cost.
    """
    names = list(next(iter(panels.values()), {}))
    if not names or any(list(costs) != names for costs in panels.values()):
        raise DVFLError("cost_bars needs panels with the same networks, at least one")
    height = 1.2 + 0.34 * len(names)
    figure, axes = new_figure(title, False, height, columns=len(panels))
    told = []
    for place, (axis, (panel, costs)) in enumerate(
        zip(axes, panels.items(), strict=True)
    ):
        pairs = [c if isinstance(c, tuple) else (0.0, c) for c in costs.values()]
        if any(not 0 <= part <= total for part, total in pairs):
            raise DVFLError(f"{panel}: costs are positive, and their parts not larger")
        split = any(isinstance(c, tuple) for c in costs.values())
        _bars(axis, pairs, _FILLED if split else GREY)
        axis.set_title(panel, fontsize=9, color=GREY, loc="left")
        axis.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
        if panel not in machine:
            numbers = zip(names, pairs, strict=True)
            values = ", ".join(f"{name} {total:.4g}" for name, (_, total) in numbers)
            told.append(f"{panel}: {values}")
        else:
            told.append(f"{panel}, as measured on this machine")
    if any(isinstance(c, tuple) for costs in panels.values() for c in costs.values()):
        _legend(figure, {"temporal branch": _TEMPORAL, "everything else": _FILLED})
    figure.set_label(f"{title or 'Costs'}, bars per network. {'; '.join(told)}.")
    return figure


def _bars(axis: Axes, pairs: Sequence[tuple[float, float]], colour: str) -> None:
    """Bars from the top down, the temporal part first, the total at the end."""
    most = max(total for _, total in pairs) or 1.0
    for row, (part, total) in enumerate(pairs):
        axis.barh(row, part, height=0.6, color=_TEMPORAL)
        axis.barh(row, total - part, left=part, height=0.6, color=colour)
        end = total + 0.03 * most
        axis.text(end, row, f"{total:.3g}", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.3 * most), xticks=[])
    axis.spines["bottom"].set_visible(False)


def filling_figure(filled: Sequence[str], left_random: Sequence[str]) -> Figure:
    """A square per tensor of a network: filled from a file, or left random.

    Args:
        filled, left_random: names as in ``weights.LoadReport``, each tensor once.

    Raises:
        DVFLError: no names.
    """
    colours = dict.fromkeys(filled, _FILLED)
    for name in left_random:
        colours[name] = _TEMPORAL if "temporal" in name else _OTHER
    if not colours:
        raise DVFLError("filling_figure was given no tensor")
    blocks: dict[str, dict[str, str]] = {}
    others: dict[str, dict[str, str]] = {}
    for name, colour in colours.items():
        if place := _BLOCK.fullmatch(name):
            stage, block, tensor = place.groups()
            row = f"stage {int(stage) + 1}, block {int(block) + 1}"
            blocks.setdefault(row, {})[tensor] = colour
        else:
            row, _, tensor = name.rpartition(".")
            if row.endswith((".proj", ".norm")) or row.startswith("patch_embed"):
                row, _, part = row.rpartition(".")
                tensor = f"{part}.{tensor}"
            row = re.sub(r"layers\.(\d+)\.downsample", _merge_name, row)
            others.setdefault(row, {})[tensor] = colour
    rows = max(len(blocks), len(others))
    figure, (left, right) = new_figure(
        "Tensors filled from the file", False, 2.2 + 0.24 * rows, 1, 2, (2.7, 1)
    )
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


def _merge_name(match: re.Match[str]) -> str:
    return f"merge after stage {int(match[1]) + 1}"


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
    style = {"loc": "outside lower center", "frameon": False, "fontsize": 9}
    figure.legend(handles, list(kinds), ncols=len(kinds), **style)
