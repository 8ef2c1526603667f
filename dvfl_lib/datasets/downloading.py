"""Fetch one file so that it is whole and right, or say why it is not.

Public names: ``download``, ``Patience``.

The file grows as ``<name>.part`` and gets its name when it is whole: its size is the
one that is published or that the server states, and its hash the published one. A
call that was cut short goes on where it ended, if the server says that the file is
still the same (its ETag or date, sent back as If-Range; without these, its size).
A server that sends everything again is believed, and the part begun anew.

Source of the rules: RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range), 15.3.7 (206).
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..errors import DatasetError
from .addresses import Broken, Refused, Untrusted, open_address
from .partial_file import (
    PartialFile,
    trouble_with,
    validator_of,
    version_of,
    versions_differ,
)
from .published import Digest

logger = logging.getLogger(__name__)

_BLOCK = 1 << 18  # bytes read at a time
_LONGEST_PAUSE = 60.0  # seconds
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_STRONG = ("sha256", "sha512")  # a file with this hash is the file
_SPARE = 100_000_000  # bytes left free where nobody says how long the file is


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try again."""

    stall: float = 30.0  # seconds without a byte
    attempts: int = 6  # in a row, for one address, with next to nothing new
    pause: float = 1.0  # seconds before the second attempt; doubles each time
    slowest: float = 1000.0  # bytes a second; who sends less counts as stalled

    @property
    def least(self) -> float:
        """Bytes that must arrive within ``stall`` seconds, or between two attempts."""
        return self.stall * self.slowest


