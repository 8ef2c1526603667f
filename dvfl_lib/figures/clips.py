"""Clips as pictures: their frames, the views of a video, and what sampling chose.

Pictures are uint8, or float in [0, 1].

Public names: ``clip_strip``, ``views_figure``, ``sampling_figure``,
``crops_figure``.
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
from .style import GREY, PALETTE, WIDTH, bare, name_axes, name_row, new_figure

Box = tuple[int, int, int, int]  # top, left, height, width, in pixels

# In inches: the margin for names of rows; the bar of time, and what is above it.
_MARGIN, _BAR, _GAP = 1.0, 0.15, 0.36
_WIDE = WIDTH - _MARGIN - 0.12
# Of the outlines of crops: colour, line, and how far from top and bottom, to be seen.
_STYLES = (("gate", "-", 0.015), ("context", "--", 0.05), ("time", ":", 0.085))
_MOST = 8  # frames side by side


def clip_strip(clip: Any, title: str = "", *, standin: bool = False) -> Figure:
    """The frames of a clip (T, 3, H, W) in their order, eight to a row."""
    frames = _pictures(clip, ndim=4)  # (T, H, W, 3)
    rows = [list(frames[i : i + _MOST]) for i in range(0, len(frames), _MOST)]
    alt = f"{len(frames)} frames of a clip in a row. {title}"
    return _picture_grid(rows, [""] * len(rows), title, standin, alt)


def views_figure(
    views: Any,
    names: Sequence[str],
    title: str = "Views of one video",
    *,
    what: str = "views of one video",
    standin: bool = False,
) -> Figure:
    """One row per view of a video, its frames from left to right.

    Args:
        views: (V, T, 3, H, W). Of long clips, eight evenly spaced frames are shown.
        names: V names, such as "clip 1, left".
        what: what the rows are, for the description in words.
    """
    rows = _pictures(views, ndim=5)  # (V, T, H, W, 3)
    shown = np.linspace(0, rows.shape[1] - 1, min(_MOST, rows.shape[1]))
    chosen = rows[:, shown.round().astype(int)]  # (V, <= 8, H, W, 3)
    alt = f"{len(rows)} {what}, one per row: {', '.join(names)}.".replace("\n", " ")
    return _picture_grid([list(r) for r in chosen], names, title, standin, alt)


def _pictures(frames: Any, ndim: int) -> np.ndarray:
    """Frames with the colour last: (T, H, W, 3) or (V, T, H, W, 3)."""
    array = np.asarray(frames)
    if array.ndim != ndim or array.shape[-3] != 3:
        wanted = "(T, 3, H, W)" if ndim == 4 else "(V, T, 3, H, W)"
        raise DVFLError(f"pictures are {wanted}, not {array.shape}")
    if array.dtype != np.uint8:
        array = np.clip(array.astype(np.float32), 0, 1)
    return np.moveaxis(array, -3, -1)


def _picture_grid(
    rows: Sequence[Sequence[np.ndarray]],
    names: Sequence[str],
    title: str,
    standin: bool,
    alt: str,
) -> Figure:
    """Pictures of one size, row by row, with a name before each row."""
    columns = max(len(row) for row in rows)
    tall, wide = rows[0][0].shape[:2]
    margin = 1.0 if any(names) else 0.0  # inches for the names
    cell = (WIDTH - margin) / columns * tall / wide
    height = len(rows) * (cell + 0.06) + (0.34 if title or standin else 0.1)
    figure, axes = new_figure(title, standin, height, len(rows), columns)
    pads: dict[str, Any] = dict(w_pad=0.01, h_pad=0.02, wspace=0.01, hspace=0.01)
    pads["rect"] = (0.01, 0, 0.985, 1)  # room to the left of the names
    figure.get_layout_engine().set(**pads)
    for place, axis in enumerate(axes):
        row, column = divmod(place, columns)
        bare(axis)
        if column < len(rows[row]):
            axis.imshow(rows[row][column], interpolation="none")
        if column == 0 and names[row]:
            name_row(axis, names[row], size=8.5)
    figure.set_label(alt)
    return figure


def sampling_figure(
    video: Any,
    looks: Mapping[str, Sequence[int]],
    *,
    fps: float,
    segments: int = 0,
    action: tuple[int, int] | None = None,
    title: str = "",
    standin: bool = False,
) -> Figure:
    """A row per way of choosing frames: the frames, and where they lie in time.

    Args:
        video: (N, 3, H, W).
        looks: name -> frame numbers, as of ``video.sampling``; as many in each row.
        fps: frames per second of the video, for the axis.
        segments: draw the borders of this many equal parts; 0 draws none.
        action: first frame, and the one behind the last, of the part to colour.
    """
    frames = _pictures(video, ndim=4)  # (N, H, W, 3)
    number, tall, wide = frames.shape[:3]
    pitch = _WIDE / max(6, *map(len, looks.values()))  # inches from picture to picture
    cell = (0.94 * pitch, 0.94 * pitch * tall / wide)
    each = _BAR + _GAP + cell[1] + 0.28
    head = 0.36 if title or standin else 0.08
    height = head + len(looks) * each + 0.42
    figure, axes = new_figure(title, standin, height, rows=len(looks))
    # Inches, not a layout's choice: pictures keep their shape, rows one axis of time.
    figure.set_layout_engine("none")
    for row, (axis, (name, chosen)) in enumerate(zip(axes, looks.items(), strict=True)):
        bottom = height - head - (row + 1) * each
        place = (_MARGIN, bottom, _WIDE, each)
        axis.set_position(np.divide(place, (WIDTH, height) * 2))
        axis.set(xlim=(0, _WIDE), ylim=(0, each))
        bare(axis)
        _time_bar(axis, number, segments, action)
        _place_frames(axis, frames, chosen, pitch, cell)
        axis.text(-0.1, 0.5 * each, name, ha="right", va="center", color=GREY)
    # Ticks of whole or half seconds under the last row.
    length = number / fps
    times = np.arange(0, length + 1e-9, 1 if length > 3 else 0.5 if length > 1 else 0.2)
    axes[-1].set_xticks(_WIDE * times / length, [f"{t:g}" for t in times])
    name_axes(axes[-1], "seconds (above each picture: the number of its frame)")
    told = "; ".join(f"{n}: {', '.join(map(str, c))}" for n, c in looks.items())
    parts = f" The axis is cut into {segments} segments." if segments else ""
    if action is not None:
        parts += f" The action is in frames {action[0]} to {action[1] - 1}."
    figure.set_label(
        f"{title or 'Frames of a video'}: frames chosen out of {number}. {told}.{parts}"
    )
    return figure


def _time_bar(
    axis: Axes, number: int, segments: int, action: tuple[int, int] | None
) -> None:
    """The bar of time at the bottom; x and y of the axis are inches."""
    axis.add_patch(Rectangle((0, 0), _WIDE, _BAR, color="#E5E5E5", linewidth=0))
    if action is not None:
        first, last = (_WIDE * n / number for n in action)
        band = {"color": PALETTE["time"], "linewidth": 0}
        axis.add_patch(Rectangle((first, 0), last - first, _BAR, **band))
    for border in range(1, segments):
        x = _WIDE * border / segments
        axis.plot([x, x], [0, _BAR], color="white", linewidth=2)


def _place_frames(
    axis: Axes,
    frames: np.ndarray,
    chosen: Sequence[int],
    pitch: float,
    cell: tuple[float, float],
) -> None:
    """The chosen frames side by side, each tied to its place in time."""
    start = (_WIDE - pitch * len(chosen)) / 2
    for k, n in enumerate(chosen):
        left = start + k * pitch + (pitch - cell[0]) / 2
        low, middle = _BAR + _GAP, left + cell[0] / 2
        x = _WIDE * (n + 0.5) / len(frames)
        axis.plot([x, x], [0, _BAR], color="black", linewidth=1.2)
        axis.plot([x, middle], [_BAR, low], color=GREY, linewidth=0.7)
        extent = (left, left + cell[0], low, low + cell[1])
        axis.imshow(frames[n], extent=extent, aspect="auto")
        style = {"ha": "center", "va": "bottom", "fontsize": 7.5, "color": GREY}
        axis.text(middle, low + cell[1] + 0.02, str(n), **style)
    axis.set(xlim=(0, _WIDE))


def crops_figure(
    frame: Any, boxes: Mapping[str, Box], *, title: str = "", standin: bool = False
) -> Figure:
    """A frame with the outlines of crops, and each crop beside it.

    Args:
        frame: (3, H, W).
        boxes: name -> (top, left, height, width) in pixels of the frame; up to three.
    """
    picture = _pictures(np.asarray(frame)[None], ndim=4)[0]  # (H, W, 3)
    tall, wide = picture.shape[:2]
    widths = [wide, *(box[3] for box in boxes.values())]
    height = (WIDTH - 0.3) * max(tall, *(b[2] for b in boxes.values())) / sum(widths)
    sizes = {"columns": len(widths), "widths": widths}
    figure, axes = new_figure(title, standin, height + 0.65, **sizes)
    axes[0].imshow(picture, interpolation="none")
    axes[0].set_title(f"the frame, {wide} x {tall}", fontsize=9, color=GREY)
    for axis, style, (name, box) in zip(axes[1:], _STYLES, boxes.items(), strict=False):
        top, left, high, broad = box
        part = picture[top : top + high, left : left + broad]
        axis.imshow(part, interpolation="none")
        axis.set_title(f"{name}, {broad} x {high}", fontsize=9, color=GREY)
        _outline(axes[0], (left, top, broad, high), style)
        _outline(axis, (0, 0, broad, high), style)
    for axis in axes:
        bare(axis)
    told = "; ".join(
        f"{name}: rows {t} to {t + h - 1}, columns {x} to {x + w - 1}"
        for name, (t, x, h, w) in boxes.items()
    )
    figure.set_label(f"{title or 'Crops'}: a frame of {wide} x {tall} pixels. {told}.")
    return figure


def _outline(axis: Axes, box: Box, look: tuple[str, str, float]) -> None:
    """A coloured line on a black one, just inside (left, top, width, height)."""
    left, top, wide, high = box
    line = {"edgecolor": PALETTE[look[0]], "linestyle": look[1], "linewidth": 1.8}
    aside, inset = 0.015 * high, look[2] * high
    corner = (left - 0.5 + aside, top - 0.5 + inset)
    outline = Rectangle(corner, wide - 2 * aside, high - 2 * inset, fill=False, **line)
    outline.set_path_effects([withStroke(linewidth=3.6, foreground="black")])
    axis.add_patch(outline)
