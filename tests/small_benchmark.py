"""A benchmark of two archives on the test's own server, and how the tests get it.

Public names: ``VIDEOS``, ``LISTS``, ``WHOLE``, ``archive``, ``small``, ``get``,
``data_in``.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from archives import zip_bytes
from bad_server import BadServer
from dvfl_lib.datasets.get import get_dataset
from dvfl_lib.datasets.sources import SOURCES, Archive, DataSource, Part

VIDEOS = zip_bytes({"in/Run/a.avi": b"run", "in/Walk/b.avi": b"walk"})
LISTS = zip_bytes({"l/classInd.txt": b"1 Run\n"})
# What lies there in the end.
WHOLE = {"V/Run/a.avi": b"run", "V/Walk/b.avi": b"walk", "L/classInd.txt": b"1 Run\n"}


def archive(server: BadServer, name: str, into: str, landmark: str, **more) -> Archive:
    """One of the server's files."""
    return Archive(name, (server.path(name),), into, landmark=landmark, **more)


def small(server: BadServer, *parts: Part) -> DataSource:
    """The benchmark; of other parts, if any are given."""
    if not parts:
        sha256 = hashlib.sha256(VIDEOS).hexdigest()
        videos = archive(server, "videos.zip", "V", "Run", sha256=sha256)
        lists = archive(server, "lists.zip", "L", "classInd.txt", size=len(LISTS))
        parts = (Part("videos", (videos,)), Part("lists", (lists,)))
    told = dict(name="small", title="Small", page="https://example.org", classes=2)
    words = dict(divided="", container="", cited="")
    return DataSource(**told, **words, clips=2, counts={}, parts=parts)


def get(known: DataSource, root: Path, **options) -> list[str]:
    """Get it; returns what was said."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, known.name, known)
        get_dataset(known.name, root, progress=False, **options)
    return said.getvalue().splitlines()


def data_in(root: Path) -> dict[str, bytes]:
    """The files of the data set, without the archives."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] != "archives"
    }
