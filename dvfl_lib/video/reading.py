"""Reading chosen frames of a video file, with decord or PyAV, the same from both.

Public names: ``open_video``, ``VideoReader``, ``PyAVReader``, ``DecordReader``,
``BACKENDS``, ``BACKEND_VARIABLE``.

Only what is needed for the wanted frames is decoded: a reader enters the file at
the last key frame before the next wanted frame, unless it has already passed it.

Both backends number frames by ``frame_index``, turn a file's rotation upright and
give RGB. Measured on the real clips of the tests, their pixels are equal, but for
AVI files written by Xvid: there the two FFmpeg versions inside differ in the
inverse transform, by at most 2 of 255 levels. Some files go to PyAV under
``backend="auto"``: those whose time stamps cannot be trusted (AVI with B-frames)
or whose groups of pictures are open, because decord's random access returns wrong
frames there; those with more than eight bits for a colour, which the two FFmpeg
versions reduce in different ways; those with several video streams, of which decord
may choose another; and those of which decord counts another number of frames. That
is a property of the file, so a run always reads a file in the same way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from ..errors import VideoError
from .frame_index import SOUND_SHARE, FrameIndex, index_frames
from .opening import open_stream

BACKENDS = ("auto", "decord", "pyav")
# Read where open_video is called with backend="auto"; for a whole program.
BACKEND_VARIABLE = "DVFL_VIDEO_BACKEND"

# Entering anew costs a flush and a search; below this many frames decode on.
_SEEK_GAIN = 4


class VideoReader:
    """One open video. Use ``open_video``; close it, or use it in a ``with`` block."""

    backend = ""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.path = path
        self.index = index
        self.frames_decoded = 0  # how many frames the decoder has handed out

    @property
    def num_frames(self) -> int:
        """Frames in the file: counted, not believed."""
        return self.index.num_frames

    @property
    def fps(self) -> float:
        """Frames per second, 0.0 where the file does not say."""
        return self.index.fps

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return self.index.height

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return self.index.width

    def read(self, indices: Sequence[int]) -> Tensor:
        """The wanted frames as uint8 RGB (T, 3, H, W), in the order asked for.

        Repeated numbers are decoded once. Where the last frame or two of a sound
        file do not decode, the last one that does stands in for them.

        Raises:
            VideoError: a number outside [0, num_frames), or a damaged file.
        """
        numbers = [int(number) for number in indices]
        wrong = [n for n in numbers if not 0 <= n < self.num_frames]
        if wrong or not numbers:
            raise VideoError(
                f"{self.path}: has frames 0 to {self.num_frames - 1}; "
                f"asked for {wrong[0] if wrong else 'none'}"
            )
        wanted = sorted(set(numbers))
        frames = self._decode(wanted)
        last = max(frames, default=-1)
        if wanted[-1] > last:
            # The end of the stream came early. What is its last frame?
            frames, last = self._decode_to_end(wanted)
            if last + 1 < SOUND_SHARE * self.num_frames:
                raise VideoError(
                    f"{self.path}: is damaged: only {last + 1} of {self.num_frames} "
                    "frames can be decoded. Unpack or download it again"
                )
        picked = np.stack([frames[min(number, last)] for number in numbers])
        return torch.from_numpy(picked).permute(0, 3, 1, 2).contiguous()  # T,3,H,W

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        """The frames of rising ``wanted`` that decode, each (H, W, 3)."""
        raise NotImplementedError

    def _decode_to_end(self, wanted: list[int]) -> tuple[dict[int, np.ndarray], int]:
        """The wanted frames and the last one that decodes, and its number."""
        with PyAVReader(self.path, self.index) as reader:
            frames, last = reader.decode_in_order(wanted, keep_last=True)
            self.frames_decoded += reader.frames_decoded
        return frames, last

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class PyAVReader(VideoReader):
    """Reads with PyAV, which carries its own FFmpeg."""

    backend = "pyav"

    def __init__(self, path: Path, index: FrameIndex) -> None:
        super().__init__(path, index)
        self._position = -1  # number of the last frame handed out

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        if not self.index.seekable:
            return self.decode_in_order(wanted)[0]
        frames = self._decode_by_time(wanted)
        if wanted[-1] in frames and len(frames) == len(wanted):
            return frames
        # A seek landed where it should not: the slow way is always right.
        return self.decode_in_order(wanted)[0]

    def _decode_by_time(self, wanted: list[int]) -> dict[int, np.ndarray]:
        """Enter at key frames; frames are told apart by their time stamps."""
        times = self.index.times
        assert times is not None
        number_of = {time: number for number, time in enumerate(times)}
        frames: dict[int, np.ndarray] = {}
        with open_stream(self.path) as (container, stream):
            decoder = container.decode(stream)
            self._position = -1
            for number in wanted:
                key = self.index.key_before(number)
                if key > self._position + _SEEK_GAIN:
                    container.seek(times[key], stream=stream, backward=True)
                    decoder = container.decode(stream)
                for frame in self._guard(decoder):
                    found = number_of.get(frame.pts)
                    if found is None:
                        return frames
                    self._position = found
                    if found == number:
                        frames[number] = self._to_array(frame)
                    if found >= number:
                        break
        return frames

    def decode_in_order(
        self, wanted: list[int], keep_last: bool = False
    ) -> tuple[dict[int, np.ndarray], int]:
        """Decode from the start and count; with ``keep_last`` on to the very end.

        Returns the wanted frames (and the last one) and the number of the last
        frame seen.
        """
        targets, frames, latest = set(wanted), {}, None
        self._position = -1
        with open_stream(self.path) as (container, stream):
            for number, frame in enumerate(self._guard(container.decode(stream))):
                latest, self._position = frame, number
                if number in targets:
                    frames[number] = self._to_array(frame)
                if number >= wanted[-1] and not keep_last:
                    break
            if keep_last and latest is not None:
                frames[self._position] = self._to_array(latest)
        return frames, self._position

    def _guard(self, decoder):
        """The decoder's frames, counted; FFmpeg's errors become ``VideoError``."""
        try:
            for frame in decoder:
                self.frames_decoded += 1
                yield frame
        except av.FFmpegError as error:
            raise VideoError(
                f"{self.path}: is damaged; decoding stops after frame "
                f"{self._position} of {self.num_frames} ({error.strerror}). Unpack or "
                "download it again"
            ) from error

    def _to_array(self, frame: av.VideoFrame) -> np.ndarray:
        """Upright RGB (H, W, 3), of the size of the first frame."""
        height, width = self.height, self.width
        if self.index.rotation % 180:
            height, width = width, height
        array = frame.to_ndarray(format="rgb24", width=width, height=height)
        return np.rot90(array, self.index.rotation // 90)


class DecordReader(VideoReader):
    """Reads with decord."""

    backend = "decord"

    def __init__(self, path: Path, index: FrameIndex) -> None:
        super().__init__(path, index)
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        try:
            # A name that is no UTF-8 cannot be handed over to decord.
            self._video = decord.VideoReader(str(path), num_threads=1)
        except (decord.DECORDError, RuntimeError, UnicodeEncodeError) as error:
            raise VideoError(f"{path}: decord cannot open it") from error

    @property
    def agrees(self) -> bool:
        """Whether decord's random access to the frames can be used."""
        return self.index.closed and len(self._video) == self.num_frames

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        import decord

        try:
            if self.agrees:
                batch = _as_array(self._video.get_batch(wanted))
                return dict(zip(wanted, batch, strict=True))
            return self._decode_in_order(wanted)
        except (decord.DECORDError, RuntimeError, StopIteration):
            # decord does not say what is wrong; PyAV does, or reads the file.
            with PyAVReader(self.path, self.index) as reader:
                return reader._decode(wanted)

    def _decode_in_order(self, wanted: list[int]) -> dict[int, np.ndarray]:
        """Count frames from the start, where decord's random access is not exact."""
        frames, targets = {}, set(wanted)
        self._video.seek(0)
        for number in range(wanted[-1] + 1):
            frame = self._video.next()
            if number in targets:
                frames[number] = _as_array(frame)
        return frames

    def close(self) -> None:
        self._video = None


