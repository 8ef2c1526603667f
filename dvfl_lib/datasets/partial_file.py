"""A file that is still being fetched, and whether a fetched one is right.

Public names: ``PartialFile``, ``trouble_with``, ``version_of``, ``validator_of``,
``versions_differ``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import DatasetError
from ..files import write_whole
from .published import Digest

_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)\b", re.IGNORECASE)


def trouble_with(path: Path, size: int | None, digest: Digest | None) -> str:
    """What is wrong with a file, compared with what is known about it; "" if nothing.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        found = path.stat().st_size
        if not path.is_file():
            return "is no file"
        if size is not None and found != size:
            return f"has {found:,} bytes and should have {size:,}"
        if not found:
            return "is empty"
        with path.open("rb") as file:
            if digest is None:
                # What servers send that want a login, or have no quota left.
                page = ".html" not in path.suffixes and _PAGE.match(file.read(1024))
                return "is a web page" if page else ""
            value = hashlib.file_digest(file, digest.kind).hexdigest()
        if value != digest.value.lower():
            return f"has the {digest.kind} {value} and should have {digest.value}"
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    return ""


def version_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that change when the file does."""
    return {
        name: headers[name] for name in ("ETag", "Last-Modified") if headers.get(name)
    }


def validator_of(version: dict[str, str]) -> str:
    """What may be sent as If-Range; a weak ETag may not."""
    tag = version.get("ETag", "")
    return tag if tag.startswith('"') else version.get("Last-Modified", "")


def versions_differ(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two answers are of two versions: some servers ignore If-Range."""
    return any(
        one[name].removeprefix("W/") != other[name].removeprefix("W/")
        for name in one.keys() & other.keys()
    )


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
        """{"address", "version", "total"} of what is there, or {}."""
        try:
            note = json.loads(self._note.read_text("utf-8"))
            version, total = note["version"], note["total"]
            texts = [note["address"], *version, *version.values()]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}
        right = all(isinstance(text, str) for text in texts)
        return note if right and isinstance(total, int | None) else {}

    def remember(
        self, address: str, version: dict[str, str], total: int | None
    ) -> None:
        """Note where the bytes that follow come from.

        Args:
            version: headers that tell this version of the file from another.
            total: bytes of the whole file, if the server told.

        Raises:
            RunDirectoryError: the folder cannot be written.
        """
        note = {"address": address, "version": version, "total": total}
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
