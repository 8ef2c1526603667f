"""Files of a run directory: read with a clear error, written whole or not at all.

Public names: ``read_bytes``, ``write_whole``, ``can_write``.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from .errors import RunDirectoryError


def read_bytes(path: Path) -> bytes:
    """The content of a file; ``RunDirectoryError`` where there is none."""
    try:
        return path.read_bytes()
    except OSError as trouble:
        raise RunDirectoryError(
            f"{path} cannot be read ({trouble.strerror}); run the step that writes it "
            "again"
        ) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or the file before it.

    Its folder is made if need be. Raises ``RunDirectoryError``.
    """
    mark = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{mark}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as trouble:
        raise RunDirectoryError(
            f"{path} cannot be written: {trouble.strerror or trouble}. Free some "
            "space, or choose a folder that you may write to."
        ) from None
    finally:
        with suppress(OSError):  # a folder that vanished needs no clearing away
            temporary.unlink(missing_ok=True)


def can_write(folder: Path) -> bool:
    """Whether files can be written there; the folder is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True
