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
from .style import GREY, PALETTE, WIDTH, bare, colour_bar, name_row, new_figure

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
        standin: write "stand-in data" into the title.
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
    scales = [_scales(row, grid, signed, shared) for row in grid]
    colours = SIGNED if signed else AMOUNT
    for place, axis in enumerate(axes):
        row, column = divmod(place, columns)
        bare(axis)
        if column < len(grid[row]) and grid[row][column] is not None:
            entry, norm = grid[row][column], scales[row][column]
            axis.imshow(entry, cmap=colours, norm=norm, interpolation="none")
            if numbers and entry.ndim == 2:
                _write_numbers(axis, entry, norm, colours)
            if mark is not None:
                _frame_token(axis, mark, tokens or entry.shape[:2], entry.shape)
        if row == 0 and column < len(column_names):
            axis.set_title(column_names[column], fontsize=9, color=GREY, pad=3)
        if column == 0 and row_names:
            name_row(axis, row_names[row])
    if colour_bar and shared != "none":
        lines = np.reshape(axes, (len(grid), columns))
        _add_bars(figure, lines, grid, scales, shared, colours)
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


def _scales(
    row: list[np.ndarray | None],
    grid: list[list[np.ndarray | None]],
    signed: bool,
    shared: str,
) -> list[Normalize | None]:
    """A scale for each map of a row; the same object where they share one."""

    def scale(maps: list[np.ndarray | None]) -> Normalize | None:
        values = [m for m in maps if m is not None and m.ndim == 2]
        if not values:
            return None
        top = max(float(np.abs(m).max() if signed else m.max()) for m in values)
        low = 0.0 if signed else min(0.0, *(float(m.min()) for m in values))
        top = top if top > low else low + 1.0
        return Normalize(-top if signed else low, top)

    if shared == "none":
        return [scale([entry]) for entry in row]
    common = scale(row if shared == "row" else [e for line in grid for e in line])
    return [common] * len(row)


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


def _add_bars(
    figure: Figure,
    axes: np.ndarray,
    grid: list[list[np.ndarray | None]],
    scales: list[list[Normalize | None]],
    shared: str,
    colours: str,
) -> None:
    """One bar beside the maps that it belongs to."""
    lines = [
        (list(part), norms[0])
        for part, row, norms in zip(axes, grid, scales, strict=True)
        if any(entry is not None and entry.ndim == 2 for entry in row)
    ]
    if shared == "all" and lines:
        lines = [([axis for part, _ in lines for axis in part], lines[0][1])]
    for part, norm in lines:
        style = {"fraction": 0.05, "pad": 0.01, "aspect": 14}
        colour_bar(figure, ScalarMappable(norm, colours), part, **style)


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
