"""Reading chosen frames of a video file, or all of them one after the other.

Public names: ``open_video``, ``iter_frames``, ``VideoReader``, ``decoder_version``,
``VIDEO_SUFFIXES``, ``BACKENDS``, ``BACKEND_VARIABLE``.

PyAV reads every file. decord is there by name, for files of a few kinds, where its
frame count and times are those of the packets; elsewhere it gives other frames without
a word, and of a damaged stream it shows other pixels. For wanted frames it is no
faster. Pixels of both are equal, but for AVI files written by Xvid: there the two
FFmpeg versions inside differ in the inverse transform, by at most 2 of 255 levels.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer
from torch import Tensor

from ..errors import VideoError
from .damage import damaged
from .frame_index import MIN_DECODABLE, FrameIndex, index_frames, open_container

# The one list of video suffixes: of loaders, checks, calibration and prediction.
VIDEO_SUFFIXES = frozenset(
    (
        ".avi .mp4 .mkv .webm .mov .m4v .mpg .mpeg .wmv .flv .3gp .ogv .ts"
        " .mts .m2ts .vob .asf .3g2 .f4v .divx .mxf .gif .qt .mpe .m1v .m2v .mpv"
        " .m2t .mod .tod .ogm .ogg .rm .rmvb .3gpp .dv .ivf .nut .wtv .y4m .mjpeg"
        " .mjpg .h264 .264 .hevc .h265 .265 .mk3d .xvid .lrv .insv"
    ).split()
)
BACKENDS = ("auto", "decord", "pyav")
# Read where open_video is called with backend="auto"; for a whole program.
BACKEND_VARIABLE = "DVFL_VIDEO_BACKEND"
# Entering anew costs a flush and a search; below this many frames decode on.
_SEEK_GAIN = 4
# So many frames may be decoded before a B-frame and shown after it.
_REORDERED = 4


class VideoReader(AbstractContextManager):
    """One open video, read by PyAV. Use ``open_video``, in a ``with`` block or closed.

    Attributes:
        num_frames: counted, not believed.
        fps: frames per second, 0.0 where the file does not say.
        height, width: pixels, upright.
        index: when frames are shown, and where the file can be entered.
        frames_decoded: how many frames the decoder has handed out.
        backend: what decodes.
    """

    backend = "pyav"

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.path, self.index, self.frames_decoded = path, index, 0
        self.num_frames, self.fps = index.num_frames, index.fps
        self.height, self.width = index.height, index.width
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[av.VideoFrame, bool]] = iter(())
        self._latest: av.VideoFrame | None = None
        self._at = -1  # its number
        self._jumps = bool(index.keys)
        self._numbers = {time: number for number, time in enumerate(index.times)}

    def read(self, indices: Sequence[int]) -> Tensor:
        """The wanted frames as uint8 RGB (T, 3, H, W), in the order asked for.

        Repeated numbers are decoded once. Where the last frame or two of a good file
        do not decode, the last one that does stands in for them.

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
        return self._read(numbers)

    def _read(self, numbers: list[int]) -> Tensor:
        frames = self._decode(sorted(set(numbers)))
        picked = np.stack([frames[number] for number in numbers])
        return torch.from_numpy(picked).permute(0, 3, 1, 2).contiguous()  # T,3,H,W

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        """The frames of rising ``wanted``, each (H, W, 3)."""
        frames = {}
        for number in wanted:
            self._go_to(number)
            if self._at != number:
                break
            frames[number] = self._to_array()
        else:
            return frames
        if self._jumps:  # damaged, or not where its time says: from the beginning, then
            self._jumps = False
            self.close()
            return self._decode(wanted)
        if self._at + 1 < MIN_DECODABLE * self.num_frames:
            there = f"only {self._at + 1} of {self.num_frames} frames can be decoded"
            raise damaged(self.path, f"is damaged: {there}")
        last = self._to_array()
        return {number: frames.get(number, last) for number in wanted}

    def __iter__(self) -> Iterator[np.ndarray]:
        """Every frame in turn, upright RGB (H, W, 3); none is kept."""
        try:
            for number in range(self.num_frames):
                yield self._decode([number])[number]
        finally:
            self.close()

    def _go_to(self, number: int) -> None:
        """Decode up to a frame; enter the file anew where that is nearer."""
        key = self.index.key_before(number) if self._jumps else 0
        opened = self._container is not None
        if not opened or number <= self._at or key > self._at + _SEEK_GAIN:
            self._enter(key if key >= _SEEK_GAIN else 0)
        try:
            while self._at < number and (found := next(self._frames, None)):
                entered, following = self._at < 0, self._at + 1
                (self._latest, sound), self._at = found, following
                if self._jumps:  # by its time: the file may be entered anywhere
                    self._at = self._numbers.get(self._latest.pts, self.num_frames)
                    begins = entered and self._latest.key_frame
                    if not sound or not (begins or self._at == following):
                        self._at = self.num_frames  # what came before is wanted, too
        except av.FFmpegError as error:
            stop = f"decoding stops after frame {self._at} of {self.num_frames}"
            raise damaged(self.path, f"is damaged; {stop}", error) from error

    def _enter(self, key: int) -> None:
        if key == 0 or self._container is None:
            self.close()
            self._container = open_container(self.path)
        stream = self._container.streams[self.index.stream]
        if key:
            self._container.seek(self.index.times[key], stream=stream, backward=True)
        self._frames, self._at = self._decoded(stream), -1

    def _decoded(self, stream: av.VideoStream) -> Iterator[tuple[av.VideoFrame, bool]]:
        """Each frame, and whether it and what it may be predicted from are whole.

        These come out before it, but of B-frames some come behind them.
        """
        waiting: deque[av.VideoFrame] = deque()
        depth = _REORDERED if self._jumps and stream.codec_context.has_b_frames else 0
        try:
            for frame in self._container.decode(stream):
                self.frames_decoded += 1
                waiting.append(frame)
                if len(waiting) > depth:
                    whole = not any(each.is_corrupt for each in waiting)
                    yield waiting.popleft(), whole
        except av.FFmpegError:
            yield from zip(waiting, repeat(False))
            raise
        yield from ((each, not each.is_corrupt) for each in waiting)

    def _to_array(self) -> np.ndarray:
        """The latest frame, upright RGB (H, W, 3), of the size of the first one."""
        height, width = self.height, self.width
        if self.index.rotation % 180:
            height, width = width, height
        # Threads would be started anew for every frame, and cost more than the work.
        array = self._latest.reformat(width, height, "rgb24", threads=1).to_ndarray()
        return np.rot90(array, self.index.rotation // 90)

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
        self._container, self._frames = None, iter(())

    def __exit__(self, *unused: object) -> None:
        self.close()


class _DecordReader(VideoReader):
    """Reads with decord, which has an older FFmpeg; for what ``is_right`` tells."""

    backend = "decord"

    def __init__(self, path: Path, index: FrameIndex) -> None:
        super().__init__(path, index)
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        # An error of the decoder, or a name that is no UTF-8.
        self._unable = (decord.DECORDError, RuntimeError, StopIteration, UnicodeError)
        try:
            self._video = decord.VideoReader(str(path), num_threads=1)
        except self._unable as error:
            raise VideoError(f"{path}: decord cannot open it") from error

    def is_right(self) -> bool:
        """Whether decord counts and times the frames as the packets do, and finds them.

        The two versions of FFmpeg differ by two levels of 255 at most.
        """
        count = self.num_frames
        if len(self._video) != count:
            return False
        theirs = self._video.get_frame_timestamp(range(count))[:, 0]
        ours = np.array(self.index.seconds)
        step = np.diff(ours).min() if count > 1 else 1.0
        if not (abs(theirs - theirs[0] - ours) < step / 3).all():
            return False
        some = sorted({0, count // 2, count - 1})
        with VideoReader(self.path, self.index) as other:
            right, mine = other._decode(some), self._decode(some)
        return self._video is not None and all(
            mine[n].shape == right[n].shape
            and abs(mine[n] - right[n].astype(int)).max() <= 2
            for n in some
        )

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        if self._video is not None:
            with suppress(*self._unable):
                batch = self._video.get_batch(wanted)
                # torch tensors where someone has set decord's bridge
                array = batch.numpy() if isinstance(batch, Tensor) else batch.asnumpy()
                return dict(zip(wanted, array, strict=True))
        # decord does not say what is wrong; PyAV does, or reads the file.
        self._video = None
        return super()._decode(wanted)

    def close(self) -> None:
        super().close()
        self._video = None


def _chosen(backend: str) -> str:
    """ "decord" or "pyav": what is asked for, by the environment too."""
    if backend == "auto":
        backend = os.environ.get(BACKEND_VARIABLE) or "auto"
    if backend not in BACKENDS:
        raise VideoError(f"backend must be one of {BACKENDS}, not {backend!r}")
    if backend == "decord" and find_spec("decord") is None:
        raise VideoError(
            "decord is not installed here; `pip install decord`, or use backend='pyav'"
        )
    return "decord" if backend == "decord" else "pyav"


def decoder_version() -> str:
    """What decides, beside a file, which pixels ``open_video`` gives."""
    other = version("decord") if _chosen("auto") == "decord" else "none"
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, decord {other}"


def open_video(path: str | os.PathLike[str], backend: str = "auto") -> VideoReader:
    """Open a video file for reading chosen frames.

    Args:
        backend: ``"pyav"``; or ``"decord"``, where that counts and times this file's
            frames right, else PyAV: the reader's ``backend`` says which it is. With
            ``"auto"`` the environment variable ``DVFL_VIDEO_BACKEND`` decides, and
            PyAV without it.

    Raises:
        VideoError: missing, empty, damaged or not a video; unknown backend; decord
            asked for where it is not installed.
    """
    chosen = _chosen(backend)
    index = index_frames(path)
    path = Path(path).absolute()  # FFmpeg takes "file:a.mp4" for an address
    if chosen == "decord" and index.keys and index.plain:
        with suppress(VideoError):
            reader = _DecordReader(path, index)
            if reader.is_right():
                return reader
            reader.close()
    return VideoReader(path, index)


def iter_frames(path: str | os.PathLike[str]) -> VideoReader:
    """Every frame of a video file, one at a time and by PyAV, however long it is.

    Can be iterated over, and again: upright RGB uint8 (H, W, 3), numbered as
    ``open_video`` numbers them; ``index.seconds`` says when each is shown.

    Raises:
        VideoError: as ``open_video``; also at the frame where a damage shows.
    """
    return VideoReader(Path(path).absolute(), index_frames(path))
