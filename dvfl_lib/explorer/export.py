"""What one keeps of the explorer: a strip as PNG, an animation as GIF.

Public names: ``save_strip``, ``save_gif``.
"""

from __future__ import annotations

import io
from dataclasses import replace
from numbers import Real
from pathlib import Path

from PIL import Image

from ..errors import DVFLError
from ..files import write_whole
from .paths import file_path
from .pictures import row_a, strip
from .record import Record
from .view import View, check_view


def save_strip(record: Record, view: View, path: str | Path) -> Path:
    """Input, modulators and product of all frames as a PNG.

    Raises:
        DVFLError: a view of what the record does not hold.
        RunDirectoryError: the path names no file, or the folder cannot be written.
    """
    check_view(record, view, "save_strip")
    path = file_path(path, "save_strip")
    write_whole(path, strip(record, view).png)
    return path


def save_gif(
    record: Record, view: View, path: str | Path, seconds_per_frame: float = 0.4
) -> Path:
    """Row A played through the frames.

    Args:
        record, view: what is shown; the view's frame does not matter.
        path: of the file.
        seconds_per_frame: from 0.02 to 600; a GIF counts hundredths.

    Raises:
        DVFLError: a view of what the record does not hold, or another duration.
        RunDirectoryError: the path names no file, or the folder cannot be written.
    """
    check_view(record, view, "save_gif")
    path = file_path(path, "save_gif")
    if not (isinstance(seconds_per_frame, Real) and 0.02 <= seconds_per_frame <= 600):
        raise DVFLError(
            f"seconds_per_frame is from 0.02 to 600, not {seconds_per_frame!r}"
        )
    frames = range(len(record.frames))
    views = [replace(view, frame=frame) for frame in frames]
    pictures = [Image.fromarray(row_a(record, entry).array) for entry in views]
    file = io.BytesIO()
    pictures[0].save(
        file,
        "gif",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 * seconds_per_frame),
        loop=0,
    )
    write_whole(path, file.getvalue())
    return path
