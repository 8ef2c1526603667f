"""Rows of maps as PNG, made from a record without matplotlib: a few milliseconds.

Public names: ``Picture``, ``row_a``, ``row_b``, ``reach_rows``, ``compare_row``,
``strip``, ``COLOURS``.

Amounts are in cividis from zero up, signed values in purple and orange with white at
zero; both keep their order for colour-blind eyes and in grey print.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..figures.maps import AMOUNT, SIGNED
from ..figures.style import GREY, PALETTE
from .record import Record, rank_correlation
from .view import View

Array = np.ndarray
SIDE = 128  # pixels of a map
GAP, TOP, BAR = 10, 22, 84
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
    """

    png: bytes
    words: str
    array: Array


@dataclass(frozen=True, eq=False)
class _Cell:
    """One map: a name, values (H, W) or a picture (H, W, 3), and its scale."""

    name: str
    values: Array
    top: float = 0.0  # the end of the scale; 0 for a picture
    signed: bool = False


def row_a(record: Record, view: View) -> Picture:
    """Input, both modulators, their product, and Grad-CAM for comparison."""
    maps, entry = view.maps(record), view.entry(record)
    parts = {
        "spatial": maps.m_space,
        "temporal": maps.m_time,
        "product": maps.product,
        "Grad-CAM": entry.cams[entry.number_of(view.place)],
    }
    cells = [_Cell(f"input, frame {view.frame + 1}", record.frames[view.frame])]
    cells += [_cell(name, part, view) for name, part in parts.items()]
    label = f"{_where(view)}: lengths of modulators, and Grad-CAM"
    return _compose(record, [(label, cells)], view, _said(cells, label))


def row_b(record: Record, view: View) -> Picture:
    """Spatial gates, then gate * length of the context, of each level."""
    maps = view.maps(record)
    rows = []
    for name, part in (
        ("gate", maps.gates["space"]),
        ("contribution", maps.contributions("space")),
    ):
        part = part if view.signed else np.abs(part)
        cells = [
            _cell(f"{name}, {level}", part[n], view, view.signed, part)
            for n, level in enumerate(level_names(maps.levels))
        ]
        rows.append((f"spatial {name}s", cells))
    words = " ".join(_said(cells, label) for label, cells in rows)
    return _compose(record, rows, view, words)


def reach_rows(record: Record, view: View) -> Picture:
    """What the kept token nearest to the chosen one depends on, block by block."""
    entry = view.entry(record)
    if not entry.reach:
        return _compose(record, [], view, "The record keeps no dependencies.")
    reach = entry.reach[entry.number_of(view.place)]
    kept = reach.nearest((view.frame, view.row, view.column))
    t, y, x = (int(n) for n in reach.tokens[kept])
    rows, told = [], []
    counts = reach.reached(kept)
    for source, maps, count in zip(reach.sources, reach.maps, counts, strict=True):
        said = f"input of stage {source[0]}, block {source[1]}"
        said += f": {count} of {maps[kept].size} tokens (square-root scale)"
        told.append(said)
        cells = [
            _Cell(f"frame {n + 1}", frame / 255, 1.0)
            for n, frame in enumerate(maps[kept])
        ]
        rows.append((said, cells))
    words = f"Kept token row {y + 1}, column {x + 1} of frame {t + 1} depends on "
    return _compose(record, rows, None, words + "; ".join(told) + ".", side=64)


def compare_row(record: Record, view: View) -> Picture:
    """The products of two networks, matched by stage, and how alike they are."""
    other = record.network(view.compare)
    place = other.last_place_of(view.place[0])
    own, beside = view.maps(record).product, other.maps.at(*place).product
    alike = rank_correlation(own, beside)
    cells = [
        _cell(view.network, own, view),
        _cell(view.compare, beside, view),
    ]
    words = (
        f"Product at stage {view.place[0]}: {view.network}, block {view.place[1]}, and "
        f"{view.compare}, block {place[1]}. Rank correlation over all frames "
        f"{alike:+.2f}."
    )
    label = f"product, rank correlation over all frames {alike:+.2f}"
    return _compose(record, [(label, cells)], view, words)


def strip(record: Record, view: View) -> Picture:
    """Input, modulators and product over all frames, as one picture to keep."""
    maps = view.maps(record)
    frames = [_Cell(f"frame {n + 1}", f) for n, f in enumerate(record.frames)]
    rows = [(f"{record.title}: input", frames)]
    for name, part in (
        ("spatial modulator", maps.m_space),
        ("temporal modulator", maps.m_time),
        ("product", maps.product),
    ):
        tops = [part.max() if view.shared else frame.max() for frame in part]
        pairs = zip(part, tops, strict=True)
        cells = [_Cell(f"frame {n + 1}", m, float(t)) for n, (m, t) in enumerate(pairs)]
        rows.append((f"{_where(view)}: {name}", cells))
    words = f"{record.title}. {_where(view)}: input, modulators, product in each frame."
    return _compose(record, rows, None, words, side=88)


