"""Maps side by side as one PNG, made without matplotlib: a few milliseconds.

Public names: ``Picture``, ``Cell``, ``Marked``, ``compose``, ``painted``,
``token_at``, ``COLOURS``, ``SIDE``.

Amounts are in cividis from zero up, signed values in purple and orange with white at
zero; both keep their order for colour-blind eyes and in grey print.
"""

from __future__ import annotations

import base64
import functools
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..figures.maps import AMOUNT, SIGNED
from ..figures.style import GREY, PALETTE

Array = np.ndarray
Box = tuple[float, float, float, float]  # left, top, width, height in pixels
Share = tuple[float, float]  # of a height and a width
SIDE = 128  # pixels of a map
GAP, TOP, BAR = 10, 22, 84
# Loading a font takes longer than drawing a row with it.
_FONT = ImageFont.load_default(12)
# 256 colours each, uint8 (256, 3).
COLOURS: dict[str, Array] = {
    name: matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    for name in (AMOUNT, SIGNED)
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A row or several rows of maps.

    Attributes:
        png: the encoded picture.
        words: what it shows, for who cannot see it.
        array: uint8 (height, width, 3).
        boxes: where a click picks a token, one box for each cell; empty if no token
            is marked.
    """

    png: bytes
    words: str
    array: Array
    boxes: tuple[Box, ...] = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict:
        """As the result of a cell: the picture, and its words beside it."""
        png = base64.b64encode(self.png).decode()
        return {"image/png": png, "text/plain": self.words}


@dataclass(frozen=True, eq=False)
class Cell:
    """One map: a name, values (H, W) or a picture (H, W, 3), and its scale.

    Attributes:
        name: written above it.
        values: of the map.
        top: the end of the scale; without a meaning for a picture.
        signed: the scale goes from -top to top, else from 0.
        share: of the cell's height and width, from its upper left corner, that the
            map covers; the rest stays blank.
    """

    name: str
    values: Array
    top: float = 0.0
    signed: bool = False
    share: Share = (1.0, 1.0)

    @property
    def is_map(self) -> bool:
        """Whether it has a scale: pictures have none."""
        return self.values.ndim == 2


@dataclass(frozen=True, eq=False)
class Marked:
    """What is drawn over every map.

    Attributes:
        token: (row, column), framed.
        size: (rows, columns) of the map that the token is counted in.
        share: of a cell's height and width that this map covers.
        under: uint8 (H, W, 3), shows through the maps.
        overlay: how strongly, 0 to 1.
    """

    token: tuple[int, int]
    size: tuple[int, int]
    share: Share
    under: Array
    overlay: float = 0.0


def token_at(
    picture: Picture, x: float, y: float, size: tuple[int, int]
) -> tuple[int, int] | None:
    """(row, column) of the token at a pixel of a picture; None beside the maps.

    Args:
        picture: with boxes.
        x, y: pixels from its left and upper edge.
        size: (rows, columns) of the map.
    """
    for left, top, wide, high in picture.boxes:
        across, down = (x - left) / wide, (y - top) / high
        if 0 <= across < 1 and 0 <= down < 1:
            return int(down * size[0]), int(across * size[1])
    return None


def painted(values: Array, top: float, signed: bool) -> Array:
    """Colours (H, W, 3) of a map on a scale from 0, or from -top, to top."""
    share = (values / top + 1) / 2 if signed else values / top
    steps = (share * 255).round().clip(0, 255).astype(np.uint8)
    return COLOURS[SIGNED if signed else AMOUNT][steps]


def _scaled(picture: Array, high: float, wide: float) -> Array:
    """Nearest neighbour to a height and a width in pixels."""
    size = (max(1, round(wide)), max(1, round(high)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def compose(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    words: str,
    ratio: float,
    *,
    note: str = "",
    marked: Marked | None = None,
    side: int = SIDE,
) -> Picture:
    """Rows of cells under their labels, each row with its scale.

    Args:
        rows: (label, cells) each; without rows the words themselves are shown.
        words: what it shows.
        ratio: width over height of every cell.
        note: added to every label, such as "(stand-in data)".
        marked: the token, and the frame below the maps.
        side: height of a cell in pixels.
    """
    names = [_names(cells) for _, cells in rows]
    texts = (_mask(name).width for row in names for name in row)
    pitch = max([round(side * ratio), *texts]) + GAP  # no name runs into the next
    width = max([len(c) for _, c in rows] or [1]) * pitch
    height = max(1, len(rows)) * (side + 2 * TOP)
    sheet = Image.new("RGB", (max(width, 520) + BAR, height), "white")
    draw, boxes = ImageDraw.Draw(sheet), []
    if not rows:
        _write(sheet, (0, 2), words)
    for number, (label, cells) in enumerate(rows):
        y = number * (side + 2 * TOP)
        _write(sheet, (0, y + 2), label + note, "black")
        for place, cell in enumerate(cells):
            x = place * pitch
            _write(sheet, (x, y + TOP), names[number][place])
            box = (x, y + 2 * TOP - 4, round((side - 4) * ratio), side - 4)
            _paste(sheet, cell, box, marked)
            if marked is not None:
                boxes.append(_part(box, marked.share))
                _frame(draw, boxes[-1], marked)
        _bar(sheet, cells, (width, y + 2 * TOP - 4), side)
    file = io.BytesIO()
    sheet.save(file, "png", compress_level=3, compress_type=zlib.Z_FILTERED)
    return Picture(file.getvalue(), words + note, np.asarray(sheet), tuple(boxes))


def _names(cells: Sequence[Cell]) -> list[str]:
    """The cells' names; with the end of its scale where a row's scales differ."""
    alike = len({cell.top for cell in cells if cell.is_map}) <= 1
    return [
        cell.name if alike or not cell.is_map else f"{cell.name}, to {cell.top:.2g}"
        for cell in cells
    ]


@functools.lru_cache(maxsize=1024)
def _mask(text: str) -> Image.Image:
    """Written text as a mask; the same names come back with every move."""
    _, _, right, bottom = _FONT.getbbox(text)
    mask = Image.new("L", (max(1, math.ceil(right)), max(1, math.ceil(bottom))))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=_FONT)
    return mask


def _write(
    sheet: Image.Image, corner: tuple[int, int], text: str, colour: str = GREY
) -> None:
    mask = _mask(text)
    sheet.paste(
        colour, (*corner, corner[0] + mask.width, corner[1] + mask.height), mask
    )


def _part(box: Box, share: Share) -> Box:
    """The upper left part of a box."""
    left, top, wide, high = box
    return left, top, wide * share[1], high * share[0]


def _paste(sheet: Image.Image, cell: Cell, box: Box, marked: Marked | None) -> None:
    left, top, wide, high = _part(box, cell.share)
    colours = cell.values
    if cell.is_map:
        colours = painted(cell.values, cell.top, cell.signed)
    big = _scaled(colours, high, wide)
    if cell.is_map and marked is not None and marked.overlay > 0:
        under = _scaled_frame(marked.under, cell.share, big.shape[:2])
        share = marked.overlay
        big = (big * (1 - share) + under * share).astype(np.uint8)
    sheet.paste(Image.fromarray(big), (round(left), round(top)))


def _scaled_frame(frame: Array, share: Share, size: tuple[int, int]) -> Array:
    """The part of a frame that a map covers, smoothly scaled to (height, width)."""
    height, width = (round(s * n) for s, n in zip(share, frame.shape, strict=False))
    part = Image.fromarray(frame[:height, :width])
    return np.asarray(part.resize((size[1], size[0])))


def _frame(draw: ImageDraw.ImageDraw, box: Box, marked: Marked) -> None:
    """Light around dark, so that it is seen on every colour."""
    left, top, wide, high = box
    high, wide = high / marked.size[0], wide / marked.size[1]
    x, y = left + marked.token[1] * wide, top + marked.token[0] * high
    for gap, colour in ((2, "white"), (1, PALETTE["q"])):
        ends = [x - gap, y - gap, x + wide - 1 + gap, y + high - 1 + gap]
        draw.rectangle(ends, outline=colour)


def _bar(
    sheet: Image.Image,
    cells: Sequence[Cell],
    corner: tuple[int, int],
    side: int,
) -> None:
    """The scale of a row's maps, with the numbers of its ends where all share them."""
    maps = [cell for cell in cells if cell.is_map]
    if not maps:
        return
    signed = maps[0].signed
    ends = np.linspace(1, -1 if signed else 0, side - 4)[:, None].repeat(12, axis=1)
    sheet.paste(Image.fromarray(painted(ends, 1.0, signed)), corner)
    if len({cell.top for cell in maps}) == 1:
        top = f"{maps[0].top:.3g}"
        low = f"-{top}" if signed else "0"
    else:  # the maps' names say how far each goes
        top, low = "own", "" if signed else "0"
    x, y = corner[0] + 16, corner[1]
    for text, at in ((top, y - 2), (low, y + side - 16)):
        _write(sheet, (x, at), text)
    if signed:
        _write(sheet, (x, y + side // 2 - 9), "0")
