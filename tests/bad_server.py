"""A web server on this machine that serves one file, well or badly.

Public names: ``BadServer``, ``serve``.

How it behaves is set between requests: it may stall, cut off, state a wrong length,
ignore Range, send other bytes, or one at a time, send everybody elsewhere, or answer
with an error.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadServer:
    """What the server serves and how; and what it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.files: dict[str, bytes] = {}  # by path; if any, nothing else is served
        self.etag = '"one"'
        self.asked: list[dict[str, str]] = []  # headers of each request, with "path"
        self.address = ""
        # Each of these is used up by one request and then stands for what follows.
        self.statuses: list[int] = []  # answers with an error, one after the other
        self.retry_after = ""
        self.cuts: list[int] = []  # sends so many bytes, then hangs up
        self.stalls: list[int] = []  # sends so many bytes, then nothing
        # These stay.
        self.ranges = True
        self.heeds_if_range = True
        self.drips = False  # sends a byte now and then
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
            extra = {"Retry-After": told.retry_after} if told.retry_after else {}
            return self._answer(told.statuses.pop(0), extra, b"no")
        content = told.content
        if told.files:
            if self.path.lstrip("/") not in told.files:
                return self._answer(404, {}, b"no")
            content = told.files[self.path.lstrip("/")]
        status, extra, start = 200, {"Content-Type": told.content_type}, 0
        if told.etag:
            extra["ETag"] = told.etag
        if told.coding:
            extra["Content-Encoding"] = told.coding
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, told.etag)
        same |= not told.heeds_if_range
        if wanted and told.ranges and same:
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
        sent = (
            body[: min(len(body), *(x for x in (cut, stall) if x is not None))]
            if (cut is not None or stall is not None)
            else body
        )
        if chunked:
            sent = b"%x\r\n%b\r\n" % (len(sent), sent)
            sent += b"0\r\n\r\n" if cut is None and stall is None else b""
        if told.drips and good:
            return self._drip(sent)
        self.wfile.write(sent)
        self.wfile.flush()
        if stall is not None:
            time.sleep(1.0)

    def _drip(self, body: bytes) -> None:
        with suppress(OSError):  # the other side has had enough
            for number in body[:60]:
                self.wfile.write(bytes([number]))
                self.wfile.flush()
                time.sleep(0.05)


@contextmanager
def serve(content: bytes, context: ssl.SSLContext | None = None) -> Iterator[BadServer]:
    """Serve ``content`` until the block ends; over TLS where a context is given."""
    told = BadServer(content)
    handler = type("Handler", (_Handler,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    told.address = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
