"""Every frame of a video file, once and one at a time, however long it is.

Public names: ``PassingReader``, ``open_for_passing``.

``reading`` gets chosen frames and keeps them together; here nothing is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .frame_index import SOUND_SHARE, index_frames
from .opening import open_stream
from .reading import PyAVReader


class PassingReader(PyAVReader):
    """A PyAV reader that can also be gone through from the first frame on."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """Upright RGB (H, W, 3), numbered as ``read`` numbers them.

        The last one or two of a sound file may not decode, and are then left out.

        Raises:
            VideoError: a damaged file, at the frame where it shows.
        """
        self._position = -1
        with open_stream(self.path) as (container, stream):
            for frame in self._guard(container.decode(stream)):
                self._position += 1
                yield self._to_array(frame)
        found = self._position + 1
        if found < SOUND_SHARE * self.num_frames:
            raise VideoError(
                f"{self.path}: is damaged: only {found} of {self.num_frames} frames "
                "can be decoded. Unpack or download it again"
            )


def open_for_passing(path: str | os.PathLike[str]) -> PassingReader:
    """Open a video file for going through all of it.

    Raises:
        VideoError: missing, empty, damaged or not a video.
    """
    index = index_frames(path)
    return PassingReader(Path(path).absolute(), index)
