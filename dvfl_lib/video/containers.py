"""Whether a video file is as long as its container says, from its first bytes alone.

Public names: ``container_trouble``.

Much faster than counting frames, and it sees what copying and unpacking go wrong in:
an empty file, one cut short, one that is no video, one whose end was never written.
It does not see damage in between.

Sources: RIFF and AVI (Microsoft, AVI RIFF File Reference), ISO/IEC 14496-12 for MP4
and MOV, RFC 8794 and RFC 9559 for Matroska and WebM.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_TAIL = 4096  # a file whose last bytes are this many zeros was never written to its end


def container_trouble(path: Path) -> str:
    """What is wrong with a file, as far as its container tells; "" if nothing.

    Files of other containers than AVI, MP4 and MOV, Matroska and WebM are only
    checked for being there and not empty.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            start = file.read(12)
            if not size:
                return "is empty"
            if start[:4] == b"RIFF" and start[8:] == b"AVI ":
                return _of_avi(start, size) or _of_tail(file, size)
            if start[:4] == _EBML:
                return _of_matroska(file, size) or _of_tail(file, size)
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _of_mp4(file, size)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if path.suffix.lower() in (".avi", ".webm", ".mkv", ".mp4", ".m4v"):
        return f"is no {path.suffix[1:].lower()} file"
    return ""


def _short(there: int, told: int) -> str:
    return f"is cut short: {there:,} of {told:,} bytes are there"


def _of_avi(start: bytes, size: int) -> str:
    told = 8 + int.from_bytes(start[4:8], "little")
    return _short(size, told) if told > size else ""


def _of_mp4(file: BinaryIO, size: int) -> str:
    """Boxes follow one another; one of them, moov, holds what is needed to decode."""
    at, seen = 0, set()
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break  # a few bytes behind the last box
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            length = size - at
        if length < 8:
            return f"is damaged at byte {at:,}" if b"moov" not in seen else ""
        seen.add(kind)
        if at + length > size:
            return _short(size, at + length)
        at += length
    return (
        "" if b"moov" in seen else "has no index (moov): it was not written to its end"
    )


def _number(data: bytes) -> tuple[int, int] | None:
    """(value, bytes) of a number of variable length; None where it is "unknown"."""
    if not data or not data[0]:
        return None
    width = 9 - data[0].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[:width], "big") & mask
    return None if value == mask else (value, width)


def _of_matroska(file: BinaryIO, size: int) -> str:
    """A header and a segment, which may say that its length is unknown."""
    file.seek(4)
    header = _number(file.read(8))
    if header is None:
        return "is damaged at its beginning"
    at = 4 + header[1] + header[0]
    file.seek(at)
    if file.read(4) != _SEGMENT:
        return "is damaged at its beginning" if at + 4 <= size else _short(size, at + 4)
    segment = _number(file.read(8))
    told = at + 4 + segment[1] + segment[0] if segment else 0
    return _short(size, told) if told > size else ""


def _of_tail(file: BinaryIO, size: int) -> str:
    if size < 2 * _TAIL:
        return ""
    file.seek(size - _TAIL)
    return (
        "" if any(file.read(_TAIL)) else "ends in zeros: it was not written to its end"
    )
