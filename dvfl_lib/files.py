"""Files of a run directory: read with a clear error, written whole or not at all.

Public names: ``read_bytes``, ``write_whole``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import RunDirectoryError


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        RunDirectoryError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RunDirectoryError(
            f"{path} is missing; run the step that writes it again"
        ) from None
    except OSError as trouble:
        raise RunDirectoryError(f"{path} cannot be read: {trouble.strerror}") from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or the file before it.

    Raises:
        RunDirectoryError: the folder cannot be written, or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only the owner reads
        os.replace(temporary, path)
    except OSError as trouble:
        raise RunDirectoryError(
            f"{path} cannot be written: {trouble.strerror}; "
            "free some space or choose another run directory"
        ) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
