"""How many frames a file holds and where it may be entered, without decoding.

Public names: ``FrameIndex``, ``index_frames``, ``SOUND_SHARE``.

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
from .containers import container_trouble
from .opening import check_file, open_stream

# MPEG-4 packets this small hold no picture ("not coded"); encoders that pack two
# frames into one packet leave them behind, and they do not come out as frames.
_EMPTY_PACKET_BYTES = 16
# A file that yields fewer than this share of its promised frames is damaged. The
# last frame or two are often missing from sound files.
SOUND_SHARE = 0.9


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
    alone: bool = True  # no other video stream, nor a picture, is in the file

    @property
    def seekable(self) -> bool:
        """Whether time stamps may be trusted to tell one frame from another."""
        return self.times is not None

    @property
    def plain(self) -> bool:
        """Whether two versions of FFmpeg read the same frames from the file."""
        return self.closed and not self.deep and self.alone

    def key_before(self, frame: int) -> int:
        """The last key frame at or before ``frame``."""
        return self.keys[max(0, bisect_right(self.keys, frame) - 1)]


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
    with open_stream(path) as (container, stream):
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        reorders = bool(stream.codec_context.has_b_frames)
        packed = stream.codec_context.name == "mpeg4"
        pixels = stream.codec_context.format
        deep = pixels is not None and any(c.bits > 8 for c in pixels.components)
        alone = len(container.streams.video) == 1
        packets, end = _packets(path, container, stream)
        share = _share_present(container, stream, packets, end)
        # The last frame of a video may be shown for long, as screens are recorded.
        # Matroska and WebM say in bytes as well how long they are.
        if share < SOUND_SHARE and "matroska" in container.format.name:
            share = share if container_trouble(path) else 1.0
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
    return FrameIndex(
        count, fps, height, width, rotation, times, keys, closed, deep, alone
    )


def _packets(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[list[tuple[int | None, bool, int]], float]:
    """Every packet of the video that will be shown, and when the last stream ends.

    A packet is (time, is a key frame, bytes); the end, in seconds, is that of the
    video or of what else is in the file, such as sound.
    """
    found, end = [], 0.0
    try:
        for packet in container.demux():
            # The last packets are PyAV's own empty ones, which flush the decoders.
            if not packet.size:
                continue
            if packet.pts is not None:
                last = packet.pts + (packet.duration or 0)
                end = max(end, float(last * packet.time_base))
            if packet.stream_index == stream.index and not packet.is_discard:
                found.append((packet.pts, packet.is_keyframe, packet.size))
        return found, end
    except (av.FFmpegError, IndexError) as error:
        # PyAV counts streams once; damage can make another begin on the way.
        why = getattr(error, "strerror", "a stream begins on the way")
        raise VideoError(
            f"{path}: breaks off while being read ({why}). Unpack or download it again"
        ) from error


def _share_present(container, stream, packets, end: float) -> float:
    """How much of what the header promises is in the file; 1 if it says nothing.

    A frame count is compared with the packets. Matroska, WebM, FLV and WMV state no
    count but a duration, which is that of the longest stream.
    """
    if stream.frames:
        return len(packets) / stream.frames
    stamps = [time for time, _, _ in packets if time is not None]
    if not container.duration or len(stamps) < 2:
        return 1.0
    step = (max(stamps) - min(stamps)) / (len(stamps) - 1)
    end = max(end, float((max(stamps) + step) * stream.time_base))
    return end / (container.duration / av.time_base)


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
    with open_stream(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                return (frame.height, frame.width), int(frame.rotation) % 360
        except av.FFmpegError as error:
            raise VideoError(
                f"{path}: its first frame cannot be decoded ({error.strerror}). "
                "Unpack or download it again"
            ) from error
    raise VideoError(f"{path}: no frame can be decoded. Unpack or download it again")


def _count_by_decoding(path: Path) -> int:
    count = 0
    with open_stream(path) as (container, stream):
        try:
            for _ in container.decode(stream):
                count += 1
        except av.FFmpegError as error:
            raise VideoError(
                f"{path}: is damaged after frame {count} ({error.strerror}). "
                "Unpack or download it again"
            ) from error
    return count
