"""What is in each video file, without reading all of them every time.

Public names: ``FileMarks``.

A mark is the SHA-256 of a file's content, so a copied data set has the same marks and
a changed video has another one, whatever its name and size. Reading every file costs
as much as one pass over the data; a memo therefore keeps each mark together with the
file's size, inode, and times of change. Of these, the time of the inode's change
(``ctime``) moves with every write and cannot be set back by a program, so a mark is
only taken from the memo where the file is certainly the same (on Windows, where there
is no such time, where size and time of change are the same). Clocks of file systems
are coarse: a file that was changed a moment ago is not remembered, since a further
change might bear the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..files import write_whole

_SETTLED = 2_000_000_000  # nanoseconds; no file system's clock is coarser


class FileMarks:
    """Marks of files, with a memo that is read at once and written by ``save``.

    Args:
        memo: a JSON file; need not exist. A damaged one is as good as none.
    """

    def __init__(self, memo: Path) -> None:
        self.memo = memo
        self._known: dict[str, list[Any]] = _read(memo)
        self._found: dict[str, list[Any]] = {}

    def of(self, paths: Sequence[Path]) -> list[str | None]:
        """The first 32 hex digits of each file's SHA-256; None where there is none.

        Files that the memo does not know are read, several at a time.
        """
        # Hashing and reading release Python's lock.
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            return list(pool.map(self._mark, paths))

    def save(self) -> None:
        """Write the memo, if there is anything new in it.

        Raises:
            RunDirectoryError: it cannot be written.
        """
        if self._found != self._known:
            write_whole(self.memo, json.dumps(self._found).encode())
            self._known = dict(self._found)

    def _mark(self, path: Path) -> str | None:
        name = str(Path(path).absolute())
        try:
            with open(path, "rb") as file:
                stat = os.fstat(file.fileno())
                stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
                known = self._known.get(name)
                if not isinstance(known, list) or known[:-1] != stamp:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
                    known = [*stamp, digest]
        except OSError:  # missing, a folder, or not for us to read
            return None
        if time.time_ns() - max(stat.st_ctime_ns, stat.st_mtime_ns) > _SETTLED:
            self._found[name] = known
        return known[-1]


def _read(memo: Path) -> dict[str, list[Any]]:
    try:
        found = json.loads(memo.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
