"""Video files for stand-ins, each frame coded by itself.

Public names: ``encode_clip``, ``FRAME_SIZE``, ``FRAME_RATE``, ``SUFFIXES``.

Every frame is a key frame, at a fixed quality: prediction or a rate control would leave
marks that tell forwards from backwards, and the actions of a pair would no longer
differ in their order alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..errors import DatasetError

FRAME_SIZE = (320, 240)  # width, height
FRAME_RATE = 25

# Suffix -> (encoder, its options). The kinds of files that the benchmarks have.
_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    ".avi": ("mpeg4", {"flags": "+bitexact+qscale", "global_quality": str(3 * 118)}),
    ".webm": (
        "libvpx-vp9",
        # One quantiser for all frames, and none looked at in advance. The deadlines
        # "good" and "best" take short cuts that depend on the frame before.
        {
            **{"flags": "+bitexact", "deadline": "realtime", "cpu-used": "5"},
            **{"crf": "30", "qmin": "30", "qmax": "30", "b": "0"},
            **{"lag-in-frames": "0", "auto-alt-ref": "0"},
        },
    ),
    ".mp4": ("libx264", {"flags": "+bitexact", "qp": "23", "preset": "veryfast"}),
}
SUFFIXES = tuple(_ENCODERS)


def encode_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    size: tuple[int, int] = FRAME_SIZE,
    rate: int | Fraction = FRAME_RATE,
    key_every: int = 1,
) -> None:
    """Write uint8 frames (H, W, 3) as a video file; the suffix says of which kind.

    ``.avi`` is MPEG-4, ``.webm`` VP9, ``.mp4`` H.264. The file appears whole or not
    at all.

    Args:
        frames: taken one at a time and scaled to ``size``.
        size: even width and height of the file's frames.
        rate: frames a second.
        key_every: frames from one key frame to the next; stand-ins keep to 1.

    Raises:
        DatasetError: unknown suffix; the folder cannot be written or the disk is full.
    """
    if path.suffix not in _ENCODERS:
        raise DatasetError(f"{path}: the suffix must be one of {', '.join(SUFFIXES)}")
    codec, options = _ENCODERS[path.suffix]
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    width, height = size
    try:
        with av.open(str(unfinished), "w", options={"fflags": "+bitexact"}) as out:
            stream = out.add_stream(codec, rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.gop_size = key_every
            stream.codec_context.thread_count = 1
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture = picture.reformat(width, height, "yuv420p", threads=1)
                out.mux(stream.encode(picture))
            out.mux(stream.encode())
        os.replace(unfinished, path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
