"""Maps of tokens: contexts, gates and modulators as rows of small pictures.

Public names: ``heat_maps``.

Amounts are shown in cividis, from zero up; signed values in purple and orange with
white at zero. Both keep their order for colour-blind eyes and in grey print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..errors import DVFLError
from .style import GREY, PALETTE, WIDTH, bare, name_row, new_figure
from .style import colour_bar as add_colour_bar

AMOUNT, SIGNED = "cividis", "PuOr_r"


def heat_maps(
    rows: Sequence[Sequence[Any]],
    *,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    title: str = "",
    signed: bool = False,
    numbers: bool = False,
    shared: str = "all",
    mark: tuple[int, int] | None = None,
    tokens: tuple[int, int] | None = None,
    standin: bool = False,
    colour_bar: bool = True,
) -> Figure:
    """Maps row by row, on one colour scale.

    Args:
        rows: each a list of (H, W) maps, of (H, W, 3) pictures (uint8, or float in
            [0, 1]), or of None for an empty place.
        row_names: a name before each row; column_names: one above each column.
        signed: values of both signs; white is zero, and the scale is symmetric.
        numbers: write each value into its square (for maps of a few tokens).
        shared: one scale for "all" maps, one per "row", or "none".
        mark: (row, column) of a token to frame in every map.
        tokens: (rows, columns) that ``mark`` is counted in; without it each map's own.
        colour_bar: show the scale, unless each map has its own.
    """
    grid = [[_as_map(entry) for entry in row] for row in rows]
    columns = max(map(len, grid))
    # The height follows from the shape of the first map.
    first = next(entry for row in grid for entry in row if entry is not None)
    side = min((WIDTH - (1.2 if row_names else 0.2) - 0.7) / columns, 2.4)
    height = len(grid) * (side * first.shape[0] / first.shape[1] + 0.12) + 0.75
    figure, axes = new_figure(title, standin, height, len(grid), columns)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    whole = _scale([entry for row in grid for entry in row], signed)
    colours = SIGNED if signed else AMOUNT
    bars: list[tuple[list[Axes], Normalize]] = []
    for number, row in enumerate(grid):
        line = axes[number * columns : (number + 1) * columns]
        own = _scale(row, signed)
        common = whole if shared == "all" else own
        if own is not None:
            bars.append((line, common))
        for axis in line:
            bare(axis)
        for axis, entry in zip(line, row, strict=False):
            if entry is not None:
                norm = _scale([entry], signed) if shared == "none" else common
                axis.imshow(entry, cmap=colours, norm=norm, interpolation="none")
                if numbers and entry.ndim == 2:
                    _write_numbers(axis, entry, norm, colours)
                if mark is not None:
                    _frame_token(axis, mark, tokens or entry.shape[:2], entry.shape)
        if row_names:
            name_row(line[0], row_names[number])
    for axis, name in zip(axes, column_names, strict=False):
        axis.set_title(name, fontsize=9, color=GREY, pad=3)
    if shared == "all" and bars:
        bars = [([axis for line, _ in bars for axis in line], bars[0][1])]
    for line, norm in bars if colour_bar and shared != "none" else []:
        style = {"fraction": 0.05, "pad": 0.01, "aspect": 14}
        add_colour_bar(figure, ScalarMappable(norm, colours), line, **style)
    words = _words(grid, title, row_names, column_names)
    figure.set_label(f"{words} The token {mark} is framed." if mark else words)
    return figure


def _as_map(entry: Any) -> np.ndarray | None:
    if entry is None:
        return None
    array = np.asarray(entry.detach().cpu() if hasattr(entry, "detach") else entry)
    if array.ndim == 3:
        return array if array.dtype == np.uint8 else array.clip(0, 1)
    if not np.isfinite(array).all():  # they would look like zeros
        raise DVFLError("a map holds values that are not finite numbers")
    return array.astype(np.float64)


def _scale(entries: Sequence[np.ndarray | None], signed: bool) -> Normalize | None:
    """One scale for these maps; pictures among them need none."""
    maps = [entry for entry in entries if entry is not None and entry.ndim == 2]
    if not maps:
        return None
    top = max(float(np.abs(m).max() if signed else m.max()) for m in maps)
    low = 0.0 if signed else min(0.0, *(float(m.min()) for m in maps))
    top = top if top > low else low + 1.0
    return Normalize(-top if signed else low, top)


def _write_numbers(axis: Axes, entry: np.ndarray, norm: Normalize, cmap: str) -> None:
    """Each value in its square, dark on light and light on dark."""
    painted = ScalarMappable(norm, cmap).to_rgba(entry)[..., :3]
    light = painted @ np.array([0.299, 0.587, 0.114]) > 0.5
    size = 9 if max(entry.shape) <= 5 else 7
    for (row, column), value in np.ndenumerate(entry):
        text = f"{round(value, 2):g}" if abs(value) >= 0.005 else "0"
        ink = "black" if light[row, column] else "white"
        axis.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def _frame_token(
    axis: Axes, mark: tuple[int, int], tokens: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """A frame in white and the query's blue: seen on light and on dark."""
    high, wide = shape[0] / tokens[0], shape[1] / tokens[1]
    corner = (mark[1] * wide - 0.5, mark[0] * high - 0.5)
    for colour, width in (("white", 4.0), (PALETTE["q"], 2.0)):
        outline = {"facecolor": "none", "edgecolor": colour, "linewidth": width}
        box = Rectangle(corner, wide, high, zorder=3, clip_on=False, **outline)
        axis.add_patch(box)


def _words(
    grid: list[list[np.ndarray | None]],
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> str:
    count = sum(entry is not None for row in grid for entry in row)
    parts = [f"{title or 'Maps'}: {count} maps in {len(grid)} rows."]
    if row_names:
        parts.append(f"Rows: {', '.join(row_names)}.")
    if column_names:
        parts.append(f"Columns: {', '.join(column_names)}.")
    return " ".join(parts).replace("\n", " ")