def download(
    addresses: Sequence[str],
    path: str | os.PathLike[str],
    size: int | None = None,
    digest: Digest | None = None,
    patience: Patience | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a file from the first of its addresses that serves it.

    A file that is there already and is right is left alone. What arrives with a
    wrong size or hash is kept as ``<name>.bad`` and never gets the name.

    Args:
        addresses: of the same file, byte for byte, in the order to try them; https.
        path: where it goes.
        size: in bytes, if it is known.
        digest: its published hash, if one is.
        patience: how long to wait and how often to try.
        progress: show a bar.

    Returns:
        ``path``.

    Raises:
        DatasetError: no address serves the right file; there is no room; what is at
            ``path`` is another file.
    """
    path = Path(path)
    if os.path.exists(path):
        wrong = trouble_with(path, size, digest)
        if wrong:
            raise DatasetError(
                f"{path}: {wrong}. It may be cut short or of another version: move or "
                "delete it, and the same command fetches it"
            )
        return path
    part = PartialFile(path)
    reasons = []
    for address in addresses:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(address, part, size, digest, patience or Patience(), progress)
            return path
        except Refused as reason:
            reasons.append(f"{address} {_plain(reason)}")
        except OSError as error:  # of the disk; those of the net are Broken
            raise DatasetError(f"{path}: cannot be written ({error})") from error
    kept = f" {part.file.name} is kept, and the same command goes on from it."
    raise DatasetError(
        f"{path.name} could not be fetched: {'; '.join(reasons) or 'no address'}."
        f"{kept if part.size else ''} Or fetch it by hand and put it there: {path}"
    )


def _plain(reason: Exception) -> str:
    """One line without control characters: servers say some of this."""
    text = " ".join(str(reason).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _fetch(
    address: str,
    part: PartialFile,
    size: int | None,
    digest: Digest | None,
    patience: Patience,
    progress: bool,
) -> None:
    """All of the file from one address; ``Refused`` says why not."""
    strong = digest is not None and digest.kind in _STRONG
    if part.size and not digest and part.recall().get("address") != address:
        part.discard()  # of another server's file, and nothing could tell them apart
    joined = part.size > 0  # whether it was put together from several answers
    failures, most, verify, second_try = 0, part.size, True, False
    while True:
        try:
            total = _transfer(address, part, size, strong, patience, verify, progress)
        except Untrusted as reason:
            if not (strong and verify):
                raise
            logger.warning("%s: %s; its hash is checked instead", address, reason)
            verify = False
            continue
        except Broken as reason:
            joined = joined or part.size > 0
            failures = 1 if part.size - most >= patience.least else failures + 1
            most = max(most, part.size)
            if failures >= patience.attempts:
                raise Refused(f"{reason}; tried {failures} times") from None
            pause = min(patience.pause * 2 ** (failures - 1), _LONGEST_PAUSE)
            pause = pause if reason.wait is None else reason.wait
            told = _plain(reason)
            logger.warning("%s %s; again in %g seconds", address, told, pause)
            time.sleep(pause)
            continue
        wrong = trouble_with(part.file, total if size is None else size, digest)
        if not wrong:
            part.finish()
            return
        if joined and not second_try:
            # The pieces may not belong together: once more, from nothing.
            joined, second_try, most = False, True, 0
            part.discard()
            continue
        part.set_aside()
        raise Refused(f"sent a wrong file: it {wrong} (kept as {part.bad.name})")


def _transfer(
    address: str,
    part: PartialFile,
    size: int | None,
    strong: bool,
    patience: Patience,
    verify: bool,
    progress: bool,
) -> int | None:
    """One request: what is missing of the file. Returns its size, if that is known."""
    if size is not None and part.size > size:
        part.discard()
    note, have = part.recall(), part.size
    known = size if size is not None else note.get("total")
    if have and have == known:
        return known
    headers = {}
    version = note.get("version", {}) if note.get("address") == address else {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator_of(version):
            headers["If-Range"] = validator_of(version)
    with closing(open_address(address, headers, patience.stall, verify)) as answer:
        same = strong or "If-Range" in headers
        new = version_of(answer.headers)
        if answer.status == 206 and versions_differ(version, new):
            part.discard()
            raise Broken("sent a piece of another version of the file; begun anew")
        start, total = _read_heading(answer, part, have, note.get("total"), same)
        if size is not None and total is not None and total != size:
            raise Refused(f"offers {total:,} bytes, and the file has {size:,}")
        if total is None and size is None and not strong and not answer.chunked:
            raise Refused("does not say how long the file is, and no hash is known")
        if start == 0:
            part.discard()
        part.check_room((total or size or 0) - start)
        part.remember(address, version | new if start else new, total)
        bar = tqdm(
            desc=part.path.name,
            total=total or size,
            initial=start,
            unit="B",
            unit_scale=True,
            disable=not progress,
        )
        with bar:
            got = _copy(answer, part, start, size, patience, bar, total is None)
    if total is not None and got < total:
        raise Broken(f"broke off after {got:,} of {total:,} bytes")
    return got if total is None else total


def _read_heading(
    answer, part: PartialFile, have: int, known: int | None, same: bool
) -> tuple[int, int | None]:
    """(first byte of what follows, size of the whole file or None).

    Args:
        have: bytes that are there.
        known: size of the file that they are from, if the server told.
        same: whether a piece of another file would be noticed in another way.
    """
    if answer.status == 416:
        part.discard()
        raise Broken("has no more to send than what is here; begun anew")
    if answer.headers.get_content_type() == "text/html" and part.path.suffix != ".html":
        raise Refused("sends a web page in the place of the file")
    coding = answer.headers.get("Content-Encoding", "identity").lower()
    # Some stores call a .tar.gz a gzipped tar; the bytes they send are the file's.
    if coding != "identity" and not part.path.name.endswith((".gz", ".tgz")):
        raise Refused(f"sends it packed as {coding}, although asked not to")
    if answer.status == 200:
        return 0, answer.length
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    total = int(found[3]) if found and found[3] != "*" else None
    fits = found is not None and have > 0 and int(found[1]) == have
    # A total that is not told is believed only where something else would tell.
    right = total == known if total and known else same
    if not fits or not right:
        part.discard()
        raise Broken("sent another piece than was asked for; begun anew")
    return have, total


def _copy(
    answer,
    part: PartialFile,
    start: int,
    size: int | None,
    patience: Patience,
    bar: tqdm,
    endless: bool,
) -> int:
    """Append to the part; returns its size then."""
    since, mark = time.monotonic(), start  # of the last look at the pace
    with part.file.open("r+b" if start else "wb") as out:
        out.seek(start)
        got = start
        while True:
            try:
                block = answer.read1(_BLOCK)
            except TimeoutError:
                raise Broken(f"sent nothing for {patience.stall:g} seconds") from None
            except (OSError, http.client.HTTPException) as error:
                told = error if isinstance(error, OSError) else "the answer breaks off"
                raise Broken(f"broke off after {got:,} bytes ({told})") from None
            if not block:
                break
            got += len(block)
            if size is not None and got > size:
                raise Refused(f"sends more than the {size:,} bytes that the file has")
            if endless and size is None:
                part.check_room(_SPARE)
            try:
                out.write(block)
            except OSError as error:
                raise DatasetError(
                    f"{part.file}: cannot be written ({error.strerror}). Make room; "
                    "the same command goes on from here"
                ) from error
            bar.update(len(block))
            seconds = time.monotonic() - since
            if seconds > patience.stall:
                if got - mark < patience.least:
                    raise Broken(f"sent {got - mark:,} bytes in {seconds:.0f} seconds")
                since, mark = time.monotonic(), got
        out.flush()
        os.fsync(out.fileno())
    return got
