"""Pictures of what a network sees: the frames of a clip, the views of a video.

Public names: ``clip_strip``, ``views_figure``; for the other files of this folder
``pictures``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, WIDTH, new_figure


def clip_strip(
    clip: Any, title: str = "", *, per_row: int = 8, standin: bool = False
) -> Figure:
    """The frames of a clip in their order, ``per_row`` to a row.

    Args:
        clip: uint8, or float in [0, 1], of shape (T, 3, H, W).
    """
    frames = pictures(clip, ndim=4)  # (T, H, W, 3)
    return _picture_grid(
        [list(frames[i : i + per_row]) for i in range(0, len(frames), per_row)],
        [""] * -(-len(frames) // per_row),
        title,
        standin,
        f"{len(frames)} frames of a clip in a row. {title}",
    )


def views_figure(
    views: Any,
    names: Sequence[str],
    title: str = "Views of one video",
    *,
    what: str = "views of one video",
    most_frames: int = 8,
    standin: bool = False,
) -> Figure:
    """One row per view of a video, its frames from left to right.

    Args:
        views: uint8, or float in [0, 1], of shape (V, T, 3, H, W).
        names: V names, such as "clip 1, left".
        what: what the rows are, for the description in words.
        most_frames: of longer clips, this many evenly spaced frames are shown.
    """
    rows = pictures(views, ndim=5)  # (V, T, H, W, 3)
    if len(names) != len(rows):
        raise DVFLError(f"{len(rows)} views need as many names, not {len(names)}")
    shown = np.linspace(0, rows.shape[1] - 1, min(most_frames, rows.shape[1]))
    chosen = rows[:, shown.round().astype(int)]  # (V, <= most_frames, H, W, 3)
    alt = f"{len(rows)} {what}, one per row: {', '.join(names)}.".replace("\n", " ")
    return _picture_grid([list(r) for r in chosen], names, title, standin, alt)


def pictures(frames: Any, ndim: int) -> np.ndarray:
    """Frames with the colour last, checked: (T, H, W, 3) or (V, T, H, W, 3).

    Raises:
        DVFLError: another shape, or nothing in it.
    """
    array = np.asarray(frames)
    if array.ndim != ndim or array.shape[-3] != 3 or 0 in array.shape:
        wanted = "(T, 3, H, W)" if ndim == 4 else "(V, T, 3, H, W)"
        raise DVFLError(f"pictures are {wanted}, none of them empty: {array.shape}")
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
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.01, hspace=0.01)
    for place, axis in enumerate(axes):
        row, column = divmod(place, columns)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if column < len(rows[row]):
            axis.imshow(rows[row][column], interpolation="none")
        if column == 0 and names[row]:
            label = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 8.5}
            axis.set_ylabel(names[row], color=GREY, **label)
    figure.set_label(alt)
    return figure
