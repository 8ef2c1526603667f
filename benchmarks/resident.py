"""What a fresh process has in memory before something is measured.

Public names: ``give_back_what_is_free``.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path


def give_back_what_is_free() -> None:
    """What building needed for a while must neither hide nor raise what follows.

    On Linux, the one system where the kernel forgets a process's peak when it is told.
    """
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # see proc(5)
