"""A file, a folder of pictures or a camera as a source of frames.

Public names: ``FrameSource``, ``open_source``, ``camera_source``, ``is_camera``.

All give uint8 RGB arrays (H, W, 3), one at a time and none kept, so that the length
of a video does not matter. A camera is read by the FFmpeg that PyAV carries: v4l2 on
Linux, avfoundation on macOS, dshow on Windows; one in the network by its address.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from ..errors import RecipeError, VideoError
from ..video.frame_index import refuse_picture
from ..video.reading import VideoReader, iter_frames
from .frame_folder import FolderReader

_CAMERA = "camera"
# Of each system: FFmpeg's input device, the name of its camera 0, options. macOS has
# no rate of its own that every camera knows, and refuses its own default.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}", {}),
    "darwin": ("avfoundation", "{}:none", {"framerate": "30"}),
    "win32": ("dshow", "video={}", {}),
}


_ADDRESS = re.compile("(rtsps?|https?)://", re.IGNORECASE)
# What an address may lead to: streams and single files, and no list of other addresses.
_NETWORK = {
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,http,https,httpproxy,tcp,udp,tls",
    "format_whitelist": "rtsp,mpjpeg,mjpeg,mpegts,flv,mov,matroska,avi",
    "rtsp_transport": "tcp",  # as UDP loses packets, and pictures with them
}
_PATIENCE = 10.0  # seconds to wait for the network
_DAMAGED = 100


@dataclass(frozen=True)
class FrameSource:
    """Frames, to be gone through once, and what is known of them."""

    name: str  # for messages
    frames: Iterable[np.ndarray]  # uint8 RGB (H, W, 3), all of one size
    fps: float = 0.0  # frames per second; 0.0 where nobody knows
    path: Path | None = None  # of the file; None for what is none

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.frames)

    def first(self, most: int) -> FrameSource:
        """The same, ending after ``most`` frames."""
        return replace(self, frames=itertools.islice(self.frames, most))


def camera_source(camera: str = "0", size: str = "") -> FrameSource:
    """The pictures of a camera, for as long as it gives any.

    Args:
        camera: its number; the path of a device on Linux; a name on Windows, where
            cameras have no numbers; an address that begins with rtsp, http or https.
        size: of its pictures, such as "640x480"; "" takes the camera's own choice.
    """
    if size and not re.fullmatch(r"\d+x\d+", size):
        raise RecipeError(f"the size of a camera's pictures is 640x480, not {size!r}")
    if _ADDRESS.match(camera):
        return _opened(camera, options=_NETWORK, timeout=_PATIENCE)
    if sys.platform == "win32" and camera.isdecimal():
        raise VideoError(
            f"cameras have names on Windows, not numbers such as {camera}: give "
            f"'{_CAMERA}:NAME' with the name that its settings show"
        )
    kind, name, options = _DEVICES.get(sys.platform, _DEVICES["linux"])
    options = options | ({"video_size": size} if size else {})
    device = name.format(camera) if not camera.startswith("/") else camera
    return _opened(device, format=kind, options=options)


def _opened(device: str, **how: Any) -> FrameSource:
    shown = re.sub(r"//[^/]*@", "//", device)  # without a password
    try:
        container = av.open(device, **how)
        stream = container.streams.video[0]
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"camera {shown}: cannot be opened ({why}). Connect one, close other "
            "programs that use it, allow its use, or name another: "
            f"'{_CAMERA}:1'. A video file needs no camera"
        ) from error
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    return FrameSource(f"camera {shown}", _pictures(shown, container, stream), fps)


def _pictures(
    device: str, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[np.ndarray]:
    """RGB (H, W, 3) until the camera ends; let go of when nobody asks any more."""
    with container:
        damaged = 0  # pictures in a row, as cameras send them now and then
        while True:
            try:
                for frame in container.decode(stream):
                    damaged = 0
                    yield frame.to_ndarray(format="rgb24", threads=1)
                return
            except av.error.BlockingIOError:  # macOS: the next is not there yet
                time.sleep(0.005)
            except av.FFmpegError as error:
                damaged += 1
                if damaged > _DAMAGED or not isinstance(error, av.InvalidDataError):
                    told = f"camera {device}: {error.strerror}"
                    raise VideoError(told) from error


def is_camera(video: str | os.PathLike[str]) -> bool:
    """Whether ``open_source`` takes this for a camera: "camera", "camera:1", "1" or
    an address such as "rtsp://192.168.0.7/live"."""
    if not isinstance(video, str):
        return False
    named = video == _CAMERA or video.startswith(f"{_CAMERA}:")
    return named or video.isdecimal() or bool(_ADDRESS.match(video))


def open_source(video: str | os.PathLike[str], camera_size: str = "") -> FrameSource:
    """A video file or a folder of pictures by its path, or a camera, see ``is_camera``.

    A file of such a name is read as ``"./camera"``. A file gives all the frames that
    ``video.open_video`` numbers, upright. ``camera_size``: see ``camera_source``.

    Raises:
        VideoError: a file that is missing, damaged, a picture or no video; no such
            camera, or none that may be used. Also while the frames are gone through.
        RecipeError: a size that is none.
    """
    if is_camera(video):
        name = str(video).removeprefix(_CAMERA).removeprefix(":")
        return camera_source(name or "0", camera_size)
    if os.path.isdir(video):
        frames: VideoReader = FolderReader(video)
    else:
        frames = iter_frames(refuse_picture(video))
    return FrameSource(str(frames.path), frames, frames.fps, frames.path)
