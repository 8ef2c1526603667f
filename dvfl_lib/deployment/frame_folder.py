"""A folder of pictures as one video, in the natural order of their names.

Public names: ``FolderReader``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..datasets.base import first_few, list_folder
from ..datasets.leakage import alike
from ..errors import VideoError
from ..video.frame_index import FrameIndex
from ..video.reading import VideoReader

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


class FolderReader(VideoReader):
    """The pictures of a folder, read as frames; nobody knows how many for a second.

    The order is that of a reader of their names: 2.jpg comes before 10.jpg.

    Raises:
        VideoError: fewer than two pictures, two of one number, or while they are read
            one that is damaged, of another size, or has more than 8 bits.
    """

    backend = "pillow"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder).absolute()
        there = [Path(entry.path) for entry in list_folder(self.path)]
        pictures = [p for p in there if p.suffix.lower() in _SUFFIXES and p.is_file()]
        self._pictures = sorted(pictures, key=_order)
        if len(pictures) < 2:
            raise VideoError(
                f"{self.path}: is a folder with {len(pictures)} pictures; frames of a "
                "video are two or more. Name the folder that holds them, or a file"
            )
        if twice := alike([pictures], lambda p: tuple(_order(p)[1::2]) or p):
            few = first_few(path.name for path in twice[0])
            raise VideoError(
                f"{self.path}: holds several pictures of one number, such as {few}. "
                "Leave the frames of one video in it"
            )
        height, width = self._picture(0).shape[:2]
        super().__init__(self.path, FrameIndex(len(pictures), 0.0, height, width))

    def _decode(self, wanted: list[int]) -> dict[int, np.ndarray]:
        frames = {number: self._picture(number) for number in wanted}  # (H, W, 3) each
        for number, (height, width, _) in ((n, f.shape) for n, f in frames.items()):
            if (height, width) != (self.height, self.width):
                raise VideoError(
                    f"{self._pictures[number]}: has {width} x {height} pixels, and the "
                    f"first picture {self.width} x {self.height}: frames of one video "
                    "have one size"
                )
        return frames

    def _picture(self, number: int) -> np.ndarray:
        path = self._pictures[number]
        try:
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    raise ValueError("more than 8 bits for a colour")
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as why:
            raise VideoError(f"{path}: cannot be read as a picture ({why})") from why


def _order(path: Path) -> list[str | int]:
    """Numbers in a name count as numbers: text and numbers take turns."""
    parts = re.split("([0-9]+)", path.stem.lower())
    return [int(part) if n % 2 else part for n, part in enumerate(parts)]
