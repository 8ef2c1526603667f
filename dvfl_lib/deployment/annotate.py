"""A video with the recogniser's opinion under each of its frames.

Public names: ``write_annotated``, ``check_output``, ``annotated``.

The picture stays as it is; a panel below it says the decision, or that there is none
yet, and shows the likeliest classes as bars.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import RunDirectoryError, VideoError
from ..video.writing import FRAME_RATE, SUFFIXES, encode_clip
from .stream import Recognition

_ROW, _EDGE, _LEAST_WIDTH = 18, 6, 240  # pixels
_BACK, _TEXT, _FAINT, _BAR = "#181818", "#f0f0f0", "#969696", "#0072b2"
_FONT = ImageFont.load_default(12)
_KEY_EVERY = 12


def check_output(path: str | os.PathLike[str], video: Path | None) -> Path:
    """The absolute path of a video that may be written, else ``RunDirectoryError``.

    An older file may be replaced, but not ``video``, the file that is read.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix not in SUFFIXES:
        raise RunDirectoryError(
            f"{path}: the suffix of a video to write is one of {', '.join(SUFFIXES)}"
        )
    if video is not None and path.exists() and path.samefile(video):
        raise RunDirectoryError(
            f"{path} is the video that is read: name another file to write to"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise RunDirectoryError(f"{path} is a folder, or its folder does not exist")
    return path


def write_annotated(
    path: Path,
    seen: Iterable[tuple[np.ndarray, Recognition]],
    classes: Sequence[str],
    *,
    fps: float = 0.0,
    top: int = 3,
    note: str = "",
) -> int:
    """Write frames and what was said of them as one video; returns how many.

    The file appears whole, after the last frame, or not at all; frames are taken and
    written one at a time.

    Args:
        path: see ``check_output``.
        seen: frames, uint8 RGB (H, W, 3) of one size, and the recogniser's answers.
        classes: K names, in the order of the probabilities.
        fps: frames per second; 25 where nobody knows (0.0).
        top: number of bars; note: a last line, such as that of a stand-in.

    Raises:
        VideoError: no frame.
        DatasetError: the file cannot be written.
    """
    written = 0

    def made() -> Iterator[np.ndarray]:
        nonlocal written
        for frame, said in seen:
            yield annotated(frame, said, classes, top, note)
            written += 1

    pictures = made()
    first = next(pictures, None)
    if first is None:
        raise VideoError(f"there is no frame to write to {path}")
    # AVI wants small numbers; a hundredth of a frame per second is near enough.
    rate = Fraction(fps).limit_denominator(100) if fps > 0 else Fraction(FRAME_RATE)
    size = first.shape[1], first.shape[0]
    frames = itertools.chain([first], pictures)
    encode_clip(path, frames, size, rate, key_every=_KEY_EVERY)
    return written


def annotated(
    frame: np.ndarray, said: Recognition, classes: Sequence[str], top: int, note: str
) -> np.ndarray:
    """A frame (H, W, 3) with its panel: uint8 (H', W', 3), both sides even."""
    rows = 1 + min(top, len(classes)) + bool(note)
    height = frame.shape[0] + rows * _ROW + 2 * _EDGE
    width = max(frame.shape[1], _LEAST_WIDTH)
    # Video encoders want even sides.
    sheet = Image.new("RGB", (width + width % 2, height + height % 2), _BACK)
    sheet.paste(Image.fromarray(frame), ((sheet.width - frame.shape[1]) // 2, 0))
    pen = ImageDraw.Draw(sheet)
    y = frame.shape[0] + _EDGE
    pen.text((_EDGE, y), _status(said), _TEXT if said.decided else _FAINT, _FONT)
    order = [None] * min(top, len(classes))  # an empty row for each, until known
    if said.smoothed is not None:
        order = said.smoothed.argsort(descending=True, stable=True)[:top].tolist()
    for best in order:
        y += _ROW
        if best is not None:
            share = float(said.smoothed[best])
            right = _EDGE + round((sheet.width - 2 * _EDGE) * share)
            pen.rectangle((_EDGE, y, right, y + _ROW - 4), fill=_BAR)
            text = f"{share:.2f}  {classes[best]}"
            pen.text((_EDGE + 3, y), text, _TEXT, _FONT)
    if note:
        pen.text((_EDGE, y + _ROW), note, _FAINT, _FONT)
    return np.asarray(sheet)


def _status(said: Recognition) -> str:
    if said.decided:
        return said.name
    if said.waiting:
        return f"no decision yet: {said.waiting} more frames needed"
    if said.smoothed is None:
        return "no decision yet"
    return "no decision: below the threshold"
