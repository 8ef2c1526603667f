"""One file and how the tests fetch it from ``bad_server``.

Public names: ``CONTENT``, ``SIZE``, ``RIGHT``, ``QUICK``, ``fetch``, ``left``,
``assert_fetched``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bad_server import BadServer
from dvfl_lib.datasets.downloading import Patience, download
from dvfl_lib.datasets.published import Digest

CONTENT = hashlib.sha512(b"seed").digest() * 8000  # 512,000 bytes
SIZE = len(CONTENT)
RIGHT = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
QUICK = Patience(stall=0.2, attempts=3, pause=0.01)


def fetch(server: BadServer, folder: Path, *mirrors: BadServer, **known) -> Path:
    """Fetch the file to ``folder/file.bin``, with little patience."""
    places = [one.path() for one in (server, *mirrors)]
    path = folder / "file.bin"
    return download(places, path, patience=QUICK, progress=False, **known)


def left(folder: Path) -> set[str]:
    """Names of what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def assert_fetched(folder: Path) -> None:
    """The file is there, whole, and nothing else."""
    assert (folder / "file.bin").read_bytes() == CONTENT
    assert left(folder) == {"file.bin"}
