"""A web server on this machine that serves files, well or badly.

Public names: ``BadServer``, ``serve``; and a data set of two archives that lies there:
``small``, ``archive``, ``VIDEOS``, ``LISTS``, ``WHOLE``, ``get``, ``data_in``.

How it behaves is set between requests: it may stall, cut off, state a wrong length,
ignore Range, send everybody elsewhere, or answer with an error.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from archives import content_of, zip_bytes
from dvfl_lib.datasets import download
from dvfl_lib.datasets.get import get_dataset
from dvfl_lib.datasets.sources import SOURCES, Archive, DataSource, Part


class BadServer:
    """What the server serves and how; and what it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.files: dict[str, bytes] = {}  # by path; if any, nothing else is served
        self.asked: list[dict[str, str]] = []  # headers of each request, with "path"
        self.address = ""
        # Each of these is used up by one request and then stands for what follows.
        self.statuses: list[int] = []  # answers with an error, one after the other
        self.cuts: list[int] = []  # sends so many bytes, then hangs up
        self.stalls: list[int] = []  # sends so many bytes, then nothing
        # These stay.
        self.ranges = True
        self.stated = 0  # added to the true length
        self.states_length = True
        self.chunked = False
        self.content_type = "application/octet-stream"
        self.coding = ""
        self.redirect = ""  # to this address
        self.wrong_range = 0  # added to the first byte of a range

    def path(self, name: str = "file.bin") -> str:
        """The address of the file."""
        return f"{self.address}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: BadServer  # set on a class made for each server

    def log_message(self, *unused) -> None:
        pass

    def do_GET(self) -> None:
        told = self.told
        told.asked.append({"path": self.path, **dict(self.headers.items())})
        self.close_connection = True
        if told.redirect and self.path != "/there":
            return self._answer(302, {"Location": told.redirect}, b"")
        if told.statuses:
            return self._answer(told.statuses.pop(0), {}, b"no")
        content = told.content
        if told.files:
            if self.path.lstrip("/") not in told.files:
                return self._answer(404, {}, b"no")
            content = told.files[self.path.lstrip("/")]
        status, extra, start = 200, {"Content-Type": told.content_type}, 0
        if told.coding:
            extra["Content-Encoding"] = told.coding
        wanted = self.headers.get("Range")
        if wanted and told.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            size = len(content)
            if start >= size:
                return self._answer(416, {"Content-Range": f"bytes */{size}"}, b"")
            status, start = 206, start + told.wrong_range
            extra["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._answer(status, extra, content[start:])

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        told, good = self.told, status in (200, 206)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        chunked = told.chunked and good
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif told.states_length or not good:
            added = told.stated if good else 0
            self.send_header("Content-Length", str(len(body) + added))
        self.end_headers()
        cut = told.cuts.pop(0) if good and told.cuts else None
        stall = told.stalls.pop(0) if good and told.stalls else None
        limits = [limit for limit in (cut, stall) if limit is not None]
        sent = body[: min(len(body), *limits)] if limits else body
        if chunked:
            sent = b"%x\r\n%b\r\n" % (len(sent), sent)
            sent += b"" if limits else b"0\r\n\r\n"
        self.wfile.write(sent)
        self.wfile.flush()
        if stall is not None:
            time.sleep(1.0)


@contextmanager
def serve(content: bytes = b"") -> Iterator[BadServer]:
    """Serve ``content`` until the block ends, to a ``download`` of little patience."""
    told = BadServer(content)
    handler = type("Handler", (_Handler,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    told.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr(download, "_SCHEMES", ["https://", "http://127.0.0.1:"])
        for name, value in dict(_STALL=0.3, _ATTEMPTS=3, _PAUSE=0.01).items():
            patch.setattr(download, name, value)
        try:
            yield told
        finally:
            server.shutdown()
            server.server_close()


# --- a data set of two archives

VIDEOS = zip_bytes({"in/Run/a.avi": b"run", "in/Walk/b.avi": b"walk"})
LISTS = zip_bytes({"l/classInd.txt": b"1 Run\n"})
# What lies there in the end.
WHOLE = {"V/Run/a.avi": b"run", "V/Walk/b.avi": b"walk", "L/classInd.txt": b"1 Run\n"}


def archive(server: BadServer, name: str, landmark: str, **more) -> Archive:
    """One of the server's files."""
    return Archive(name, (server.path(name),), landmark=landmark, **more)


def small(server: BadServer, *parts: Part) -> DataSource:
    """The benchmark; of other parts, if any are given."""
    if not parts:
        sha256 = hashlib.sha256(VIDEOS).hexdigest()
        videos = archive(server, "videos.zip", "Run", sha256=sha256)
        lists = archive(server, "lists.zip", "classInd.txt", size=len(LISTS))
        parts = (Part("videos", "V", (videos,)), Part("lists", "L", (lists,)))
    told = dict(name="small", title="Small", page="https://example.org", classes=2)
    words = dict(loader="", divided="", container="", cited="")
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
    found = content_of(root)
    return {path: found[path] for path in found if not path.startswith("archives/")}