def _as_array(batch) -> np.ndarray:
    """decord's own arrays, or torch tensors where someone has set its bridge."""
    return batch.numpy() if isinstance(batch, Tensor) else batch.asnumpy()


def open_video(path: str | os.PathLike[str], backend: str = "auto") -> VideoReader:
    """Open a video file for reading chosen frames.

    Args:
        backend: ``"decord"``, ``"pyav"`` or ``"auto"``: decord where it is
            installed and finds this file's frames right, else PyAV. The
            environment variable ``DVFL_VIDEO_BACKEND`` decides for ``"auto"``.

    Raises:
        VideoError: missing, empty, damaged or not a video; unknown backend; decord
            asked for where it is not installed, or for one of several streams.
    """
    named = os.environ.get(BACKEND_VARIABLE) or "auto"
    asked = named if backend == "auto" else backend
    if asked not in BACKENDS:
        raise VideoError(f"backend must be one of {BACKENDS}, not {asked!r}")
    has_decord = find_spec("decord") is not None
    if asked == "decord" and not has_decord:
        raise VideoError(
            "decord is not installed here; `pip install decord`, or use backend='pyav'"
        )
    index = index_frames(path)
    path = Path(path).absolute()  # FFmpeg takes "file:a.mp4" for an address
    if asked == "pyav" or not has_decord or (asked == "auto" and not index.plain):
        return PyAVReader(path, index)
    if not index.alone:
        raise VideoError(f"{path}: has several video streams; use 'auto' or 'pyav'")
    if asked == "decord":
        return DecordReader(path, index)
    with suppress(VideoError):
        reader = DecordReader(path, index)
        if reader.agrees:
            return reader
        reader.close()
    return PyAVReader(path, index)
