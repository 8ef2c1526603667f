"""How many frames a file holds and where it may be entered, without decoding.

Public names: ``FrameIndex``, ``index_frames``, ``check_file``, ``open_container``,
``SOUND_SHARE``.

Headers lie: some state no frame count, some a wrong one. So the packets of the
video stream are counted, which costs a read of the file and no decoding. Both
backends take their frame numbers from here, and therefore agree on them.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av

from ..errors import VideoError

# MPEG-4 packets this small hold no picture ("not coded"); encoders that pack two
# frames into one packet leave them behind, and they do not come out as frames.
_EMPTY_PACKET_BYTES = 16
# A file that yields fewer than this share of its promised frames is damaged. The
# last frame or two are often missing from sound files.
SOUND_SHARE = 0.9

# FFmpeg knows several hundred formats. Some of them are no video but a list of other
# files to open (HLS, concat, DASH, numbered pictures), and one takes any text for a
# picture of a terminal. So a file may be one of these, and open no other.
_FORMATS = (
    *("avi", "mov", "matroska", "webm", "mpeg", "mpegts", "mpegvideo", "m4v", "flv"),
    *("asf", "ogg", "ivf", "mxf", "nut", "dv", "wtv", "rm", "h264", "hevc", "mjpeg"),
    *("yuv4mpegpipe", "gif", "apng", "png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe"),
)
_OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}

av.logging.set_level(None)  # FFmpeg writes to stderr; errors arrive as exceptions


@dataclass(frozen=True)
class FrameIndex:
    """The frames of one file, numbered in the order of presentation."""

    num_frames: int
    fps: float  # frames per second; 0 where the file does not say
    height: int  # pixels, as shown (after rotation)
    width: int
    rotation: int  # degrees counter-clockwise: 0, 90, 180 or 270
    times: tuple[int, ...] | None  # presentation time of each frame, rising
    keys: tuple[int, ...]  # frames that can be decoded without earlier ones
    closed: bool  # no frame after a key frame in the file is shown before it
    deep: bool = False  # more than eight bits for a colour

    @property
    def seekable(self) -> bool:
        """Whether time stamps may be trusted to tell one frame from another."""
        return self.times is not None

    def key_before(self, frame: int) -> int:
        """The last key frame at or before ``frame``."""
        return self.keys[max(0, bisect_right(self.keys, frame) - 1)]


def check_file(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a file that exists and is not empty.

    Absolute, because FFmpeg takes a relative name such as "file:a.mp4" for an address.

    Raises:
        VideoError: no path, missing, a folder, or zero bytes long.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise VideoError(f"the path of a video is needed, not {type(path).__name__}")
    path = Path(path).absolute()
    try:
        size = path.stat().st_size
    except ValueError:  # NUL, or half a character
        raise VideoError(f"{str(path)!r} cannot be the name of a file") from None
    except OSError as error:
        raise VideoError(
            f"{path}: cannot be found ({error.strerror}). Check the path, or unpack "
            "the data set again"
        ) from error
    if not path.is_file():
        raise VideoError(f"{path}: is not a file")
    if size == 0:
        raise VideoError(
            f"{path}: is empty (0 bytes). Unpack or download this video again"
        )
    return path


def open_container(path: Path) -> av.container.InputContainer:
    """PyAV's container of a video file, set to one decoding thread.

    Raises:
        VideoError: not a video of a known format, or without a video stream.
    """
    try:
        container = av.open(
            str(path.absolute()), metadata_errors="ignore", options=dict(_OPTIONS)
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path}: cannot be opened as a video ({error.strerror}). It is damaged "
            "or of another kind; unpack or download it again"
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{path}: holds no video stream")
    decoder = container.streams.video[0].codec_context
    if decoder is None:  # the stream says too little about itself, or nonsense
        container.close()
        raise VideoError(
            f"{path}: its video stream cannot be decoded. It is damaged or of an "
            "unknown codec; unpack or download it again"
        )
    # Loader workers and processes do the work in parallel; a decoder with threads
    # of its own would only get in their way.
    decoder.thread_count = 1
    return container


def index_frames(path: str | os.PathLike[str]) -> FrameIndex:
    """Count and locate the frames of a file; remembered while the file is unchanged.

    Raises:
        VideoError: missing, empty, not a video, nothing decodable, or truncated
            (fewer than nine tenths of the frames its header promises).
    """
    path = check_file(path)
    stat = path.stat()
    return _index(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _index(name: str, size: int, mtime_ns: int) -> FrameIndex:
    del size, mtime_ns  # part of the key, so that a changed file is read anew
    path = Path(name)
    with open_container(path) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        reorders = bool(stream.codec_context.has_b_frames)
        packed = stream.codec_context.name == "mpeg4"
        pixels = stream.codec_context.format
        deep = pixels is not None and any(c.bits > 8 for c in pixels.components)
        packets = _packets(path, container, stream)
        share = _share_present(container, stream, packets)
    first, rotation = _first_frame(path)
    count = len(packets)
    times, keys, closed = _presentation(packets, reorders)
    if packed and any(size <= _EMPTY_PACKET_BYTES for _, _, size in packets):
        count = _count_by_decoding(path)
        if count != len(packets):  # then the time stamps count something else
            times, keys, closed = None, (0,), False
    if share < SOUND_SHARE:
        raise VideoError(
            f"{path}: is cut short: {share:.0%} of it is there ({count} frames). "
            "Unpack or download it again"
        )
    if count == 0:
        raise VideoError(f"{path}: no frame can be decoded. Unpack it again")
    height, width = first
    if rotation % 180:
        height, width = width, height
    return FrameIndex(count, fps, height, width, rotation, times, keys, closed, deep)


def _packets(path, container, stream) -> list[tuple[int | None, bool, int]]:
    """(time, is a key frame, bytes) of every packet that will be shown."""
    try:
        return [
            (packet.pts, packet.is_keyframe, packet.size)
            for packet in container.demux(stream)
            # The last packet is PyAV's own empty one, which flushes the decoder.
            if packet.size and not packet.is_discard
        ]
    except av.FFmpegError as error:
        raise VideoError(
            f"{path}: breaks off while being read ({error.strerror}). "
            "Unpack or download it again"
        ) from error


def _share_present(container, stream, packets) -> float:
    """How much of what the header promises is in the file; 1 if it says nothing.

    A frame count is compared with the packets. Matroska and WebM state no count
    but a duration; that is the video's own only where there is no other stream.
    """
    if stream.frames:
        return len(packets) / stream.frames
    stamps = [time for time, _, _ in packets if time is not None]
    if not container.duration or len(container.streams) > 1 or len(stamps) < 2:
        return 1.0
    step = (max(stamps) - min(stamps)) / (len(stamps) - 1)
    seconds = float((max(stamps) + step) * stream.time_base)
    return seconds / (container.duration / av.time_base)


def _presentation(
    packets: list[tuple[int | None, bool, int]], reorders: bool
) -> tuple[tuple[int, ...] | None, tuple[int, ...], bool]:
    """Rising times, key frames, closed; no times where they cannot be trusted.

    An AVI file stores no presentation times. For a codec with B-frames the demuxer
    then hands out times in the order of decoding, which is not that of showing.
    """
    stamps = [time for time, _, _ in packets]
    known = all(stamp is not None for stamp in stamps) and bool(stamps)
    unique = known and len(set(stamps)) == len(stamps)
    in_decoding_order = unique and stamps == sorted(stamps)
    if not unique or (reorders and in_decoding_order):
        return None, (0,), False
    order = {stamp: i for i, stamp in enumerate(sorted(stamps))}
    keys = {order[stamp]: i for i, (stamp, is_key, _) in enumerate(packets) if is_key}
    closed = all(shown == stored for shown, stored in keys.items())
    return tuple(order), tuple(sorted({0, *keys})), closed


def _first_frame(path: Path) -> tuple[tuple[int, int], int]:
    """((height, width), rotation) of the first frame that decodes."""
    with open_container(path) as container:
        try:
            for frame in container.decode(video=0):
                return (frame.height, frame.width), int(frame.rotation) % 360
        except av.FFmpegError as error:
            raise VideoError(
                f"{path}: its first frame cannot be decoded ({error.strerror}). "
                "Unpack or download it again"
            ) from error
    raise VideoError(f"{path}: no frame can be decoded. Unpack or download it again")


def _count_by_decoding(path: Path) -> int:
    count = 0
    with open_container(path) as container:
        try:
            for _ in container.decode(video=0):
                count += 1
        except av.FFmpegError as error:
            raise VideoError(
                f"{path}: is damaged after frame {count} ({error.strerror}). "
                "Unpack or download it again"
            ) from error
    return count
