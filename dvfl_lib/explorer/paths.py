"""Paths as a user gives them, for the files that the explorer reads and writes.

Public names: ``file_path``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError


def file_path(path: Any, name: str) -> Path:
    """A path that names a file; "~" at its beginning is the home folder.

    Args:
        path: what a user gave.
        name: of the function it was given to, for the message.

    Raises:
        RunDirectoryError: it is no path, or names no file.
    """
    if not isinstance(path, (str, os.PathLike)) or isinstance(path, bytes):
        raise RunDirectoryError(
            f"{name} needs the path of a file, not {type(path).__name__}"
        )
    try:
        found = Path(path).expanduser()
    except RuntimeError:
        raise RunDirectoryError(
            f"{name}: there is no home folder for {str(path)!r}; write the path in full"
        ) from None
    if "\0" in str(found) or found.name in ("", ".."):
        raise RunDirectoryError(f"{name}: {str(path)!r} names no file")
    if os.path.isdir(found):  # Path.is_dir raises for a name that is too long
        raise RunDirectoryError(
            f"{name}: {found} is a folder; add a file's name to the path"
        )
    return found
