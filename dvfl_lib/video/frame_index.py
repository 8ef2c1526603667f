"""How many frames a video file holds and where it may be entered.

Public names: ``FrameIndex``, ``index_frames``, ``check_frames``, ``check_file``,
``refuse_picture``, ``open_container``, ``MIN_DECODABLE``.

What decodes is the truth, a header is a hint. Frames are numbered as PyAV shows them.
Where container and codec keep one frame in a packet, and the packets' time stamps are
sound, the packets are counted and the file may be entered at a key frame. Any other
file is decoded from its beginning, always.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition

from ..errors import VideoError
from .damage import damaged, ends_early, what_else

# FFmpeg knows several hundred formats. Some of them are no video but a list of other
# files to open (HLS, concat, DASH, numbered pictures), and one takes any text for a
# picture of a terminal. So a file may be one of these, and open no other.
_PICTURES = ("png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe")
_FORMATS = (
    *("avi", "mov", "matroska", "webm", "mpeg", "mpegts", "mpegvideo", "m4v", "flv"),
    *("asf", "ogg", "ivf", "mxf", "nut", "dv", "wtv", "rm", "h264", "hevc", "mjpeg"),
    *("yuv4mpegpipe", "gif", "apng"),
    *_PICTURES,
)
_OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}

# (container, codec) that keep one frame in a packet, each with a time of its own. Not
# HEVC, whose decoder leaves out a damaged frame without a word.
_MP4, _MKV = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
_COUNTED = {
    *(("avi", "mpeg4"), (_MP4, "mpeg4"), (_MP4, "h264")),
    *((_MKV, "h264"), (_MKV, "vp9")),
}
# MPEG-4 packets this small hold no picture ("not coded"); encoders that pack two
# frames into one packet leave them behind, and they may not come out as frames.
_EMPTY_PACKET_BYTES = 16
# A file that yields a smaller share of its frames is damaged. The last frame or two
# are often missing from good files.
MIN_DECODABLE = 0.9
# For a look at a file: an error where a decoder would mend or pass over a damage.
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}

av.logging.set_level(None)  # FFmpeg writes to stderr; errors arrive as exceptions


@dataclass(frozen=True)
class FrameIndex:
    """The frames of one file, numbered in the order of presentation."""

    num_frames: int
    fps: float  # frames per second; 0 where the file does not say
    height: int  # pixels, as shown (after rotation)
    width: int
    rotation: int = 0  # degrees counter-clockwise: 0, 90, 180 or 270
    stream: int = 0  # number of the video's stream in the file
    times: tuple[int | None, ...] = ()  # time stamp of each frame
    time_base: Fraction = Fraction(1)  # seconds of one unit of the time stamps
    # Frames, known by their times, at which the file can be entered; () for a file
    # that is always decoded from its beginning.
    keys: tuple[int, ...] = ()
    plain: bool = False  # of a kind that decord may read
    cut: bool = False  # its end is not there

    @property
    def seconds(self) -> tuple[float, ...]:
        """When each frame is shown, from the first one's 0.0 on.

        By the file's time stamps; where it has none, evenly by ``fps``.
        """
        if None in self.times or not self.times:
            return tuple(n / (self.fps or 1.0) for n in range(self.num_frames))
        return tuple(float((t - self.times[0]) * self.time_base) for t in self.times)

    def key_before(self, frame: int) -> int:
        """The last key frame at or before ``frame``."""
        return self.keys[max(0, bisect_right(self.keys, frame) - 1)]


def check_file(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a file that exists and is not empty, else ``VideoError``.

    Absolute, because FFmpeg takes a relative name such as "file:a.mp4" for an address.
    """
    path = Path(path).absolute()
    if not os.path.isfile(path):
        what = "is not a file" if os.path.exists(path) else "cannot be found"
        advice = "Check the path, or unpack the data set again"
        raise VideoError(f"{path}: {what}. {advice}")
    if os.path.getsize(path) == 0:
        raise damaged(path, "is empty (0 bytes)")
    return path


def open_container(path: Path) -> InputContainer:
    """PyAV's container of a file of a known format that has a moving picture.

    Raises:
        VideoError: it is none.
    """
    try:
        container = av.open(str(path), metadata_errors="ignore", options=dict(_OPTIONS))
    except (av.FFmpegError, OSError) as error:
        what = what_else(path) or (
            f"cannot be opened as a video ({error.strerror}). It is damaged or of "
            "another kind; unpack or download it again"
        )
        raise VideoError(f"{path}: {what}") from error
    if container.format.name == "webp_pipe" and (what := what_else(path)):
        container.close()
        raise VideoError(f"{path}: {what}")
    if not _moving(container):
        picture = ", only a still picture" if container.streams.video else ""
        container.close()
        raise VideoError(f"{path}: holds no video stream{picture}")
    for stream in container.streams.video:
        # Loader workers and processes do the work in parallel; a decoder with threads
        # of its own would only get in their way.
        if stream.codec_context is not None:
            stream.codec_context.thread_count = 1
    return container


