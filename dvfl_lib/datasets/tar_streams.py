"""Tar archives, read as a stream: from one file, or from many that are one.

Public names: ``unpack_tar``, ``unpack_joined``.

Something-Something V2 comes as parts that make one tar.gz when they are put together;
they are read one after the other and nothing is written but the videos.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO

from tqdm import tqdm

from ..errors import DatasetError
from .stage import BadArchive, Stage, damaged, refuse_kind, safe_path

_OPENERS = {  # first bytes -> what reads it
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}

_READ_WHOLE = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
_LONGEST_REMARK = 1 << 20  # bytes; a name has some hundreds


def unpack_tar(
    file: BinaryIO | io.RawIOBase, archive: Path, stage: Stage, progress: bool
) -> None:
    """Fill the stage from a tar, packed with gzip, bzip2, xz or not at all.

    Args:
        file: the tar; it is read once, from here to its end.
        archive: what to call it in messages.

    Raises:
        DatasetError: an unsafe name, a link or a device; damage; no room.
    """
    source = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(desc=f"unpacking {archive.name}", unit="file", disable=not progress)
        )
        try:
            start = source.peek(8)
            opener = next((o for m, o in _OPENERS.items() if start.startswith(m)), None)
            stream: IO[bytes] | _Watched = _Watched(source)
            if opener is not None:
                stream = stack.enter_context(opener(source))
            packed = stack.enter_context(
                tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header)
            )
            for member in packed:
                _put_tar_member(packed, member, archive, stage)
                bar.update()
            # Read to the end: there the packing keeps its checksum.
            while stream.read(1 << 20):
                pass
            if isinstance(stream, _Watched) and any(stream.tail):
                raise damaged(archive, "its end is missing")
        except DatasetError:
            raise
        except Exception as error:  # TarError, EOFError, OSError, zlib.error, ...
            raise damaged(archive, error) from error


class _Header(tarfile.TarInfo):
    """A header; one that holds a name or remarks is read as a whole, so not any size.

    Otherwise a megabyte of packed zeros that states to be a name fills the memory.
    """

    @classmethod
    def frombuf(cls, *told, **more) -> tarfile.TarInfo:
        header = super().frombuf(*told, **more)
        if header.type in _READ_WHOLE and header.size > _LONGEST_REMARK:
            raise ValueError(f"a name or a remark of {header.size:,} bytes")
        return header


class _Watched:
    """A stream whose last bytes are kept.

    A tar ends in a block of zeros. A packing has a checksum of its own; without one,
    this block is all that tells an archive cut between two members from a whole one.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.tail = b""

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.tail = (self.tail + block)[-tarfile.BLOCKSIZE :]
        return block


def _put_tar_member(
    packed: tarfile.TarFile, member: tarfile.TarInfo, archive: Path, stage: Stage
) -> None:
    if member.isdir() and member.name.strip("/") in ("", "."):
        return
    goal = safe_path(member.name, archive)
    if member.isdir():
        return
    if not member.isreg() or member.sparse is not None:
        raise refuse_kind(member.name, "a link or a device", archive)
    if hasattr(tarfile, "data_filter"):  # Python's own rules, from 3.11.4 on
        try:
            tarfile.data_filter(member, str(stage.folder))
        except tarfile.FilterError as error:
            raise refuse_kind(member.name, f"unsafe ({error})", archive) from error
    content = packed.extractfile(member)
    assert content is not None  # it is a file
    stage.put(goal, member.size, content)


class _Joined(io.RawIOBase):
    """Some streams read as one."""

    def __init__(self, openers: Sequence[Callable[[], IO[bytes]]]) -> None:
        self._openers = list(openers)
        self._current: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while True:
            if self._current is None:
                if not self._openers:
                    return 0
                self._current = self._openers.pop(0)()
            block = self._current.read(len(buffer))
            if block:
                buffer[: len(block)] = block
                return len(block)
            self._current.close()
            self._current = None


def unpack_joined(parts: Sequence[Path], stage: Stage, progress: bool) -> None:
    """Fill the stage from parts that make one tar, by the numbers they end in.

    A zip among them stands for the parts that it holds.

    Raises:
        DatasetError: a part is missing in between, or twice; and as ``unpack_tar``.
    """
    with ExitStack() as stack:
        pieces: dict[str, Callable[[], IO[bytes]]] = {}
        for part in parts:
            for name, opener in _pieces_of(part, stack):
                if name in pieces:
                    raise damaged(part, f"{name} is there twice")
                pieces[name] = opener
        names = sorted(pieces)
        if not names:
            raise damaged(parts[0], "it holds no part")
        numbers = [re.search(r"(\d+)$", name) for name in names]
        if [int(n[1]) if n else -1 for n in numbers] != list(range(len(names))):
            raise DatasetError(
                f"{parts[0].parent}: the parts {', '.join(names)} are not numbered 00, "
                "01, 02, ... without a gap. Fetch those that are missing"
            )
        joined = _Joined([pieces[name] for name in names])
        try:
            unpack_tar(joined, parts[0], stage, progress)
        except BadArchive as error:
            raise BadArchive(
                f"{error}. The {len(names)} parts {names[0]} to {names[-1]} are one "
                "archive: if it breaks off at its end, later parts are missing"
            ) from error


def _pieces_of(
    part: Path, stack: ExitStack
) -> list[tuple[str, Callable[[], IO[bytes]]]]:
    """(name, what opens it) of a part, or of those that a zip holds."""
    with part.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if not zipped:
        return [(part.name, lambda: part.open("rb"))]
    try:
        packed = stack.enter_context(zipfile.ZipFile(part))
    except Exception as error:  # BadZipFile, UnicodeDecodeError, OSError, ...
        raise damaged(part, error) from error
    inner = [info for info in packed.infolist() if not info.filename.endswith("/")]
    return [
        (safe_path(info.filename, part).name, lambda info=info: packed.open(info))
        for info in inner
    ]