def level_names(levels: int) -> list[str]:
    """Level 1, level 2, ..., global."""
    return [f"level {n + 1}" for n in range(levels - 1)] + ["global"]


def _where(view: View) -> str:
    return f"{view.network}, stage {view.place[0]}, block {view.place[1]}"


def _cell(
    name: str, part: Array, view: View, signed: bool = False, scale: Array | None = None
) -> _Cell:
    """One frame of ``part`` (T, H, W), on the scale of all frames or its own."""
    values = part[view.frame]
    if scale is None:
        scale = part
    seen = scale if view.shared else scale[..., view.frame, :, :]
    return _Cell(name, values, float(np.abs(seen).max()) or 1.0, signed)


def _said(cells: Sequence[_Cell], label: str) -> str:
    parts = [
        f"{c.name} {c.values.min():.2g} to {c.values.max():.2g}" for c in cells if c.top
    ]
    return f"{label}. {'; '.join(parts)}."


def painted(values: Array, top: float, signed: bool) -> Array:
    """Colours (H, W, 3) of a map on a scale from 0, or from -top, to top."""
    share = (values / top + 1) / 2 if signed else values / top
    steps = (share * 255).round().clip(0, 255).astype(np.uint8)
    return COLOURS[SIGNED if signed else AMOUNT][steps]


def _scaled(picture: Array, side: int) -> Array:
    """Nearest neighbour to a height of ``side`` pixels, the ratio of sides kept."""
    height, width = picture.shape[:2]
    size = (max(1, round(side * width / height)), side)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def _compose(
    record: Record,
    rows: Sequence[tuple[str, Sequence[_Cell]]],
    view: View | None,
    words: str,
    side: int = SIDE,
) -> Picture:
    """Rows of cells under their labels; a token is framed where a view is given."""
    ratio = record.frames.shape[2] / record.frames.shape[1]
    width = max([len(c) for _, c in rows] or [1]) * (round(side * ratio) + GAP)
    height = max(1, len(rows)) * (side + 2 * TOP)
    sheet = Image.new("RGB", (max(width, 520) + BAR, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    mark = " (stand-in data)" if record.standin else ""
    if not rows:
        draw.text((0, 2), words, fill=GREY, font=font)
    for number, (label, cells) in enumerate(rows):
        y = number * (side + 2 * TOP)
        draw.text((0, y + 2), label + mark, fill="black", font=font)
        alike = len({cell.top for cell in cells if cell.top}) <= 1
        for place, cell in enumerate(cells):
            x = place * (round(side * ratio) + GAP)
            name = (
                cell.name
                if alike or not cell.top
                else f"{cell.name}, to {cell.top:.2g}"
            )
            draw.text((x, y + TOP), name, fill=GREY, font=font)
            _paste(sheet, draw, cell, (x, y + 2 * TOP - 4), view, record, side)
        _bar(sheet, draw, cells, (width, y + 2 * TOP - 4), side)
    file = io.BytesIO()
    sheet.save(file, "png", compress_level=1)
    return Picture(file.getvalue(), words + mark, np.asarray(sheet))


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cell: _Cell,
    corner: tuple[int, int],
    view: View | None,
    record: Record,
    side: int,
) -> None:
    side -= 4
    colours = painted(cell.values, cell.top, cell.signed) if cell.top else cell.values
    big = _scaled(colours, side)
    if cell.top and view is not None and view.overlay > 0:
        under = np.asarray(
            Image.fromarray(record.frames[view.frame]).resize(big.T.shape[1:])
        )
        big = (big * (1 - view.overlay) + under * view.overlay).astype(np.uint8)
    sheet.paste(Image.fromarray(big), corner)
    if view is not None:
        rows, columns = view.maps(record).size[1:]
        high, wide = big.shape[0] / rows, big.shape[1] / columns
        x, y = corner[0] + view.column * wide, corner[1] + view.row * high
        box = [x, y, x + wide - 1, y + high - 1]
        draw.rectangle(
            [box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2], outline="white"
        )
        draw.rectangle(
            [box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], outline=PALETTE["q"]
        )


def _bar(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cells: Sequence[_Cell],
    corner: tuple[int, int],
    side: int,
) -> None:
    """The scale of a row's maps, with the numbers of its ends where all share them."""
    maps = [cell for cell in cells if cell.top]
    if not maps:
        return
    font, signed = ImageFont.load_default(11), maps[0].signed
    ends = np.linspace(1, -1 if signed else 0, side - 4)[:, None].repeat(12, axis=1)
    sheet.paste(Image.fromarray(painted(ends, 1.0, signed)), corner)
    tops = {cell.top for cell in maps}
    top = f"{maps[0].top:.3g}" if len(tops) == 1 else "own"
    low = "0" if not signed else f"-{top}"
    x, y = corner[0] + 16, corner[1]
    for text, at in ((top, y - 2), (low, y + side - 16)):
        draw.text((x, at), text, fill=GREY, font=font)
    if signed:
        draw.text((x, y + side // 2 - 9), "0", fill=GREY, font=font)