def _moving(container: InputContainer) -> list[av.VideoStream]:
    """The video streams, without the picture on the cover of a record."""
    covers = Disposition.attached_pic
    return [s for s in container.streams.video if not s.disposition & covers]


def refuse_picture(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a video; a still picture says nothing about an action.

    Raises:
        VideoError: missing or empty, one still picture, or no video at all.
    """
    path = check_file(path)
    with open_container(path) as container:
        if container.format.name in _PICTURES:
            raise VideoError(f"{path}: is a picture, not a video")
    return path


def check_frames(path: str | os.PathLike[str]) -> None:
    """Decode every frame, and take whatever the decoder notices for a damage.

    VP8, VP9, Theora and lossless codecs notice little: they decode changed bytes.

    Raises:
        VideoError: as ``index_frames``; a damaged frame; an end that is not there.
    """
    index, path, count = index_frames(path), check_file(path), 0
    with open_container(path) as container:
        stream = container.streams[index.stream]
        stream.codec_context.options = dict(_STRICT)
        try:
            for count, frame in enumerate(container.decode(stream), 1):
                if frame.is_corrupt:
                    raise damaged(path, f"frame {count - 1} is damaged")
        except av.FFmpegError as error:
            what = f"is damaged after {count} of {index.num_frames} frames"
            raise damaged(path, what, error) from error
    if index.cut or count < MIN_DECODABLE * index.num_frames:
        raise damaged(path, f"is cut short after {count} frames")


class _Packet(NamedTuple):
    time: int | None
    key: bool
    size: int
    plain: bool  # one whole frame that is shown; if a key, it can be entered


def index_frames(path: str | os.PathLike[str]) -> FrameIndex:
    """Count and locate the frames of a file; remembered while the file is unchanged.

    Of several video streams the default one is read, else the first that moves, and
    a warning says so.

    Raises:
        VideoError: missing, empty, not a video, nothing decodable, or damaged: its
            stream ends in an error, or its end is not there.
    """
    path = check_file(path)
    stat = path.stat()
    return _index(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _index(path: Path, size: int, mtime_ns: int) -> FrameIndex:
    """A file of another ``mtime_ns`` is read anew."""
    with open_container(path) as container:
        every, end, cut = _packets(path, container)
        stream = _choose(path, container, every)
        number, codec = stream.index, stream.codec_context
        packets = every[number]
        # Matroska, WebM, FLV and WMV state no count, but the longest stream's duration.
        seconds = (container.duration or 0) / av.time_base
        share = end / seconds if seconds else 1.0
        if stream.frames:
            share = len(packets) / stream.frames
        cut = cut or ends_early(path, size, stream)
        if share < MIN_DECODABLE and cut:
            raise damaged(path, f"is cut short after {len(packets)} frames")
        times, keys = None, ()
        if (container.format.name, codec.name) in _COUNTED:
            reorders, avi = bool(codec.has_b_frames), container.format.name == "avi"
            times, keys = _presentation(packets, reorders, avi)
            # AVI is entered by its own index, which may be of frames that are lost.
            told = (entry.timestamp for entry in stream.index_entries if entry.size)
            if avi and times != tuple(told):
                times, keys = None, ()
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        known = dict(stream=number, time_base=stream.time_base, cut=cut)
        # Of several streams decord may choose another; more than eight bits are made
        # eight by the two versions of FFmpeg in two ways.
        pixels = codec.format.components if codec.format else ()
        proven = stream.frames in (0, len(packets))
        plain = proven and len(every) == 1 and all(part.bits == 8 for part in pixels)
    proven = proven and times is not None and _even(times)
    proven = proven and all(p.size > _EMPTY_PACKET_BYTES for p in packets)
    shape, seen = _decode(path, number, len(packets), to_the_end=not proven)
    if not proven and times != seen:
        times, keys = seen, ()
    return FrameIndex(
        len(times), fps, *shape, **known, times=times, keys=keys, plain=plain
    )


def _packets(
    path: Path, container: InputContainer
) -> tuple[dict[int, list[_Packet]], float, bool]:
    """Those of each video stream; the file's last second; whether the last is cut."""
    found = {stream.index: [] for stream in container.streams.video}
    end, cut = 0.0, False
    try:
        for packet in container.demux():
            # The last packets are PyAV's own empty ones, which flush the decoders.
            if not packet.size:
                continue
            cut = packet.is_corrupt
            if packet.pts is not None:
                last = packet.pts + (packet.duration or 0)
                end = max(end, float(last * packet.time_base))
            if packet.stream_index in found:
                shape = packet.pts, packet.is_keyframe, packet.size
                found[packet.stream_index].append(_Packet(*shape, _is_plain(packet)))
        return found, end, cut
    except (av.FFmpegError, IndexError) as error:
        # An IndexError: PyAV counts streams once; damage can make another begin.
        there = max(map(len, found.values()))
        why = error if isinstance(error, av.FFmpegError) else None
        raise damaged(path, f"breaks off after {there} frames", why) from error


def _is_plain(packet: av.Packet) -> bool:
    """Whether a packet is one frame that is shown, and a key frame can be entered.

    An edit list hides frames; some of VP9 are for reference only; a key frame of
    H.264 that is no IDR picture may be followed by frames that need what is before it.
    """
    codec, data = packet.stream.codec_context, memoryview(packet)
    if packet.is_discard or packet.is_corrupt or codec is None:
        return False
    if codec.name == "vp9":  # several frames in one packet, or a shown one
        return data[-1] >> 5 == 0b110 or bool(data[0] & 0b1010)
    if codec.name == "h264" and packet.is_keyframe:
        setup, at = codec.extradata or b"", 0
        if setup[:1] != b"\1":  # stored otherwise than in MP4
            return False
        width = (setup[4] & 3) + 1  # of the length in front of each unit
        while at + width < len(data):
            if data[at + width] & 31 == 5:  # a slice of an IDR picture
                return True
            at += width + int.from_bytes(data[at : at + width], "big")
        return False
    return True


def _choose(
    path: Path, container: InputContainer, packets: dict[int, list[_Packet]]
) -> av.VideoStream:
    """The default video stream, else the first that moves."""
    streams = _moving(container)
    moving = [s for s in streams if len(packets[s.index]) > 1] or streams
    default = [s for s in moving if s.disposition & Disposition.default]
    chosen = (default or moving)[0]
    if chosen.codec_context is None or not packets[chosen.index]:
        raise damaged(path, "no frame can be decoded")
    if len(streams) > 1:
        told = f"has {len(streams)} video streams; number {chosen.index} is read"
        warnings.warn(f"{path}: {told}", stacklevel=4)
    return chosen


def _presentation(
    packets: list[_Packet], reorders: bool, avi: bool
) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Rising times and key frames; no times where they cannot be trusted.

    An AVI file stores no presentation times: with B-frames, which are not stored in
    the order of showing, the demuxer only guesses them; and times in the order of
    storing are none of showing in any container. Nor can a file be entered where
    frames behind a key frame are shown before it.
    """
    stamps = [packet.time for packet in packets]
    order = sorted(set(stamps) - {None})
    keys = tuple(i for i, packet in enumerate(packets) if packet.key)
    if (
        len(order) < len(stamps)
        or not packets[0].key
        or not all(packet.plain for packet in packets)
        or (reorders and (avi or stamps == order))
        or any(order[i] != stamps[i] for i in keys)
    ):
        return None, ()
    return tuple(order), keys


def _even(times: tuple[int, ...]) -> bool:
    """Whether no frame is missing between these: a lost one leaves a gap behind."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return not steps or max(steps) < 1.5 * median(steps)


def _decode(
    path: Path, number: int, promised: int, to_the_end: bool
) -> tuple[tuple[int, int, int], tuple[int | None, ...]]:
    """Upright height, width and rotation; the time stamps of the frames that decode."""
    times: list[int | None] = []
    with open_container(path) as container:
        try:
            for frame in container.decode(container.streams[number]):
                if not times:
                    size, rotation = (frame.height, frame.width), frame.rotation % 360
                times.append(frame.pts)
                if not to_the_end:
                    break
        except av.FFmpegError as error:
            if len(times) < MIN_DECODABLE * promised:
                what = f"is damaged after {len(times)} of {promised} frames"
                raise damaged(path, what, error) from error
    if not times:
        raise damaged(path, "no frame can be decoded")
    return (*(size[::-1] if rotation % 180 else size), int(rotation)), tuple(times)
