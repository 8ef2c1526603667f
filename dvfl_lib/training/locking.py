"""A folder that one process writes into, and no other meanwhile.

Public names: ``locked``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError

try:
    import fcntl
except ImportError:  # Windows: a folder is not guarded against a second process
    fcntl = None

_PATIENCE = 10.0  # seconds; what a killed notebook leaves running needs a few


@contextmanager
def locked(folder: Path, what: str, doing: str, setting: str) -> Iterator[None]:
    """Make the folder and hold its lock inside the block.

    Args:
        what: the folder is called in messages, such as "the run directory".
        doing: what another process that holds the lock is doing, such as "training".
        setting: the parameter that would name another folder.

    Raises:
        RunDirectoryError: it cannot be made, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")
    except OSError as trouble:
        raise RunDirectoryError(
            f"{what} {folder} cannot be written: {trouble.strerror}. Choose another "
            f"{setting}, or mend its permissions"
        ) from None
    with lock:  # closing the file, or dying, gives the lock back
        _acquire(
            lock,
            f"another process is {doing} in {folder}: wait until it is done, end it, "
            f"or choose another {setting}",
        )
        yield


def _acquire(lock: Any, busy: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while fcntl is not None:
        try:
            # lockf, not flock: loader processes must not inherit the lock.
            return fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                raise RunDirectoryError(busy) from None
            time.sleep(0.2)
        except OSError:  # a file system without locks
            return None
