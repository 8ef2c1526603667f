"""A file or a camera as a source of frames.

Public names: ``FrameSource``, ``open_source``, ``camera_source``, ``is_camera``.

All give uint8 RGB arrays (H, W, 3), one at a time and none kept, so that the length
of a video does not matter. A camera is read by the FFmpeg that PyAV carries: v4l2 on
Linux, avfoundation on macOS, dshow on Windows.
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

import av
import numpy as np

from ..errors import RecipeError, VideoError
from ..video.frame_index import refuse_picture
from ..video.reading import iter_frames

_CAMERA = "camera"
# Of each system: FFmpeg's input device, the name of its camera 0, options. macOS has
# no rate of its own that every camera knows, and refuses its own default.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}", {}),
    "darwin": ("avfoundation", "{}:none", {"framerate": "30"}),
    "win32": ("dshow", "video={}", {}),
}


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
            cameras have no numbers.
        size: of its pictures, such as "640x480"; "" takes the camera's own choice.
    """
    if size and not re.fullmatch(r"\d+x\d+", size):
        raise RecipeError(f"the size of a camera's pictures is 640x480, not {size!r}")
    if sys.platform == "win32" and camera.isdecimal():
        raise VideoError(
            f"cameras have names on Windows, not numbers such as {camera}: give "
            f"'{_CAMERA}:NAME' with the name that its settings show"
        )
    kind, name, options = _DEVICES.get(sys.platform, _DEVICES["linux"])
    options = options | ({"video_size": size} if size else {})
    device = name.format(camera) if not camera.startswith("/") else camera
    try:
        container = av.open(device, format=kind, options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"camera {device}: cannot be opened ({why}). Connect one, close other "
            "programs that use it, allow its use, or name another: "
            f"'{_CAMERA}:1'. A video file needs no camera"
        ) from error
    stream = container.streams.video[0]
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    return FrameSource(f"camera {device}", _pictures(device, container, stream), fps)


def _pictures(
    device: str, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[np.ndarray]:
    """RGB (H, W, 3) until the camera ends; let go of when nobody asks any more."""
    with container:
        while True:
            try:
                for frame in container.decode(stream):
                    yield frame.to_ndarray(format="rgb24")
                return
            except av.error.BlockingIOError:  # macOS: the next is not there yet
                time.sleep(0.005)
            except av.FFmpegError as error:
                raise VideoError(f"camera {device}: {error.strerror}") from error


def is_camera(video: str | os.PathLike[str]) -> bool:
    """Whether ``open_source`` takes this for a camera: "camera" or "camera:1"."""
    return isinstance(video, str) and (video == _CAMERA or video[:7] == f"{_CAMERA}:")


def open_source(video: str | os.PathLike[str], camera_size: str = "") -> FrameSource:
    """A video file by its path, or a camera by ``"camera"`` or ``"camera:1"``.

    A file of such a name is read as ``"./camera"``. A file gives all the frames that
    ``video.open_video`` numbers, upright. ``camera_size``: see ``camera_source``.

    Raises:
        VideoError: a file that is missing, damaged, a picture or no video; no such
            camera, or none that may be used. Also while the frames are gone through.
        RecipeError: a size that is none.
    """
    if is_camera(video):
        return camera_source(str(video).partition(":")[2] or "0", camera_size)
    path = refuse_picture(video)
    frames = iter_frames(path)
    return FrameSource(str(path), frames, frames.fps, path)
