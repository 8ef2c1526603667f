"""Files that are no videos, or no whole ones: how to tell, and what to say.

Public names: ``damaged``, ``what_else``, ``ends_early``.
"""

from __future__ import annotations

import struct
from pathlib import Path

import av

from ..errors import VideoError


def damaged(path: Path, what: str, error: Exception | None = None) -> VideoError:
    """The message for a file that others must mend."""
    why = f" ({getattr(error, 'strerror', None) or error})" if error else ""
    return VideoError(f"{path}: {what}{why}. Unpack or download it again")


def what_else(path: Path) -> str:
    """What a file is that was taken for a video, and what to do; "" if unknown."""
    with path.open("rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the video: `git lfs pull` fetches that"
    if start.startswith(b"<") and b"html" in start.lower():
        return "is a web page, saved in the place of the video: download that again"
    if start[8:12] == b"WEBP" and b"ANIM" in start:
        return "is an animated WebP, which FFmpeg does not read: make it a GIF or MP4"
    return ""


def ends_early(path: Path, size: int, stream: av.VideoStream) -> bool:
    """Whether a file is shorter than its container says, or was not written to its end.

    By the lengths that AVI (RIFF), Matroska (RFC 8794) and FLV (its "onMetaData")
    begin with, and by where the container's own index says that frames are.
    """
    with path.open("rb") as file:
        start = file.read(4096)
        file.seek(max(0, size - 4096))
        if size > 8192 and not any(file.read()):
            return True
        if start[:4] == b"RIFF":
            told = int.from_bytes(start[4:8], "little")
            return told != 0xFFFFFFFF and 8 + told > size  # else written to a pipe
        if start[:4] == b"\x1a\x45\xdf\xa3":
            length, at = _ebml_number(start, 4)
            file.seek(at + length + 4)  # behind the header and the segment's name
            told, width = _ebml_number(file.read(8), 0)
            return at + length + 4 + width + told > size
        if start[:3] == b"FLV" and (at := start.find(b"filesize\0")) > 0:
            return struct.unpack(">d", start[at + 9 : at + 17])[0] > size
    return any(entry.pos + entry.size > size for entry in stream.index_entries)


def _ebml_number(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends) of a number of variable length; 0 for "unknown"."""
    if len(data) <= at or not data[at]:
        return 0, at
    width = 9 - data[at].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[at : at + width], "big") & mask
    return (0 if value == mask else value), at + width
