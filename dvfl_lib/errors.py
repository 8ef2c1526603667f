"""One exception class per kind of trouble, raised where the user's input enters.

Public names: ``DVFLError`` and its children, ``check_int``, ``exit_status``. Each
message says which file or parameter, what is wrong with it, and what to do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from numbers import Integral
from typing import Any


class DVFLError(ValueError):
    """Something the user can mend; the message says how."""


class ModelError(DVFLError):
    """An unknown model name, an impossible size, or a clip of the wrong shape."""


class CheckpointError(DVFLError):
    """A weights file that is unsafe, damaged, or of another model."""


class VideoError(DVFLError):
    """A video that cannot be opened, or that holds no frame."""


class DatasetError(DVFLError):
    """A data set that is missing, half unpacked, or contradicts its own lists."""


class RecipeError(DVFLError):
    """An unknown profile or parameter, or a value out of its range."""


class RunDirectoryError(DVFLError):
    """A run directory that cannot be written, or belongs to another recipe."""


class LessonError(DVFLError):
    """A lesson that is damaged, or lacks an asset that it needs."""


def check_int(name: str, value: Any, least: int = 0) -> int:
    """A whole number of at least ``least``; NumPy's are taken, fractions are not."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ModelError(f"{name} is a whole number from {least} on, not {value!r}")
    return int(value)


def exit_status(
    program: str,
    call: Callable[[], int],
    stopped: str = "the same command goes on from here",
) -> int:
    """Run a command; a trouble the user can mend becomes one line, not a traceback.

    1 after a ``DVFLError`` or where the memory does not suffice, 130 after Ctrl-C.
    """
    try:
        return call()
    except KeyboardInterrupt:
        print(f"{program}: stopped; {stopped}", file=sys.stderr)
        return 130
    except (DVFLError, MemoryError, RuntimeError) as error:
        told = str(error)
        if not isinstance(error, DVFLError):
            # PyTorch tells of both a computer's and a GPU's memory by a RuntimeError.
            words = r"out of memory|allocate memory|not enough memory|bad_alloc"
            scarce = re.search(words, told, re.IGNORECASE)
            if not (isinstance(error, MemoryError) or scarce):
                raise
            told = (
                "the memory does not suffice; ask for less at a time (frames, pixels, "
                "clips, batch), or use a machine with more"
            )
    print(f"{program}: {told}", file=sys.stderr)
    return 1
