"""The reader's own video, handed over in a notebook.

Public names: ``uploaded_video``.

``ipywidgets.FileUpload`` gives its files in two ways: a dictionary by name in
version 7 (Colab's), a tuple of dictionaries in version 8. Both are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import VideoError
from ..files import write_whole


def uploaded_video(value: Any, folder: str | Path) -> Path:
    """Write the last uploaded file into a folder and return its path.

    Only the last part of the file's name is used, so that nothing is written outside
    ``folder``.

    Args:
        value: ``FileUpload.value``.
        folder: where the file goes; made if need be.

    Raises:
        VideoError: nothing was uploaded.
        RunDirectoryError: the folder cannot be written.
    """
    files = []
    if isinstance(value, Mapping):  # version 7: {name: {"content": ..., ...}}
        files = [(name, entry["content"]) for name, entry in value.items()]
    elif value:  # version 8: ({"name": ..., "content": ...}, ...)
        files = [(entry["name"], entry["content"]) for entry in value]
    if not files:
        raise VideoError("no video was uploaded: choose a file with the button first")
    name, content = files[-1]
    last = PurePosixPath(str(name).replace("\\", "/")).name
    path = Path(folder) / (last if last not in ("", ".", "..") else "video")
    write_whole(path, bytes(content))
    return path
