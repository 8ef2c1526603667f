"""What one keeps of the explorer: a strip as PNG, an animation as GIF.

Public names: ``save_strip``, ``save_gif``.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..files import write_whole
from .pictures import row_a, strip
from .record import Record
from .view import View


def save_strip(record: Record, view: View, path: str | Path) -> Path:
    """Input, modulators and product of all frames as a PNG.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    path = Path(path)
    write_whole(path, strip(record, view).png)
    return path


def save_gif(
    record: Record, view: View, path: str | Path, seconds_per_frame: float = 0.4
) -> Path:
    """Row A played through the frames.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
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
    path = Path(path)
    write_whole(path, file.getvalue())
    return path
