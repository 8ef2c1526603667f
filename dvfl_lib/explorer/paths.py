"""Paths as a user gives them, for the files that the explorer reads and writes.

Public names: ``file_path``.
"""

from __future__ import annotations

import errno
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
    if found.name in ("", "..") or not _can_be(found):
        raise RunDirectoryError(f"{name}: {str(path)!r} names no file")
    if found.is_dir():
        raise RunDirectoryError(
            f"{name}: {found} is a folder; add a file's name to the path"
        )
    return found


def _can_be(path: Path) -> bool:
    """Whether the system could have a file of this path, there or not."""
    try:
        os.lstat(path)
    except ValueError:  # NUL, or half a character
        return False
    except OSError as trouble:
        return trouble.errno != errno.ENAMETOOLONG
    return True
