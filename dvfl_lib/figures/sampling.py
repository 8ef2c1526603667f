"""Which frames of a video a clip takes, on a time axis; which pixels a view takes.

Public names: ``sampling_figure``, ``crops_figure``.
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
from .clips import pictures
from .style import GREY, PALETTE, WIDTH, new_figure

Box = tuple[int, int, int, int]  # top, left, height, width, in pixels

_MARGIN = 1.0  # inches for the names of the rows
_WIDE = WIDTH - _MARGIN - 0.12
_BAR = 0.15  # inches that the bar of time is high
_GAP = 0.36  # between the bar and the frames
_STYLES = ("-", "--", ":")


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
        video: uint8, or float in [0, 1], of shape (N, 3, H, W).
        looks: name -> frame numbers, as of ``video.sampling``; as many in each row.
        fps: frames per second of the video, for the axis.
        segments: draw the borders of this many equal parts; 0 draws none.
        action: first frame, and the one behind the last, of the part to colour.

    Raises:
        DVFLError: nothing to draw, rows of different lengths, or a frame that is not
            in the video.
    """
    frames = pictures(video, ndim=4)  # (N, H, W, 3)
    number, tall, wide = frames.shape[:3]
    counts = {len(chosen) for chosen in looks.values()}
    if len(counts) != 1 or 0 in counts:
        raise DVFLError("sampling_figure needs rows of as many frames, at least one")
    outside = [n for chosen in looks.values() for n in chosen if not 0 <= n < number]
    if outside:
        raise DVFLError(f"the video has frames 0 to {number - 1}, not {outside[0]}")
    pitch = _WIDE / max(6, counts.pop())  # inches from picture to picture
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
        _time_bar(axis, number, each, segments, action)
        _place_frames(axis, frames, chosen, pitch, cell)
        axis.text(-0.1, 0.5 * each, name, ha="right", va="center", color=GREY)
    _seconds(axes[-1], number, fps)
    told = "; ".join(f"{n}: {', '.join(map(str, c))}" for n, c in looks.items())
    parts = f" The axis is cut into {segments} segments." if segments else ""
    if action is not None:
        parts += f" The action is in frames {action[0]} to {action[1] - 1}."
    figure.set_label(
        f"{title or 'Frames of a video'}: frames chosen out of {number}. {told}.{parts}"
    )
    return figure


def _time_bar(
    axis: Axes,
    number: int,
    each: float,
    segments: int,
    action: tuple[int, int] | None,
) -> None:
    """The bar of time at the bottom; x and y of the axis are inches."""
    axis.set(xlim=(0, _WIDE), ylim=(0, each), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
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


def _seconds(axis: Axes, number: int, fps: float) -> None:
    """Ticks of whole or half seconds under the last row."""
    length = number / fps
    step = 1.0 if length > 3 else 0.5 if length > 1 else 0.2
    times = np.arange(0, length + 1e-9, step)
    axis.set_xticks(_WIDE * times / length, [f"{t:g}" for t in times])
    axis.set_xlabel("seconds (above each picture: the number of its frame)")
    axis.xaxis.label.set(fontsize=9, color=GREY)


def crops_figure(
    frame: Any, boxes: Mapping[str, Box], *, title: str = "", standin: bool = False
) -> Figure:
    """A frame with the outlines of crops, and each crop beside it.

    Args:
        frame: uint8, or float in [0, 1], of shape (3, H, W).
        boxes: name -> (top, left, height, width) in pixels of the frame; up to three.

    Raises:
        DVFLError: no box or more than three, or a box that leaves the frame.
    """
    picture = pictures(np.asarray(frame)[None], ndim=4)[0]  # (H, W, 3)
    tall, wide = picture.shape[:2]
    if not 1 <= len(boxes) <= len(_STYLES):
        raise DVFLError(f"crops_figure draws one to three boxes, not {len(boxes)}")
    for name, (top, left, high, broad) in boxes.items():
        fits = 0 <= top <= top + high <= tall and 0 <= left <= left + broad <= wide
        if not fits or not high or not broad:
            raise DVFLError(f"{name}: {boxes[name]} leaves the frame {(tall, wide)}")
    widths = [wide, *(box[3] for box in boxes.values())]
    height = (WIDTH - 0.3) * max(tall, *(b[2] for b in boxes.values())) / sum(widths)
    figure, axes = new_figure(
        title, standin, height + 0.65, columns=1 + len(boxes), widths=widths
    )
    axes[0].imshow(picture, interpolation="none")
    axes[0].set_title(f"the frame, {wide} x {tall}", fontsize=9, color=GREY)
    for axis, style, (name, box) in zip(axes[1:], _STYLES, boxes.items(), strict=False):
        top, left, high, broad = box
        axis.imshow(
            picture[top : top + high, left : left + broad], interpolation="none"
        )
        axis.set_title(f"{name}, {broad} x {high}", fontsize=9, color=GREY)
        _outline(axes[0], (left, top, broad, high), style)
        _outline(axis, (0, 0, broad, high), style)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    told = "; ".join(
        f"{name}: rows {t} to {t + h - 1}, columns {x} to {x + w - 1}"
        for name, (t, x, h, w) in boxes.items()
    )
    figure.set_label(f"{title or 'Crops'}: a frame of {wide} x {tall} pixels. {told}.")
    return figure


def _outline(axis: Axes, box: tuple[int, int, int, int], style: str) -> None:
    """A white line on a black one, just inside (left, top, width, height)."""
    left, top, wide, high = box
    line = {"fill": False, "edgecolor": "white", "linestyle": style, "linewidth": 1.8}
    inset = 0.015 * high
    corner = (left - 0.5 + inset, top - 0.5 + inset)
    outline = Rectangle(corner, wide - 2 * inset, high - 2 * inset, **line)
    outline.set_path_effects([withStroke(linewidth=3.6, foreground="black")])
    axis.add_patch(outline)
