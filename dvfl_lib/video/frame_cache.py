"""Decoded, resized frames kept on disk, for many epochs over the same videos.

Public names: ``FrameCache``, ``CachedReader``, ``CacheReport``,
``resize_fingerprint``.

A video becomes one ``.npy`` file of uint8 (N, 3, h, w), memory-mapped when read,
and a small ``.json`` beside it. The resize is that of ``transforms``, so a clip
from the cache equals a clip from the file bit for bit. The key holds what changes the
pixels: the video's path, size and time of change, the decoder and what the resize
makes of a test picture. A damaged cache file is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import RecipeError, RunDirectoryError, VideoError
from ..files import write_whole
from . import transforms
from .reading import (
    FrameIndex,
    VideoReader,
    check_file,
    decoder_version,
    open_video,
)

_CHUNK = 128  # frames decoded at a time; bounds memory, not results
# What reading a file raises that is empty, cut or of another kind.
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError),
    *(TypeError, AttributeError, RecursionError),
)


def resize_fingerprint() -> str:
    """Of what the resize makes of a test picture: another one, another fingerprint."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 3, 37, 53), np.uint8)
    scaled = [
        transforms.resize_short_side(torch.from_numpy(noise), side).numpy().tobytes()
        for side in (16, 64)
    ]
    return hashlib.sha256(b"".join(scaled)).hexdigest()


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
        self._frames = frames

    def _read(self, numbers: list[int]) -> Tensor:
        return torch.from_numpy(self._frames[numbers])  # indexing copies

    def close(self) -> None:
        self._frames = np.empty((0,), np.uint8)  # lets go of the memory map


class FrameCache:
    """Frames of short side ``short_side`` pixels, one file per video, in ``folder``.

    Raises:
        RecipeError: ``short_side`` below 1.
        RunDirectoryError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: str | os.PathLike[str], short_side: int) -> None:
        if short_side < 1:
            raise RecipeError(f"short_side must be at least 1 pixel, not {short_side}")
        self.folder = Path(folder)
        self.short_side = int(short_side)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(
                f"the frame cache {self.folder} cannot be made ({error.strerror}). "
                "Choose another folder, or data.cache_frames=False"
            ) from error

    def file_of(self, path: str | os.PathLike[str]) -> Path:
        """Where the frames of a video lie, or will.

        Raises:
            VideoError: the video is missing or empty.
        """
        path = check_file(path)
        stat = path.stat()
        parts = (
            *(path.absolute(), stat.st_size, stat.st_mtime_ns),
            *(self.short_side, resize_fingerprint(), decoder_version()),
        )
        digest = hashlib.sha256(os.fsencode("\n".join(map(str, parts)))).hexdigest()
        # Names are limited in bytes, and a sign takes up to four of them.
        stem = os.fsencode(path.stem)[:80].decode("utf-8", "ignore")
        return self.folder / f"{stem}-{digest[:20]}.npy"

    def reader(self, path: str | os.PathLike[str]) -> VideoReader:
        """The frames of one video; decodes and keeps them if they are not there.

        Raises:
            VideoError: the video cannot be read.
            RunDirectoryError: its frames cannot be written.
        """
        file = self.file_of(path)
        reader = self._load(Path(path), file)
        if reader is None:
            self._build(Path(path), file)
            reader = self._load(Path(path), file)
        if reader is None:
            raise RunDirectoryError(
                f"{file}: was written but cannot be read back. Check the disk, or "
                "use another folder"
            )
        return reader

    def fill(
        self,
        paths: Iterable[str | os.PathLike[str]],
        workers: int = 1,
        progress: bool = True,
    ) -> CacheReport:
        """Decode the videos that are not there yet; shows how long it will take.

        Threads suffice: decoding, resizing and writing all release Python's lock.
        Unreadable videos are listed in the report, they do not stop the others.

        Raises:
            RunDirectoryError: the folder cannot be written, or the disk is full.
        """
        todo = list(dict.fromkeys(Path(path) for path in paths))
        report = CacheReport()
        pool = ThreadPoolExecutor(max_workers=max(1, workers))
        bar = tqdm(total=len(todo), desc="decoding", unit="video", disable=not progress)
        with pool, bar:
            futures = {pool.submit(self._ensure, path): path for path in todo}
            try:
                for future in as_completed(futures):
                    try:
                        built, size = future.result()
                    except VideoError as error:
                        report.unreadable[str(futures[future])] = str(error)
                    else:
                        report.written += built
                        report.reused += not built
                        report.bytes += size
                    bar.update()
                    bar.set_postfix_str(f"{report.bytes / 2**30:.2f} GiB")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        report.unreadable = dict(sorted(report.unreadable.items()))
        return report

    def _ensure(self, path: Path) -> tuple[bool, int]:
        """(whether it had to be decoded, bytes on disk)."""
        file = self.file_of(path)
        ready = self._load(path, file) is not None
        if not ready:
            self._build(path, file)
        return not ready, file.stat().st_size

    def _load(self, path: Path, file: Path) -> CachedReader | None:
        """The reader, or ``None`` where the files are missing or damaged."""
        try:
            note = json.loads(file.with_suffix(".json").read_text("utf-8"))
            frames = np.load(file, mmap_mode="r", allow_pickle=False)
            whole = file.stat().st_size == note["bytes"]
            shape, fps = list(frames.shape), float(note["fps"])
            count, _, height, width = shape
        except _DAMAGE:
            return None
        if not whole or frames.dtype != np.uint8 or shape != note["shape"]:
            return None
        index = FrameIndex(count, fps, height, width)
        return CachedReader(path, index, frames)

    def _build(self, path: Path, file: Path) -> None:
        """Decode, resize and write one video; the note last, for it means 'whole'."""
        with open_video(path) as video:
            fps = video.fps
            frames = self._decode_all(video)
        array = io.BytesIO()
        np.save(array, frames, allow_pickle=False)
        self._write(file, array.getvalue())
        note = {
            "video": str(path),
            "fps": fps,
            "shape": list(frames.shape),
            "bytes": array.tell(),
        }
        text = json.dumps(note, indent=1).encode("utf-8")
        self._write(file.with_suffix(".json"), text)

    def _write(self, file: Path, content: bytes) -> None:
        try:
            write_whole(file, content)
        except RunDirectoryError as error:
            raise RunDirectoryError(
                f"{error} This is the cache of decoded frames; "
                "data.cache_frames=false does without it"
            ) from None

    def _decode_all(self, video: VideoReader) -> np.ndarray:
        chunks = []
        for start in range(0, video.num_frames, _CHUNK):
            stop = min(start + _CHUNK, video.num_frames)
            frames = video.read(range(start, stop))
            chunks.append(transforms.resize_short_side(frames, self.short_side).numpy())
        return np.concatenate(chunks)
