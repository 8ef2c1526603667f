"""Opening a video file: what is let in, and which of its streams is the video.

Public names: ``check_file``, ``open_stream``, ``refuse_picture``.

A file may hold several video streams: that of a second lens, or the picture on the
cover of a record. The first that is no such picture is the video.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.stream import Disposition

from ..errors import VideoError

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

av.logging.set_level(None)  # FFmpeg writes to stderr; errors arrive as exceptions


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


@contextmanager
def open_stream(
    path: Path,
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """PyAV's container of a video file and its video, set to one decoding thread.

    Raises:
        VideoError: not a video of a known format, or without a video stream; also for
            what FFmpeg cannot do within the block.
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
    with container:
        every = container.streams.video
        moving = [s for s in every if not s.disposition & Disposition.attached_pic]
        if not moving:
            picture = ", only a still picture" if every else ""
            raise VideoError(f"{path}: holds no video stream{picture}")
        decoder = moving[0].codec_context
        if decoder is None:  # the stream says too little about itself, or nonsense
            raise VideoError(
                f"{path}: its video stream cannot be decoded. It is damaged or of an "
                "unknown codec; unpack or download it again"
            )
        # Loader workers and processes do the work in parallel; a decoder with threads
        # of its own would only get in their way.
        decoder.thread_count = 1
        try:
            yield container, moving[0]
        except av.FFmpegError as error:  # what the caller has no better words for
            raise VideoError(
                f"{path}: is damaged ({error.strerror}). Unpack or download it again"
            ) from error


def refuse_picture(path: Path) -> None:
    """Refuse a file that is one still picture, which says nothing about an action.

    Raises:
        VideoError: it is one, or no video at all.
    """
    with open_stream(path) as (container, _):
        if container.format.name in _PICTURES:
            raise VideoError(f"{path}: is a picture, not a video")
