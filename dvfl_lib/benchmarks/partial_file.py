"""A file that is still being fetched, and whether a fetched one is right.

Public names: ``PartialFile``, ``trouble_with``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from ..errors import DatasetError
from ..files import write_whole
from .published import Digest


def trouble_with(path: Path, size: int | None, digest: Digest | None) -> str:
    """What is wrong with a file, compared with what is known about it; "" if nothing.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            return f"has {found:,} bytes and should have {size:,}"
        if digest is not None:
            with path.open("rb") as file:
                value = hashlib.file_digest(file, digest.kind).hexdigest()
            if value != digest.value.lower():
                return f"has the {digest.kind} {value} and should have {digest.value}"
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    return ""


class PartialFile:
    """``<name>.part``, and a note beside it about where it comes from."""

    def __init__(self, path: Path) -> None:
        self.path = path  # its name when it is whole
        self.file = path.with_name(f"{path.name}.part")
        self.bad = path.with_name(f"{path.name}.bad")
        self._note = path.with_name(f"{path.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.file.stat().st_size
        except OSError:
            return 0

    def recall(self) -> dict:
        """{"address", "validator", "total"} of what is there, or {}."""
        try:
            note = json.loads(self._note.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def remember(self, address: str, validator: str, total: int | None) -> None:
        """Note where the bytes that follow come from.

        Raises:
            RunDirectoryError: the folder cannot be written.
        """
        note = {"address": address, "validator": validator, "total": total}
        write_whole(self._note, json.dumps(note).encode())

    def check_room(self, needed: int) -> None:
        """Refuse a disk on which ``needed`` more bytes find no room.

        Raises:
            DatasetError: it is too small.
        """
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise DatasetError(
                f"{self.path}: needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} "
                "GB are free there. Make room, or choose a folder on another disk"
            )

    def discard(self) -> None:
        """Begin anew."""
        self.file.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        """It is whole and right: give it its name."""
        os.replace(self.file, self.path)
        self._note.unlink(missing_ok=True)
        self.bad.unlink(missing_ok=True)

    def set_aside(self) -> None:
        """It is whole and wrong: keep it under a name that nobody takes for good."""
        os.replace(self.file, self.bad)
        self._note.unlink(missing_ok=True)
