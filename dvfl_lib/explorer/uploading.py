"""The reader's own video, handed over in a notebook.

Public names: ``uploaded_video``.

``ipywidgets.FileUpload`` gives its files in two ways: a dictionary by name in
version 7 (Colab's), a tuple of dictionaries in version 8. Both are taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import VideoError
from ..files import write_whole
from .paths import file_path

_NO_NAME = "video"
_STRANGE = (
    "this is no upload: uploaded_video takes the value of an ipywidgets.FileUpload, "
    "files with a name and their bytes"
)


def uploaded_video(value: Any, folder: str | Path) -> Path:
    """Write the last uploaded file into a folder and return its path.

    Only the last part of the file's name is used, so that nothing is written outside
    ``folder``.

    Args:
        value: ``FileUpload.value``; one of the files in it will do.
        folder: where the file goes; made if need be.

    Raises:
        VideoError: nothing was uploaded, or this is no upload.
        RunDirectoryError: the folder cannot be written.
    """
    if hasattr(value, "value"):
        raise VideoError("give the widget's value: uploaded_video(upload.value, ...)")
    if not value:
        raise VideoError("no video was uploaded: choose a file with the button first")
    name, content = _files(value)[-1]
    if not isinstance(folder, (str, os.PathLike)):
        raise VideoError(f"folder is a path, not {type(folder).__name__}")
    last = PurePosixPath(name.replace("\\", "/")).name
    # No control character or half of one; and "~" would lead to a home folder.
    last = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]|^~", "_", last)
    last = last if last not in ("", ".", "..") else _NO_NAME
    path = file_path(os.path.join(folder, last), "uploaded_video")
    write_whole(path, bytes(content))
    return path


def _files(value: Any) -> list[tuple[str, bytes]]:
    """(name, content) of each file, from whichever version of ipywidgets."""
    if isinstance(value, Mapping) and not {"name", "content"} <= value.keys():
        # version 7: {name: {"content": ..., ...}}
        pairs = list(value.items())
    else:  # version 8: ({"name": ..., "content": ..., ...}, ...), or one of them
        entries = [value] if isinstance(value, Mapping) else value
        pairs = [(_part(e, "name"), e) for e in _listed(entries)]
    files = [(name, _part(entry, "content")) for name, entry in pairs]
    for name, content in files:
        kinds = (bytes, bytearray, memoryview)
        if not isinstance(name, str) or not isinstance(content, kinds):
            raise VideoError(_STRANGE)
    return files


def _listed(entries: Any) -> Sequence[Any]:
    if not isinstance(entries, Sequence) or isinstance(entries, (str, bytes)):
        raise VideoError(_STRANGE)
    return entries


def _part(entry: Any, key: str) -> Any:
    if not isinstance(entry, Mapping) or key not in entry:
        raise VideoError(_STRANGE)
    return entry[key]
