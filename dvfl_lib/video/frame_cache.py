"""Decoded, resized frames kept on disk, for many epochs over the same videos.

Public names: ``FrameCache``, ``CachedReader``, ``CacheReport``.

A video becomes one ``.npy`` file of uint8 (N, 3, h, w), memory-mapped when read, and a
small ``.json`` beside it. A clip from the cache equals one from the file bit for bit.
The key holds what changes the pixels: the video's path, size and time of change, the
decoder and what the resize makes of a test picture. A damaged file is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import RunDirectoryError, VideoError
from ..files import write_whole
from .frame_index import FrameIndex, check_file
from .reading import VideoReader, decoder_version, open_video
from .transforms import resize_digest, resize_short_side

_CHUNK = 128  # frames decoded at a time; bounds memory, not results


@dataclass
class CacheReport:
    """What ``FrameCache.fill`` did."""

    written: int = 0
    reused: int = 0
    bytes: int = 0  # of all the videos asked for
    unreadable: dict[str, str] = field(default_factory=dict)  # path -> message


class CachedReader(VideoReader):
    """A ``VideoReader`` over cached frames; sizes are those after the resize."""

    backend = "cache"

    def __init__(self, path: Path, index: FrameIndex, frames: np.ndarray) -> None:
        super().__init__(path, index)
        self._kept = frames

    def _read(self, numbers: list[int]) -> Tensor:
        return torch.from_numpy(self._kept[numbers])  # indexing copies

    def close(self) -> None:
        self._kept = np.empty((0,), np.uint8)  # lets go of the memory map


class FrameCache:
    """Frames of short side ``short_side`` pixels, one file per video, in ``folder``."""

    def __init__(self, folder: str | os.PathLike[str], short_side: int) -> None:
        self.folder, self.short_side = Path(folder), short_side

    def file_of(self, path: str | os.PathLike[str]) -> Path:
        """Where the frames of a video lie, or will."""
        path = check_file(path)
        stat = path.stat()
        parts = (
            *(path, stat.st_size, stat.st_mtime_ns),
            *(self.short_side, resize_digest(exact=True), decoder_version()),
        )
        digest = hashlib.sha256(os.fsencode("\n".join(map(str, parts)))).hexdigest()
        # Names are limited in bytes.
        stem = os.fsencode(path.stem)[:80].decode("utf-8", "ignore")
        return self.folder / f"{stem}-{digest[:20]}.npy"

    def reader(self, path: str | os.PathLike[str]) -> VideoReader:
        """The frames of one video; decodes and keeps them if they are not there."""
        file = self.file_of(path)
        return _load(Path(path), file) or self._build(Path(path), file)

    def fill(
        self,
        paths: Iterable[str | os.PathLike[str]],
        workers: int = 1,
        progress: bool = True,
    ) -> CacheReport:
        """Decode the videos that are not there yet; shows how long it will take.

        Threads suffice: decoding, resizing and writing all release Python's lock.
        Unreadable videos are listed in the report, they do not stop the others;
        a folder that cannot be written does, with a ``RunDirectoryError``.
        """
        todo = list(dict.fromkeys(map(Path, paths)))
        report = CacheReport()
        bar = tqdm(total=len(todo), desc="decoding", unit="video", disable=not progress)
        with ThreadPoolExecutor(max(1, workers)) as pool, bar:
            for path, done in zip(todo, pool.map(self._ensure, todo), strict=True):
                if isinstance(done, VideoError):
                    report.unreadable[str(path)] = str(done)
                else:
                    built, size = done
                    report.written += built
                    report.reused += not built
                    report.bytes += size
                bar.update()
                bar.set_postfix_str(f"{report.bytes / 2**30:.2f} GiB")
        return report

    def _ensure(self, path: Path) -> tuple[bool, int] | VideoError:
        """(whether it had to be decoded, bytes on disk), or why it cannot be."""
        try:
            file = self.file_of(path)
            missing = _load(path, file) is None
            if missing:
                self._build(path, file)
        except VideoError as error:
            return error
        return missing, file.stat().st_size

    def _build(self, path: Path, file: Path) -> CachedReader:
        """Decode, resize and write one video; the note last, for it means 'whole'."""
        with open_video(path) as video:
            numbers = range(video.num_frames)
            chunks = [
                resize_short_side(video.read(part), self.short_side).numpy()
                for part in (numbers[n : n + _CHUNK] for n in numbers[::_CHUNK])
            ]
        frames, array = np.concatenate(chunks), io.BytesIO()
        np.save(array, frames, allow_pickle=False)
        note = dict(video=str(path), fps=video.fps, shape=list(frames.shape))
        note["bytes"] = array.tell()
        try:
            write_whole(file, array.getvalue())
            write_whole(file.with_suffix(".json"), json.dumps(note, indent=1).encode())
        except RunDirectoryError as error:
            raise RunDirectoryError(
                f"{error} This is the cache of decoded frames; "
                "data.cache_frames=false does without it"
            ) from None
        return _load(path, file)


def _load(path: Path, file: Path) -> CachedReader | None:
    """The reader, or ``None`` where the files are missing or damaged."""
    try:
        note = json.loads(file.with_suffix(".json").read_text("utf-8"))
        frames = np.load(file, mmap_mode="r", allow_pickle=False)
        whole = file.stat().st_size == note["bytes"] and frames.dtype == np.uint8
        if not whole or list(frames.shape) != note["shape"]:
            return None
        count, _, height, width = frames.shape
        return CachedReader(path, FrameIndex(count, note["fps"], height, width), frames)
    except Exception:  # a damaged file may raise anything
        return None
