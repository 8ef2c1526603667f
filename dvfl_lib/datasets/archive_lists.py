"""Text files that name archives, one address in each line.

Public names: ``read_archive_list``.

Kinetics-400 comes in hundreds of archives; these files say where each lies. They are
fetched like the archives, so a line is believed only if it leads to a file on the
list's own server.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import DatasetError
from .addresses import Refused, check_address
from .published import Archive

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def read_archive_list(file: Path, address: str, into: str) -> list[Archive]:
    """The archives that a list names, in its order.

    Args:
        file: the list.
        address: where it came from.
        into: the folder that they are all unpacked to.

    Raises:
        DatasetError: unreadable or empty; an address of another server, or of no file;
            a name that occurs twice.
    """
    try:
        lines = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}). Delete it") from error
    home, found = urlsplit(address), {}
    for line in lines:
        try:
            check_address(line, local=True)
        except Refused as error:
            raise DatasetError(f"{file}: {error}. Delete it, and try again") from None
        there = urlsplit(line)
        name = there.path.rpartition("/")[2]
        same = (there.scheme, there.netloc) == (home.scheme, home.netloc)
        if not same or not _NAME.fullmatch(name) or name in found:
            raise DatasetError(
                f"{file}: {line!r} is not the one address of an archive on "
                f"{home.netloc}. Delete it, and try again"
            )
        found[name] = Archive(name, (line,), into)
    if not found:
        raise DatasetError(f"{file}: names no archive. Delete it, and try again")
    return list(found.values())
